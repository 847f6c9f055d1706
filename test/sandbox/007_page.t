# The page at a signer's link: who gets in, what it does, and what it lets nobody do.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Encode       qw(decode_utf8 encode_utf8);
use File::Temp;
use MIME::Base64 qw(encode_base64);
use POSIX        qw(strftime);
use SandboxTest;
use Test::More;

my $sandbox = SandboxTest->start('--proof-delay', 0);
my $app = $SandboxTest::app;
my $pdf = do { local (@ARGV, $/) = "$FindBin::Bin/../../examples/demo/contract.pdf"; <> };
my %lease = (originalName => 'lease.pdf', mimeType => 'application/pdf', base64 => encode_base64($pdf, ''));
my $two = [ { email => 'ann@example.com', firstName => 'Ann', lastName => 'Lee' }, { email => 'bob@example.com' } ];

# The paths of the links that were mailed for a request, by address.
sub links
{
	my ($id) = @_;
	my $url = $sandbox->url;

	return map { $_->{to} => $_->{link} =~ s/^\Q$url\E//r } @{ $sandbox->control('GET', "emails?request=$id") };
}

# Look at a page, as a browser does: without a key.
sub look { return $sandbox->call('GET', $_[0], key => undef) }

# Send the page's form.
sub submit
{
	my ($path, $form, %header) = @_;

	return $sandbox->call('POST', $path, key => undef, body => $form, type => 'application/x-www-form-urlencoded', headers => \%header);
}

sub text { return decode_utf8($_[0]{content}) }
sub status { return $sandbox->context($_[0])->{status} }
sub seconds_from_now { return strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime(time + $_[0])) }

# A request made step by step, with changes to what is put.
sub staged
{
	my ($signers, %change) = @_;
	my $id = $sandbox->call('POST', "$app/signature-requests", json => {})->{json}{signatureRequestId};
	my @signers = map { $sandbox->call('POST', "$app/signers", json => $_)->{json}{signerId} } @$signers;
	my $document = $sandbox->call('POST', "$app/init-documents", json => { signatureRequestId => $id, label => 'Terms' })->{json}{documentId};

	$sandbox->call('POST', "/v4/documents/$document/data-json-content", json => { jsonContent => { rent => '<b>950</b>' } });
	my $answer = $sandbox->call('PUT', "/v4/signature-requests/$id",
		json => { title => 'Staged', documentIds => [$document], signerIds => \@signers, defaultSignatureMethod => 'SIMPLE_STD',
			map { ref $change{$_} eq 'CODE' ? ($_ => $change{$_}->($id, @signers)) : ($_ => $change{$_}) } keys %change });
	die $answer->{content} unless $answer->{status} == 200;
	$answer = $sandbox->call('POST', "/v4/signature-requests/$id/publish", json => {});
	die $answer->{content} unless $answer->{status} == 200;
	return ($id, $answer->{json});
}

# ---- What it shows ----

