#!/bin/sh
#
# The second act: whoever watches signs a contract himself.  "./dev demo" runs this
# after the first act, or alone.

set -eu

cd "$(dirname "$0")"
# shellcheck source=examples/demo/lib.sh
. ./lib.sh
me=you@example.com
patience=600

# It may be left before its end.
leave()
{
	say
	say "   Left for later: the link stays good."
	look_around
	exit 0
}
trap leave INT

# The same lease for another tenant: as many bytes, so that it stays a PDF.
LC_ALL=C sed -e 's/Lease 42/Lease 43/' -e 's/Bob Stone/Your Name/' "$pdf" >"$tmp/lease-43.pdf"
pdf=$tmp/lease-43.pdf

say
say "SECOND ACT: one that you sign yourself"

heading "The application inserts a contract for Ann and you"
sql app demo <<EOF
INSERT INTO contract (title, pdf, signers) VALUES (
  'Lease 43',
  decode(:'pdf', 'base64'),
  '[{"email": "ann@example.com", "firstName": "Ann", "lastName": "Lee"},
    {"email": "$me", "firstName": "Your", "lastName": "Name"}]'
) RETURNING id, title, length(pdf) AS bytes, signature_id;
EOF
began=$(date +%s.%N)
request=$(value 'SELECT signature_id FROM contract ORDER BY id DESC LIMIT 1')

# The e-mail is a line in the sandbox's output.
link=
until [ -n "$link" ]; do
	remote=$(value "SELECT signature_request_id FROM ignisign_status('$request')")
	link=$(sed -n "s|^e-mail to $me: \(.*/sign/${remote:-none}/.*\)|\1|p" "$IGNISIGN_SCRATCH/log/sandbox.out")
	if [ "$(since "$began" | cut -d . -f 1)" -ge 60 ]; then
		say "It was not sent."
		value "SELECT last_error FROM ignisign_status('$request')"
		exit 1
	fi
	[ -n "$link" ] || sleep 0.1
done

heading "Open this link in a browser, read the contract, and sign it" \
	"The sandbox sends no e-mail; this would be in yours. You can refuse, too." \
	"What it does meanwhile: $IGNISIGN_URL/console"
say "     $link"

heading "Watch the row" \
	"Ann signs by herself. It is for you to complete it; Ctrl-C leaves it for later."
watch_row "$request" "$began" "$patience" :

case $now in
COMPLETED*)
	heading "The contract that you signed, as a file"
	write_proof "$request" "$IGNISIGN_SCRATCH/lease-43-signed.pdf"
	;;
FAILED*)
	heading "You have refused: the row says so, and a webhook why"
	sql app demo <<EOF
SELECT topic, action, error ->> 'message' AS message
  FROM ignisign.webhook
  WHERE request = '$request' AND error IS NOT NULL
  ORDER BY received_at;
EOF
	;;
*)
	say
	say "   Nobody has signed for $((patience / 60)) minutes. The link stays good."
	;;
esac
look_around
