# Proofs of every type: of whole documents and of each signer, fetched by
# themselves or when they are asked for.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use IgnisignTest;
use JSON::PP;
use MIME::Base64 qw(decode_base64url encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('proof_types', $sandbox);
my $hex = unpack 'H*', pdf('Lease');
my $dir = PostgreSQL::Test::Utils::tempdir();

sub value { return $node->safe_psql('postgres', $_[0]) }

sub refusal
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $err;
}

# Queue a request of a PDF, a private file, data and text, for two who sign and
# one who approves; returns its id and Ignisign's.
sub sign
{
	my ($title) = @_;
	my $id = value(<<~SQL);
		SELECT ignisign_sign('$title', ARRAY[ignisign_document('\\x$hex', 'lease.pdf'),
				ignisign_document('secret', 'secret.txt', private => true, label => 'Secret'),
				ignisign_document(data => '{"amount": 12.50}'), ignisign_document('terms', 'terms.txt')],
			ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee'), ignisign_signer('bob\@example.com', 'Bob', 'Ray'),
				ignisign_signer('boss\@example.com', 'Bo', 'Ss', approver => true)])
		SQL

	ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND bool_and(s.signer_id IS NOT NULL) FROM ignisign_status('$id') JOIN ignisign.signer s ON s.request = id GROUP BY status"),
		"$title is sent");
	return ($id, value("SELECT signature_request_id FROM ignisign_status('$id')"));
}

# The bytes of a proof that is here.
sub proof { return pack 'H*', value("SELECT encode(ignisign_proof('$_[0]', '$_[1]', $_[2], $_[3]), 'hex')") }

sub write_file
{
	my ($name, $bytes) = @_;

	open my $file, '>:raw', "$dir/$name" or die "$dir/$name: $!";
	print $file $bytes;
	close $file;
	return "$dir/$name";
}

# Whether openssl accepts a detached signature of a content.
sub verifies
{
	my ($cms, $content) = @_;
	my $file = write_file('cms', $cms);

	write_file('content', $content);
	return system("openssl cms -verify -binary -inform DER -in $file -content $dir/content -CAfile $dir/ca.pem -out /dev/null 2>$dir/err") == 0;
}

# Whether a JWS of one signature is valid by the certificate that it carries.
sub jws_is_valid
{
	my ($protected, $payload, $signature) = @_;
	my $header = decode_json(decode_base64url($protected));
	my $raw = decode_base64url($signature);
	my $der = '';

	for my $half (unpack 'a32 a32', $raw)
	{
		my $number = $half;

		$number =~ s/^\0+(?=.)//s;
		$number = "\0$number" if ord($number) > 127;
		$der .= "\x02" . chr(length $number) . $number;
	}
	write_file('signature', "\x30" . chr(length $der) . $der);
	write_file('signed', "$protected.$payload");
	write_file('certificate.pem', "-----BEGIN CERTIFICATE-----\n" . $header->{x5c}[0] =~ s/(.{64})/$1\n/gr . "\n-----END CERTIFICATE-----\n");
	return system("openssl x509 -in $dir/certificate.pem -pubkey -noout >$dir/key.pem && openssl verify -CAfile $dir/ca.pem $dir/certificate.pem >$dir/out"
		  . " && openssl dgst -sha256 -verify $dir/key.pem -signature $dir/signature $dir/signed >$dir/out") == 0;
}

write_file('ca.pem', HTTP::Tiny->new->get($sandbox->url . '/_sandbox/signers-ca.pem')->{content});

