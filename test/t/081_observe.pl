# What can be seen from outside: counters, heartbeat, hints, alerts.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use re qw(regexp_pattern);
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('observe', undef,
	'ignisign.refresh_interval' => 0,
	log_lock_waits              => 'on',
	deadlock_timeout            => '10ms');

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]) }
sub stats { return value("SELECT $_[0] FROM ignisign_stats() WHERE server = '" . ($_[1] // 'ignisign') . "'") }

for my $role ('ann', 'bob')
{
	value("CREATE ROLE $role");
	value(sprintf "SELECT ignisign_connect('%s', base_url => '%s', for_role => '$role')", $sandbox->key, $sandbox->url);
	value("SELECT ignisign_grant('$role')");
}
value('CREATE ROLE eve; GRANT USAGE ON SCHEMA ignisign TO eve; GRANT EXECUTE ON FUNCTION ignisign_stats() TO eve');
value("CREATE ROLE watcher BYPASSRLS IN ROLE pg_monitor; SELECT ignisign_grant('watcher')");

# The alerts of docs/operations.md, with periods that a test can wait for.

my $text = PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/../../docs/operations.md");
my %alert;
while ($text =~ /^-- alert: (\w+)\n(.*?);\n```/gms)
{
	my ($name, $query) = ($1, $2);

	$query =~ s/interval '[^']*'/interval '300 ms'/g;
	$query =~ s/> 10000\b/> 300/;
	$alert{$name} = $query;
}
is(scalar(keys %alert), 13, 'all alerts are tested');

my %fired;

# Whether an alert fires.
sub fires
{
	my ($name, $database) = @_;

	my ($status, $out) = $node->psql($database // 'postgres',
		"SET lock_timeout = '100ms'; SET ROLE watcher; SELECT count(*) > 0 FROM ($alert{$name}) alert");

	$fired{$name} = 1 if $out eq 't';
	return $out eq 't';
}

# Those, and only those, that fire come to be these.
sub alerts
{
	my ($expected, $what, $database) = @_;
	my $last = '';

	ok( wait_for(
			sub {
				$last = join ' ', grep { fires($_, $database) } sort keys %alert;
				return $last eq $expected;
			},
			{ what => "alerts '$expected'" }),
		$what) or diag("fired: $last");
}

# Queue n calls of a role that are answered with 404.
sub queue
{
	my ($role, $n) = @_;

	value("SET ROLE $role; SELECT count(ignisign_get_signer(lpad(i::text, 24, '0'))) FROM generate_series(1, $n) i");
}

# Something is due now: ignisign_stats() says so within a second, as far as one can
# look at it so often.  The server itself looks, and measures.
value(<<~'SQL');
	CREATE FUNCTION look_for(columns text, pattern text, OUT took float8, OUT longest float8, OUT last text)
	LANGUAGE plpgsql AS $$
	DECLARE
		begun timestamptz := clock_timestamp();
		before timestamptz := begun;
	BEGIN
		LOOP
			EXECUTE format('SELECT concat_ws(''|'', %s) FROM ignisign_stats() WHERE server = ''ignisign''', columns) INTO last;
			took := extract(epoch FROM clock_timestamp() - begun);
			longest := greatest(longest, extract(epoch FROM clock_timestamp() - before));
			before := clock_timestamp();
			EXIT WHEN last ~ pattern OR took > 180;
			PERFORM pg_sleep(0.02);
		END LOOP;
	END $$
	SQL

sub seen_within_a_second
{
	my ($columns, $like, $what, $database) = @_;
	my ($pattern) = regexp_pattern($like);
	my ($took, $longest, $last) = split /\|/, value("SELECT * FROM look_for(\$c\$$columns\$c\$, \$p\$$pattern\$p\$)", $database), 3;

	like($last, $like, $what);
	note sprintf '%s: seen after %.2f s, by looks that took up to %.2f s', $what, $took, $longest;
	cmp_ok($took, '<', 1 + $longest, "$what: within a second");
}

# ---- Nothing is wrong ----

alerts('', 'with nothing to do no alert fires');
is(stats('worker_state, stuck, hint IS NULL, pending, due, calls IS NULL'), 'running|f|t|0|0|t', 'nor is there a hint');
ok( wait_for($node, "SELECT heartbeat < now() - interval '3 seconds' FROM ignisign_stats()"),
	'an idle worker is not woken to show that it is alive');
is(stats('stuck'), 'f', 'and is not stuck for that');

# ---- Names ----

is(value("SELECT string_agg(DISTINCT application_name, ' ' ORDER BY application_name) FROM pg_stat_activity WHERE backend_type LIKE 'ignisign%'"),
	'ignisign launcher ignisign worker', 'application_name says what a process is');
my $named = value('SHOW server_version_num') >= 170000;
ok( wait_for($node, "SELECT wait_event = '" . ($named ? 'IgnisignWorkerMain' : 'Extension')
	  . "' FROM pg_stat_activity WHERE application_name = 'ignisign worker' AND datname = 'postgres'"),
	'an idle worker waits for work');
is(value("SELECT wait_event FROM pg_stat_activity WHERE application_name = 'ignisign launcher'"),
	$named ? 'IgnisignLauncherMain' : 'Extension', 'the launcher, too');

# ---- Counters ----

my $request = value('SET ROLE ann; ' . sign_sql('Counted', 'ann@example.com'));
is(value("SET ROLE ann; SELECT ignisign_wait('$request', 'SENT', '60 s')"), 't', 'a request is sent');
ok(wait_for($node, "SELECT in_flight = 0 AND sending = 0 FROM ignisign_stats()"), 'and all is quiet again');
my $calls = stats('calls');
is(stats('succeeded'), $calls, 'all calls succeeded');
is(stats('calls = (SELECT count(*) FROM ignisign.attempt)'), 't', 'and each is counted');
is(stats('bytes_sent = (SELECT sum(bytes_sent) FROM ignisign.attempt) AND bytes_received = (SELECT sum(bytes_received) FROM ignisign.attempt)'),
	't', 'so are bytes');
is(stats('latency_p50 > 0 AND latency_p50 <= latency_p95 AND latency_p95 <= latency_p99 AND latency_p99 <= latency_max AND latency_avg <= latency_max'),
	't', 'latencies are in order');

queue('bob', 3);
ok(wait_for($node, "SELECT refused = 3 FROM ignisign_stats()"), 'refusals are counted');
like(stats('last_error'), qr/HTTP status 404/, 'with the last error');
alerts('dead', 'dead calls are an alert');
$sandbox->fault('signer count=2 status=500');
value("SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");
alerts('', 'which is over when they are discarded');
queue('bob', 1);
ok(wait_for($node, "SELECT failed = 2 AND refused = 4 FROM ignisign_stats()"), 'failures, too');
$sandbox->fault('one-call-sign count=1 close=after');
value('SET ROLE ann; ' . sign_sql('Lost', 'ann@example.com'));
ok(wait_for($node, "SELECT lost = 1 FROM ignisign_stats()"), 'and what is lost');
ok(wait_for($node, "SELECT unknown = 0 FROM ignisign_stats() WHERE server = 'ignisign'"), 'which is found');
$sandbox->fault('signer share=1 delay=700');
queue('ann', 60);
ok(wait_for($node, "SELECT in_flight > 0 AND sending > 0 FROM ignisign_stats()"), 'calls under way are counted');
ok( wait_for($node, "SELECT wait_event = '" . ($named ? 'IgnisignHttp' : 'Extension')
	  . "' FROM pg_stat_activity WHERE application_name = 'ignisign worker' AND datname = 'postgres'"),
	'the worker waits for them');
ok(wait_for($node, "SELECT in_flight = 0 AND sending = 0 AND pending = 0 FROM ignisign_stats()"), 'and their end');
cmp_ok(stats('latency_max'), '>=', 700, 'they took longer');
$sandbox->clear_faults;
value("SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");
alerts('failures slow', 'failures and slow answers are alerts');

# Kept when the worker ends, not when the server starts.

my $counted = stats('calls, counted_since');
my $worker = stats('worker_pid');
value("SELECT pg_terminate_backend($worker)");
ok(wait_for($node, "SELECT worker_pid <> $worker AND worker_state = 'running' FROM ignisign_stats()"), 'there is another worker');
is(stats('calls, counted_since'), $counted, 'which goes on counting');
$node->restart;
ok(wait_for($node, "SELECT worker_state = 'running' FROM ignisign_stats()"), 'the server is started again');
is(stats('coalesce(calls, 0)'), '0', 'counting begins anew');
alerts('', 'no alert fires any more');

# ---- Who sees what ----

queue('bob', 1);
ok(wait_for($node, "SELECT refused = 1 FROM ignisign_stats()"), 'a call of bob is refused');
is(value('SET ROLE bob; SELECT dead, calls, last_error IS NOT NULL FROM ignisign_stats()'), '1|1|t', 'he sees that, and why');
is(value('SET ROLE ann; SELECT dead, calls, last_error IS NOT NULL FROM ignisign_stats()'), '0|1|f', 'who uses the same server sees the counters, not the error');
is(value('SET ROLE eve; SELECT server, calls, last_error FROM ignisign_stats()'), '||', 'who may not use it sees nothing');
is(value('SET ROLE watcher; SELECT dead, calls, last_error IS NOT NULL FROM ignisign_stats()'), '1|1|t', 'a member of pg_monitor sees all');

# No key, in whatever the API says.

$sandbox->stop;
$sandbox->start;
value("ALTER SERVER ignisign OPTIONS (ADD breaker_failures '3', ADD breaker_pause '200')");
value("DO \$\$ BEGIN PERFORM ignisign_discard(id) FROM ignisign.call; END \$\$");
unlike(value('SELECT * FROM ignisign_stats()'), qr/skv2_/, 'there is no key in it');

# ---- Each cause is seen within a second ----

# Change a setting of the server.
sub setting
{
	my ($name, $to) = @_;

	value("ALTER SYSTEM SET $name = $to");
	value('SELECT pg_reload_conf()');
	ok(wait_for($node, "SELECT current_setting('$name') IS NOT DISTINCT FROM $to"), "$name is $to");
}

# Nothing is left of a cause.
sub over
{
	my ($what) = @_;

	ok(wait_for($node, "SELECT NOT stuck AND due = 0 AND coalesce(in_flight, 0) = 0 AND sending = 0 FROM ignisign_stats() WHERE server = 'ignisign'"),
		"$what: it goes on");
	value("SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");
	alerts('', "$what: that is over");
}

# The worker is stopped, idle or with a call under way.

for my $busy (0, 1)
{
	my $what = $busy ? 'a busy worker is stopped' : 'the worker is stopped';

	$sandbox->fault('signer count=1 delay=60000') if $busy;
	queue('ann', 1) if $busy;
	ok(wait_for($node, "SELECT sending = $busy FROM ignisign_stats()"), "$what: $busy under way");
	$worker = stats('worker_pid');
	kill 'STOP', $worker;
	queue('ann', 1);
	seen_within_a_second('stuck, due, hint', qr/^t\|1\|The worker, with PID $worker, was to wake up/, $what);
	alerts('backlog stuck', "$what: an alert");
	kill 'CONT', $worker;
	ok(wait_for($node, 'SELECT NOT stuck AND due = 0 FROM ignisign_stats()'), "$what: it goes on");
	value("SELECT pg_terminate_backend($worker)") if $busy;
	over($what);
}

# It is turned off.

setting('ignisign.enabled', "'off'");
queue('ann', 1);
seen_within_a_second('stuck, worker_state, hint', qr/^f\|disabled\|ignisign.enabled is off/, 'it is turned off');
alerts('backlog worker', 'it is turned off: an alert');
setting('ignisign.enabled', "'on'");
over('it was turned off');

# A table is locked that the worker needs to take a call, or to apply a response.  The
# worker says so in each mode that is in its way.

my %needs = (
	call    => sub { queue('ann', 1) },
	attempt => sub { queue('ann', 1) },
	result  => sub { value('SET ROLE ann; SELECT ignisign_application()') },
	request => sub { value('SET ROLE ann; ' . sign_sql('Locked', 'ann@example.com')) });

# Have a session lock a table that the worker is about to need.
sub lock_needed
{
	my ($table, $mode) = @_;
	my $session = $node->background_psql('postgres');
	my $pid = $session->query('SELECT pg_backend_pid()');

	setting('ignisign.enabled', "'off'");
	$needs{$table}();
	$session->query("BEGIN; LOCK TABLE ignisign.$table IN $mode MODE");
	value('ALTER SYSTEM RESET ignisign.enabled');
	value('SELECT pg_reload_conf()');
	return ($session, $pid);
}

for my $table (sort keys %needs)
{
	for my $mode ('SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE')
	{
		my $what = "$table in $mode MODE";
		my $unreadable = $mode eq 'ACCESS EXCLUSIVE' && $table =~ /call|request/ ? 't' : 'f';
		my ($session, $pid) = lock_needed($table, $mode);

		seen_within_a_second('stuck, pending IS NULL, hint',
			qr/^t\|$unreadable\|The worker waits for a lock of the session with PID $pid on ignisign.$table,/, $what);
		ok(wait_for(sub { fires('stuck') }), "$what: an alert");
		alerts($unreadable eq 't' ? 'locked stuck' : 'backlog stuck', "$what: no other alert") if $table eq 'call';
		$session->query('COMMIT');
		$session->quit;
		ok(wait_for($node, "SELECT NOT stuck AND due = 0 AND sending = 0 FROM ignisign_stats() WHERE server = 'ignisign'"), "$what: it goes on");
		value("SELECT ignisign_discard(id) FROM ignisign.call WHERE state = 'dead'");
	}
}
over('tables were locked');

# It tries again and again, but does not spend its time with that.

my $offset = -s $node->logfile;
my ($session, $pid) = lock_needed('call', 'SHARE');
ok(wait_for($node, "SELECT hint ~ ' for ([3-9]|[1-9][0-9]+)[.][0-9] s now' FROM ignisign_stats() WHERE server = 'ignisign'"), 'a lock lasts');
my $waits = () = PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) =~ /process [0-9]+ still waiting for RowExclusiveLock/g;
cmp_ok($waits, '>=', 2, 'the worker waits for it more than once');
cmp_ok($waits, '<=', 20, 'but not all the time');
$session->query('COMMIT');
over('a lock lasted');

# A worker that starts says so, too.

$worker = stats('worker_pid');
$session->query('BEGIN; LOCK TABLE ignisign.call IN ACCESS EXCLUSIVE MODE');
value("SELECT pg_terminate_backend($worker)");
ok( wait_for($node, "SELECT worker_pid <> $worker AND stuck AND hint LIKE 'The worker waits for a lock of the session with PID $pid%' FROM ignisign_stats() WHERE server = 'ignisign'"),
	'a worker that starts waits for a lock');
$session->query('COMMIT');
over('a worker waited at its start');

# A lock that only who reads meets: the worker has nothing to do.

$session->query('BEGIN; LOCK TABLE ignisign.parked IN ACCESS EXCLUSIVE MODE');
like(stats('hint'), qr/^ignisign.parked is locked by the session with PID $pid/, 'who asks does not wait for a lock');
$session->query('COMMIT');
over('a table was locked');

# The row of a call is locked, which the worker passes over.

setting('ignisign.enabled', "'off'");
queue('ann', 1);
$session->query('BEGIN; SELECT count(*) FROM (SELECT FROM ignisign.call FOR UPDATE) c');
value('ALTER SYSTEM RESET ignisign.enabled');
value('SELECT pg_reload_conf()');
seen_within_a_second('hint', qr/^Calls are due, and not taken: another session may have locked/, 'a row is locked');
$session->query('COMMIT');
$session->quit;
value('SELECT pg_reload_conf()');
over('a row was locked');

# The server is down.

$sandbox->stop;
queue('ann', 10);
seen_within_a_second('worker_state, stuck, hint', qr/^running\|f\|.*(?:does not work|have failed)/, 'the server is down');
ok(wait_for(sub { fires('server') }), 'the server is down: an alert');
like(stats('breaker'), qr/open/, 'the server is down: the breaker is open');
isnt(stats('last_error'), '', 'the server is down: it says why');
ok(wait_for(sub { fires('account') }), 'the server is down: an alert for the account, too');
$sandbox->start;
ok(wait_for($node, "SELECT breaker = 'closed' AND failing = 0 AND dead = 10 FROM ignisign_stats()"), 'the server is back');
$node->restart;
over('the server was down');

# An account is refused.

(my $wrong = $sandbox->key) =~ s/sandboxsecret/wrongsecret/;
value("ALTER USER MAPPING FOR bob SERVER ignisign OPTIONS (SET api_key '$wrong')");
queue('bob', 1);
seen_within_a_second('worker_state, stuck, hint', qr/^running\|f\|calls of "bob" are held back: .*HTTP status 401/, 'an account is refused');
alerts('account backlog', 'an account is refused: an alert');
unlike(value('SELECT * FROM ignisign_stats()'), qr/wrongsecret|sandboxsecret/, 'an account is refused: no key is told');
value("ALTER USER MAPPING FOR bob SERVER ignisign OPTIONS (SET api_key '@{[$sandbox->key]}')");
over('an account was refused');

# A rate lets calls wait.

value("ALTER SERVER ignisign OPTIONS (ADD max_calls_per_second '0.01')");
queue('ann', 2);
ok(wait_for($node, "SELECT rate_room = 0 AND due = 1 AND hint LIKE 'Calls are due, and wait for max_calls_per_second%' FROM ignisign_stats()"),
	'a rate: it says what calls wait for');
is(stats('stuck'), 'f', 'a rate: they are not stuck');
value('ALTER SERVER ignisign OPTIONS (DROP max_calls_per_second)');
over('there was a rate');

# An outcome is unknown, and looked for only later.

setting('ignisign.reconcile_delay', "'1h'");
$sandbox->fault('one-call-sign count=1 close=after');
my $unknown = value('SET ROLE ann; ' . sign_sql('Unknown', 'ann@example.com'));
alerts('unknown', 'an unknown outcome: an alert');
value("SELECT ignisign_resolve('$unknown', '$_->{id}')") for grep { $_->{title} eq 'Unknown' } $sandbox->requests;
over('an outcome was unknown');

# A proof that does not come; a callback that is not called; a listener that cannot
# listen.

value('CREATE FUNCTION noted(request uuid, event jsonb) RETURNS void LANGUAGE sql AS $$ SELECT $$');
value("SELECT ignisign_on('COMPLETED', 'noted(uuid, jsonb)')");
setting('ignisign.callback_workers', "'0'");
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$unknown')"));
value("SELECT ignisign_refresh('$unknown')");
ok(wait_for($node, "SELECT status = 'COMPLETED' FROM ignisign_status('$unknown')"), 'a request is completed');
ok(wait_for(sub { fires('callback') }), 'nothing is called: an alert');
is(value("SELECT ignisign_wait('$unknown', 'PROOF', '60 s')"), 't', 'its proof is there');
value("BEGIN; DELETE FROM ignisign.proof WHERE request = '$unknown'; COMMIT");
alerts('callback proof', 'without a proof: an alert');
value("SELECT ignisign_fetch_proof('$unknown')");
setting('ignisign.callback_workers', "'4'");
alerts('', 'no alert when both are there');
value("ALTER DATABASE postgres SET ignisign.webhook_listen = '203.0.113.1:7'");
alerts('listener', 'a listener that cannot listen: an alert');
value('ALTER DATABASE postgres RESET ignisign.webhook_listen');
alerts('', 'no alert without a listener');

# The queue is a copy.

$sandbox->stop;
queue('ann', 1);
ok(wait_for($node, "SELECT retried = 1 FROM ignisign_stats()"), 'there is something in the queue');
value('CREATE DATABASE copy TEMPLATE postgres');
seen_within_a_second('worker_state, stuck, hint', qr/^parked: .* from database "postgres"\|f\|.*ignisign_adopt/, 'a copy', 'copy');
ok(wait_for(sub { fires('worker', 'copy') }), 'a copy: an alert');

is_deeply([ sort keys %fired ], [ sort keys %alert ], 'every alert has fired');
$node->stop;
done_testing();
