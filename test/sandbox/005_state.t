# What the sandbox holds outlives it in a file, however it ends.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp;
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $dir = File::Temp->newdir;
my @options = ('--state', "$dir/state", '--proof-delay', 0);
my $sandbox = SandboxTest->start(@options);
my $app = $SandboxTest::app;
my $pdf = do { local (@ARGV, $/) = "$FindBin::Bin/../../examples/demo/contract.pdf"; <> };

sub again
{
	my ($signal) = @_;

	kill $signal, $sandbox->{pid};
	waitpid $sandbox->{pid}, 0;
	ok($sandbox->start_on_port(@options), "it starts again after SIG$signal");
}

sub post { return $sandbox->call('POST', $_[0], json => $_[1] // {})->{json} }

# All that can be told of what there is.
sub everything
{
	return {
		requests => $sandbox->control('GET', 'requests'),
		journal  => $sandbox->control('GET', 'journal?limit=100000'),
		counts   => $sandbox->control('GET', 'counts?titles=1'),
		ca       => $sandbox->call('GET', '/_sandbox/signers-ca.pem')->{content}
	};
}

# What the journal must not grow by to be compared.
sub looks
{
	my (@paths) = @_;

	return { map { $_ => $sandbox->call('GET', $_)->{content} } @paths };
}

my $id = $sandbox->sign(documents => [ { originalName => 'a.pdf', mimeType => 'application/pdf', base64 => encode_base64($pdf, '') } ]);
my $context = $sandbox->context($id);
$sandbox->control('POST', "requests/$id/sign", {});
my $document = $context->{documentIds}[0];
my @paths = ("/v4/signature-requests/$id/context", "/v4/documents/$document/signature-type/PDF_WITH_SIGNATURES",
	"/v4/documents/$document/file");

# A draft half done, a signer with a secret, an endpoint, a login.
my $draft = post("$app/signature-requests")->{signatureRequestId};
my $part = post("$app/init-documents", { signatureRequestId => $draft, label => 'Lease' })->{documentId};
my $signer = post("$app/signers", { email => 'bob@example.com' })->{signerId};
post("$app/webhooks", { url => 'http://127.0.0.1:1/', description => 'nowhere' });
my $token = post('/v4/auth/app-api', { appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT',
		secret => 'sk_development_sandboxsecret' })->{jwtToken};
$sandbox->control('POST', 'faults', { spec => 'context count=1 status=503 retry-after=1' });
is($sandbox->call('GET', $paths[0])->{status}, 503, 'a fault');
is($sandbox->control('GET', 'counts')->{faults}{'status=503 retry-after=1'}, 1, 'is counted');
push @paths, "/v4/signature-requests/$draft/context", "/v4/documents/$part", "$app/signers/$signer", "$app/webhooks";

for my $signal ('KILL', 'TERM', 'INT', 'KILL')
{
	my $looks = looks(@paths);
	my $before = everything();

	again($signal);
	is_deeply(everything(), $before, 'it holds what it held');
	is_deeply(looks(@paths), $looks, 'and answers the same');
	is($sandbox->call('GET', "$app/webhooks", key => $token)->{status}, 200, 'a token still counts');
}

# It goes on where it was.
$sandbox->call('PUT', "/v4/documents/$part", json => { label => 'Lease 2' });
is($sandbox->call('POST', "/v4/documents/$part/data-json-content", json => { jsonContent => { a => 1 } })->{status}, 200, 'the draft gets its document');
is($sandbox->call('PUT', "/v4/signature-requests/$draft",
		json => { title => 'Draft', documentIds => [$part], signerIds => [$signer], defaultSignatureMethod => 'SIMPLE_STD' })->{status}, 200,
	'and all the rest');
again('KILL');
is($sandbox->call('POST', "/v4/signature-requests/$draft/publish", json => {})->{status}, 200, 'it is published');
again('KILL');
is($sandbox->call('POST', "/v4/signature-requests/$draft/publish", json => {})->{json}{code},
	'CANNOT_PUBLISH_SIGNATURE_REQUEST__REQUEST_ALREADY_PUBLISHED', 'once');
$sandbox->call('DELETE', "$app/webhooks");

# What was being written when it ended is passed over.
kill 'KILL', $sandbox->{pid};
waitpid $sandbox->{pid}, 0;
truncate "$dir/state", (-s "$dir/state") - 3;
ok($sandbox->start_on_port(@options), 'a cut record');
is($sandbox->context($draft)->{title}, 'Draft', 'is passed over');

# Forgotten is forgotten.
$sandbox->control('DELETE', 'journal');
again('KILL');
is($sandbox->control('GET', 'counts')->{calls}, 0, 'the journal was cleared');
$sandbox->control('POST', 'reset');
again('KILL');
is($sandbox->control('GET', 'counts')->{requests}, 0, 'all was forgotten');

# What is no state, or another application's, is not overwritten.
kill 'TERM', $sandbox->{pid};
waitpid $sandbox->{pid}, 0;
open my $file, '>', "$dir/other" or die;
print $file "my diary\n";
close $file;
my ($status, $output) = SandboxTest::run('--port', 1 + $sandbox->{port}, '--state', "$dir/other");
is($status, 1, 'another file is refused');
like($output, qr/is not a state/, 'and why');
is(-s "$dir/other", 9, 'and left alone');
ok($sandbox->start_on_port(@options), 'started');
$sandbox->sign;
kill 'TERM', delete $sandbox->{pid};
($status, $output) = SandboxTest::run('--port', 1 + $sandbox->{port}, '--state', "$dir/state",
	'--api-key', 'skv2_production_5a4db0c5-0000-4000-8000-000000000002_x');
is($status, 1, 'another application is refused');

done_testing();