# By themselves: of each document what its kind can have, of each signer who
# has signed.
value("ALTER SERVER ignisign OPTIONS (ADD proof_types 'PDF_WITH_SIGNATURES, SIGNED_DATA, ADVANCED_LEGAL_KIT, CADES, PKCS7, PADES_ATTACHED, JWSATT, JADESATT')");
my ($id, $remote) = sign('Everything');
$sandbox->sign($remote, $_) for 'boss@example.com', 'ann@example.com';
$sandbox->act($remote, 'complete');
is(value("SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'all proofs arrive');
is(value("SELECT string_agg(format('%s:%s:%s', document, proof_type, signer), ' ' ORDER BY document, signer, proof_type COLLATE \"C\") FROM ignisign.proof WHERE request = '$id'"),
	'1:ADVANCED_LEGAL_KIT:0 1:PDF_WITH_SIGNATURES:0 1:CADES:1 1:PADES_ATTACHED:1 1:PKCS7:1'
	  . ' 2:ADVANCED_LEGAL_KIT:0 2:PDF_WITH_SIGNATURES:0 2:CADES:1 2:PKCS7:1'
	  . ' 3:ADVANCED_LEGAL_KIT:0 3:SIGNED_DATA:0 3:CADES:1 3:JADESATT:1 3:JWSATT:1 3:PKCS7:1'
	  . ' 4:ADVANCED_LEGAL_KIT:0 4:PDF_WITH_SIGNATURES:0 4:CADES:1 4:PKCS7:1',
	'of each document what its kind can have, and of each who has signed');
is(value("SELECT bool_and(sha256 = sha256(content) AND size = length(content)) FROM ignisign.proof WHERE request = '$id'"), 't', 'whole');
is(value("SELECT detail FROM ignisign.event WHERE request = '$id' AND kind = 'proof' AND value = 'PADES_ATTACHED'"), '1/1', 'the history names document and signer');
is(value("SELECT count(*) FROM ignisign.call WHERE request = '$id'"), '0', 'nothing was asked for in vain');

# They are what they say.
ok(verifies(proof($id, 'CADES', 1, 1), pdf('Lease')), 'CADES of the PDF');
ok(verifies(proof($id, 'PKCS7', 2, 1), 'secret'), 'PKCS7 of the private file, of which only the hash left');
ok(!verifies(proof($id, 'PKCS7', 2, 1), 'secreT'), 'but of no other');
ok(verifies(proof($id, 'CADES', 4, 1), 'terms'), 'CADES of the text');
my $file = write_file('pades.pdf', proof($id, 'PADES_ATTACHED', 1, 1));
my $checked = `pdfsig -nocert $file`;
is(scalar(() = $checked =~ /Signature is Valid/g), 1, 'PADES_ATTACHED has one valid signature');
like($checked, qr/ann\@example\.com/, 'which is hers');
for my $type (qw(JWSATT JADESATT))
{
	my @parts = split /\./, proof($id, $type, 3, 1);

	is(decode_json(decode_base64url($parts[1]))->{amount}, 12.5, "$type has the data");
	ok(jws_is_valid(@parts), "$type is valid");
}
my $data = decode_json(proof($id, 'SIGNED_DATA', 3, 0));
is(scalar @{ $data->{signatures} }, 1, 'SIGNED_DATA has one signature');
ok(jws_is_valid($data->{signatures}[0]{protected}, $data->{payload}, $data->{signatures}[0]{signature}), 'which is valid');

# Without being told, the worker fetches one of each document.
value('ALTER SERVER ignisign OPTIONS (DROP proof_types)');
($id, $remote) = sign('By default');

# When asked for: of who has signed, while the request is open.
like(refusal("SELECT ignisign_fetch_proof('$id', 'CADES', 1, 1)"), qr/55000: signer 1 has not signed/, 'not of who has not signed');
$sandbox->sign($remote, $_) for 'boss@example.com', 'ann@example.com';
value("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT signed_at IS NOT NULL FROM ignisign.signer WHERE request = '$id' AND n = 1"), 'she signs');
is(value("SELECT ignisign_fetch_proof('$id', 'CADES', 1, 1)"), 't', 'it is queued');
ok(wait_for($node, "SELECT ignisign_proof('$id', 'CADES', 1, 1) IS NOT NULL"), 'and arrives');
ok(verifies(proof($id, 'CADES', 1, 1), pdf('Lease')), 'as it is');
is(value("SELECT ignisign_fetch_proof('$id', 'CADES', 1, 1)"), 'f', 'once it is here nothing is queued');
is(value("SELECT count(*) FROM ignisign.call WHERE request = '$id' AND operation = 'signer-proof'"), '0', 'really nothing');
is(value("SELECT state FROM ignisign_status('$id')"), 'open', 'the request is open');

# One that is not there yet is asked for again, and by whoever asks at once.
value("SELECT ignisign_fetch_proof('$id')");
ok(wait_for($node, "SELECT waits > 0 AND code = 'DOCUMENT_PROOF_NOT_CREATED' FROM ignisign.call WHERE request = '$id' AND operation = 'proof'"), 'not yet, the API says');
value("UPDATE ignisign.call SET run_at = now() + '1 h' WHERE request = '$id' AND operation = 'proof' AND state = 'pending'");
value("SELECT ignisign_fetch_proof('$id')");
ok(wait_for($node, "SELECT run_at < now() + '10 min' FROM ignisign.call WHERE request = '$id' AND operation = 'proof'"), 'who asks again need not wait');
$sandbox->sign($remote);
is(value("SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'then it arrives');
is(value("SELECT string_agg(format('%s:%s:%s', document, proof_type, signer), ' ' ORDER BY document, proof_type) FROM ignisign.proof WHERE request = '$id'"),
	'1:CADES:1 1:PDF_WITH_SIGNATURES:0 2:PDF_WITH_SIGNATURES:0 3:SIGNED_DATA:0 4:PDF_WITH_SIGNATURES:0', 'with one of each document');

# What the API refuses is dead, and can be asked for again.
value("SELECT ignisign_fetch_proof('$id', 'XADESDET', 1, 2)");
ok(wait_for($node, "SELECT state = 'dead' AND code = 'SIGNATURE_PROOF_TYPE_NOT_AVAILABLE' FROM ignisign.call WHERE request = '$id' AND proof_type = 'XADESDET'"), 'a type that the document has not');
$sandbox->fault('signer-proof count=1 status=400');
value("SELECT ignisign_fetch_proof('$id', 'PKCS7', 4, 2)");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$id' AND proof_type = 'PKCS7'"), 'one that is refused');
is(value("SELECT ignisign_fetch_proof('$id', 'PKCS7', 4, 2)"), 't', 'is asked for again');
ok(wait_for($node, "SELECT ignisign_proof('$id', 'PKCS7', 4, 2) IS NOT NULL"), 'and arrives');
$sandbox->fault('signer-proof count=1 type=text/html garbage');
value("SELECT ignisign_fetch_proof('$id', 'JADESDET', 3, 2)");
ok(wait_for($node, "SELECT ignisign_proof('$id', 'JADESDET', 3, 2) IS NOT NULL"), 'a page of some proxy is no proof');
ok(jws_is_valid(split /\./, proof($id, 'JADESDET', 3, 2)), 'JADESDET is valid');

# What can be known is refused at once.
for my $case (
	[ "'$id', 'PDF'", '22023: unknown proof type "PDF"' ],
	[ "'$id', 'C2PA'", '22023: unknown proof type "C2PA"' ],
	[ "'$id', 'CADES'", '22023: a proof of type CADES is of one signer' ],
	[ "'$id', 'SIGNED_DATA', 3, 1", '22023: a proof of type SIGNED_DATA is of all signers' ],
	[ "'$id', document => 5", 'IG012: the request has no document 5' ],
	[ "'$id', document => 0", 'IG012: the request has no document 0' ],
	[ "'$id', 'CADES', 1, 4", 'IG012: the request has no signer 4' ],
	[ "'$id', 'CADES', 1, 3", '55000: signer 3 approves and does not sign' ],
	[ "ignisign_id()", 'IG012: there is no request' ])
{
	like(refusal("SELECT ignisign_fetch_proof($case->[0])"), qr/\Q$case->[1]\E/, $case->[1]);
}
value("CREATE ROLE other; SELECT ignisign_grant('other')");
like(refusal("SET ROLE other; SELECT ignisign_fetch_proof('$id')"), qr/IG012: there is no request/, 'nobody fetches what is another\'s');

$node->stop;
done_testing();
