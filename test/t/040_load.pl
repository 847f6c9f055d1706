# Load control: rate, places, breaker, Retry-After.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use POSIX qw(strftime);
use Test::More;

my $sandbox = start_sandbox(api_key => [
		map { "skv2_development_5a4db0c5-0000-4000-8000-00000000000${_}_secret$_" } 1 .. 2
	]);
my $node = new_node('load', undef,
	'ignisign.refresh_interval' => 0,
	'ignisign.max_retry_delay' => '200ms');

# Give a role a key of the sandbox on a server.
sub connect_role
{
	my ($role, $n, $server) = @_;

	$node->safe_psql('postgres', sprintf(
			"SELECT ignisign_connect('%s', base_url => '%s', server => '%s', for_role => '%s')",
			"skv2_development_5a4db0c5-0000-4000-8000-00000000000${n}_secret$n",
			$sandbox->url, $server // 'ignisign', $role));
}

for my $role ('ann', 'bob', 'cat')
{
	$node->safe_psql('postgres', "CREATE ROLE $role");
	connect_role($role, $role eq 'bob' ? 2 : 1);
	$node->safe_psql('postgres', "SELECT ignisign_grant('$role')");
}

# Set options of the server in place of those that were set before.
my %set;

sub options
{
	my (%option) = @_;
	my @changes = map { "DROP $_" } keys %set;

	$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (" . join(', ', @changes) . ')')
	  if @changes;
	%set = %option;
	$node->safe_psql('postgres',
		'ALTER SERVER ignisign OPTIONS ('
		  . join(', ', map { "ADD $_ '$option{$_}'" } sort keys %option) . ')')
	  if %option;
}

# Queue n calls that may be repeated, of a role; forget what was before.
sub queue
{
	my ($role, $n) = @_;

	$node->safe_psql('postgres', <<~SQL);
		SET ROLE $role;
		SELECT count(ignisign_get_signer(lpad(i::text, 24, '0'))) FROM generate_series(1, $n) i
		SQL
}

# Start a part of the test with nothing left of the one before.
sub begin
{
	$sandbox->clear_faults;
	$node->safe_psql('postgres', 'DELETE FROM ignisign.call; DELETE FROM ignisign.attempt');
	options(@_);
}

sub value { return $node->safe_psql('postgres', $_[0]) }

# All calls of a role have been answered, with 404, as there are no such signers.
sub all_answered
{
	my ($role, $n, $what) = @_;

	ok( wait_for(
			$node,
			"SELECT count(*) = $n FROM ignisign.attempt WHERE owner = '$role' AND http_status = 404"),
		$what);
}

# ---- Rate ----

begin(max_calls_per_second => 20);
queue('ann', 45);
all_answered('ann', 45, 'rate: all calls are made');
cmp_ok(
	value(<<~SQL), '<=', 23, 'rate: in any second, no more than twenty and what was saved up');
	SELECT max(n) FROM (SELECT count(*) OVER (ORDER BY started_at
		RANGE BETWEEN CURRENT ROW AND interval '1 second' FOLLOWING) AS n FROM ignisign.attempt) w
	SQL

# While the next token is far away, the worker sleeps.
my $worker;

sub wakeups
{
	my $status = PostgreSQL::Test::Utils::slurp_file("/proc/$worker/status");

	return $status =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : die $status;
}

begin(max_calls_per_second => 0.01);
# A worker that has just started may make a call.
$node->restart;
queue('ann', 5);
ok( wait_for($node, 'SELECT count(*) > 0 FROM ignisign.attempt WHERE http_status = 404'),
	'rate: the first call is made at once');
$worker = value("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");
my $before = wakeups();
value('SELECT pg_sleep(2)');
cmp_ok(wakeups() - $before, '<', 20, 'rate: the worker sleeps until the next');
is(value('SELECT count(*) FROM ignisign.attempt'), 1, 'rate: which is not made before');

# ---- Places ----

# The most calls that were under way at a time.
sub most_under_way
{
	my ($where) = @_;

	return value(<<~SQL);
		WITH change AS (
			SELECT started_at AS at, 1 AS n FROM ignisign.attempt WHERE $where
			UNION ALL SELECT started_at + duration, -1 FROM ignisign.attempt WHERE $where)
		SELECT max(sum) FROM (SELECT sum(n) OVER (ORDER BY at, n) FROM change) s
		SQL
}

begin(max_total_in_flight => 6);
$sandbox->fault('signer share=1 delay=100');
queue('ann', 40);
queue('bob', 40);
all_answered($_, 40, "places: all of ${_}'s calls are made") for 'ann', 'bob';
cmp_ok(most_under_way('true'), '<=', 6, 'places: never more than the server takes');
cmp_ok(most_under_way("owner = '$_'"), '>=', 2, "places: $_ had some") for 'ann', 'bob';

begin();
$sandbox->fault('signer share=1 delay=100');
$node->append_conf('postgresql.conf', 'ignisign.max_in_flight = 5');
$node->reload;
ok(wait_for($node, "SELECT current_setting('ignisign.max_in_flight') = '5'"), 'places: a setting');
queue('ann', 40);
all_answered('ann', 40, 'places: all calls are made');
cmp_ok(most_under_way('true'), '<=', 5, 'places: never more than the worker may have');
$node->append_conf('postgresql.conf', 'ignisign.max_in_flight = 256');
$node->reload;

# ---- Breaker ----

# Everything that would go out by itself: signers are asked for, open requests
# are refreshed, a request whose outcome is unknown is looked for, and an account
# logs in.

$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '100ms'");
$node->reload;
$node->safe_psql('postgres', 'SET ROLE ann;' . sign_sql('open', 'ann@example.com'));
ok(wait_for($node, 'SELECT count(*) = 1 FROM ignisign.requests WHERE status IS NOT NULL'),
	'breaker: a request is open');
begin(breaker_failures => 5, breaker_pause => 1000, max_in_flight => 4);
$sandbox->fault('one-call-sign count=1 close=after');
$node->safe_psql('postgres', 'SET ROLE ann;' . sign_sql('lost', 'ann@example.com'));
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE state = 'unknown'"),
	'breaker: another is looked for');
my $log = -s $node->logfile;

$sandbox->fault('* share=1 status=500');
$node->safe_psql('postgres', 'SET ROLE bob;' . sign_sql('later', 'ann@example.com'));
queue('ann', 30);
queue('cat', 30);
ok( wait_for(
		$node,
		"SELECT count(*) FILTER (WHERE owner = 'ann') = 1 AND count(*) FILTER (WHERE owner = 'cat') = 1 "
		  . "FROM ignisign.parked WHERE reason LIKE 'the server does not work%HTTP status 500%'"),
	'breaker: it says why calls are held back');
ok( wait_for(
		$node,
		"SELECT last_error LIKE '%the server does not work%' OR last_error LIKE '%status 500%' "
		  . "FROM ignisign.requests WHERE title = 'later'"),
	'breaker: also in ignisign_status()');
my ($opened) = value('SELECT min(since) FROM ignisign.parked');
ok( wait_for($node, "SELECT count(*) >= 3 FROM ignisign.attempt WHERE http_status = 500 AND started_at > '$opened'"),
	'breaker: it is tried from time to time');
is( value(<<~SQL), 't', 'breaker: by one call in a pause, of whatever kind');
	SELECT bool_and(gap >= interval '0.95 seconds') FROM (
		SELECT started_at - lag(started_at) OVER (ORDER BY started_at) AS gap
		FROM ignisign.attempt WHERE started_at > '$opened' AND http_status = 500) g
	SQL
is( value("SELECT count(*) >= 60 - 20 FROM ignisign.call WHERE state = 'pending' AND attempts = 0"),
	't', 'breaker: most calls were not touched');
is(value("SELECT max(attempts) <= 2 FROM ignisign.call WHERE operation = 'signer' AND state = 'pending'"),
	't', 'breaker: and none for a probe');
$sandbox->clear_faults;
all_answered('ann', 30, 'breaker: all calls are made when it works again');
all_answered('cat', 30, 'breaker: the other role\'s, too');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.parked'), 'breaker: nothing is held back then');
ok( wait_for($node, "SELECT count(*) = 3 FROM ignisign.requests WHERE state = 'open'"),
	'breaker: the requests are there');
is(scalar(grep { $_->{title} eq 'lost' } $sandbox->requests), 1, 'breaker: the lost one once');
$log = substr PostgreSQL::Test::Utils::slurp_file($node->logfile), $log;
is(scalar(() = $log =~ /calls on server "ignisign" are held back after 5 failures in a row/g),
	1, 'breaker: the log says once that it opens');
is(scalar(() = $log =~ /server "ignisign" works again/g), 1, 'breaker: and once that it closes');

# A server that is away for longer than a call has attempts.

begin(breaker_failures => 2, breaker_pause => 100, max_attempts => 3);
$node->append_conf('postgresql.conf', 'ignisign.refresh_interval = 0');
$node->reload;
$sandbox->stop;
queue('bob', 1);
ok(wait_for($node, 'SELECT count(*) >= 6 FROM ignisign.attempt'), 'outage: it is tried again and again');
is(value("SELECT state <> 'dead' AND attempts <= 3 FROM ignisign.call WHERE operation = 'signer'"),
	't', 'outage: the call does not die of it');
$sandbox->start;
all_answered('bob', 1, 'outage: it is made in the end');

# Turned off, it never opens.

begin(breaker_failures => 0, max_attempts => 20);
$sandbox->fault('signer count=15 status=500');
queue('bob', 1);
all_answered('bob', 1, 'no breaker: the call is tried until it works');
is(value('SELECT count(*) FROM ignisign.parked'), '0', 'no breaker: it does not open');

# ---- Retry-After ----

# In seconds; for the account, which two roles share, not for another one.

begin(max_in_flight => 1);
$sandbox->fault('signer for=secret1 count=1 status=429 retry-after=3');
queue('ann', 5);
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE http_status = 429"), '429: one call is refused');
queue('cat', 5);
queue('bob', 5);
all_answered('bob', 5, '429: another account goes on');
ok( wait_for(
		$node, "SELECT count(*) = 2 FROM ignisign.parked WHERE owner IN ('ann', 'cat') AND reason LIKE 'HTTP status 429%'"),
	'429: it says why the account waits');
all_answered('ann', 5, '429: the account goes on, too');
all_answered('cat', 5, '429: and with it the other role that uses it');
is( value(<<~SQL), 't', '429: none of its calls was made before');
	SELECT bool_and(a.started_at - r.started_at >= interval '2.9 seconds')
	FROM ignisign.attempt a, ignisign.attempt r
	WHERE r.http_status = 429 AND a.http_status = 404 AND a.owner IN ('ann', 'cat')
	SQL
is(value("SELECT max(started_at) FILTER (WHERE owner = 'bob') < min(started_at) FILTER (WHERE owner <> 'bob') FROM ignisign.attempt WHERE http_status = 404"),
	't', '429: the other\'s were');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.parked'), '429: nothing is held back then');

# As a date; 503 is for all accounts of the server.

begin(max_in_flight => 1);
$sandbox->fault('signer count=1 status=503 retry-after='
	  . (strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 4)) =~ tr/ /_/r));
