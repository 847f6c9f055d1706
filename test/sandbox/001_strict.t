# The sandbox takes what the API takes, and refuses everything else in its way.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp;
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $other_key = 'skv2_production_5a4db0c5-0000-4000-8000-000000000002_x';
my $sandbox = SandboxTest->start('--api-key', $SandboxTest::key, '--api-key', $other_key, '--max-body', 20000, '--page-size', 2);
my $sign = '/v4/signature-requests/one-call-sign';
my $app = $SandboxTest::app;
my $nobody = '000000000000000000000000';

sub refused
{
	my ($what, $status, $code, $method, $path, @option) = @_;
	my $answer = $sandbox->call($method, $path, @option);

	is("$answer->{status} " . ($answer->{json}{code} // ''), "$status $code", $what);
	is_deeply(
		[ sort keys %{ $answer->{json} } ],
		[qw(code context message status timestamp)],
		"$what: the shape of the error") if $answer->{status} >= 400;
	return $answer;
}

sub refused_body
{
	my ($what, $code, %change) = @_;

	return refused($what, 400, $code, 'POST', $sign, json => SandboxTest::sign_body(%change));
}

# Who calls.
refused('no bearer', 401, 'AUTH_HEADER_NOT_FOUND', 'POST', $sign, key => undef, json => {});
refused('another scheme', 401, 'AUTH_HEADER_NOT_BEARER', 'POST', $sign, headers => { Authorization => 'Basic eA==' }, json => {});
refused('an empty bearer', 401, 'AUTH_HEADER_NO_TOKEN', 'POST', $sign, headers => { Authorization => 'Bearer ' }, json => {});
refused('an unknown key', 401, 'API_KEY_NOT_FOUND', 'POST', $sign, key => "${SandboxTest::key}x", json => {});
refused('another application', 403, 'INVALID_CONTEXT_RIGHT_NOT_ALLOWED', 'GET', "$app/signature-requests", key => $other_key);
refused('an unknown path', 404, 'NOT_FOUND', 'GET', '/v4/nothing');
refused('another method', 404, 'NOT_FOUND', 'GET', $sign);

# The body as such.
refused('no JSON', 400, 'JSON_INVALID', 'POST', $sign, body => '{"title":');
refused('no body', 400, 'JSON_INVALID', 'POST', $sign, body => '');
refused('something after it', 400, 'JSON_INVALID', 'POST', $sign, body => '{} x');
refused('a key twice', 400, 'JSON_INVALID', 'POST', $sign, body => '{"title":"a","title":"b"}');
refused('invalid UTF-8', 400, 'JSON_INVALID', 'POST', $sign, body => "{\"title\":\"\xff\"}");
refused('deep nesting', 400, 'JSON_INVALID', 'POST', $sign, body => '[' x 1000 . ']' x 1000);
refused('an array', 400, 'BODY_VALIDATION_FAILED', 'POST', $sign, body => '[]');
refused('another type', 400, 'BAD_REQUEST', 'POST', $sign, body => '{}', type => 'text/plain');
refused('a large body', 400, 'FILE_TOO_LARGE', 'POST', $sign, body => ' ' x 20001);

# Its fields.
for my $field (qw(title signatureMethod signers documents))
{
	my $answer = refused_body("no $field", 'BODY_VALIDATION_FAILED', $field => undef);

	is($answer->{json}{context}{errors}[0]{field}, $field, "no $field: it is named");
}
refused_body('an unknown field', 'BODY_VALIDATION_FAILED', externalId => 'x');
refused_body('an empty title', 'BODY_VALIDATION_FAILED', title => '');
refused_body('a title that is no string', 'BODY_VALIDATION_FAILED', title => 7);
refused_body('an unknown method', 'BODY_VALIDATION_FAILED', signatureMethod => 'SIMPLE');
refused_body('no signers', 'BODY_VALIDATION_FAILED', signers => []);
refused_body('a signer without e-mail', 'BODY_VALIDATION_FAILED', signers => [ { firstName => 'Ann' } ]);
refused_body('an unknown field of a signer', 'BODY_VALIDATION_FAILED', signers => [ { email => 'a@b.co', phoneNumber => '1' } ]);
refused_body('one e-mail twice', 'BODY_VALIDATION_FAILED', signers => [ { email => 'a@b.co' }, { email => 'A@b.co' } ]);
refused_body('no e-mail address', 'EMAIL_INVALID', signers => [ { email => 'ann' } ]);
refused_body('a profile that is no id', 'BODY_VALIDATION_FAILED', signers => [ { email => 'a@b.co', signerProfileId => 'x' } ]);
{
	my $answer = $sandbox->call('POST', $sign, json => SandboxTest::sign_body(signers => [ { email => 'a@b.co', signerProfileId => $nobody } ]));

	is("$answer->{status} $answer->{json}{code}", '404 SIGNER_PROFILE_NOT_FOUND', 'an unknown profile');
}
my %pdf = (originalName => 'a.pdf', mimeType => 'application/pdf');
my $pdf64 = encode_base64("%PDF-1.4\n", '');
refused_body('no documents', 'BODY_VALIDATION_FAILED', documents => []);
refused_body('a document without content', 'BODY_VALIDATION_FAILED', documents => [ {%pdf} ]);
refused_body('a document with both', 'BODY_VALIDATION_FAILED', documents => [ { %pdf, base64 => $pdf64, url => 'http://127.0.0.1/' } ]);
refused_body('a document without a name', 'BODY_VALIDATION_FAILED', documents => [ { mimeType => 'application/pdf', base64 => $pdf64 } ]);
refused_body('base64 with a line break', 'BODY_VALIDATION_FAILED', documents => [ { %pdf, base64 => "$pdf64\n" } ]);
refused_body('base64 without padding', 'BODY_VALIDATION_FAILED', documents => [ { %pdf, base64 => 'JVBERi0xLjQ' } ]);
refused_body('a data URL', 'BODY_VALIDATION_FAILED', documents => [ { %pdf, base64 => "data:application/pdf;base64,$pdf64" } ]);
refused_body('a PDF that is none', 'PDF_CORRUPTED', documents => [ { %pdf, base64 => encode_base64('hello', '') } ]);
refused_body('a URL elsewhere', 'FAILED_TO_DOWNLOAD_DOCUMENT', documents => [ { %pdf, url => 'http://example.com/a.pdf' } ]);
is_deeply($sandbox->control('GET', 'requests'), [], 'nothing of this made a request');

# Ids.
my $id = $sandbox->sign;
like($id, qr/^[0-9a-f]{24}$/, 'a request has an id');
my $document = $sandbox->context($id)->{documentIds}[0];
for my $path ("/v4/signature-requests/%s/context", '/v4/documents/%s', '/v4/documents/%s/context',
	'/v4/documents/%s/file', '/v4/documents/%s/signature-type/PDF_WITH_SIGNATURES')
{
	refused("$path: no id", 400, 'PARAMS_VALIDATION_FAILED', 'GET', sprintf($path, 'x'));
	is($sandbox->call('GET', sprintf($path, $nobody))->{status}, 404, "$path: an unknown id");
	is($sandbox->call('GET', sprintf($path, $path =~ /documents/ ? $document : $id), key => $other_key)->{status},
		403, "$path: an id of another application");
}
refused('an unknown proof type', 400, 'PARAMS_VALIDATION_FAILED', 'GET', "/v4/documents/$document/signature-type/PDF");
refused('a proof too early', 400, 'DOCUMENT_PROOF_NOT_CREATED', 'GET', "/v4/documents/$document/signature-type/PDF_WITH_SIGNATURES");

# Batch status.
my $status = "$app/signature-requests/status";
is_deeply(
	$sandbox->call('POST', $status, json => { signatureRequestIds => [ $nobody, $id ] })->{json},
	{ signatureRequests => [ { signatureRequestId => $id, status => 'IN_PROGRESS' } ] },
	'status: an unknown id is absent');
refused('status: no id', 400, 'BODY_VALIDATION_FAILED', 'POST', $status, json => { signatureRequestIds => ['x'] });
refused('status: no array', 400, 'BODY_VALIDATION_FAILED', 'POST', $status, json => { signatureRequestIds => $id });
refused('status: too many', 400, 'BODY_VALIDATION_FAILED', 'POST', $status, json => { signatureRequestIds => [ ($id) x 101 ] });

# List: newest first, page by page.
my @ids = ($id, map { $sandbox->sign(title => "Lease $_") } 2 .. 3);
my $page = $sandbox->call('GET', "$app/signature-requests?page=1")->{json};
is_deeply([ map { $_->{_id} } @{ $page->{signatureRequests} } ], [ @ids[ 2, 1 ] ], 'list: the first page');
is_deeply($page->{paginationData}, { total => 3, page => 1, nbEventsPerPage => 2 }, 'list: how many there are');
is_deeply([ map { $_->{_id} } @{ $sandbox->call('GET', "$app/signature-requests?page=2")->{json}{signatureRequests} } ],
	[ $ids[0] ], 'list: the second page');
is_deeply($sandbox->call('GET', "$app/signature-requests?page=9")->{json}{signatureRequests}, [], 'list: past the end');
refused('list: no page', 400, 'QUERY_VALIDATION_FAILED', 'GET', "$app/signature-requests?page=0");
refused('list: no number', 400, 'QUERY_VALIDATION_FAILED', 'GET', "$app/signature-requests?page=x");

# The journal has no key.
my $journal = $sandbox->call('GET', '/_sandbox/journal')->{content};
unlike($journal, qr/sandboxsecret/, 'the journal does not have the key');
is(scalar(grep { $_->{signatureRequestId} } @{ $sandbox->control('GET', 'journal') }), 3, 'it has the requests');

# Otherwise each of two would get a part of the connections.
my $second = bless { dir => File::Temp->newdir, owner => $$, port => $sandbox->{port} }, 'SandboxTest';
ok(!$second->start_on_port, 'a port that is in use is refused');

is($sandbox->stop, 0, 'it stops when told to');

# Options.
for my $arguments ([ '--port', 'x' ], ['--nonsense'], ['extra'], [ '--fault', 'status nonsense' ], [ '--api-key', 'x' ])
{
	my ($exit, $output) = SandboxTest::run(@$arguments);

	is($exit, 2, "refused: @$arguments");
	like($output, qr/ignisign-sandbox/, 'with a message');
}
is((SandboxTest::run('--help'))[0], 0, '--help');
like((SandboxTest::run('--version'))[1], qr/^ignisign-sandbox \d/, '--version');

# A port that is free: the first line names it.
my @any = map { bless { dir => File::Temp->newdir, owner => $$, scheme => 'http', port => 0 }, 'SandboxTest' } 1 .. 2;
for my $any (@any)
{
	ok($any->start_on_port, '--port 0: it starts');
	open my $log, '<', "$any->{dir}/log" or die "$any->{dir}/log: $!";
	my $line = <$log>;
	like($line, qr{^ignisign-sandbox is listening on http://127\.0\.0\.1:\d+$}, '--port 0: it says where');
	($any->{port}) = $line =~ /(\d+)$/;
	is($any->call('GET', '/v4/healthcheck')->{status}, 200, '--port 0: it is there');
}
isnt($any[0]{port}, $any[1]{port}, '--port 0: two have two ports');

# Links have the port, too.
my $link = do { $any[0]->sign; $any[0]->control('GET', 'emails')->[0]{link} };
like($link, qr{^http://127\.0\.0\.1:$any[0]{port}/sign/}, '--port 0: so do the links');
is($_->stop, 0, '--port 0: it stops') for @any;

done_testing();
