# The contract, row by row: what each endpoint refuses, with which status and
# code.  Fields are tried one by one: missing, of another type, of a value that
# the API does not have, too long; ids malformed, unknown, of another
# application, of another environment; and each state in which a call comes too
# early or too late.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA  qw(sha256_base64);
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $uuid = '5a4db0c5-0000-4000-8000-00000000000';
my $other_key = "skv2_development_${uuid}2_x";
my $staging_key = "skv2_staging_${uuid}1_x";
my $sandbox = SandboxTest->start('--api-key', $SandboxTest::key, '--api-key', $other_key, '--api-key', $staging_key,
	'--secret', 'sk_staging_x', '--proof-delay', 0, '--max-body', 100_000);
my $A = $SandboxTest::app;
my $OTHER = $A =~ s/1\/envs/2\/envs/r;
my $STAGING = $A =~ s/DEVELOPMENT/STAGING/r;
my $nobody = '0' x 24;
my $pdf = do { local (@ARGV, $/) = "$FindBin::Bin/../../examples/demo/contract.pdf"; <> };
my $hash = sha256_base64('x') . '=';

# ---- Making what the rows need ----

sub made
{
	my ($method, $path, @option) = @_;
	my $answer = $sandbox->call($method, $path, @option);

	die "$method $path: $answer->{status} $answer->{content}" unless $answer->{status} == 200;
	return $answer->{json};
}

