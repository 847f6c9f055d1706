# The console shows requests, events with their deliveries, and calls: all of
# them, none of the secrets, and it changes nothing.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $sandbox = SandboxTest->start('--proof-delay', 0, '--webhook-retries', 12, '--webhook-retry-delay', 1);
my $app = $SandboxTest::app;

sub look { return $sandbox->call('GET', $_[0], key => undef) }
sub page { return look($_[0])->{content} }
sub rows { return scalar(() = $_[0] =~ /<tr><t[hd][^>]* data-label/g) }

# ---- Nothing yet ----

like(page('/console'), qr/There are none yet/, 'no request');
like(page('/console/events'), qr/Nobody listens/, 'no endpoint');
like(page('/console/calls'), qr/None yet/, 'no call');
my $answer = look('/console');
is($answer->{headers}{'content-type'}, 'text/html; charset=utf-8', 'it is a page');
like($answer->{headers}{'content-security-policy'}, qr/^default-src 'none'; .*script-src 'self'; connect-src 'self'; .*frame-ancestors 'none'/, 'its policy');
unlike($answer->{headers}{'content-security-policy'}, qr/unsafe|\*|data:|https?:/, 'lets in nothing else');
unlike($answer->{content}, qr/<script>|<script(?! src="\/page\/console\.js" defer>)|<style|\sstyle=|\son[a-z]+=/, 'its script is a file');
like($answer->{content}, qr{<noscript><meta http-equiv="refresh"}, 'without it the page is loaded again');
is(look('/page/console.js')->{headers}{'content-type'}, 'text/javascript; charset=utf-8', 'the script');
is(look($_)->{status}, 404, "there is no $_") for '/console/', '/console/x', '/console/requests', '/console/requests/', '/console/requests/x',
  '/console/requests/' . '0' x 24;
is(look('/consolex')->{json}{code}, 'NOT_FOUND', 'what only begins so is the API\'s');
is($sandbox->call($_, '/console', key => undef)->{status}, 405, "it takes no $_") for qw(POST PUT DELETE);
is($sandbox->control('GET', 'counts')->{calls}, 1, 'pages are no calls');

# ---- Much ----

my $other = SandboxTest->start;
my $hooks = $sandbox->call('POST', "$app/webhooks/endpoints",
	json => { url => $other->url . '/hook/verysecretpath?q=verysecretquery', description => 'An <i>endpoint</i>', topics => [ 'SIGNATURE', 'SIGNATURE_REQUEST' ] })->{json};
