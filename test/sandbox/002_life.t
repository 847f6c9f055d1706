# A request's life: launched, signed, completed, proven; and other ends.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(sha256_base64 sha256_hex);
use File::Temp;
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $sandbox = SandboxTest->start('--proof-delay', 200);
my $two = [ { email => 'ann@example.com', firstName => 'Ann' }, { email => 'bob@example.com' } ];
my $pdf = do { local (@ARGV, $/) = "$FindBin::Bin/../../examples/demo/contract.pdf"; <> };
my $documents = [
	{ originalName => 'a.pdf', mimeType => 'application/pdf', base64 => encode_base64($pdf, '') },
	{ originalName => 'b.txt', mimeType => 'text/plain', base64 => encode_base64('hello', '') }
];

# Signed by one, then by the other.
my $id = $sandbox->sign(signers => $two, documents => $documents);
my $context = $sandbox->context($id);
is($context->{status}, 'IN_PROGRESS', 'it is launched');
is_deeply($context->{signedBy}, [], 'nobody has signed');
is($context->{documents}[0]{documentHash}, sha256_base64($pdf) . '=', 'the hash of a document');
is($context->{documents}[0]{documentNature}, 'PDF', 'a PDF');
is($context->{documents}[1]{documentNature}, 'FILE', 'another file');
is($context->{signatureProofStatus}, 'NOT_INITIALIZED', 'no proof yet');
is($sandbox->call('GET', "/v4/documents/$context->{documentIds}[0]/file")->{content}, $pdf, 'the original can be had');

$sandbox->control('POST', "requests/$id/sign", { email => 'bob@example.com' });
$context = $sandbox->context($id);
is_deeply($context->{signedBy}, [ $context->{signerIds}[1] ], 'one has signed');
is($context->{status}, 'IN_PROGRESS', 'it goes on');
is($sandbox->control('GET', 'counts')->{emails}, 2, 'two e-mails were sent');
is($sandbox->call('POST', "/v4/signature-requests/$id/$context->{signerIds}[0]/resend-email")->{status}, 200, 'resend-email');
is($sandbox->control('GET', 'counts')->{emails}, 3, 'sends one more');
is($sandbox->call('POST', "/v4/signature-requests/$id/$context->{signerIds}[1]/resend-email")->{json}{code},
	'SIGNER_ALREADY_SIGNED', 'not to one who has signed');
is_deeply(
	$sandbox->call('POST', "/v4/signature-requests/$id/check-signers-can-be-added",
		json => { emails => [ 'ann@example.com', 'eve@example.com' ] })->{json},
	{ emails => ['eve@example.com'], canBeAdded => JSON::PP::false },
	'check-signers');

$sandbox->control('POST', "requests/$id/sign", {});
is($sandbox->context($id)->{status}, 'COMPLETED', 'all have signed');
ok(SandboxTest::wait_for(sub { $sandbox->context($id)->{signatureProofStatus} eq 'CREATED' }), 'the proof comes later');

# Its proofs.
my $dir = File::Temp->newdir;
my ($first, $second) = @{ $sandbox->context($id)->{documentIds} };
my $answer = $sandbox->call('GET', "/v4/documents/$first/signature-type/PDF_WITH_SIGNATURES");
is($answer->{headers}{'content-type'}, 'application/pdf', 'a proof is a PDF');
is($sandbox->call('GET', "/v4/documents/$first/signatures/PDF_WITH_SIGNATURES")->{content}, $answer->{content},
	'the same at its older place, and each time');
