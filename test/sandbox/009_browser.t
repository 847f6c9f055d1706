# The pages in a browser: what people see, click and type, at a desk and on a phone.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Browser;
use MIME::Base64 qw(encode_base64);
use SandboxTest;
use Test::More;

my $browser = Browser->start or plan skip_all => 'there is no Chromium';
my $sandbox = SandboxTest->start('--proof-delay', 0);
my $app = $SandboxTest::app;
my $pdf = do { local (@ARGV, $/) = "$FindBin::Bin/../../examples/demo/contract.pdf"; <> };
my $lease = { originalName => 'lease.pdf', mimeType => 'application/pdf', base64 => encode_base64($pdf, '') };
my @sizes = ([ 320, 640 ], [ 375, 740 ], [ 768, 1024 ], [ 1280, 800 ]);

sub link_of
{
	my ($id, $email) = @_;

	return $sandbox->control('GET', "emails?request=$id&to=" . ($email // 'ann@example.com'))->[0]{link};
}

# What is wrong with how a page looks in a window of some width.  In words, to be
# told by a failing test.  A phone makes its window wider for what does not fit.
my $inspect = <<'EOF';
(width => {
	const wrong = [];
	const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
	const parse = text => text.match(/[\d.]+/g).map(Number);
	const ground = e => {
		for (; e; e = e.parentElement)
		{
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] === 1)
				return c;
		}
		return [255, 255, 255];
	};
	const name = e => e.tagName + ' ' + (e.textContent || '').trim().slice(0, 30);

	if (document.documentElement.scrollWidth > width || innerWidth > width)
		wrong.push('wider than the window: ' + document.documentElement.scrollWidth);
	for (const e of document.querySelectorAll('body *'))
	{
		const r = e.getBoundingClientRect();
		const seen = r.width > 1 && r.height > 1 && e.checkVisibility();
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());

		if (!seen)
			continue;
		if (r.right > width + 0.5)
			wrong.push('out of the window: ' + name(e));
		if (own)
		{
			const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
			const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (contrast < 4.5)
				wrong.push('contrast ' + contrast.toFixed(2) + ': ' + name(e));
			if (parseFloat(getComputedStyle(e).fontSize) < 12)
				wrong.push('too small to read: ' + name(e));
		}
		if (e.matches('button, .button, .part summary, select, .statement, .tabs a') && (r.height < 44 || r.width < 44))
			wrong.push('too small for a thumb, ' + r.width + ' x ' + r.height + ': ' + name(e));
		if (e.matches('td summary') && r.height < 24)
			wrong.push('too small to hit: ' + name(e));
		if (e.matches('input, textarea, select') && !e.labels.length)
			wrong.push('no label: ' + name(e));
	}
	for (const id of new Set([...document.querySelectorAll('[id]')].map(e => e.id)))
	{
		if (document.querySelectorAll('[id="' + id + '"]').length > 1)
			wrong.push('an id twice: ' + id);
	}
	if (document.querySelectorAll('h1').length !== 1 || document.querySelectorAll('main').length !== 1)
		wrong.push('not one h1 and one main');
	return wrong.join('; ');
})
EOF

# Look at a page at all sizes, in the light and in the dark.
sub looks_right
{
	my ($url, $what, $before) = @_;

	for my $dark (0, 1)
	{
		for my $size (@sizes)
		{
			$browser->window(@$size, dark => $dark);
			$browser->open($url);
			$browser->run($before) if $before;
			is($browser->run("$inspect($size->[0])"), '', "$what: $size->[0] pixels wide, " . ($dark ? 'dark' : 'light'));
		}
	}
	is_deeply([ $browser->complaints ], [], "$what: the browser finds nothing wrong");
}

# ---- Signing ----

my $id = $sandbox->sign(documents => [$lease], signers => [ { email => 'ann@example.com', firstName => 'Ann', lastName => 'Lee' }, { email => 'bob@example.com' } ]);
my $link = link_of($id);
looks_right($link, 'to sign', q{document.querySelector('details').open = true});

$browser->window(375, 740);
$browser->open($link);
ok($browser->wait_for(q{document.querySelector('object').getBoundingClientRect().height > 300}), 'the document has its place');
is($browser->run(q{document.querySelector('object p').getClientRects().length}), 0, 'and is shown: nothing stands in for it');
is($browser->run(q{document.title}), 'To sign: Lease', 'the title');
$browser->click('button.main');
ok($browser->wait_for(q{document.title === 'Signed: Lease'}), 'a click signs');
is($browser->run(q{document.querySelector('[role=status] h2').textContent}), 'You have signed', 'and the page says so');
ok($browser->run(q{document.querySelector('[role=status]').getBoundingClientRect().bottom < innerHeight}), 'where it is seen at once');
is(scalar @{ $sandbox->context($id)->{signedBy} }, 1, 'the API knows');
looks_right($link, 'signed');

