# HTTP/2: many calls on one connection. However streams and connections end, each
# request is there once.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use IgnisignTest;
use IO::Socket::SSL;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'Node is not installed' if system('node --version >/dev/null 2>&1') != 0;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('http2', $sandbox);
my $dir = PostgreSQL::Test::Utils::tempdir('http2');
my $port = free_port();
my $log = "$dir/log";

system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=http2"
	  . " -addext subjectAltName=IP:127.0.0.1 -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null") == 0
  or die 'openssl makes no certificate';

my $proxy = fork // die "fork: $!";

if ($proxy == 0)
{
	open STDOUT, '>', $log;
	open STDERR, '>&', \*STDOUT;
	exec 'node', "$FindBin::RealBin/../lib/http2.js", $port, $sandbox->port, "$dir/cert.pem", "$dir/key.pem" or POSIX::_exit(127);
}
END { my $status = $?; kill 'KILL', $proxy if $proxy; $? = $status; }
ok(wait_for(sub { -e $log && slurp_file($log) =~ /^ready$/m }), 'there is a server that speaks HTTP/2') or diag(slurp_file($log));

# Tell the server how to treat the next call, or ask it what it has seen.
sub proxy
{
	my ($mode) = @_;
	my $http = HTTP::Tiny->new(verify_SSL => 1, SSL_options => { SSL_ca_file => "$dir/cert.pem" });
	my $answer = $http->request(defined $mode ? 'POST' : 'GET', "https://127.0.0.1:$port/_proxy" . (defined $mode ? "/$mode" : ''));

	die "$answer->{status} $answer->{content}" unless $answer->{success};
	return decode_json($answer->{content});
}

sub query { return $node->safe_psql('postgres', $_[0]) }

# How often the sandbox has requests with this title.
sub made
{
	my ($title) = @_;

	return scalar(grep { $_->{title} eq $title } $sandbox->requests);
}

query("ALTER SERVER ignisign OPTIONS (SET base_url 'https://127.0.0.1:$port', ADD ca_file '$dir/cert.pem')");

# The first makes the connection.

my $id = query(sign_sql('First', 'ann@example.com'));
is(query("SELECT ignisign_wait('$id', 'SENT', '60 s')"), 't', 'a request is sent over HTTP/2');
is(proxy()->{connections}, 1, 'on one connection');

# Many at a time: documents of 1 MB, too, are sent in parts beside one another.

query("SELECT ignisign_sign(title => 'Many ' || n, document => '%PDF-1.4'::bytea || decode(repeat(md5(n::text), 32768), 'hex'),"
	  . " file_name => 'm.pdf', mime_type => 'application/pdf', signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])"
	  . ' FROM generate_series(1, 12) n');
query("SELECT count(ignisign_sign(title => 'Small ' || n, document => '%PDF-1.4'::bytea || n::text::bytea,"
	  . " file_name => 's.pdf', mime_type => 'application/pdf', signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]))"
	  . ' FROM generate_series(1, 200) n');
ok(wait_for($node, "SELECT count(*) = 213 FROM ignisign.request WHERE sent_at IS NOT NULL", 'postgres', { timeout => 120 }),
	'many are sent');
is(query("SELECT count(*) FROM ignisign.attempt WHERE outcome <> 'done'"), '0', 'at the first attempt');

my $seen = proxy();

cmp_ok($seen->{most}, '>', 1, "several at a time on one connection ($seen->{most})");
is($seen->{streams}, 213, 'each once');

# A worker that has no connection yet waits whether the first takes more.

query('ALTER SYSTEM SET ignisign.enabled = off');
$node->reload;
ok(wait_for($node, "SELECT NOT current_setting('ignisign.enabled')::boolean"), 'nothing is sent for a while');
my $before = proxy()->{connections};
query("SELECT count(ignisign_sign(title => 'Start ' || n, document => '%PDF-1.4'::bytea || n::text::bytea,"
	  . " file_name => 's.pdf', mime_type => 'application/pdf', signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]))"
	  . ' FROM generate_series(1, 100) n');
query('ALTER SYSTEM SET ignisign.enabled = on');
$node->restart;
ok(wait_for($node, "SELECT count(*) = 313 FROM ignisign.request WHERE sent_at IS NOT NULL", 'postgres', { timeout => 120 }),
	'a worker that starts sends what waits');
is(proxy()->{connections} - $before, 1, 'on one connection');

# How streams and connections end.

for my $mode (qw(refuse reset cut drain))
{
	proxy($mode);
	$id = query(sign_sql("After $mode", 'ann@example.com'));
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'postgres', { timeout => 60 }),
		"$mode: it is sent");
	is(made("After $mode"), 1, 'once');
	note(query("SELECT string_agg(concat_ws(' ', operation, outcome, error), '; ' ORDER BY started_at) FROM ignisign.attempt WHERE request = '$id'"));
}

# Many are under way when the connection is cut off.

proxy('cut') for 1 .. 2;
query("SELECT count(ignisign_sign(title => 'Cut ' || n, document => '%PDF-1.4'::bytea || n::text::bytea,"
	  . " file_name => 's.pdf', mime_type => 'application/pdf', signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]))"
	  . ' FROM generate_series(1, 50) n');
ok(wait_for($node, "SELECT count(*) = 50 FROM ignisign.request WHERE title LIKE 'Cut %' AND sent_at IS NOT NULL", 'postgres', { timeout => 120 }),
	'after a connection was cut off all are sent');
is(scalar(grep { made("Cut $_") != 1 } 1 .. 50), 0, 'each once');
is(query("SELECT count(*) FROM ignisign.call WHERE state IN ('unknown', 'dead')"), '0', 'and none is in doubt');

$node->stop;
done_testing();
