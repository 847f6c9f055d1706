# shellcheck shell=sh
#
# What the acts of the demo share.  They run in this folder, with IGNISIGN_SCRATCH
# and IGNISIGN_URL set, and with the server's programs and address in the environment.

tmp=$IGNISIGN_SCRATCH/tmp
pdf=contract.pdf

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
		-v pdf="$(base64 -w 0 "$pdf")" "$@"
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

# Print each state of request $1, seconds since $2, until there is a proof or never
# will be one; fail after $3 seconds.  Each time $4 is run with the state: status,
# how many have signed, the proof's status, proofs; the last one is in $now.
watch_row()
{
	say "     SELECT status, signed, signers, proof_status, proofs"
	say "       FROM ignisign_status('$1');"
	say
	printf '   | %7s  %-12s  %-6s  %-15s  %s\n' seconds status signed proof_status proofs
	last=
	while :; do
		now=$(value "SELECT coalesce(status, '(' || state || ')') || ' ' ||
			signed || '/' || signers || ' ' || coalesce(proof_status, '-') || ' ' || proofs
			FROM ignisign_status('$1')")
		if [ "$now" != "$last" ]; then
			# shellcheck disable=SC2086 # its four words
			printf '   | %7s  %-12s  %-6s  %-15s  %s\n' "$(since "$2")" $now
			last=$now
		fi
		"$4" "$now"
		case $now in
		FAILED* | EXPIRED* | CANCELLED*) return ;;
		*' 0') ;;
		*) return ;;
		esac
		[ "$(since "$2" | cut -d . -f 1)" -lt "$3" ] || return
		sleep 0.1
	done
}

# Write the proof of request $1 to file $2, and say what it is.
write_proof()
{
	cat <<EOF
     psql -At -c "SELECT encode(ignisign_proof(
         '$1'), 'base64')" |
       base64 -d > ${2##*/}

EOF
	value "SELECT encode(ignisign_proof('$1'), 'base64')" | base64 -d >"$2"
	stored=$(value "SELECT encode(sha256, 'hex') FROM ignisign.proof WHERE request = '$1'")
	if [ "$(sha256sum "$2" | cut -d ' ' -f 1)" != "$stored" ]; then
		say "Its SHA-256 is not the one in the table."
		exit 1
	fi
	say "   | $(wc -c <"$2") bytes, and the SHA-256 is the one in the table"
	if command -v pdfinfo >/dev/null; then
		pages=$(pdfinfo "$2" | sed -n 's/^Pages: *//p')
		say "   | pdfinfo: a PDF of $pages page(s)"
	fi
	if command -v pdfsig >/dev/null && pdfsig -nocert "$2" >"$tmp/pdfsig" 2>/dev/null; then
		sed -n -e 's/^  - Signer Certificate Common Name: \(.*\)/   | pdfsig: signed by \1/p' \
			-e 's/^  - Signature Validation: \(.*\)/   | pdfsig:   \1/p' "$tmp/pdfsig"
	fi
}

# Say what is there when all is done.
look_around()
{
	# The system's psql, if there is one, has the shorter name.
	client=$(PATH=/usr/local/bin:/usr/bin:/bin command -v psql || command -v psql)

	cat <<EOF

Done. The server and the sandbox still run; look around:

  $client -h $PGHOST -U app demo

  SELECT * FROM ignisign.requests;        -- all requests, one line each
  INSERT INTO contract ...                -- another one
  SELECT * FROM ignisign_stats();         -- what the worker does (-U postgres)

Contracts:      $IGNISIGN_SCRATCH/lease-*-signed.pdf
API's calls:    $IGNISIGN_URL/console
                $IGNISIGN_SCRATCH/log/sandbox.out
Server's log:   $IGNISIGN_SCRATCH/log/server.log

Sign one yourself:

  ./dev demo --by-hand

Stop and remove all of it:

  ./dev demo --stop
EOF
}
