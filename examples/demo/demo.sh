#!/bin/sh
#
# The main job, to watch.  "./dev demo" prepares a server and a sandbox, and
# runs this with IGNISIGN_SCRATCH and IGNISIGN_URL set, and with the server's
# programs and address in the environment.

set -eu

cd "$(dirname "$0")"
tmp=$IGNISIGN_SCRATCH/tmp
proof=$IGNISIGN_SCRATCH/lease-42-signed.pdf
patience=60

say()
{
	printf '%s\n' "$*"
}

# Print a numbered heading and what there is to say about the step.
number=0
heading()
{
	number=$((number + 1))
	say
	say "$number. $1"
	shift
	for line in "$@"; do
		say "   $line"
	done
	say
}

psql()
{
	command psql -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off \
		-v pdf="$(base64 -w 0 contract.pdf)" "$@"
}

# Show the SQL on stdin, run it as role $1 in database $2, show its result.
sql()
{
	role=$1
	database=$2
	shift 2
	cat >"$tmp/statement"
	sed 's/^\(.\)/     \1/' "$tmp/statement"
	if ! psql -U "$role" -d "$database" "$@" -f "$tmp/statement" \
		>"$tmp/result" 2>&1; then
		say
		sed 's/^/   /' "$tmp/result"
		exit 1
	fi
	if [ -s "$tmp/result" ]; then
		say
		sed -e '/^$/d' -e 's/^/   | /' "$tmp/result"
	fi
}

# Get one value, as the application.
value()
{
	psql -U app -d demo -A -t -c "$1"
}

# Print the seconds since $1.
since()
{
	echo "$1 $(date +%s.%N)" | awk '{ printf "%.1f", $2 - $1 }'
}

psql -U postgres -d postgres -c 'CREATE DATABASE demo' -c 'CREATE ROLE app LOGIN'
psql -U postgres -d demo -c 'GRANT CREATE ON SCHEMA public TO app'

heading "An administrator installs the extension and gives it an API key" \
	"The key belongs to the sandbox. With a real one, leave out base_url."
sql postgres demo <<EOF
CREATE EXTENSION ignisign;

SELECT ignisign_connect(
  'skv2_development_5a4db0c5-0000-4000-8000-000000000001_sandboxsecret',
  base_url => '$IGNISIGN_URL',
  for_role => 'app') AS connected;
EOF
say
sql postgres demo -o /dev/null <<'EOF'
SELECT ignisign_grant('app');
EOF

heading "The database listens, so that the API can tell it what happens" \
	"Nothing is polled in this demo: all that follows is brought by webhooks."
port=8443
while :; do
	psql -U postgres -d demo \
		-c "ALTER DATABASE demo SET ignisign.webhook_listen = '127.0.0.1:$port'"
	listener=
	until [ -n "$listener" ]; do
		sleep 0.1
		listener=$(psql -U postgres -d demo -A -t -c "SELECT listener FROM ignisign_stats()
			WHERE listener LIKE '%listen% on 127.0.0.1:$port%'")
	done
	case $listener in
	*'in use'*) port=$((port + 1)) ;;
	*) break ;;
	esac
done
sql postgres demo <<EOF
ALTER DATABASE demo
  SET ignisign.webhook_listen = '127.0.0.1:$port';
EOF
say
sql app demo <<EOF
SELECT ignisign_create_webhook(
  'http://127.0.0.1:$port' || ignisign_listen()) AS call;

SELECT ignisign_result(1, '30 s') -> -1 ->> 'url' AS registered;
EOF

heading "The application, an ordinary role, makes a table of contracts" \
	"From here on a row is all that it takes to have a contract signed."
sql app demo <<'EOF'
CREATE TABLE contract (
  id            serial PRIMARY KEY,
  title         text NOT NULL,
  pdf           bytea NOT NULL,
  signers       jsonb NOT NULL,
  signature_id  uuid DEFAULT ignisign_id()
);

CREATE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
  EXECUTE FUNCTION
    ignisign_sign_trigger('title', 'pdf', 'signers', 'signature_id');
EOF

heading "It inserts a contract with two signers" \
	"The id of the request is in the row at once; nothing was waited for."
# From the moment of COMMIT, which is a little before psql is done.
sql app demo -c '\timing on' <<'EOF'
INSERT INTO contract (title, pdf, signers) VALUES (
  'Lease 42',
  decode(:'pdf', 'base64'),
  '[{"email": "ann@example.com", "firstName": "Ann", "lastName": "Lee"},
    {"email": "bob@example.com", "firstName": "Bob", "lastName": "Stone"}]'
) RETURNING id, title, length(pdf) AS bytes, signature_id;
EOF
began=$(date +%s.%N)
request=$(value 'SELECT signature_id FROM contract')

