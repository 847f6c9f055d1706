#!/bin/sh
#
# Have one person sign a PDF, with nothing but psql:
#
#	sign.sh lease.pdf ann@example.com Ann Lee
#
# The signed one is written to lease-signed.pdf.  PGHOST, PGDATABASE, PGUSER and the
# like say where the database is.

set -eu

if [ $# -ne 4 ]; then
	echo "usage: $0 FILE EMAIL FIRST_NAME LAST_NAME" >&2
	exit 2
fi
FILE=$1
export FILE
signed=${FILE%.pdf}-signed.pdf

# Run the SQL on stdin, and print nothing but values.
sql()
{
	psql -X -A -t -q -v ON_ERROR_STOP=1 "$@"
}

# psql reads the document: a command line would be too short for it.
request=$(sql -v name="${FILE##*/}" -v email="$2" -v first_name="$3" -v last_name="$4" <<'EOF'
\set document `base64 <"$FILE"`
SELECT ignisign_sign(
	title     => :'name',
	document  => decode(:'document', 'base64'),
	file_name => :'name',
	signers   => ARRAY[ignisign_signer(:'email', :'first_name', :'last_name')]);
EOF
)
echo "Request $request is on its way to $2."

proven=$(sql -v request="$request" -v patience="${PATIENCE:-1 hour}" <<'EOF'
SELECT ignisign_wait(:'request', 'PROOF', :'patience');
EOF
)
if [ "$proven" != t ]; then
	echo "There is no proof yet; this is how it stands:" >&2
	sql -x -v request="$request" >&2 <<'EOF'
SELECT state, status, signed, signers, last_error FROM ignisign_status(:'request');
EOF
	exit 1
fi

sql -v request="$request" <<'EOF' | base64 -d >"$signed"
SELECT encode(ignisign_proof(:'request'), 'base64');
EOF
echo "Signed: $signed"
