# Faults on demand break exactly what was asked for, and nothing else.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use SandboxTest;
use Test::More;
use Time::HiRes qw(time);

my $sandbox = SandboxTest->start;
my $id = $sandbox->sign;
my $path = "/v4/signature-requests/$id/context";
my $whole = $sandbox->call('GET', $path)->{content};

sub fault
{
	my ($spec) = @_;

	return $sandbox->control('POST', 'faults', { spec => $spec });
}

# What arrives when the sandbox is asked plainly, until it closes.
sub raw
{
	my ($what) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sandbox->{port}) or die "connect: $!";
	my $answer = '';

	print $socket "GET $what HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer $SandboxTest::key\r\n\r\n";
	1 while sysread $socket, $answer, 65536, length $answer;
	return $answer;
}

fault('context status=503');
my $answer = $sandbox->call('GET', $path);
is("$answer->{status} $answer->{json}{code}", '503 INTERNAL_ERROR', 'a status, with the API\'s error');
is($sandbox->call('GET', $path)->{status}, 200, 'for one call');
fault('context count=2 status=429 retry-after=7 body=text');
$answer = $sandbox->call('GET', $path);
is("$answer->{status} $answer->{headers}{'retry-after'} $answer->{headers}{'content-type'}", '429 7 text/plain', 'with Retry-After, and text');
is($sandbox->call('GET', $path)->{status}, 429, 'for two calls');
is($sandbox->call('GET', $path)->{status}, 200, 'and no more');
fault('context status=500 body=none');
is($sandbox->call('GET', $path)->{content}, '', 'or without a body');
fault('context garbage');
$answer = $sandbox->call('GET', $path);
is("$answer->{status} " . (defined $answer->{json} ? 'JSON' : 'no JSON'), '200 no JSON', 'garbage');
fault('context empty');
is($sandbox->call('GET', $path)->{content}, '', 'empty');
fault('context type=text/html');
is($sandbox->call('GET', $path)->{headers}{'content-type'}, 'text/html', 'a wrong content type');
fault('context redirect=http://127.0.0.1:1/');
$answer = $sandbox->call('GET', $path);
is("$answer->{status} $answer->{headers}{location}", '302 http://127.0.0.1:1/', 'a redirect');
fault('context huge=3000000');
is(length $sandbox->call('GET', $path)->{content}, 3000000, 'a huge body');

# Answers of ill will.
fault('context status=503 retry-after=Wed,_21_Oct_2099_07:28:00_GMT');
is($sandbox->call('GET', $path)->{headers}{'retry-after'}, 'Wed, 21 Oct 2099 07:28:00 GMT', 'a date');
fault('context for=nobody status=500');
is($sandbox->call('GET', $path)->{status}, 200, 'not for this bearer');
$sandbox->control('DELETE', 'faults');
fault('context for=sandboxsecret status=500');
is($sandbox->call('GET', $path)->{status}, 500, 'for this one');
fault('context deep=3');
is($sandbox->call('GET', $path)->{content}, '{"value":[[[]]]}', 'deep');
fault('context wide=3');
is($sandbox->call('GET', $path)->{content}, '{"value":[[],[],[]]}', 'wide');
fault('context bomb=10000000');
$answer = $sandbox->call('GET', $path);
is($answer->{headers}{'content-encoding'}, 'gzip', 'compressed');
ok(length $answer->{content} < 20000, 'to little');
$sandbox->control('POST', 'faults', { spec => 'context', answer => { _id => 'x', signers => [ 1, 2 ] } });
is_deeply($sandbox->call('GET', $path)->{json}, { _id => 'x', signers => [ 1, 2 ] }, 'an answer of the caller\'s');
$sandbox->control('POST', 'faults', { spec => 'context status=418', answer => { code => 'TEAPOT' } });
$answer = $sandbox->call('GET', $path);
is("$answer->{status} $answer->{json}{code}", '418 TEAPOT', 'with a status');
fault('context replace="title":"none"');
$answer = $sandbox->call('GET', $path)->{json};
is_deeply([ exists $answer->{title}, exists $answer->{none} ], [ '', 1 ], 'a member has another name');
fault('list flood=3');
is(join(' ', map { $_->{title} } @{ $sandbox->call('GET', "$SandboxTest::app/signature-requests?page=77")->{json}{signatureRequests} }), 'flood flood flood', 'a list without an end');
fault('context raw=http09');
is(raw($path), $whole, 'HTTP/0.9');
fault('context raw=bad-chunks');
like(raw($path), qr/^zz\r$/m, 'bad chunks');
fault('context raw=too-long');
like(raw($path), qr{Content-Length: @{[ 1000 + length $whole ]}\r\n\r\n\Q$whole\E$}, 'too long');
fault('context raw=too-short');
like(raw($path), qr{Content-Length: @{[ int(length($whole) / 2) ]}\r\n\r\n\Q$whole\E$}, 'too short');
for my $endless ('endless', 'raw=headers', 'raw=informational')
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sandbox->{port}) or die "connect: $!";
	my $text = '';

	fault("context $endless");
	print $socket "GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $SandboxTest::key\r\n\r\n";
	1 while length $text < 10_000_000 && sysread $socket, $text, 65536, length $text;
	ok(length $text >= 10_000_000, "$endless: ten megabytes, and no end");
}
like(fault('context raw=nonsense')->{message}, qr/nonsense/, 'an unknown one is refused');