$sandbox->call('POST', "$app/webhooks", json => { url => "http://me:verysecretpassword\@127.0.0.1:1/x" });
my @ids = map { $sandbox->sign(title => "Lease $_") } 1 .. 30;
my $evil = q{"><script>alert(1)</script>'};
my $profiles = $sandbox->call('GET', "$app/signer-profiles")->{json};
my ($embedded) = map { $_->{_id} } grep { $_->{integrationMode} eq 'EMBEDDED' } @$profiles;
push @ids, $sandbox->sign(
	title     => $evil,
	documents => [ { originalName => "$evil.txt", mimeType => 'text/plain', base64 => encode_base64('x', '') } ],
	signers   => [ { email => 'eve@example.com', firstName => $evil, signerProfileId => $embedded }, { email => 'bob@example.com' } ]);
my ($token) = $sandbox->call('GET', "/v4/webhooks/$hooks->[0]{_id}/events?filter=ALL")->{content} =~ /"token":"(st_\w+)"/;
ok($token, 'an event with a token');
my ($link) = map { $_->{link} } @{ $sandbox->control('GET', "emails?request=$ids[-1]") };
ok($link, 'a link was mailed');
$sandbox->control('POST', "requests/$ids[-1]/sign", { email => 'bob@example.com' });
$sandbox->control('POST', "requests/$ids[-1]/refuse", { email => 'eve@example.com', reason => $evil });
$sandbox->control('POST', "requests/$ids[0]/expire", {});
$sandbox->control('POST', 'faults', { spec => 'context count=1 for=sandboxsecret status=503 body=text' });
$sandbox->context($ids[1]);
$sandbox->control('POST', 'faults', { spec => 'context count=1 close=after' });
$sandbox->context($ids[1]);
$sandbox->call('GET', "/v4/signature-requests/$ids[1]/context?verysecretparameter=verysecretvalue");
$sandbox->call('POST', '/v4/auth/app-api', json => { appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT',
		secret => 'sk_development_sandboxsecret' });
ok(SandboxTest::wait_for(sub { page("/console/requests/$ids[-1]") !~ /PENDING|is next/ }), 'all deliveries were made');

# ---- What it shows ----

my $list = page('/console');
is(rows($list), 25, 'a page of requests');
like($list, qr{<p class="minor">31</p>}, 'and how many there are');
like($list, qr{Page 1 of 2.*rel="next" href="\?page=2">Older}s, 'with a link to the older ones');
like($list, qr{href="/console/requests/$ids[-1]"}, 'the newest one first');
my $older = page('/console?page=2');
is(rows($older), 6, 'the older ones');
like($older, qr{rel="prev" href="\?page=1">Newer}, 'with a link back');
is(page("/console?page=$_"), $older, "page $_ is the last") for 3, '99999999999999999999';
is(page("/console?page=$_"), $list, "page $_ is the first") for 0, 'x', '-1';
like(page('/console?status=EXPIRED'), qr{1 are EXPIRED.*<option selected>EXPIRED.*Lease 1<}s, 'those of a status');
is(rows(page('/console?status=EXPIRED')), 1, 'only those');
like(page('/console?status=IN_PROGRESS&page=1'), qr{href="\?status=IN_PROGRESS&amp;page=2"}, 'page by page');
is(rows(page('/console?status=CANCELLED')), 0, 'or none');
is(page('/console?status=%22%3E%3Cscript%3E'), $list, 'what is no status');

my $request = page("/console/requests/$ids[-1]");
like($request, qr{<title>Console: &quot;&gt;&lt;script&gt;}, 'a request has a page');
like($request, qr{<dt>Id</dt><dd><bdi>$ids[-1]</bdi>}, 'with its id');
like($request, qr{eve\@example\.com</bdi></th>.*signs, embedded.*refused.*bob\@example\.com.*signs, by e-mail.*signed}s, 'its signers');
like($request, qr{\.txt</bdi></th><td data-label="Nature">FILE</td>}, 'its documents');
like($request, qr{made .*published .*launched .*signed by <bdi>bob\@.*refused by <bdi>eve\@.*FAILED}s, 'what happened');
like($request, qr{SIGNATURE_REQUEST <strong>FAILED</strong> ERROR.*SIGNATURE <strong>FINALIZED</strong>.*SIGNATURE_REQUEST <strong>LAUNCHED</strong>}s, 'its events, newest first');
is(scalar(() = $request =~ /13 attempts/g), 8, 'with all attempts to deliver them, to both endpoints');
like($request, qr{The last 10:}, 'of which the last are told');
like($request, qr{<span>HTTP 404</span> <span class="minor">\d+ ms}, 'what was answered');
like($request, qr{<span>no answer</span>}, 'or that nothing was');
like($request, qr{POST /v4/signature-requests/one-call-sign}, 'its calls');
unlike($request, qr{$ids[0]}, 'nothing of another request');

my $events = page('/console/events');
is(rows($events), 2 + 25, 'endpoints, and a page of events');
like($events, qr{http://127\.0\.0\.1:$other->{port}/\x{e2}\x{80}\x{a6}</bdi>.*An &lt;i&gt;endpoint&lt;/i&gt;</td><td data-label="Topics">SIGNATURE, SIGNATURE_REQUEST<}s, 'where and what they want');
like($events, qr{&quot;signatureRequestId&quot;:\s+&quot;$ids[-1]&quot;}, 'what events say');
like($events, qr{href="/console/requests/$ids[-1]"}, 'with a link to what they are about');
like(page('/console/events?page=2'), qr/Page 2 of/, 'page by page');

my $calls = page('/console/calls');
is(rows($calls), 25, 'a page of calls');
like($calls, qr{login</th>.*POST /v4/auth/app-api}s, 'the operation and the call');
like($calls, qr{<span class="chip bad">503</span> <span class="minor">\d+ ms</span> <span class="minor">fault: status=503 body=text }, 'an answer that a fault made');
like($calls, qr{<span class="chip bad">closed after</span>}, 'or one that was broken');
like($calls, qr{<span class="chip bad">400</span>}, 'or a refusal');
like($calls, qr{href="/console/requests/$ids[1]"}, 'with links to the requests');

# ---- What it does not ----

my $all = join '', map { page($_) } '/console', '/console?page=2', '/console/events', map({ "/console/events?page=$_" } 2 .. 6), '/console/calls',
  '/console/calls?page=2', map { "/console/requests/$_" } @ids;
my ($link_token) = $link =~ /(lt_\w+)/;
for my $secret ('sandboxsecret', 'verysecret', $token, $link_token, 'lt_', 'st_', 'as_', 'eyJ', 'wt_', '/sign/')
{
	unlike($all, qr/\Q$secret\E/, "nowhere: $secret");
}
unlike($all, qr/<script>alert|<i>/, 'and no markup but its own');
my $tags = $all =~ s/<[^<>]*>//gr;
unlike($tags, qr/[<>"]/, 'between tags there is none of its characters');
is(page('/console/calls'), $calls, 'to look at it changes nothing');

# ---- To whom ----

# The status of the console under a name of the sandbox.
sub named
{
	my ($sandbox, $host) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sandbox->{port});

	print $socket "GET /console HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n";
	return (<$socket> =~ m{^HTTP/1.1 (\d+)})[0];
}

is(named($sandbox, $_), 200, "under its name: $_") for "127.0.0.1:$sandbox->{port}", "localhost:$sandbox->{port}", 'LOCALHOST', '127.0.1.1';
is(named($sandbox, $_), 403, "not under another one: $_") for 'evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:1', '127.evil.example';
my $open = SandboxTest->start('--open-console');
is(named($open, 'sandbox:8017'), 200, '--open-console: under any');

is($_->stop, 0, 'it stops') for $sandbox, $other, $open;
done_testing();