# By keys alone.
$link = link_of($id, 'bob@example.com');
$browser->window(1280, 800);
$browser->open($link);
$browser->press('Tab', 9);
is($browser->run(q{document.activeElement.className}), 'skip', 'the first key leads past the head');
ok($browser->run(q{document.activeElement.getBoundingClientRect().top >= 0}), 'which is seen then');

# At times the viewer of the document, another process, keeps the keys that it gets
# while it starts; then the page is opened anew.
TRY: for my $try (1 .. 3)
{
	$browser->open($link) if $try > 1;
	for (1 .. 20)
	{
		$browser->press('Tab', 9);
		last TRY if $browser->run(q{document.activeElement.textContent}) eq 'Sign';
	}
}
is($browser->run(q{document.activeElement.textContent}), 'Sign', 'keys lead to the button');
isnt($browser->run(q{getComputedStyle(document.activeElement).outlineStyle}), 'none', 'and one sees where one is');
$browser->press('Enter', 13, "\r");
ok($browser->wait_for(q{document.title === 'Signed: Lease'}), 'Enter signs');
is($sandbox->context($id)->{status}, 'COMPLETED', 'all have signed');

# In a frame of the application's, for those who sign embedded; for nobody else.
my ($profile) = map { $_->{_id} } grep { $_->{integrationMode} eq 'EMBEDDED' } @{ $sandbox->call('GET', "$app/signer-profiles")->{json} };
my $answer = $sandbox->call('POST', '/v4/signature-requests/one-call-sign',
	json => SandboxTest::sign_body(documents => [$lease], signers => [ { email => 'eve@example.com', signerProfileId => $profile }, { email => 'ann@example.com' } ]));
$id = $answer->{json}{signatureRequestId};
my ($eve) = @{ $answer->{json}{signersEmbedded} };

my $elsewhere = SandboxTest->start;

# Show an address in a frame as large as the window, in a page of another site.
sub frame
{
	my ($url) = @_;

	$browser->open("http://localhost:$elsewhere->{port}/v4/healthcheck");
	$browser->run(qq{document.body.style.margin = 0; document.body.innerHTML = '<iframe src="$url" style="border:0;width:100vw;height:100vh" onload="window.loaded = true"></iframe>'});
	ok($browser->wait_for('window.loaded'), 'a page in a frame');
}

# The button is in the same place in the frame.
$browser->window(1280, 900);
my $url = $sandbox->url . "/sign/$id/$eve->{signerId}/$eve->{token}";
$browser->open($url);
my ($x, $y) = map { $browser->run("document.querySelector('button.main').getBoundingClientRect().$_") + 20 } 'x', 'y';
frame(link_of($id));
like(join("\n", $browser->complaints), qr/frame-ancestors/, 'is not shown, since it was mailed');
frame($url);
is_deeply([ $browser->complaints ], [], 'is shown to one who signs embedded');
ok( SandboxTest::wait_for(
		sub {
			$browser->click_at($x, $y);
			return @{ $sandbox->context($id)->{signedBy} } == 1;
		}),
	'who can sign there');

# Refusing, without JavaScript.
$id = $sandbox->sign(documents => [$lease]);
$link = link_of($id);
$browser->window(375, 740, no_script => 1);
$browser->open($link);
$browser->click('summary');
$browser->click('textarea');
$browser->type('Clause 4: <b>no</b> ä');
$browser->click('button.danger');
ok($browser->wait_for(q{document.title === 'Refused: Lease'}), 'one refuses, without scripts');
is($browser->run(q{document.querySelector('q').textContent}), 'Clause 4: <b>no</b> ä', 'with a reason');
is($sandbox->context($id)->{status}, 'FAILED', 'the API knows');
looks_right($link, 'refused');

# What is in the way of a form is said.
$id = $sandbox->sign(documents => [$lease]);
$link = link_of($id);
$browser->window(375, 740);
$browser->open($link);
$sandbox->control('POST', "requests/$id/expire", {});
$browser->click('button.main');
ok($browser->wait_for(q{document.title === 'Expired: Lease'}), 'one was too late');
ok($browser->run(q{document.querySelector('[role=alert]').getBoundingClientRect().bottom < innerHeight}), 'and is told so first');
looks_right($sandbox->url . '/sign/x/y/z', 'no such page');

