# examples/python: many are asked, all or nobody; and the same through PgBouncer,
# with what pooling by transactions does not do (examples/pgbouncer).

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use IPC::Run ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

# Another Python may come before Debian's, which has its modules.
my ($python) = grep { system("$_ -c 'import psycopg' >/dev/null 2>&1") == 0 } qw(python3 /usr/bin/python3);
plan skip_all => 'psycopg is not installed' unless $python;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('python');
my $dir = PostgreSQL::Test::Utils::tempdir();

connect_example($node, $sandbox);
$node->safe_psql('postgres', 'GRANT CREATE ON SCHEMA public TO app');
append_to_file("$dir/rules.pdf", pdf('rules'));
append_to_file("$dir/people.csv", "email,first_name,last_name\n" . join '', map { "p$_\@example.com,P$_,\"O'Lee, $_\"\n" } 1 .. 12);
append_to_file("$dir/wrong.csv", slurp_file("$dir/people.csv") . "nobody,No,Body\n");

# Run the program; returns its status, output and errors.
sub batch
{
	my ($env, @arguments) = @_;

	return run_example($node, 'app', [ $python, example('python/batch.py'), @arguments ], %$env);
}

# Send a batch, and collect it.
sub send_and_collect
{
	my ($batch, %env) = @_;
	my ($status, $out, $err) = batch(\%env, 'send', $batch, "$dir/rules.pdf", "$dir/people.csv");

	is("$status $out", "0 12 are asked\n", "$batch: all are asked") or diag($err);
	ok(wait_for($node, "SELECT count(*) = 12 FROM letter l JOIN ignisign.requests r ON r.id = l.signature_id WHERE l.batch = '$batch' AND r.proofs = 1"),
		"$batch: all have signed");
	($status, $out, $err) = batch(\%env, 'status', $batch);
	is(scalar(() = $out =~ /^p\d+\@example\.com\tclosed\tCOMPLETED\t-$/mg), 12, "$batch: it says so") or diag($err);
	mkdir "$dir/$batch";
	($status, $out, $err) = batch(\%env, 'collect', $batch, "$dir/$batch");
	is("$status " . scalar(() = glob "$dir/$batch/*.pdf"), '0 12', "$batch: all are collected") or diag($err);
	is( $node->safe_psql('postgres', sprintf "SELECT p.content = '\\x%s' FROM letter l JOIN ignisign.proof p ON p.request = l.signature_id WHERE l.batch = '$batch' AND l.email = 'p7\@example.com'",
			unpack 'H*', slurp_file("$dir/$batch/p7\@example.com.pdf", 0)),
		't', "$batch: as they are");
	return;
}

# Get one value, through whatever the environment names; a connection of the pool may
# bring notifications as well, for who had it before.
sub value
{
	my ($sql, %env) = @_;
	my ($status, $out, $err) = run_example($node, 'app', [ 'psql', '-XAtqc', $sql ], %env);

	$out =~ s/^Asynchronous notification .*\n//mg;
	chomp $out;
	return $status == 0 ? $out : $err;
}

# Start a client that stays: returns a function that has it run SQL, again and again
# until its output so far has what is wanted.
sub client
{
	my (%env) = @_;
	my ($in, $out) = ('', '');

	local %ENV = (%ENV, PGUSER => 'app', %env);
	my $psql = IPC::Run::start([ 'psql', '-XAtq' ], '<', \$in, '>', \$out, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return sub {
		my ($sql, $wanted) = @_;

		do
		{
			my $seen = length $out;

			$in .= "$sql\n";
			$psql->pump until length $out > $seen;
		} until $out =~ $wanted;
		return pass("a client sees $wanted");
	};
}

# ---- Python ----

send_and_collect('rules');
my ($status, $out, $err) = batch({}, 'send', 'wrong', "$dir/rules.pdf", "$dir/wrong.csv");
like("$status $err", qr/^1 IG003: /, 'one address is malformed');
($status, $out, $err) = batch({}, 'send', 'rules', "$dir/rules.pdf", "$dir/people.csv");
like("$status $err", qr/^1 23505: /, 'a batch is sent once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.request'), '12', 'and nobody is asked');

# ---- PgBouncer ----

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
my $pid;
END { my $status = $?; kill 'KILL', $pid if $pid; $? = $status; }
SKIP:
{
	skip 'PgBouncer is not installed', 1 unless $pgbouncer;

	# The file as it is, but for where things are, for who may come in, and with one
	# connection for each pool, so that clients have to share it.
	my $port = free_port();
	my $ini = slurp_file(example('pgbouncer/pgbouncer.ini'));
	my $host = $node->host;
	my $server_port = $node->port;

	$ini =~ s{host=/var/run/postgresql dbname=app}{host=$host port=$server_port dbname=postgres}g;
	$ini =~ s{^unix_socket_dir = .*}{unix_socket_dir =}m;
	$ini =~ s{^listen_port = .*}{listen_port = $port}m;
	$ini =~ s{^auth_type = .*}{auth_type = trust}m;
	$ini =~ s{^auth_file = .*}{auth_file = $dir/users}m;
	$ini =~ s{^default_pool_size = .*}{default_pool_size = 1}m;
	append_to_file("$dir/users", "\"app\" \"\"\n");
	append_to_file("$dir/pgbouncer.ini", $ini);

	$pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', "$dir/pgbouncer.log";
		open STDERR, '>&', \*STDOUT;
		exec $pgbouncer, "$dir/pgbouncer.ini" or POSIX::_exit(127);
	}

	my %pool = (PGHOST => '127.0.0.1', PGPORT => $port, PGDATABASE => 'app');
	my %session = (%pool, PGDATABASE => 'app_session');
	ok(wait_for(sub { (run_example($node, 'app', [ 'psql', '-XAtqc', 'SELECT 1' ], %pool))[0] == 0 }), 'PgBouncer is there')
	  or diag(slurp_file("$dir/pgbouncer.log"));

	send_and_collect('pooled', %pool);

	send_and_collect('again', %pool);

	# Two clients that share a connection of the server.
	my $listener = client(%pool);
	$listener->("LISTEN ignisign; SET work_mem = '5MB'; SELECT 'done';", qr/^done$/m);
	is(value('SELECT pg_listening_channels()', %pool), 'ignisign', 'LISTEN is the connection\'s: another client has it');
	is(value('SHOW work_mem', %pool), '5MB', 'as well as what was set');

	# By sessions, it is the client's.
	$listener = client(%session);
	$listener->("LISTEN ignisign; SELECT 'done';", qr/^done$/m);
	is(value('SELECT count(*) FROM pg_listening_channels()', %session), '0', 'by sessions no other client has it');
	my $id = value(sign_sql('Lease', 'ann@example.com'), %pool);
	is(value("SELECT ignisign_wait('$id', 'PROOF', '60 s')", %pool), 't', 'waiting works, in a connection of the pool');
	$listener->('SELECT 1;', qr/Asynchronous notification "ignisign" .*"request": ?"$id"/);
}

$node->stop;
done_testing();
