#!/bin/sh
#
# The main job, to watch.  "./dev demo" prepares a server and a sandbox, and runs
# this.

set -eu

cd "$(dirname "$0")"
# shellcheck source=examples/demo/lib.sh
. ./lib.sh
proof=$IGNISIGN_SCRATCH/lease-42-signed.pdf
patience=60

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
# The first port that is free.
port=${IGNISIGN_DEMO_PORT:-8443}
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

# Keep the server down until the second signature could not be delivered; on a
# slow machine it may have been before.
interrupt()
{
	printf '   | %7s  %s\n' "$(since "$began")" "(the server is stopped)"
	pg_ctl -D "$IGNISIGN_SCRATCH/data" -m fast -w stop >/dev/null
	until [ "$(grep -c 'webhook SIGNATURE FINALIZED: ' "$IGNISIGN_SCRATCH/log/sandbox.out")" -ge 2 ]; do
		sleep 0.1
	done
	pg_ctl -D "$IGNISIGN_SCRATCH/data" -l "$IGNISIGN_SCRATCH/log/server.log" -w start >/dev/null
	printf '   | %7s  %s\n' "$(since "$began")" "(Bob has signed; the server is started)"
}

# Interrupt once, when one of two has signed.
after_first()
{
	case $1 in
	*' 1/2 '*)
		[ -n "${interrupted:-}" ] || interrupt
		interrupted=yes
		;;
	esac
}

heading "The worker sends it, the signers sign, the proof arrives" \
	"The sandbox signs for them, a second and a half apart. While Bob does, the" \
	"server is down: what could not be delivered is delivered again."
watch_row "$request" "$began" "$patience" after_first
case $now in
*' 0')
	say
	say "No proof after $patience s."
	value "SELECT last_error FROM ignisign_status('$request')"
	exit 1
	;;
esac

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
write_proof "$request" "$proof"
[ -n "${IGNISIGN_BY_HAND:-}" ] || look_around