# Keep the server down until the second signature could not be delivered.
interrupt()
{
	printf '   | %7s  %s\n' "$(since "$began")" "(the server is stopped)"
	pg_ctl -D "$IGNISIGN_SCRATCH/data" -m fast -w stop >/dev/null
	until grep -q 'webhook SIGNATURE FINALIZED: no answer' "$IGNISIGN_SCRATCH/log/sandbox.out"; do
		sleep 0.1
	done
	pg_ctl -D "$IGNISIGN_SCRATCH/data" -l "$IGNISIGN_SCRATCH/log/server.log" -w start >/dev/null
	printf '   | %7s  %s\n' "$(since "$began")" "(Bob has signed; the server is started)"
}

heading "The worker sends it, the signers sign, the proof arrives" \
	"The sandbox signs for them, a second and a half apart. While Bob does, the" \
	"server is down: what could not be delivered is delivered again."
say "     SELECT status, signed, signers, proof_status, proofs"
say "       FROM ignisign_status('$request');"
say
printf '   | %7s  %-12s  %-6s  %-15s  %s\n' seconds status signed proof_status proofs
last=
while :; do
	now=$(value "SELECT coalesce(status, '(' || state || ')') || ' ' ||
		signed || '/' || signers || ' ' || coalesce(proof_status, '-') || ' ' || proofs
		FROM ignisign_status('$request')")
	if [ "$now" != "$last" ]; then
		# shellcheck disable=SC2086 # its four words
		printf '   | %7s  %-12s  %-6s  %-15s  %s\n' "$(since "$began")" $now
		last=$now
	fi
	case $now in
	*' 1/2 '*)
		[ -n "${interrupted:-}" ] || interrupt
		interrupted=yes
		;;
	*' 0') ;;
	*) break ;;
	esac
	if [ "$(since "$began" | cut -d . -f 1)" -ge "$patience" ]; then
		say
		say "No proof after $patience s."
		value "SELECT last_error FROM ignisign_status('$request')"
		exit 1
	fi
	sleep 0.1
done

heading "Everything about it is in rows"
sql app demo <<EOF
SELECT n, email, signed_at::timestamptz(0)
  FROM ignisign.signer
  WHERE request = '$request'
  ORDER BY n;
EOF
say
sql app demo <<EOF
SELECT proof_type, size, left(encode(sha256, 'hex'), 16) || '...' AS sha256
  FROM ignisign.proof
  WHERE request = '$request';
EOF

heading "The signed contract, as a file"
cat <<EOF
     psql -At -c "SELECT encode(ignisign_proof(
         '$request'), 'base64')" |
       base64 -d > ${proof##*/}

EOF
value "SELECT encode(ignisign_proof('$request'), 'base64')" | base64 -d >"$proof"
stored=$(value "SELECT encode(sha256, 'hex') FROM ignisign.proof WHERE request = '$request'")
if [ "$(sha256sum "$proof" | cut -d ' ' -f 1)" != "$stored" ]; then
	say "Its SHA-256 is not the one in the table."
	exit 1
fi
say "   | $(wc -c <"$proof") bytes, and the SHA-256 is the one in the table"
if command -v pdfinfo >/dev/null; then
	pages=$(pdfinfo "$proof" | sed -n 's/^Pages: *//p')
	say "   | pdfinfo: a PDF of $pages page(s)"
fi
if command -v pdfsig >/dev/null && pdfsig -nocert "$proof" >"$tmp/pdfsig" 2>/dev/null; then
	sed -n -e 's/^  - Signer Certificate Common Name: \(.*\)/   | pdfsig: signed by \1/p' \
		-e 's/^  - Signature Validation: \(.*\)/   | pdfsig:   \1/p' "$tmp/pdfsig"
fi

# The system's psql, if there is one, has the shorter name.
client=$(PATH=/usr/local/bin:/usr/bin:/bin command -v psql || command -v psql)

cat <<EOF

Done. The server and the sandbox still run; look around:

  $client -h $PGHOST -U app demo

  SELECT * FROM ignisign.requests;        -- all requests, one line each
  INSERT INTO contract ...                -- another one
  SELECT * FROM ignisign_stats();         -- what the worker does (-U postgres)

The contract:   $proof
API's calls:    $IGNISIGN_SCRATCH/log/sandbox.out
Server's log:   $IGNISIGN_SCRATCH/log/server.log

Stop and remove all of it:

  ./dev demo --stop
EOF
