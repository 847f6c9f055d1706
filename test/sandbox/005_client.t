# A client of the API that knows nothing of this project walks through whole
# scenarios: in client/, for Node.  And so do the commands of the vendor's guide,
# whose words are only replaced where they stand for something: base URL, key,
# ids, files.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Cwd        qw(abs_path);
use File::Temp ();
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $pdf = abs_path("$FindBin::Bin/../../examples/demo/contract.pdf");
my $sandbox = SandboxTest->start('--proof-delay', 50, '--webhook-retries', 1, '--webhook-retry-delay', 50);

$ENV{no_proxy} = '127.0.0.1';

# Node's TAP becomes ours.
{
	local $ENV{IGNISIGN_SERVER_URL} = $sandbox->url;
	open my $node, '-|', 'node', "$FindBin::Bin/client/scenarios.js", $pdf or die "node: $!";
	my $plan;

	while (my $line = <$node>)
	{
		$plan = $1 if $line =~ /^1\.\.(\d+)$/;
		if ($line =~ /^(not )?ok \d+ - (.*)$/) { ok(!$1, $2) }
		elsif ($line =~ /^# ?(.*)$/)           { diag($1) }
		elsif ($line =~ /^Bail out!(.*)$/)     { diag($1) }
	}
	ok(close $node, 'the client ends well');
	is($plan // 'none', Test::More->builder->current_test - 1, 'with all of its scenarios');
}

# ---- The guide's commands ----

my $dir = File::Temp->newdir;
my %is = (
	'https://api.ignisign.io'           => $sandbox->url,
	'skv2_your_api_key_here'            => $SandboxTest::key,
	'your_app_id'                       => 'appId_5a4db0c5-0000-4000-8000-000000000001',
	'/path/to/your/document.pdf'        => $pdf,
	'JVBERi0xLjcKJb...[Base64 encoded content]' => do { open my $file, '<:raw', $pdf or die; local $/; encode_base64(<$file>, '') },
	'[email protected]'                 => 'john@example.com',
	'proof.pdf'                         => "$dir/proof.pdf",
	'https://your-app.com/webhooks/ignisign' => 'http://127.0.0.1:1/webhooks/ignisign');

$is{your_jwt_token} = $sandbox->call('POST', '/v4/auth/app-api', key => undef,
	json => { appId => $is{your_app_id}, appEnv => 'DEVELOPMENT', secret => 'sk_development_sandboxsecret' })->{json}{jwtToken};

# Run a command; returns what was answered, decoded if it is JSON.
sub guide
{
	my ($command) = @_;
	my $words = join '|', map { quotemeta } sort { length $b <=> length $a } keys %is;
	my $answer;

	$command =~ s/($words)/$is{$1}/g;
	open my $script, '>', "$dir/command" or die;
	print $script $command;
	close $script;
	$answer = `sh $dir/command 2>$dir/err`;
	is($?, 0, 'a command of the guide: ' . ($command =~ m{'http://[^/]+/v4/([^']*)'})[0]);
	return eval { JSON::PP::decode_json($answer) } // $answer;
}

my $body = <<'END';
-d '{
"title": "Contract signature",
"signatureMethod": "SIMPLE_STD",
"signers": [
{
"email": "[email protected]",
"firstName": "John",
"lastName": "Doe"
}
],
"documents": [
{
"originalName": "contract.pdf",
"mimeType": "application/pdf",
"base64": "JVBERi0xLjcKJb...[Base64 encoded content]"
}
]
}'
END
my $request;
for my $bearer ('skv2_your_api_key_here', 'your_jwt_token')
{
	$request = guide(<<END . $body)->{signatureRequestId};
curl -X POST 'https://api.ignisign.io/v4/signature-requests/one-call-sign' \\
-H 'Authorization: Bearer $bearer' \\
-H 'Content-Type: application/json' \\
END
	like($request, qr/^[0-9a-f]{24}$/, 'one-call-sign');
}
my $context = $sandbox->context($request);
@is{qw(your_signature_request_id your_signer_id your_document_id signature_request_id_1 signature_request_id_2)} =
  ($request, $context->{signerIds}[0], $context->{documentIds}[0], $request, '0' x 24);

like(guide(<<'END')->{documentId}, qr/^[0-9a-f]{24}$/, 'a document is uploaded');
curl -X POST 'https://api.ignisign.io/v4/applications/your_app_id/envs/DEVELOPMENT/documents' \
-H 'Authorization: Bearer your_jwt_token' \
-F 'document=@/path/to/your/document.pdf'
END
is_deeply(guide(<<'END'), { signatureRequests => [ { signatureRequestId => $request, status => 'IN_PROGRESS' } ] }, 'the status of some');
curl -X POST 'https://api.ignisign.io/v4/applications/your_app_id/envs/DEVELOPMENT/signature-requests/status' \
-H 'Authorization: Bearer your_jwt_token' \
-H 'Content-Type: application/json' \
-d '{
"signatureRequestIds": ["signature_request_id_1", "signature_request_id_2"]
}'
END
is_deeply(guide(<<'END'), { emails => [], canBeAdded => JSON::PP::false }, 'who is there already cannot be added');
curl -X POST 'https://api.ignisign.io/v4/signature-requests/your_signature_request_id/check-signers-can-be-added' \
-H 'Authorization: Bearer your_jwt_token' \
-H 'Content-Type: application/json' \
-d '{
"emails": ["[email protected]"]
}'
END
is(guide(<<'END')->{signerId}, $is{your_signer_id}, 'an e-mail is sent again');
curl -X POST 'https://api.ignisign.io/v4/signature-requests/your_signature_request_id/your_signer_id/resend-email' \
-H 'Authorization: Bearer your_jwt_token'
END
is(guide(<<'END')->[0]{description}, 'Main webhook endpoint', 'a webhook endpoint');
curl -X POST 'https://api.ignisign.io/v4/applications/your_app_id/envs/DEVELOPMENT/webhooks/endpoints' \
-H 'Authorization: Bearer your_jwt_token' \
-H 'Content-Type: application/json' \
-d '{
"url": "https://your-app.com/webhooks/ignisign",
"topics": ["SIGNATURE_REQUEST", "SIGNATURE"],
"description": "Main webhook endpoint"
}'
END
$sandbox->control('POST', "requests/$request/sign", {});
SandboxTest::wait_for(sub { $sandbox->context($request)->{signatureProofStatus} eq 'CREATED' });
guide(<<'END');
curl -X GET 'https://api.ignisign.io/v4/documents/your_document_id/signature-type/PDF_WITH_SIGNATURES' \
-H 'Authorization: Bearer your_jwt_token' \
--output proof.pdf
END
like(scalar `pdfsig -nocert $dir/proof.pdf 2>&1`, qr/Signature is Valid/, 'a proof is saved, and valid');

is($sandbox->stop, 0, 'the sandbox stops when told to');
done_testing();