open my $file, '>:raw', "$dir/proof.pdf" or die;
print $file $answer->{content};
close $file;
my $text = `pdftotext '$dir/proof.pdf' - 2>&1`;
is($?, 0, 'which a reader opens');
like($text, qr/tenant.*Signed by Ann.*Signed by .*bob\@example\.com/s, 'it shows the document, then who signed it');
like($text, qr/@{[ sha256_hex($pdf) ]}/, 'and its hash');
$answer = $sandbox->call('GET', "/v4/documents/$second/signature-type/PDF_WITH_SIGNATURES");
like($answer->{content}, qr/^%PDF-/, 'the proof of another file is a PDF, too');
$answer = $sandbox->call('GET', "/v4/documents/$first/signature-type/ADVANCED_LEGAL_KIT");
like($answer->{content}, qr/^PK\x03\x04.*original\/document.*proof\.pdf.*evidence\.json/s, 'the legal kit is a zip');
is($sandbox->call('GET', "/v4/documents/$first/signature-type/SIGNED_DATA")->{json}{code},
	'SIGNATURE_PROOF_TYPE_NOT_AVAILABLE', 'a PDF has no SIGNED_DATA');
is(scalar @{ $sandbox->call('GET', "/v4/documents/$first/signatures")->{json} }, 2, 'two signatures');
$sandbox->control('POST', "requests/$id/proof-cleaned", {});
is($sandbox->call('GET', "/v4/documents/$first/signature-type/PDF_WITH_SIGNATURES")->{json}{code},
	'DOCUMENT_PROOF_HAS_BEEN_REMOVED', 'a proof can be removed');

# A PDF that no library can read has a proof all the same.
$id = $sandbox->sign;
$sandbox->control('POST', "requests/$id/sign", {});
$sandbox->control('POST', "requests/$id/proof-ready", {});
$answer = $sandbox->call('GET', '/v4/documents/' . $sandbox->context($id)->{documentIds}[0] . '/signature-type/PDF_WITH_SIGNATURES');
like($answer->{content}, qr/^%PDF-.*%%EOF\n$/s, 'the proof of a broken PDF');

# Other ends.
for my $case ([ expire => 'EXPIRED' ], [ fail => 'FAILED' ], [ 'launch-error' => 'LAUNCH_ERROR' ], [ complete => 'COMPLETED' ])
{
	my ($action, $status) = @$case;

	$id = $sandbox->sign;
	$sandbox->control('POST', "requests/$id/$action", {});
	is($sandbox->context($id)->{status}, $status, "a request can $action");
	is($sandbox->call('POST', "/v4/signature-requests/$id/close")->{status}, 400, 'then it cannot be closed');
}
$id = $sandbox->sign;
is_deeply($sandbox->call('POST', "/v4/signature-requests/$id/close", json => {})->{json}, { signatureRequestId => $id }, 'close');
is($sandbox->context($id)->{status}, 'CANCELLED', 'nobody had signed: cancelled');
is($sandbox->call('POST', "/v4/signature-requests/$id/close")->{status}, 200, 'once more');
$id = $sandbox->sign(signers => $two);
$sandbox->control('POST', "requests/$id/sign", { email => 'ann@example.com' });
$sandbox->call('POST', "/v4/signature-requests/$id/close");
is($sandbox->context($id)->{status}, 'COMPLETED', 'somebody had: completed');

# Signers who sign by themselves, one after another.
$sandbox->stop;
$sandbox = SandboxTest->start('--sign-after', 100, '--launch-delay', 100);
$id = $sandbox->sign(signers => $two);
my %seen;
ok(SandboxTest::wait_for(sub { $seen{ my $status = $sandbox->context($id)->{status} } = 1; $status eq 'COMPLETED' }),
	'they sign by themselves');
my @dates = map { $_->{date} } @{ $sandbox->context($id)->{documents}[0]{signatureSummaries} };
ok($dates[0] lt $dates[1], 'one after another');

# A document by URL, from this machine.
my $source = SandboxTest->start;
$answer = $sandbox->call('POST', '/v4/signature-requests/one-call-sign',
	json => SandboxTest::sign_body(documents => [
		{ originalName => 'c.json', mimeType => 'application/json', url => $source->url . '/v4/healthcheck' } ]));
is($answer->{status}, 200, 'a document by URL');
is($sandbox->context($answer->{json}{signatureRequestId})->{documents}[0]{fileSize}, 2, 'is downloaded');

done_testing();