# Everything at once: long words, markup, several documents, statements, approval.
my $evil = q{"><script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>} . 'W' x 300;
my $draft = $sandbox->call('POST', "$app/signature-requests", json => {})->{json}{signatureRequestId};
my @signers = map { $sandbox->call('POST', "$app/signers", json => $_)->{json}{signerId} } { email => 'max@example.com', firstName => $evil },
  { email => 'a' x 50 . '@' . 'b' x 60 . '.example.com' };
my @documents;
for my $content (
	[   'file', [
			type => 'multipart/form-data; boundary=b0undary',
			body => qq{--b0undary\r\nContent-Disposition: form-data; name="file"; filename="} . 'x' x 200 . qq{.bin"\r\nContent-Type: x/}
			  . 'y' x 100 . "\r\n\r\nx\r\n--b0undary--\r\n" ] ],
	[ 'data-json-content', [ json => { jsonContent => { $evil => $evil } } ] ],
	[ 'private-content',   [ json => { documentHash => 'a' x 64 } ] ])
{
	my $document = $sandbox->call('POST', "$app/init-documents", json => { signatureRequestId => $draft, label => $evil, description => $evil })->{json}{documentId};

	push @documents, $document;
	my $answer = $sandbox->call(
		'POST', "/v4/documents/$document/$content->[0]",
		@{ $content->[1] });
	is($answer->{status}, 200, "a document by $content->[0]") or diag $answer->{content};
}
my $put = $sandbox->call('PUT', "/v4/signature-requests/$draft",
	json => {
		title => $evil, description => $evil, documentIds => \@documents, signerIds => \@signers, defaultSignatureMethod => 'SIMPLE_STD',
		statements => [
			map { { appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT', signatureRequestId => $draft, labelMd => $_ } }
			  $evil, 'I agree'
		]
	});
is($put->{status}, 200, 'a request of the worst kind') or diag $put->{content};
$sandbox->call('POST', "/v4/signature-requests/$draft/publish", json => {});
$link = link_of($draft, 'max@example.com');
looks_right($link, 'the worst', q{document.querySelector('details').open = true});
is($browser->run(q{String(window.attacked)}), 'undefined', 'nothing of it was run');
$browser->window(375, 740);
$browser->open($link);
$browser->click('button.main');
is_deeply($sandbox->context($draft)->{signedBy}, [], 'without agreeing one cannot sign');
$browser->click('[name=statement0]');
$browser->click('[name=statement1]');
$browser->click('button.main');
ok($browser->wait_for(q{document.title.startsWith('Signed')}), 'then one can');

# ---- Console ----

my $hook = $sandbox->call('POST', "$app/webhooks", json => { url => 'http://127.0.0.1:1/', description => $evil })->{json}[0]{_id};
$sandbox->sign(title => "Many $_") for 1 .. 30;
looks_right($sandbox->url . '/console', 'console');
looks_right($sandbox->url . '/console/events', 'events', q{document.querySelectorAll('details').forEach(e => e.open = true)});
looks_right($sandbox->url . '/console/calls', 'calls');
looks_right($sandbox->url . "/console/requests/$draft", 'a request', q{document.querySelectorAll('details').forEach(e => e.open = true)});
is($browser->run(q{String(window.attacked)}), 'undefined', 'nothing was run');

$browser->window(1280, 800);
$browser->open($sandbox->url . '/console');
$browser->run(q{window.kept = true; document.querySelector('[rel=next]').focus()});
my $new = $sandbox->sign(title => 'Brand new');
ok($browser->wait_for(q{document.querySelector('tbody a').textContent === 'Brand new'}), 'what is new appears by itself');
ok($browser->run('window.kept'), 'without loading the page again');
is($browser->run(q{document.activeElement.rel}), 'next', 'and the focus stays where it was');
$sandbox->control('POST', "requests/$new/sign", {});
ok($browser->wait_for(q{document.querySelector('tbody .chip').textContent === 'COMPLETED'}), 'what changes, changes');
$browser->click('#live');
is($browser->run(q{document.querySelector('#live').textContent}), 'Go on', 'one can have it pause');
$sandbox->sign(title => 'Not seen');
$browser->run(q{window.asked = 0; const f = window.fetch; window.fetch = (...a) => { window.asked++; return f(...a) }});
select undef, undef, undef, 2.5;
is($browser->run('window.asked'), 0, 'then it asks for nothing');
$browser->click('#live');
ok($browser->wait_for(q{document.querySelector('tbody a').textContent === 'Not seen'}), 'and go on');
$browser->open($sandbox->url . "/console/requests/$new");
$browser->click('td summary');
$sandbox->call('GET', "/v4/signature-requests/$new/context");
ok($browser->wait_for(q{document.querySelector('main').textContent.includes('/context')}), 'a page of a request is kept up to date');
ok($browser->run(q{document.querySelector('td details').open}), 'and what was opened stays open');
is($browser->run(q{document.querySelectorAll('td details[open]').length}), 1, 'and nothing else');
is_deeply([ $browser->complaints ], [], 'the browser finds nothing wrong');

undef $browser;
is($sandbox->stop, 0, 'the sandbox stops');
done_testing();
