# examples/node: asking from Node, and hearing of it by LISTEN, also of what happened
# while there was no connection.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'Node with pg is not installed' if system("node -e 'require(\"pg\")' >/dev/null 2>&1") != 0;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('node');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $log = "$dir/log";
my $watch;

connect_example($node, $sandbox);
append_to_file("$dir/lease.pdf", pdf('lease'));
mkdir "$dir/signed";

# Ask; returns the request's id, or the error.
sub ask
{
	my ($email) = @_;
	my ($status, $out, $err) = run_example($node, 'app', [ 'node', example('node/sign.js'), "$dir/lease.pdf", $email, 'Ann', 'Lee' ]);

	chomp($out, $err);
	return $status == 0 ? $out : $err;
}

# Let the signer of a request sign.
sub sign
{
	my ($id) = @_;

	ok(wait_for($node, "SELECT signature_request_id IS NOT NULL FROM ignisign_status('$id')"), 'sent');
	$sandbox->sign($node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')"));
	return;
}

sub told { return scalar(() = slurp_file($log) =~ /$_[0]/g) }

$watch = fork // die "fork: $!";
if ($watch == 0)
{
	open STDOUT, '>', $log;
	open STDERR, '>&', \*STDOUT;
	@ENV{qw(PGHOST PGPORT PGUSER PGDATABASE)} = ($node->host, $node->port, 'app', 'postgres');
	exec 'node', example('node/watch.js'), "$dir/signed" or POSIX::_exit(127);
}
END { my $status = $?; kill 'KILL', $watch if $watch; $? = $status; }
ok(wait_for(sub { -e $log && told(qr/^listening$/m) == 1 }), 'the watcher listens');

my $id = ask('ann@example.com');
like($id, qr/^[0-9a-f-]{36}$/, 'asked');
like(ask('nobody'), qr/^IG003: /, 'what is wrong is told at once, with its SQLSTATE');
sign($id);
ok(wait_for(sub { -e "$dir/signed/$id.pdf" }), 'the signed document is written');
is( $node->safe_psql('postgres', sprintf "SELECT content = '\\x%s' FROM ignisign.proof WHERE request = '$id'", unpack 'H*', slurp_file("$dir/signed/$id.pdf", 0)),
	't', 'as it is');
ok(told(qr/^$id status COMPLETED$/m), 'the change of the status was told');
ok(told(qr/^$id proof$/m), 'and the proof');

# One is signed while the watcher is stopped and has lost its connection.
my $missed = ask('bob@example.com');
ok(wait_for($node, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$missed')"), 'another one is asked');
kill 'STOP', $watch;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
sign($missed);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$missed', 'PROOF', '60 s')"), 't', 'signed while it does not listen');
kill 'CONT', $watch;
ok(wait_for(sub { -e "$dir/signed/$missed.pdf" }), 'it catches up');
ok(told(qr/^the connection is lost/m), 'having noticed');
is(told(qr/^$missed proof/m), 0, 'although nobody told');

my $later = ask('eve@example.com');
sign($later);
ok(wait_for(sub { -e "$dir/signed/$later.pdf" && told(qr/^$later proof/m) }), 'and listens again');
kill 'TERM', $watch;
waitpid $watch, 0;
is($?, 0, 'it ends when it is told to');
undef $watch;

$node->stop;
done_testing();
