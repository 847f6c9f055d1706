# A response that cannot be applied because a table is locked is applied once, when
# the lock is gone: also a response that a look for a lost request asked for.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 600000);
my $node = new_node('locked', $sandbox, 'ignisign.refresh_interval' => 0);

sub value { return $node->safe_psql('postgres', $_[0]) }

sub remote
{
	my ($title) = @_;

	return scalar grep { $_->{title} eq $title } $sandbox->requests;
}

# Lock a table until unlock().
sub lock_table
{
	my ($statement) = @_;
	my $session = $node->background_psql('postgres', on_error_die => 1);

	$session->query_safe("BEGIN; $statement");
	return $session;
}

sub unlock
{
	my ($session) = @_;

	$session->query_safe('COMMIT');
	return $session->quit;
}

# Another request must first be sent: then there is a worker, and nothing is left to do.
my $first = value(sign_sql('First', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL AND NOT EXISTS (SELECT FROM ignisign.call) FROM ignisign.request WHERE id = '$first'"),
	'a request is sent');
my $worker = value('SELECT worker_pid FROM ignisign_stats()');

# Lose the response to a request, and lock the log of attempts when the worker looks
# for the request.  "waits" is what the worker is to have met meanwhile.
sub lose
{
	my ($title, $lock, $waits, @faults) = @_;

	$sandbox->fault('one-call-sign count=1 close=after');
	$sandbox->fault("list count=1 delay-after=5000 $_") for @faults;
	$sandbox->clear_journal;
	my $id = value(sign_sql($title, 'ann@example.com'));

	ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$id'"), "$title: in doubt");
	ok(wait_for(sub { my @list = $sandbox->journal('list'); return @list > 0 }), "$title: it is looked for");
	my $session = lock_table($lock);
	ok(wait_for($waits), "$title: responses to the look meet the lock");
	is(value("SELECT state FROM ignisign.call WHERE request = '$id'"), 'unknown', "$title: nothing is decided meanwhile");
	unlock($session);
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), "$title: found when the lock is gone");
	is(remote($title), 1, "$title: there once");
	is(value("SELECT source FROM ignisign.event WHERE request = '$id' AND kind = 'sent'"), 'reconcile', "$title: by the look");
	is(value('SELECT worker_pid FROM ignisign_stats()'), $worker, "$title: by the same worker");
	return $id;
}

# The worker tries to write the attempt several times while the lock is there.
sub tries
{
	my ($n) = @_;
	my $log = -s $node->logfile;

	return sub {
		my $text = slurp_file($node->logfile, $log);
		my $found = () = $text =~ /still waiting for RowExclusiveLock on relation \d+ of database/g;

		return $found >= $n;
	};
}

$node->append_conf('postgresql.conf', "log_lock_waits = on\ndeadlock_timeout = 1ms\n");
$node->reload;
lose('Locked', 'LOCK TABLE ignisign.attempt IN SHARE MODE', tries(4), '');
lose('Index', 'CREATE INDEX attempt_started ON ignisign.attempt (started_at)', tries(4), 'status=500');

# A context that is applied leaves its call waiting for the proof.  Where that meets a
# lock, the context is applied all the same.  Nothing else reads it meanwhile.
my $second = value(sign_sql('Second', 'ann@example.com'));
ok( wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call) FROM ignisign.request WHERE id = '$second'"),
	'a request is open');
my $contexts = value("SELECT count(*) FROM ignisign.attempt WHERE request = '$second' AND operation = 'context'");
$node->append_conf('postgresql.conf', "ignisign.refresh_interval = 1h\n");
$node->restart;
my $third = value(sign_sql('Third', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$third'"), 'another worker runs');
$worker = value('SELECT worker_pid FROM ignisign_stats()');
$sandbox->fault('context count=1 delay=4000');
value("SELECT ignisign_refresh('$second')");
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$second'"), 'its context is read');
my $session = lock_table('LOCK TABLE ignisign.attempt IN SHARE MODE');
my $read = value("SELECT signature_request_id FROM ignisign.request WHERE id = '$second'");
$sandbox->sign($read);
ok(wait_for(tries(3)), 'the context meets the lock');
unlock($session);
ok(wait_for($node, "SELECT count(*) = $contexts + 1 FROM ignisign.attempt WHERE request = '$second' AND operation = 'context'"), 'the response is taken up');
is( value("SELECT r.status, r.proof_status, a.outcome, c.state, c.waits FROM ignisign.request r, ignisign.attempt a, ignisign.call c"
		  . " WHERE r.id = '$second' AND a.request = r.id AND a.operation = 'context' AND c.request = r.id ORDER BY a.started_at DESC LIMIT 1"),
	'COMPLETED|IN_PROGRESS|wait|pending|1', 'and applied');
$sandbox->act($read, 'proof-ready');
value("SELECT ignisign_refresh('$second')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.proof WHERE request = '$second'"), 'the proof comes');
is(value('SELECT worker_pid FROM ignisign_stats()'), $worker, 'by the same worker');

$node->stop;
done_testing();