my $id = $sandbox->sign(title => 'Lease 42', signers => $two, documents => [ \%lease, { originalName => 'häuser.txt', mimeType => 'text/plain', base64 => encode_base64('hello', '') } ]);
my %link = links($id);
is_deeply([ sort keys %link ], [ 'ann@example.com', 'bob@example.com' ], 'each signer is mailed a link');
like($link{'ann@example.com'}, qr{^/sign/$id/[0-9a-f]{24}/lt_[0-9a-f]{32}$}, 'with a token of 128 bits');
isnt($link{'ann@example.com'} =~ s/.*_//r, $link{'bob@example.com'} =~ s/.*_//r, 'of their own');
my ($mail) = @{ $sandbox->control('GET', "emails?to=BOB\@example.com") };
is_deeply([ @$mail{qw(to asks title signatureRequestId)} ], [ 'bob@example.com', 'sign', 'Lease 42', $id ], 'what an e-mail says');
unlike($sandbox->call('GET', "/v4/signature-requests/$id/context")->{content}, qr/lt_/, 'the API does not tell the tokens');

my $page = look($link{'ann@example.com'});
is($page->{status}, 200, 'the link leads to a page');
is($page->{headers}{'content-type'}, 'text/html; charset=utf-8', 'of HTML');
like($page->{content}, qr{<title>To sign: Lease 42</title>}, 'with what it is about');
like($page->{content}, qr{<bdi>Ann Lee</bdi> <em>\(you\)</em>}, 'and for whom');
like($page->{content}, qr{<button[^>]*value="sign">Sign</button>.*<button[^>]*value="refuse">Refuse to sign</button>}s, 'one can sign or refuse');
my ($shown) = $page->{content} =~ m{<object[^>]*type="application/pdf" data="([^"#]+)#};
my @saved = $page->{content} =~ m{href="([^"]+)\?download=1"}g;
is(scalar @saved, 2, 'all documents can be downloaded');
is($saved[0], $shown, 'and a PDF is shown');
my $document = look($shown);
is($document->{content}, $pdf, 'it is the document');
is($document->{headers}{'content-type'}, 'application/pdf', 'of its type');
like($document->{headers}{'content-disposition'}, qr/^inline; filename\*=UTF-8''lease.pdf$/, 'to be shown');
like(look("$shown?download=1")->{headers}{'content-disposition'}, qr/^attachment/, 'or to be saved');
$document = look($saved[1]);
is($document->{content}, 'hello', 'any other file');
is($document->{headers}{'content-type'}, 'application/octet-stream', 'is of no type');
is($document->{headers}{'content-disposition'}, "attachment; filename*=UTF-8''h%C3%A4user.txt", 'and is saved only');
is(look('/page/style.css')->{headers}{'content-type'}, 'text/css; charset=utf-8', 'the style');
is(look('/page/icon.svg')->{headers}{'content-type'}, 'image/svg+xml', 'the icon');
is(look('/page/nothing')->{status}, 404, 'nothing else');

# ---- What it forbids ----

my %headers = %{ $page->{headers} };
my $policy = $headers{'content-security-policy'};
like($policy, qr/^default-src 'none';/, 'the policy: nothing but');
unlike($policy, qr/script-src|unsafe|\*|data:|https?:/, 'no script, nothing from elsewhere');
like($policy, qr/frame-ancestors 'none'/, 'it is in nobody\'s frame');
like($policy, qr/form-action 'self'.*/, 'forms go back to it');
like($policy, qr/base-uri 'none'/, 'there is no base');
unlike($page->{content}, qr/<script|<style|\sstyle=|\son[a-z]+=|javascript:/i, 'it needs none of that');
is($headers{'x-content-type-options'}, 'nosniff', 'types are not guessed');
is($headers{'referrer-policy'}, 'same-origin', 'the link is told to no other site');
is($headers{'cache-control'}, 'no-store', 'and kept nowhere');
unlike($document->{headers}{'content-security-policy'}, qr/script-src|frame-ancestors \*/, 'documents are no pages');
like($document->{headers}{'content-security-policy'}, qr/sandbox/, 'wherever they are opened');

my $journal = $sandbox->call('GET', '/_sandbox/journal')->{content};
unlike($journal, qr/lt_|\/sign\//, 'the journal knows of no link');

# Wrong in any way: not found, and all the same.
my ($request, $signer, $token) = $link{'ann@example.com'} =~ m{/sign/(\w+)/(\w+)/(\w+)};
my ($other_signer, $other_token) = $link{'bob@example.com'} =~ m{/sign/\w+/(\w+)/(\w+)};
my $other = $sandbox->sign;
my $nobody = '0' x 24;
my $lost = look("/sign/$request/$signer/$other_token");
is($lost->{status}, 404, "another's token");
for my $path ("/sign/$request/$other_signer/$token", "/sign/$other/$signer/$token", "/sign/$nobody/$signer/$token",
	"/sign/$request/$nobody/$token", "/sign/$request/$signer/", "/sign/$request/$signer", '/sign/', '/sign/x/y/z',
	"/sign/$request/$signer/" . substr($token, 0, -1), "/sign/$request/$signer/${token}0", "/sign/$request/$signer/" . uc $token,
	"/sign/$request/$signer/$token/", "/sign/$request/$signer/$token/documents", "/sign/$request/$signer/$token/documents/",
	"/sign/$request/$signer/$token/documents/x", "/sign/$request/$signer/$token/x", "/sign/../sign/$request/$signer/$token",
	"/sign/$request/$signer/%00$token", "/sign/$request/$signer/" . '0' x 5000, "/sign/$request//$token", "/sign/$request/$signer/lt_")
{
	my $answer = look($path);

	is($answer->{status} . $answer->{content}, 404 . $lost->{content}, 'not found: ' . substr $path, 0, 120);
}
is(submit("/sign/$request/$signer/$other_token", 'action=sign')->{status}, 404, 'nor is there a form');
is(look("/sign/$request/$signer/$token/documents/$nobody")->{status}, 404, 'no such document');
my $foreign = $sandbox->context($other)->{documentIds}[0];
is(look("/sign/$request/$signer/$token/documents/$foreign")->{status}, 404, "another request's document");
is($sandbox->call($_, $link{'ann@example.com'}, key => undef)->{status}, 405, "not with $_") for qw(PUT DELETE PATCH OPTIONS);
is($sandbox->call('DELETE', $link{'ann@example.com'}, key => undef)->{headers}{allow}, 'GET, HEAD, POST', 'it says how');
is($sandbox->call('POST', $shown, key => undef)->{status}, 405, 'a document has no form');
my $head = $sandbox->call('HEAD', $link{'ann@example.com'}, key => undef);
is($head->{status} . ($head->{content} // q{}), 200, 'HEAD is GET without the page');

# Nothing happens by looking, nor by a form that is none of it.
look("$link{'ann@example.com'}?action=sign") for 1 .. 2;
for my $case (
	[ 400, 'nothing',           '' ],
	[ 400, 'another word',      'action=signed' ],
	[ 400, 'a reason too long', 'action=refuse&reason=' . 'x' x 501 ],
	[ 400, 'no text',           'action=refuse&reason=%FF%FE' ],
	[ 413, 'too much',          'action=sign&x=' . 'x' x 9000 ])
{
	my ($expected, $what, $form) = @$case;

	is(submit($link{'ann@example.com'}, $form)->{status}, $expected, "refused: $what");
}
is($sandbox->call('POST', $link{'ann@example.com'}, key => undef, body => 'action=sign', type => 'text/plain')->{status}, 415, 'refused: another type');
is($sandbox->call('POST', $link{'ann@example.com'}, key => undef, json => { action => 'sign' })->{status}, 415, 'refused: JSON');
for my $header ([ Origin => 'https://evil.example' ], [ Origin => 'null' ], [ Origin => 'http://127.0.0.1:1' ],
	[ 'Sec-Fetch-Site' => 'cross-site' ], [ 'Sec-Fetch-Site' => 'same-site' ], [ 'Sec-Fetch-Site' => '' ])
{
	is(submit($link{'ann@example.com'}, 'action=sign', @$header)->{status}, 403, "refused: from elsewhere, @$header");
}
is_deeply($sandbox->context($id)->{signedBy}, [], 'nobody has signed by all this');

# ---- Signing ----

my $signed = submit($link{'ann@example.com'}, 'action=sign', Origin => $sandbox->url);
is("$signed->{status} $signed->{headers}{location}", "303 $link{'ann@example.com'}", 'who signs is led back to the page');
is_deeply($sandbox->context($id)->{signedBy}, [$signer], 'and has signed');
like(look($link{'ann@example.com'})->{content}, qr{<title>Signed: .*You have signed.*Others still have to sign}s, 'the page says so');
unlike(look($link{'ann@example.com'})->{content}, qr/<form/, 'there is nothing more to do');
is(submit($link{'ann@example.com'}, 'action=sign')->{status}, 303, 'what is sent twice');
is(scalar @{ $sandbox->context($id)->{documents}[0]{signatureSummaries} }, 1, 'counts once');
my $late = submit($link{'ann@example.com'}, 'action=refuse');
is($late->{status}, 409, 'it is too late to refuse');
like($late->{content}, qr/role="alert"/, 'and that is said');
is(status($id), 'IN_PROGRESS', 'nothing was done');
is(submit($link{'bob@example.com'}, 'action=sign', 'Sec-Fetch-Site' => 'same-origin')->{status}, 303, 'the other one signs');
is(status($id), 'COMPLETED', 'which completes the request');
like(look($link{'ann@example.com'})->{content}, qr/The request is completed/, 'all see it');

# ---- Refusing ----

my $dir = File::Temp->newdir;
sub messages
{
	my ($hook) = @_;

	return [ reverse @{ $sandbox->call('GET', "/v4/webhooks/$hook/events?filter=ALL")->{json}{events} } ];
}
my $hook = $sandbox->call('POST', "$app/webhooks", json => { url => 'http://127.0.0.1:1/' })->{json}[0]{_id};
$id = $sandbox->sign(signers => $two, documents => [ \%lease ]);
%link = links($id);
is(submit($link{'bob@example.com'}, 'action=refuse&reason=%20Clause+4%3A+%3Cno%3E%0D%0A')->{status}, 303, 'one refuses');
is(status($id), 'FAILED', 'which ends the request');
like(look($link{'bob@example.com'})->{content}, qr{<title>Refused: .*You have refused.*<q dir="auto">Clause 4: &lt;no&gt;</q>}s, 'the page says so');
like(look($link{'ann@example.com'})->{content}, qr{This request was refused}, 'so does that of the others');
unlike(look($link{'ann@example.com'})->{content}, qr{Clause 4}, 'without the reason');
is(submit($link{'ann@example.com'}, 'action=sign')->{status}, 409, 'who cannot sign any more');
is(submit($link{'bob@example.com'}, 'action=refuse')->{status}, 303, 'a refusal sent twice counts once');
my @told = grep { $_->{msgNature} eq 'ERROR' } @{ messages($hook) };
is_deeply([ map { "$_->{topic} $_->{action} $_->{error}{errorCode}: $_->{error}{message}" } @told ],
	[ 'SIGNATURE FAILED DOCUMENT_SIGNATURE_FAILED: The signer refused: Clause 4: <no>',
		'SIGNATURE_REQUEST FAILED SIGNATURE_REQUEST_FAILED: The signer refused: Clause 4: <no>' ],
	'the webhooks tell it, with the reason');
is($told[0]{content}{signerId}, $sandbox->context($id)->{signerIds}[1], 'and who it was');
$id = $sandbox->sign(signers => $two);
ok($sandbox->control('POST', "requests/$id/refuse", { email => 'bob@example.com', reason => 'no' })->{ok}, 'refusing when told to');
is(status($id), 'FAILED', 'does the same');
is($sandbox->call('POST', "/_sandbox/requests/$id/refuse", json => { email => 'ann@example.com' })->{status}, 400, 'once');

# ---- Every state ----

sub heading { return (look($_[0])->{content} =~ m{<h2 id="standing">([^<]*)</h2>})[0] }

for my $case ([ expire => 'This request has expired' ], [ fail => 'This request has failed' ],
	[ complete => 'Closed without your signature' ], [ 'launch-error' => 'This request could not be opened' ])
{
	my ($action, $heading) = @$case;
	my $closed = $sandbox->sign;
	my ($path) = (links($closed))[1];

	$sandbox->control('POST', "requests/$closed/$action", {});
	is(heading($path), $heading, "the page after: $action");
	is(submit($path, 'action=sign')->{status}, 409, 'nobody can sign');
	is(submit($path, 'action=refuse')->{status}, 409, 'or refuse');
}
{
	my $cancelled = $sandbox->sign;
	my ($path) = (links($cancelled))[1];

	$sandbox->call('POST', "/v4/signature-requests/$cancelled/close", json => {});
	is(heading($path), 'This request was cancelled', 'the page after: close');
	is(submit($path, 'action=sign')->{status}, 409, 'nobody can sign');
	$sandbox->control('POST', "requests/$cancelled/originals-cleaned");
	like(look($path)->{content}, qr/The document was removed/, 'a document that is gone');
	my ($gone) = @{ $sandbox->context($cancelled)->{documentIds} };
	is(look("$path/documents/$gone")->{status}, 404, 'cannot be had');
}

# Approvers first; those who sign embedded have their page early.
my $profiles = $sandbox->call('GET', "$app/signer-profiles")->{json};
my ($embedded) = map { $_->{_id} } grep { $_->{integrationMode} eq 'EMBEDDED' } @$profiles;
my ($staged, $answer) = staged(
	[ { email => 'eve@example.com', signerProfileId => $embedded }, { email => 'max@example.com' } ],
	description         => "Two\nlines <i>",
	signerIdsAsApprover => sub { [ $sandbox->call('POST', "$app/signers", json => { email => 'zoe@example.com' })->{json}{signerId} ] },
	statements => sub {
		[ map { { appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT', signatureRequestId => $_[0], labelMd => $_ } }
			  'I <b>agree</b>', 'I am of age' ];
	},
	expirationDateIsActivated => JSON::PP::true,
	expirationDate            => seconds_from_now(3600));
%link = links($staged);
is_deeply([ keys %link ], ['zoe@example.com'], 'only who approves is mailed a link');
my ($eve) = @{ $answer->{signersEmbedded} };
my $embedded_path = "/sign/$staged/$eve->{signerId}/$eve->{token}";
is(heading($embedded_path), 'It is not your turn yet', "who signs embedded has the API's own token");
like(look($embedded_path)->{headers}{'content-security-policy'}, qr/frame-ancestors \*/, 'and may have the page in a frame');
is(submit($embedded_path, 'action=sign')->{status}, 409, 'but cannot sign yet');
is(submit($embedded_path, 'action=refuse')->{status}, 409, 'nor refuse');
my $approval = look($link{'zoe@example.com'});
like($approval->{content}, qr{<title>To approve: Staged<.*Two\nlines &lt;i&gt;.*>Approve</button>}s, 'the page of who approves');
like($approval->{content}, qr{<dt>Open until</dt><dd><time}, 'how long it is open');
unlike($approval->{content}, qr/type="checkbox"/, 'they agree to no statement');
like($approval->{content}, qr{&quot;rent&quot;:\s+&quot;&lt;b&gt;950&lt;/b&gt;&quot;}, 'data are shown');
is(submit($link{'zoe@example.com'}, 'action=sign')->{status}, 303, 'it is approved');
is_deeply($sandbox->context($staged)->{signedBy}, [], 'which is no signature');
is(heading($link{'zoe@example.com'}), 'You have approved', 'the page says so');
%link = links($staged);
is_deeply([ sort keys %link ], [ 'max@example.com', 'zoe@example.com' ], 'then the others get theirs');
is(heading($embedded_path), 'Please sign', 'and it is their turn');
my $statements = look($embedded_path)->{content};
is(scalar(() = $statements =~ /<input type="checkbox" name="statement\d" value="yes" required>/g), 2, 'with statements to agree to');
like($statements, qr{I &lt;b&gt;agree&lt;/b&gt;}, 'in words');
for my $form ('action=sign', 'action=sign&statement0=yes', 'action=sign&statement1=yes', 'action=sign&statement0=yes&statement1=no')
{
	is(submit($embedded_path, $form)->{status}, 400, "not without all of them: $form");
}
is_deeply($sandbox->context($staged)->{signedBy}, [], 'nobody has signed');
is(submit($embedded_path, 'action=sign&statement0=yes&statement1=yes')->{status}, 303, 'with all of them');
is_deeply($sandbox->context($staged)->{signedBy}, [ $eve->{signerId} ], 'the signature counts');

# An approver refuses.
($staged) = staged([ { email => 'max@example.com' } ],
	signerIdsAsApprover => sub { [ $sandbox->call('POST', "$app/signers", json => { email => 'zoe@example.com' })->{json}{signerId} ] });
%link = links($staged);
is(submit($link{'zoe@example.com'}, 'action=refuse')->{status}, 303, 'who approves may refuse');
is(status($staged), 'FAILED', 'which ends the request, too');

# It opens later.
($staged, $answer) = staged([ { email => 'eve@example.com' } ], diffusionMode => 'SCHEDULED', diffusionDate => seconds_from_now(3600));
($eve) = @{ $answer->{signersEmbedded} };
is(heading("/sign/$staged/$eve->{signerId}/$eve->{token}"), 'Not open yet', 'one that opens later');
is(submit("/sign/$staged/$eve->{signerId}/$eve->{token}", 'action=sign')->{status}, 409, 'cannot be signed now');

# A request of one's own.
($staged, $answer) = staged([ { email => 'eve@example.com' }, { email => 'max@example.com' } ], individualizeRequests => JSON::PP::true);
($eve) = @{ $answer->{signersEmbedded} };
my $child = look("/sign/$staged/$eve->{signerId}/$eve->{token}");
is($child->{status}, 303, 'a link to a request of which each got one');
isnt($child->{headers}{location}, "/sign/$staged/$eve->{signerId}/$eve->{token}", 'leads to theirs');
is(heading($child->{headers}{location}), 'Please sign', 'where they sign');
is_deeply([ links($staged) ], [], 'it has no links of its own');

# Who is revoked has no link any more.
$id = $sandbox->sign(signers => [ { email => 'gone@example.com' } ]);
%link = links($id);
$sandbox->call('DELETE', "$app/signers/" . $sandbox->context($id)->{signerIds}[0] . '/revoke');
is(look($link{'gone@example.com'})->{status}, 404, 'who is revoked has no link');

# ---- Attacks with text ----

my $evil = q{"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;%3Cb%3E{{7*7}}%s%n};
$id = $sandbox->sign(
	title     => $evil,
	signers   => [ { email => 'evil@example.com', firstName => "<i>$evil", lastName => "\x{202E}drowssap" } ],
	documents => [
		{ originalName => "a\r\nSet-Cookie: x=1\r\n\r\n\"$evil.html", mimeType => "text/html", base64 => encode_base64('<script>alert(3)</script>', '') },
		{ %lease, originalName => "$evil.pdf" } ]);
my ($path) = (links($id))[1];
$page = look($path);
is($page->{status}, 200, 'whatever its title is');
unlike($page->{content}, qr/<script|<img|<i>|onerror='|alert\(1\)<\/script/, 'nothing of it is markup');
like($page->{content}, qr{<h1 dir="auto">&quot;&gt;&lt;script&gt;alert\(1\)&lt;/script&gt;&lt;img src=x onerror=&#39;alert\(2\)&#39;&gt;&amp;amp;%3Cb%3E\{\{7\*7\}\}%s%n</h1>},
	'but text, as it is');
my $tags = $page->{content} =~ s/<[^<>]*>//gr;
unlike($tags, qr/[<>"]/, 'between tags there is none of their characters');
like(text($page), qr{<bdi>&lt;i&gt;[^<]*\x{202E}drowssap</bdi>}, 'what turns text around does so in its place only');
my ($html) = $page->{content} =~ m{href="([^"]+)\?download=1"};
my $served = look($html);
is($served->{headers}{'content-type'}, 'application/octet-stream', 'a document of HTML is no page');
like($served->{headers}{'content-disposition'}, qr/^attachment; filename\*=UTF-8''a%0D%0ASet-Cookie/, 'it is to be saved');
is($served->{headers}{'set-cookie'}, undef, 'its name adds no header');
submit($path, 'action=refuse&reason=' . '%3Cscript%3Ealert(4)%3C%2Fscript%3E%22%01');
like(text(look($path)), qr{&lt;script&gt;alert\(4\)&lt;/script&gt;&quot;\x{FFFD}</q>}, 'a reason is text');

# A name from a form, with bytes that are none.
my $draft = $sandbox->call('POST', "$app/signature-requests", json => {})->{json}{signatureRequestId};
my $file = $sandbox->call('POST', "$app/init-documents", json => { signatureRequestId => $draft })->{json}{documentId};
$sandbox->call('POST', "/v4/documents/$file/file", type => 'multipart/form-data; boundary=b0undary',
	body => "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xff\xc3<b>\x07.bin\"\r\nContent-Type: <b>/x\r\n\r\nx\r\n--b0undary--\r\n");
my $ann = $sandbox->call('POST', "$app/signers", json => { email => 'ann@example.com' })->{json}{signerId};
$sandbox->call('PUT', "/v4/signature-requests/$draft",
	json => { title => 'Bytes', documentIds => [$file], signerIds => [$ann], defaultSignatureMethod => 'SIMPLE_STD' });
$sandbox->call('POST', "/v4/signature-requests/$draft/publish", json => {});
$page = look((links($draft))[1]);
like(text($page), qr{<h3><bdi>\x{FFFD}+&lt;b&gt;\x{FFFD}\.bin</bdi></h3>}, 'bytes that are no text are replaced');

# ---- It is kept ----

is($sandbox->stop, 0, 'it stops');
my @options = ('--state', "$dir/state", '--public-url', 'https://sign.example/', '--manual', 'Hand@example.com', '--sign-after', 0);
$sandbox = SandboxTest->start(@options);
$id = $sandbox->sign(signers => [ { email => 'auto@example.com' }, { email => 'hand@example.com' } ]);
($mail) = @{ $sandbox->control('GET', 'emails?to=hand@example.com') };
like($mail->{link}, qr{^https://sign\.example/sign/}, '--public-url is how links begin');
$path = $mail->{link} =~ s{^https://sign\.example}{}r;
is(scalar @{ $sandbox->context($id)->{signedBy} }, 1, '--manual: all the others sign by themselves');
kill 'KILL', $sandbox->{pid};
waitpid $sandbox->{pid}, 0;
ok($sandbox->start_on_port(@options), 'it starts again');
is(look($path)->{status}, 200, 'links still lead there');
submit($path, 'action=refuse&reason=No');
kill 'KILL', $sandbox->{pid};
waitpid $sandbox->{pid}, 0;
ok($sandbox->start_on_port(@options), 'and again');
like(look($path)->{content}, qr{You have refused.*<q dir="auto">No</q>}s, 'a refusal is kept with its reason');
$sandbox->control('POST', 'reset');
is(look($path)->{status}, 404, 'until all is forgotten');

# Told only to this machine, by its own name, and by no page from elsewhere.
for my $header ([ Host => 'evil.example' ], [ Host => '127.evil.example' ], [ Host => 'localhost.evil.example:80' ])
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sandbox->{port});

	print $socket "GET /_sandbox/emails HTTP/1.1\r\n$header->[0]: $header->[1]\r\nConnection: close\r\n\r\n";
	like(join('', <$socket>), qr{^HTTP/1.1 403 }, "links are not told to @$header");
}
is($sandbox->call('POST', '/_sandbox/reset', headers => { Origin => 'https://evil.example' })->{status}, 403, 'nor is it told anything by another site');
is((SandboxTest::run('--public-url', $_))[0], 2, "refused: --public-url $_") for 'ftp://x', 'sign.example', 'http://x/?y', 'http://x y';
is($sandbox->stop, 0, 'it stops');

done_testing();