fault('context close=before');
is(raw($path), '', 'closed before');
fault('context close=after');
is(raw($path), '', 'closed after');
fault('context close=mid');
$answer = raw($path);
my ($head, $body) = split /\r\n\r\n/, $answer, 2;
like($head, qr/^Content-Length: @{[ length $whole ]}\r?$/im, 'cut: with the whole length');
is($body, substr($whole, 0, int(length($whole) / 2)), 'cut: but half the body');
is_deeply(
	[ map { ($_->{broken} // '-') . ($_->{processed} ? '+' : '') } @{ $sandbox->control('GET', 'journal?operation=context') }[ -3 .. -1 ] ],
	[ 'closed before', 'closed after+', 'cut+' ],
	'the journal tells them apart');

# Processed or not: by what there is then.
my $sign = '/v4/signature-requests/one-call-sign';
for my $case ([ 'close=before', 0 ], [ 'close=after', 1 ], [ 'close=mid', 1 ], [ 'status=503', 0 ], [ 'garbage', 1 ])
{
	my ($what, $made) = @$case;
	my $before = $sandbox->control('GET', 'counts')->{requests};

	fault("one-call-sign $what");
	$sandbox->call('POST', $sign, json => SandboxTest::sign_body());
	is($sandbox->control('GET', 'counts')->{requests} - $before, $made, "$what: processed or not");
}

# Delays, which hold up nobody else.
fault('context delay=700');
my $pid = fork // die;
if ($pid == 0)
{
	raw($path);
	POSIX::_exit(0);
}
my $start = time;
is($sandbox->call('GET', '/v4/healthcheck')->{status}, 200, 'another call is answered meanwhile');
waitpid $pid, 0;
ok(time - $start > 0.4, 'the delayed one takes its time');
fault('context slow=5000');
$start = time;
is($sandbox->call('GET', $path)->{content}, $whole, 'a slow body is whole');
ok(time - $start > 0.1, 'and slow');

# Shares, the same for the same seed.
my @runs;
for my $run (1 .. 2)
{
	$sandbox->control('DELETE', 'faults');
	fault('context share=0.5 seed=7 status=500');
	push @runs, join '', map { $sandbox->call('GET', $path)->{status} == 500 ? 1 : 0 } 1 .. 40;
}
is($runs[0], $runs[1], 'a share, the same for the same seed');
like($runs[0], qr/1.*0.*1|0.*1.*0/, 'of the calls');
$sandbox->control('DELETE', 'faults');
is($sandbox->call('GET', $path)->{status}, 200, 'all are cleared');

fault('* count=1 status=500');
is($sandbox->call('GET', '/v4/healthcheck')->{status}, 500, 'any operation');
like(fault('context nonsense=1')->{message}, qr/nonsense/, 'an unknown fault is refused');
like(fault("context $_")->{message}, qr/\Q"$_"/, "$_ is refused")
  for 'delay=20s', 'delay-after=-1', 'delay=', 'count=many', 'count=1.5', 'share=2', 'share=0', 'share=half', 'seed=x',
  'status=5xx', 'status=42', 'body=xml', 'close=never', 'slow=0', 'huge=1e6', 'deep=', 'wide', 'bomb=-5', 'garbage=1',
  'empty=no', 'endless=1', 'flood=0', 'replace=title', 'replace=:x', 'type=', 'for=', 'redirect=', 'retry-after=', 'delay=99999999999999999999';
is($sandbox->call('GET', $path)->{status}, 200, 'and does nothing');

# Many connections at once.
my @sockets = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $sandbox->{port}) } 1 .. 200;
my $whole_answers = 0;
print $_ "GET $path HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $SandboxTest::key\r\n\r\n" for @sockets;
for my $socket (@sockets)
{
	my $text = '';

	1 while index($text, $whole) < 0 && sysread $socket, $text, 65536, length $text;
	$whole_answers++ if index($text, $whole) > 0;
}
is($whole_answers, 200, '200 connections at once');
$_->close for @sockets;

is($sandbox->stop, 0, 'it stops when told to');
done_testing();