queue('ann', 5);
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE http_status = 503"), '503: one call is refused');
queue('bob', 5);
all_answered($_, 5, "503: $_ goes on") for 'ann', 'bob';
is( value(<<~SQL), 't', '503: no call was made before');
	SELECT bool_and(a.started_at - r.started_at >= interval '2.5 seconds')
	FROM ignisign.attempt a, ignisign.attempt r WHERE r.http_status = 503 AND a.http_status = 404
	SQL

# Not for longer than the setting allows.

$node->append_conf('postgresql.conf', "ignisign.max_retry_after = '1s'");
$node->reload;
ok(wait_for($node, "SELECT current_setting('ignisign.max_retry_after') = '1s'"), 'cap: a setting');
begin();
$sandbox->fault('signer count=1 status=429 retry-after=3600');
queue('ann', 1);
all_answered('ann', 1, 'cap: an hour is not waited for');

# Without Retry-After one call after the other tries, so that few are refused.

begin();
$sandbox->fault('signer count=12 status=429');
queue('ann', 200);
ok( wait_for($node, "SELECT count(*) = 200 FROM ignisign.attempt WHERE http_status = 404"),
	'throttled: all calls are made');
is(value("SELECT count(*) FROM ignisign.call WHERE state = 'pending'"), '0', 'throttled: none is left');

$node->stop;
done_testing();