sub form
{
	my ($part, $content, %option) = @_;
	my $name = exists $option{name} ? $option{name} : 'a.pdf';
	my $body = "--b0undary\r\nContent-Disposition: form-data; name=\"$part\""
	  . (defined $name ? "; filename=\"$name\"" : '')
	  . "\r\nContent-Type: " . ($option{type} // 'application/pdf') . "\r\n\r\n$content\r\n";

	return (type => 'multipart/form-data; boundary=b0undary', body => $body x ($option{times} // 1) . ($option{end} // "--b0undary--\r\n"));
}

sub draft { return made('POST', "$_[0]/signature-requests", key => $_[1], json => {})->{signatureRequestId} }
sub shell { return made('POST', "$A/init-documents", json => { signatureRequestId => $_[0], @_[ 1 .. $#_ ] })->{documentId} }
sub upload { return made('POST', "$_[0]/documents", key => $_[1], form('document', $pdf))->{documentId} }
sub signer { return made('POST', "$_[0]/signers", key => $_[1], json => { email => $_[2] })->{signerId} }
sub webhook { return made('POST', "$_[0]/webhooks", key => $_[1], json => { url => 'http://127.0.0.1:1/' })->[-1]{_id} }

# A draft with all that publishing needs, and changes.
sub ready
{
	my (%change) = @_;
	my $draft = draft($A, $SandboxTest::key);

	made('PUT', "/v4/signature-requests/$draft", json => {
		title => 'Lease', defaultSignatureMethod => 'SIMPLE_STD', documentIds => [ upload($A, $SandboxTest::key) ],
		signerIds => [ signer($A, $SandboxTest::key, 'ann@example.com') ], %change });
	return $draft;
}

sub published
{
	my $draft = ready(@_);

	made('POST', "/v4/signature-requests/$draft/publish", json => {});
	return $draft;
}

my %is = (
	R  => draft($A, $SandboxTest::key),
	S  => signer($A, $SandboxTest::key, 'ann@example.com'),
	W  => webhook($A, $SandboxTest::key),
	D  => upload($A, $SandboxTest::key),
	P  => made('GET', "$A/signer-profiles")->[0]{_id},
	R2 => draft($OTHER, $other_key),
	D2 => upload($OTHER, $other_key),
	S2 => signer($OTHER, $other_key, 'ann@example.com'),
	W2 => webhook($OTHER, $other_key),
	R3 => draft($STAGING, $staging_key),
	D3 => upload($STAGING, $staging_key),
	S3 => signer($STAGING, $staging_key, 'ann@example.com'),
	A  => $A);
made('PUT', "/v4/signature-requests/$is{R}", json => { title => 'Lease' });
$is{E} = made('GET', "/v4/webhooks/$is{W}/events")->{events}[0]{_id};

sub fill { return $_[0] =~ s/\{(\w+)\}/$is{$1} \/\/ die $1/ger }

# One row: a call that is refused with this status and code.
sub refused
{
	my ($expected, $method, $path, @option) = @_;
	my $answer = $sandbox->call($method, fill($path), @option);
	my $what = "$method $path" . (@option && $option[0] eq 'json' ? ' ' . JSON::PP->new->canonical->allow_nonref->encode($option[1]) : '');

	is("$answer->{status} " . (ref $answer->{json} eq 'HASH' ? $answer->{json}{code} // '' : ''), $expected, substr $what, 0, 200);
	return $answer;
}

# ---- Ids, of each kind and in each path ----

my %ids = (
	R => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 SIGNATURE_REQUEST_NOT_FOUND', R2 => '403 INVALID_CONTEXT', R3 => '403 INVALID_CONTEXT' },
	D => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 DOCUMENT_NOT_FOUND', D2 => '403 DOCUMENT_NOT_OWNED_BY_APP', D3 => '403 DOCUMENT_BAD_ENV' },
	S => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 SIGNER_NOT_FOUND', S2 => '403 SIGNER_NOT_OWNED_BY_APP', S3 => '403 SIGNER_BAD_ENV' },
	P => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 SIGNER_PROFILE_NOT_FOUND' },
	W => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 WEBHOOK_NOT_FOUND', W2 => '403 INVALID_CONTEXT' },
	E => { x => '400 PARAMS_VALIDATION_FAILED', none => '404 WEBHOOK_EVENT_NOT_FOUND' });
my $requests = '/v4/signature-requests';

# Every path that has ids: number in the index, method, path, body.
for my $path (
	[ 6,  'PUT',  "$requests/{R}", {} ],
	[ 7,  'POST', "$requests/{R}/publish", {} ],
	[ 8,  'POST', "$requests/{R}/close", {} ],
	[ 9,  'GET',  "$requests/{R}/context" ],
	[ 11, 'POST', "$requests/{R}/check-signers-can-be-added", { emails => ['eve@example.com'] } ],
	[ 12, 'POST', "$requests/{R}/$nobody/resend-email" ],
	[ 16, 'POST', '/v4/documents/{D}/file', [ form('file', $pdf) ] ],
	[ 17, 'POST', '/v4/documents/{D}/data-json-content', { jsonContent => {} } ],
	[ 18, 'POST', '/v4/documents/{D}/private-content', { documentHash => $hash } ],
	[ 19, 'DELETE', '/v4/documents/{D}/content' ],
	[ 20, 'GET',    '/v4/documents/{D}' ],
	[ 20, 'PUT',    '/v4/documents/{D}', {} ],
	[ 20, 'DELETE', '/v4/documents/{D}' ],
	[ 21, 'GET',    '/v4/documents/{D}/context' ],
	[ 22, 'GET',    '/v4/documents/{D}/file' ],
	[ 23, 'POST',   '/v4/documents/{D}/check-authenticity', [ form('file', $pdf) ] ],
	[ 24, 'GET',    '/v4/documents/{D}/signature-type/PDF_WITH_SIGNATURES' ],
	[ 25, 'GET',    "/v4/documents/{D}/signature-type/CADES/signers/$nobody" ],
	[ 26, 'GET',    '/v4/documents/{D}/signatures' ],
	[ 26, 'GET',    "/v4/documents/{D}/signatures/$nobody" ],
	[ 27, 'GET',    '/v4/documents/{D}/img-signatures' ],
	[ 29, 'GET',    '{A}/signers/{S}' ],
	[ 29, 'GET',    '{A}/signers/{S}/details' ],
	[ 29, 'PUT',    '{A}/signers/{S}', {} ],
	[ 30, 'DELETE', '{A}/signers/{S}/revoke' ],
	[ 31, 'PUT',    '{A}/signers/{S}/regenerate-auth-secret', {} ],
	[ 33, 'GET',    '{A}/signer-profiles/{P}' ],
	[ 33, 'GET',    '{A}/signer-profiles/{P}/inputs-needed' ],
	[ 35, 'PUT',    '/v4/webhooks/{W}', { url => 'http://127.0.0.1:1/' } ],
	[ 35, 'DELETE', '/v4/webhooks/{W}' ],
	[ 36, 'POST',   '/v4/webhooks/{W}/disabled-events', { topics => {} } ],
	[ 37, 'GET',    '/v4/webhooks/{W}/events' ],
	[ 37, 'GET',    '/v4/webhooks/{W}/events/{E}' ],
	[ 37, 'POST',   '/v4/webhooks/{W}/events/{E}/resend', {} ])
{
	my ($row, $method, $template, $body) = @$path;

	for my $kind ($template =~ /\{([B-Z])\}/g)
	{
		for my $id (sort keys %{ $ids{$kind} })
		{
			my $bad = $id eq 'none' ? $nobody : $is{$id} // 'xyz';

			refused($ids{$kind}{$id}, $method, $template =~ s/\{$kind\}/$bad/r,
				!defined $body ? () : ref $body eq 'ARRAY' ? @$body : (json => $body));
		}
	}
}

# ---- Applications and environments ----

my $app_id = ($A =~ m{applications/([^/]+)})[0];
for my $path (
	[ 4,  'POST', '/signature-requests', {} ],
	[ 5,  'GET',  '/signature-requests' ],
	[ 10, 'POST', '/signature-requests/status', { signatureRequestIds => [] } ],
	[ 13, 'POST', '/signer-setup', {} ],
	[ 14, 'POST', '/documents', [ form('document', $pdf) ] ],
	[ 15, 'POST', '/init-documents', { signatureRequestId => $is{R} } ],
	[ 28, 'POST', '/signers', { email => 'a@example.com' } ],
	[ 29, 'GET',  "/signers/$is{S}" ],
	[ 32, 'GET',  '/signers-paginate' ],
	[ 32, 'GET',  '/signers-search?filter=a' ],
	[ 32, 'POST', '/signers-search?filter=a' ],
	[ 33, 'GET',  '/signer-profiles' ],
	[ 34, 'POST', '/webhooks', { url => 'http://127.0.0.1:1/' } ],
	[ 34, 'POST', '/webhooks/endpoints', { url => 'http://127.0.0.1:1/' } ],
	[ 34, 'GET',  '/webhooks' ])
{
	my ($row, $method, $template, $body) = @$path;
	my @body = !defined $body ? () : ref $body eq 'ARRAY' ? @$body : (json => $body);

	refused('403 INVALID_CONTEXT_RIGHT_NOT_ALLOWED', $method, "$OTHER$template", @body);
	refused('403 INVALID_CONTEXT_RIGHT_NOT_ALLOWED', $method, "$STAGING$template", @body);
	refused('400 PARAMS_VALIDATION_FAILED', $method, ($A =~ s/DEVELOPMENT/development/r) . $template, @body);
	refused('401 API_KEY_NOT_FOUND', $method, "$A$template", @body, key => 'skv2_x');
	refused('401 AUTH_HEADER_NOT_FOUND', $method, "$A$template", @body, key => undef);
}
refused('403 INVALID_CONTEXT_RIGHT_NOT_ALLOWED', 'GET', '/v4/applications/appId_x/context');

# ---- Methods and paths that are not there ----

for my $path (
	[ 'GET',    "$requests/one-call-sign" ],   [ 'PUT',  "$requests/{R}/publish" ],
	[ 'GET',    "$requests/{R}" ],             [ 'DELETE', "$requests/{R}" ],
	[ 'POST',   "$requests/{R}/context" ],     [ 'GET',  '{A}/signature-requests/status' ],
	[ 'PATCH',  "$requests/{R}" ],             [ 'POST', '/v4/documents/{D}' ],
	[ 'GET',    '/v4/webhooks/{W}' ],          [ 'GET',  '{A}/signature-profiles' ],
	[ 'GET',    '{A}/signers' ],               [ 'DELETE', '{A}/signers/{S}' ],
	[ 'GET',    "$requests/{R}/context/" ],    [ 'GET',  '/v3/documents/{D}' ],
	[ 'POST',   '/v4/documents/{D}/signature-proof/PDF_WITH_SIGNATURES' ], [ 'GET', '/v4/auth/app-api' ])
{
	refused('404 NOT_FOUND', @$path);
}

# ---- Queries ----

for my $path ('{A}/signature-requests', '{A}/signers-paginate', '/v4/webhooks/{W}/events')
{
	refused('400 QUERY_VALIDATION_FAILED', 'GET', "$path?page=$_") for '', 'abc', '-1', '1.5', '1e3', '0x1', '%20';
	refused('400 QUERY_VALIDATION_FAILED', 'GET', "$path?page=1&page=2");
	refused('400 QUERY_VALIDATION_FAILED', 'GET', "$path?pagesize=10");
	is($sandbox->call('GET', fill("$path?page=1"))->{status}, 200, "GET $path?page=1");
	is($sandbox->call('GET', fill($path))->{status}, 200, "GET $path");
	is($sandbox->call('GET', fill("$path?page=999999999"))->{status}, 200, "GET $path: past the end");
}
refused('400 QUERY_VALIDATION_FAILED', 'GET', '{A}/signature-requests?page=0');
refused('400 QUERY_VALIDATION_FAILED', 'GET', '/v4/webhooks/{W}/events?page=0');
is($sandbox->call('GET', fill('{A}/signers-paginate?page=0'))->{status}, 200, 'signers are counted from 0, too');
refused('400 QUERY_VALIDATION_FAILED', 'GET', "/v4/webhooks/{W}/events?filter=$_") for 'PENDING', 'failed', '', 'A' x 400;
for my $method (qw(GET POST))
{
	refused('400 SEARCH_APPLICATION_SIGNERS_INVALID_FILTER', $method, '{A}/signers-search');
	refused('400 SEARCH_APPLICATION_SIGNERS_INVALID_FILTER', $method, '{A}/signers-search?filter=');
	is(scalar @{ made($method, "$A/signers-search?filter=ANN%40")->{signers} }, 1, "$method signers-search finds");
	is_deeply(made($method, "$A/signers-search?filter=nobody"), { signers => [], total => 0 }, "$method signers-search finds nobody");
}
is(scalar @{ made('POST', "$A/signers-search", json => { filter => 'ann' })->{signers} }, 1, 'the filter may stand in the body');
refused('400 BODY_VALIDATION_FAILED', 'POST', '{A}/signers-search', json => { filter => 7 });
refused('400 QUERY_VALIDATION_FAILED', 'GET', "$requests/{R}/context?x=1");

# ---- Bodies as such ----

my @bodies = (
	[ '400 BAD_REQUEST', body => '{}', type => 'text/plain' ],
	[ '400 BAD_REQUEST', body => '{}', type => 'application/jsonx' ],
	[ '400 BAD_REQUEST', body => 'a=b', type => 'application/x-www-form-urlencoded' ],
	[ '400 JSON_INVALID', body => '' ],
	(map { [ '400 JSON_INVALID', body => $_ ] }
		'{', '{}}', '{} {}', '{"title":}', '{"title":"a",}', "{'title':'a'}", '{title:"a"}', '{"title":"a" "b"}',
		'{"title":"a","title":"a"}', '{"statements":[{"a":1,"a":1}]}', '{"title":01}', '{"title":1.}', '{"title":.5}',
		'{"title":+1}', '{"title":1e}', '{"title":NaN}', '{"title":tru}', '{"title":"\\x"}', '{"title":"\\u12"}',
		"{\"title\":\"a\nb\"}", "{\"title\":\"a\x01\"}", "{\"title\":\"\xc3\"}", "{\"title\":\"\xed\xa0\x80\"}", '{"title":"\\ud800"}',
		"\xef\xbb\xbf{}", "{\x0b}", "{}\0", '{"title":' . '[' x 40 . ']' x 40 . '}', '// {}', '{"title":"a"/**/}'),
	(map { [ '400 BODY_VALIDATION_FAILED', body => $_ ] } '[]', '"a"', '1', 'null', 'true', '{"nonsense":1}'),
	[ '400 FILE_TOO_LARGE', body => '{"title":"' . 'a' x 100_001 . '"}' ]);
for my $case (@bodies)
{
	my ($expected, @body) = @$case;

	refused($expected, 'PUT', "$requests/{R}", @body);
}
is($sandbox->call('PUT', fill("$requests/{R}"), body => " \r\n\t{ \"title\" : \"a\\u00e9\\ud83d\\ude00\\n\" }\n", type => 'application/json; charset=utf-8')->{status},
	200, 'all that JSON allows is taken');

# Each endpoint that takes JSON refuses what is none, and fields that are not its own.
for my $path (
	[ 'POST', '/v4/auth/app-api' ], [ 'POST', "$requests/one-call-sign" ], [ 'POST', '{A}/signature-requests' ],
	[ 'PUT', "$requests/{R}" ], [ 'POST', "$requests/{R}/publish" ], [ 'POST', '{A}/signature-requests/status' ],
	[ 'POST', "$requests/{R}/close" ],
	[ 'POST', "$requests/{R}/check-signers-can-be-added" ], [ 'POST', '{A}/signer-setup' ], [ 'POST', '{A}/init-documents' ],
	[ 'POST', '/v4/documents/{D}/data-json-content' ], [ 'POST', '/v4/documents/{D}/private-content' ], [ 'PUT', '/v4/documents/{D}' ],
	[ 'POST', '{A}/signers' ], [ 'PUT', '{A}/signers/{S}' ], [ 'PUT', '{A}/signers/{S}/regenerate-auth-secret' ],
	[ 'POST', '{A}/webhooks' ], [ 'POST', '{A}/webhooks/endpoints' ], [ 'PUT', '/v4/webhooks/{W}' ],
	[ 'POST', '/v4/webhooks/{W}/disabled-events' ], [ 'POST', '/v4/webhooks/{W}/events/{E}/resend' ],
	[ 'POST', '/v4/tokens/webhook-verification/checking-consumption' ])
{
	refused('400 JSON_INVALID', @$path, body => '{"a"');
	refused('400 BODY_VALIDATION_FAILED', @$path, json => { nonsense => 1 });
	refused('400 BAD_REQUEST', @$path, body => '{}', type => 'multipart/form-data; boundary=x');
}

# ---- Fields ----

my %kinds = (
	string   => [ 7, '', [], {}, undef, \1 ],
	text1024 => [ 7, '', [], 'x' x 1025 ],
	text4096 => [ 7, '', 'x' x 4097 ],
	word512  => [ 7, '', 'x' x 513 ],
	id       => [ 7, '', 'x', '0' x 23, '0' x 25, 'g' x 24, undef ],
	ids      => [ 'x', {}, ['x'], [7], [undef], [ $nobody, $nobody ] ],
	email    => [ 7, '', 'ann', '@example.com', 'ann@', 'ann@example', 'a b@example.com', 'a@b@example.com' ],
	emails   => [ 'a@example.com', ['a'], [7], [ 'a@example.com', 'a@example.com' ] ],
	date     => [ 7, '', 'tomorrow', '2026-13-01', '2026-02-30', '01/02/2026', '2026-1-1', '2026-01-01T25:00:00Z', '2026-01-01T', '2026-01-01 10:00:00', '2026-01-01T10:00:00+1' ],
	country  => [ 7, '', 'fr', 'FRA', 'XX', 'F' ],
	language => [ 7, '', 'en', 'ENG', 'XX' ],
	phone    => [ 7, '', '0621000000', '+', '+352 621 000 000', '+0621000000', '+1234567890123456' ],
	url      => [ 7, '', 'example.com', 'ftp://example.com/', 'https://', 'http:///x', 'http://a b/' ],
	method   => [ 7, '', 'SIMPLE', 'simple_std' ],
	env      => [ 7, '', 'development', 'TEST' ],
	mode     => [ 7, '', 'NEVER', 'when_ready' ],
	boolean  => [ 7, 'true', '', undef ],
	hash     => [ 7, '', 'x', 'x' x 44, 'x' x 64, $hash =~ s/=$//r, "$hash=" ],
	topics   => [ 7, 'ALL', ['NONE'], ['signature'], [7], [ 'APP', 'APP' ] ],
	list     => [ 7, {}, 'x', [7], [ {} ], [ { nonsense => 1 } ] ]);

my $shell = shell($is{R});
my $token = { token => 'x', appId => $app_id, appEnv => 'DEVELOPMENT' };
my $login = { appId => $app_id, appEnv => 'STAGING', secret => 'sk_staging_x' };

# Endpoint, a good body, its fields (! required).
for my $endpoint (
	[ 1, 'POST', '/v4/auth/app-api', $login, { appId => '!word512', appEnv => '!env', secret => '!string' } ],
	[ 6, 'PUT', "$requests/{R}", {}, {
		title => 'text1024', description => 'text4096', language => 'language', documentIds => 'ids', signerIds => 'ids',
		signerIdsAsApprover => 'ids', recipients => 'emails', externalId => 'string', expirationDate => 'date',
		expirationDateIsActivated => 'boolean', diffusionMode => 'mode', diffusionDate => 'date', defaultSignatureMethod => 'method',
		signerProfilesSignatureMethod => 'list', individualizeRequests => 'boolean', statements => 'list',
		extendedAuthSessionEnabled => 'boolean', fullPrivacy => 'boolean', initialSignatureRequestId => 'id' } ],
	[ 15, 'POST', '{A}/init-documents', { signatureRequestId => $is{R} }, {
		signatureRequestId => '!id', externalId => 'string', label => 'string', description => 'string' } ],
	[ 18, 'POST', "/v4/documents/$shell/private-content", { documentHash => $hash }, { documentHash => '!hash' } ],
	[ 41, 'POST', '{A}/log-capsules', { hashSha256_b64 => $hash }, { hashSha256_b64 => '!hash' } ],
	[ 20, 'PUT', '/v4/documents/{D}', {}, { externalId => 'string', label => 'string', description => 'string',
		templateDisplayerId => 'string', templateDisplayerVersion => 'string' } ],
	[ 28, 'POST', '{A}/signers', { email => 'ann@example.com' }, {
		signerProfileId => 'id', email => 'email', firstName => 'string', lastName => 'string', phoneNumber => 'phone',
		nationality => 'country', birthDate => 'date', birthPlace => 'string', birthCountry => 'country', externalId => 'string' } ],
	[ 29, 'PUT', '{A}/signers/{S}', {}, {
		signerProfileId => 'id', email => 'email', firstName => 'string', lastName => 'string', phoneNumber => 'phone',
		nationality => 'country', birthDate => 'date', birthPlace => 'string', birthCountry => 'country', externalId => 'string', signerId => 'id' } ],
	[ 34, 'POST', '{A}/webhooks', { url => 'http://localhost/' }, { url => '!url', description => 'string' } ],
	[ 34, 'POST', '{A}/webhooks/endpoints', { url => 'https://db.example.org/hook/9f3a', topics => ['ALL'] },
		{ url => '!url', description => 'string', topics => 'topics' } ],
	[ 35, 'PUT', '/v4/webhooks/{W}', { url => 'http://[::1]:1/' }, { url => '!url', description => 'string' } ],
	[ 38, 'POST', '/v4/tokens/webhook-verification/checking-consumption', $token,
		{ token => '!word512', appId => '!word512', appEnv => '!env' } ])
{
	my ($row, $method, $path, $good, $fields) = @$endpoint;

	is($sandbox->call($method, fill($path), json => $good)->{status}, 200, "$method $path: a good body");
	for my $field (sort keys %$fields)
	{
		my ($required, $kind) = $fields->{$field} =~ /^(!?)(\w+)$/;
		my %rest = %$good;

		delete $rest{$field};
		for my $bad (@{ $kinds{$kind} })
		{
			my $answer = refused('400 BODY_VALIDATION_FAILED', $method, $path, json => { %rest, $field => $bad });

			like($answer->{json}{context}{errors}[0]{field} // '', qr/^\Q$field\E/, 'the field is named')
			  unless $kind eq 'list' && ref $bad;
		}
		refused('400 BODY_VALIDATION_FAILED', $method, $path, json => \%rest) if $required;
	}
}

# What is as long as it may be.
made('PUT', "/v4/signature-requests/$is{R}", json => {
	title => "\x{1F600}" x 1024, description => 'x' x 4096, language => 'FR', expirationDate => '2099-01-31T23:59:59.999+02:00',
	diffusionDate => '2099-01-01', diffusionMode => 'WHEN_READY', signerProfilesSignatureMethod => [ { signerProfileId => $is{P}, signatureMethodRef => 'SIMPLE_STD' } ],
	statements => [ { appId => $app_id, appEnv => 'DEVELOPMENT', signatureRequestId => $is{R}, labelMd => 'I agree' } ] });
is(made('GET', "/v4/signature-requests/$is{R}/context")->{language}, 'FR', 'the longest title and description are taken');
refused('400 BODY_VALIDATION_FAILED', 'PUT', "$requests/{R}", json => { signerProfilesSignatureMethod => [ { signerProfileId => $is{P}, signatureMethodRef => 'X' } ] });
refused('400 BODY_VALIDATION_FAILED', 'PUT', "$requests/{R}", json => { statements => [ { appId => $app_id, appEnv => 'DEVELOPMENT', signatureRequestId => $is{R} } ] });

# Bodies with fields of their own.
my @status = ('POST', '{A}/signature-requests/status');
refused('400 BODY_VALIDATION_FAILED', @status, json => $_)
  for {}, { signatureRequestIds => 'x' }, { signatureRequestIds => ['x'] }, { signatureRequestIds => [7] }, { signatureRequestIds => [ ($is{R}) x 101 ] };
is_deeply(made(@status[ 0 .. 0 ], fill($status[1]), json => { signatureRequestIds => [ $is{R2}, $nobody ] }), { signatureRequests => [] },
	'the status of foreign and unknown ids is absent');
my @check = ('POST', "$requests/{R}/check-signers-can-be-added");
refused('400 BODY_VALIDATION_FAILED', @check, json => $_) for {}, { emails => 'a@example.com' }, { emails => [] }, { emails => [7] };
refused('400 EMAIL_INVALID', @check, json => { emails => ['ann'] });
my @mute = ('POST', '/v4/webhooks/{W}/disabled-events');
refused('400 BODY_VALIDATION_FAILED', @mute, json => $_)
  for {}, { topics => [] }, { topics => { NONE => JSON::PP::true } }, { topics => { SIGNATURE => 1 } };
refused('400 BODY_VALIDATION_FAILED', 'POST', "/v4/documents/$shell/data-json-content", json => {});
refused('400 BODY_VALIDATION_FAILED', 'PUT', '{A}/signers/{S}', json => { signerId => $nobody });

# one-call-sign: see also 001_strict.t.
my $document = { originalName => 'a.pdf', mimeType => 'application/pdf', base64 => encode_base64($pdf, '') };
for my $change (
	(map { { title => $_ } } 7, '', undef, 'x' x 1025), (map { { signatureMethod => $_ } } 7, '', 'SIMPLE'),
	(map { { signers => $_ } } {}, [], ['a@example.com'], [ {} ], [ { email => 7 } ], [ { email => 'a@example.com', firstName => '' } ],
		[ { email => 'a@example.com', lastName => 7 } ], [ { email => 'a@example.com', signerProfileId => 'x' } ], [ { email => 'a@example.com', externalId => 'x' } ]),
	(map { { documents => $_ } } {}, [], [7], [ {} ], [ { %$document, originalName => '' } ], [ { %$document, mimeType => 7 } ],
		[ { %$document, base64 => 7 } ], [ { %$document, base64 => '' } ], [ { %$document, base64 => 'AA' } ], [ { %$document, base64 => undef } ], [ { %$document, label => 'x' } ]),
	(map { { $_ => 'x' } } qw(description externalId language expirationDate recipients diffusionMode)))
{
	my %body = (%{ SandboxTest::sign_body(documents => [$document]) }, %$change);

	refused('400 BODY_VALIDATION_FAILED', 'POST', "$requests/one-call-sign", json => \%body);
}
refused('404 SIGNER_PROFILE_NOT_FOUND', 'POST', '{A}/signers', json => { email => 'eve@example.com', signerProfileId => $nobody });
refused('404 SIGNER_PROFILE_NOT_FOUND', 'PUT', '{A}/signers/{S}', json => { signerProfileId => $nobody });
refused('400 SIGNER_CREATION__INPUT_FIELD_MISSING', 'POST', '{A}/signers', json => { firstName => 'Eve' });
refused('404 SIGNATURE_REQUEST_NOT_FOUND', 'POST', '{A}/init-documents', json => { signatureRequestId => $nobody });
refused('403 INVALID_CONTEXT', 'POST', '{A}/init-documents', json => { signatureRequestId => $is{R2} });

# ---- Uploads ----

for my $upload ([ 'document', "$A/documents" ], [ 'file', '/v4/documents/' . shell($is{R}) . '/file' ], [ 'file', "/v4/documents/$is{D}/check-authenticity" ])
{
	my ($part, $path) = @$upload;

	refused('400 BAD_REQUEST', 'POST', $path, json => { $part => 'x' });
	refused('400 BAD_REQUEST', 'POST', $path, body => 'x', type => 'application/pdf');
	refused('400 BAD_REQUEST', 'POST', $path, body => 'x', type => 'multipart/form-data');
	refused('400 BODY_VALIDATION_FAILED', 'POST', $path, form('other', $pdf));
	refused('400 BODY_VALIDATION_FAILED', 'POST', $path, form($part, $pdf, name => undef));
	refused('400 BODY_VALIDATION_FAILED', 'POST', $path, form($part, $pdf, times => 2));
	refused('400 BODY_VALIDATION_FAILED', 'POST', $path, form($part, $pdf, end => ''));
	refused('400 BODY_VALIDATION_FAILED', 'POST', $path, form($part, $pdf, end => "--other--\r\n"));
	refused('400 DOCUMENT_NOT_PROVIDED', 'POST', $path, body => 'x', type => 'multipart/form-data; boundary=b0undary');
	refused('400 DOCUMENT_NOT_PROVIDED', 'POST', $path, form($part, ''));
	refused('400 DOCUMENT_NOT_PROVIDED', 'POST', $path, body => "--b0undary--\r\n", type => 'multipart/form-data; boundary=b0undary');
	refused('400 FILE_TOO_LARGE', 'POST', $path, form($part, 'x' x 100_000));
	refused('400 PDF_CORRUPTED', 'POST', $path, form($part, 'no pdf')) unless $path =~ /authenticity/;
}

# ---- States ----

# Each row: a request that is made ready for it, then the call, then the refusal.
my $launched = published();
my $signed = published();
$sandbox->control('POST', "requests/$signed/sign", {});
my %closed;
for my $action (qw(expire fail launch-error))
{
	$closed{$action} = published();
	$sandbox->control('POST', "requests/$closed{$action}/$action", {});
}
my $cancelled = published();
made('POST', "/v4/signature-requests/$cancelled/close", json => {});
my ($locked, $party) = @{ made('GET', "/v4/signature-requests/$launched/context") }{qw(documentIds signerIds)};
$locked = $locked->[0];
$party = $party->[0];
my $proven = made('GET', "/v4/signature-requests/$signed/context")->{documentIds}[0];

for my $id ($launched, $signed, $cancelled, values %closed)
{
	refused('400 SIGNATURE_REQUEST_BAD_STATUS', 'PUT', "$requests/$id", json => { title => 'x' });
	refused('400 CANNOT_PUBLISH_SIGNATURE_REQUEST__REQUEST_ALREADY_PUBLISHED', 'POST', "$requests/$id/publish", json => {});
	refused('400 SIGNATURE_REQUEST_BAD_STATUS', 'POST', '{A}/init-documents', json => { signatureRequestId => $id });
}
refused('400 SIGNATURE_REQUEST_ALREADY_COMPLETED', 'POST', "$requests/$signed/close", json => {});
refused('400 SIGNATURE_REQUEST_BAD_STATUS', 'POST', "$requests/$_/close", json => {}) for values %closed;
refused('400 SIGNER_ALREADY_SIGNED', 'POST', "$requests/$signed/$party/resend-email");
refused('400 SIGNATURE_REQUEST_NOT_IN_PROGRESS', 'POST', "$requests/$cancelled/$party/resend-email");
refused('404 SIGNER_NOT_FOUND', 'POST', "$requests/$launched/$nobody/resend-email");
refused('400 PARAMS_VALIDATION_FAILED', 'POST', "$requests/$launched/x/resend-email");
is($sandbox->call('POST', "/v4/signature-requests/$cancelled/close")->{status}, 200, 'a cancelled request can be closed again, without a body');

for my $case (
	[ 'POST', 'file', form('file', $pdf) ], [ 'POST', 'data-json-content', json => { jsonContent => {} } ],
	[ 'POST', 'private-content', json => { documentHash => $hash } ], [ 'DELETE', 'content' ], [ 'DELETE', '' ])
{
	my ($method, $what, @body) = @$case;

	refused('400 DOCUMENT_LOCKED', $method, "/v4/documents/$locked" . ($what ? "/$what" : ''), @body);
}
refused('400 DOCUMENT_PROOF_NOT_CREATED', 'GET', "/v4/documents/$locked/signature-type/$_") for qw(PDF_WITH_SIGNATURES ADVANCED_LEGAL_KIT);
refused('400 PARAMS_VALIDATION_FAILED', 'GET', "/v4/documents/$proven/signature-type/$_") for qw(PDF pdf_with_signatures CADES);
refused('400 PARAMS_VALIDATION_FAILED', 'GET', "/v4/documents/$proven/signature-type/$_/signers/$party") for qw(PDF_WITH_SIGNATURES cades);
refused('400 SIGNER_NOT_SIGNED_YET', 'GET', "/v4/documents/$locked/signature-type/CADES/signers/$party");
refused('404 SIGNER_NOT_FOUND', 'GET', "/v4/documents/$proven/signature-type/CADES/signers/$nobody");
refused('404 SIGNATURE_NOT_FOUND', 'GET', "/v4/documents/$proven/signatures/$nobody");
refused('404 NO_SIGNATURE_IMAGES_FOUND', 'GET', "/v4/documents/$proven/img-signatures");
$sandbox->control('POST', "requests/$signed/originals-cleaned", {});
refused('400 DOCUMENT_HAS_BEEN_REMOVED', 'GET', "/v4/documents/$proven/file");
is(made('GET', "/v4/documents/$proven")->{status}, 'CLEANED', 'its status tells');
$sandbox->control('POST', "requests/$signed/proof-cleaned", {});
refused('400 DOCUMENT_PROOF_HAS_BEEN_REMOVED', 'GET', "/v4/documents/$proven/signature-type/PDF_WITH_SIGNATURES");

# Documents of a draft.
my $again = shell($is{R});
made('POST', "/v4/documents/$again/file", form('file', $pdf));
is($sandbox->call('POST', "/v4/documents/$again/file", form('file', $pdf))->{status}, 200, 'the same content can be given again');
refused('400 DOCUMENT_BAD_STATUS', 'POST', "/v4/documents/$again/file", form('file', "$pdf\n"));
refused('400 DOCUMENT_BAD_STATUS', 'POST', "/v4/documents/$again/private-content", json => { documentHash => $hash });
refused('400 DOCUMENT_BAD_STATUS', 'POST', "/v4/documents/$again/data-json-content", json => { jsonContent => {} });
my $json = shell($is{R});
made('POST', "/v4/documents/$json/data-json-content", json => { jsonContent => { a => 1 } });
is($sandbox->call('POST', "/v4/documents/$json/data-json-content", json => { jsonContent => { a => 1 } })->{status}, 200, 'so can the same data');
refused('400 ONLY_ONE_JSON_PER_SIGNATURE_REQUEST_IS_ALLOWED', 'POST', '/v4/documents/' . shell($is{R}) . '/data-json-content', json => { jsonContent => {} });
refused('400 DOCUMENT_NOT_PROVIDED', 'GET', '/v4/documents/' . shell($is{R}) . '/file');
refused('400 DOCUMENT_BAD_NATURE', 'GET', "/v4/documents/$shell/file");

# Drafts that take what they cannot have: nothing of it is kept.
my $draft = ready();
my $before = made('GET', "/v4/signature-requests/$draft/context");
for my $case (
	[ '404 DOCUMENT_NOT_FOUND', documentIds => [$nobody] ],
	[ '403 DOCUMENT_NOT_OWNED_BY_APP', documentIds => [ $is{D2} ] ],
	[ '403 DOCUMENT_BAD_ENV', documentIds => [ $is{D3} ] ],
	[ '400 CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT', documentIds => [ shell($draft) ] ],
	[ '400 CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_ALREADY_A_SIGNATURE', documentIds => [$locked] ],
	[ '404 SIGNER_NOT_FOUND', signerIds => [$nobody], title => 'Other' ],
	[ '403 SIGNER_NOT_OWNED_BY_APP', signerIds => [ $is{S2} ], documentIds => [] ],
	[ '403 SIGNER_BAD_ENV', signerIds => [ $is{S3} ] ],
	[ '404 SIGNER_NOT_FOUND', signerIdsAsApprover => [$nobody], signerIds => [] ])
{
	my ($expected, %body) = @$case;

	refused($expected, 'PUT', "$requests/$draft", json => \%body);
}
is_deeply(made('GET', "/v4/signature-requests/$draft/context"), $before, 'the draft is as it was');

# Drafts that lack something.
my $private = draft($A, $SandboxTest::key);
my $nameless = shell($private);
made('POST', "/v4/documents/$nameless/private-content", json => { documentHash => unpack 'H*', 'x' x 32 });
for my $case (
	[ 'NO_DOCUMENTS', documentIds => [] ], [ 'NO_SIGNERS', signerIds => [] ],
	[ 'EXPIRATION_DATE_IN_THE_PAST', expirationDateIsActivated => JSON::PP::true, expirationDate => '2020-01-01T00:00:00.000Z' ],
	[ 'EXPIRATION_DATE_IS_ACTIVATED_BUT_EXPIRATION_DATE_IS_MISSING', expirationDateIsActivated => JSON::PP::true ],
	[ 'DIFFUSION_MODE_IS_SCHEDULED_BUT_DIFFUSION_DATE_IS_MISSING', diffusionMode => 'SCHEDULED' ],
	[ 'DIFFUSION_DATE_IN_THE_PAST', diffusionMode => 'SCHEDULED', diffusionDate => '2020-01-01' ],
	[ 'EXPIRATION_DATE_BEFORE_DIFFUSION_DATE', diffusionMode => 'SCHEDULED', diffusionDate => '2099-01-02',
		expirationDateIsActivated => JSON::PP::true, expirationDate => '2099-01-01' ])
{
	my ($code, %change) = @$case;

	refused("400 CANNOT_PUBLISH_SIGNATURE_REQUEST__$code", 'POST', "$requests/" . ready(%change) . '/publish', json => {});
}
for my $missing ([ NO_TITLE => 'title' ], [ NO_DEFAULT_SIGNATURE_METHOD => 'defaultSignatureMethod' ])
{
	my ($code, $field) = @$missing;
	my $id = draft($A, $SandboxTest::key);
	my %body = (title => 'x', defaultSignatureMethod => 'SIMPLE_STD', documentIds => [ upload($A, $SandboxTest::key) ], signerIds => [ $is{S} ]);

	delete $body{$field};
	made('PUT', "/v4/signature-requests/$id", json => \%body);
	refused("400 CANNOT_PUBLISH_SIGNATURE_REQUEST__$code", 'POST', "$requests/$id/publish", json => {});
}
my $members = { title => 'x', defaultSignatureMethod => 'SIMPLE_STD', documentIds => [$nameless], signerIds => [ $is{S} ] };
refused('400 CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_ARE_NOT_CREATED_OR_IS_INVALID', 'PUT', "$requests/$private", json => $members);
made('PUT', "/v4/documents/$nameless", json => { label => 'Secret' });
made('PUT', "/v4/signature-requests/$private", json => $members);
is($sandbox->call('POST', "/v4/signature-requests/$private/publish", json => {})->{status}, 200, 'with a label it can be published');

# Signers.
my $gone = signer($A, $SandboxTest::key, 'gone@example.com');
made('DELETE', "$A/signers/$gone/revoke");
is(made('GET', "$A/signers/$gone")->{status}, 'BLOCKED', 'a signer is revoked');
refused('400 SIGNER_BLOCKED', 'PUT', "$requests/$draft", json => { signerIds => [$gone] });
refused('400 SIGNER_BLOCKED', 'PUT', "{A}/signers/$gone", json => { firstName => 'x' });
refused('400 SIGNER_BLOCKED', 'PUT', "{A}/signers/$gone/regenerate-auth-secret", json => {});

# Logins.
my $login_path = '/v4/auth/app-api';
refused('401 AUTHENTICATION_FAILED', 'POST', $login_path, json => { %$login, secret => 'sk_wrong' });
refused('401 AUTHENTICATION_FAILED', 'POST', $login_path, json => { %$login, appEnv => 'DEVELOPMENT' });
refused('404 APP_NOT_FOUND', 'POST', $login_path, json => { %$login, appId => 'appId_x' });
refused('404 APP_NOT_FOUND', 'POST', $login_path, json => { %$login, appEnv => 'PRODUCTION' });
my $jwt = made('POST', $login_path, json => $login)->{jwtToken};
is($sandbox->call('GET', "$STAGING/signature-requests", key => $jwt)->{status}, 200, 'a token opens its environment');
refused('403 INVALID_CONTEXT_RIGHT_NOT_ALLOWED', 'GET', '{A}/signature-requests', key => $jwt);
refused('401 INVALID_AUTH_JWT_TOKEN', 'GET', "$STAGING/signature-requests", key => $_)
  for "${jwt}x", $jwt =~ s/\.[^.]*$//r, $jwt =~ s/\.[^.]*$/./r, 'eyJ', 'eyJhbGciOiJub25lIn0.e30.';
$sandbox->control('POST', 'revoke-logins');
refused('401 INVALID_AUTH_JWT_TOKEN', 'GET', "$STAGING/signature-requests", key => $jwt);
my $brief = SandboxTest->start('--jwt-lifetime', 0);
$jwt = $brief->call('POST', $login_path, json => { %$login, appEnv => 'DEVELOPMENT', secret => 'sk_development_sandboxsecret' })->{json}{jwtToken};
ok(SandboxTest::wait_for(sub {
		my $answer = $brief->call('GET', "$A/signature-requests", key => $jwt);
		return $answer->{status} == 401 && $answer->{json}{code} eq 'OUTDATED_AUTH_JWT_TOKEN';
	}), '401 OUTDATED_AUTH_JWT_TOKEN');

done_testing();
