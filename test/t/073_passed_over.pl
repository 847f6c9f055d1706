# Rows that somebody has locked are passed over, and come when they are let go of,
# though that wakes nobody: before a call is sent, and when a worker starts.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('passed', $sandbox, 'ignisign.refresh_interval' => 0);

sub value { return $node->safe_psql('postgres', $_[0]) }

# Change a setting of the server.
sub setting
{
	my ($name, $to) = @_;

	value("ALTER SYSTEM SET $name = $to");
	value('SELECT pg_reload_conf()');
	return ok(wait_for($node, "SELECT current_setting('$name') = '$to'"), "$name is $to");
}

# A session that has locked what a query finds.
sub lock_rows
{
	my ($query) = @_;
	my $session = $node->background_psql('postgres', on_error_die => 1);

	$session->query_safe("BEGIN; SELECT count(*) FROM ($query FOR UPDATE) q");
	return $session;
}

sub let_go
{
	my ($session) = @_;

	$session->query_safe('COMMIT');
	return $session->quit;
}

# Another worker, in place of one that ends with calls under way.
sub restart_worker
{
	my $worker = value('SELECT worker_pid FROM ignisign_stats()');

	value("SELECT pg_terminate_backend($worker)");
	return ok(wait_for($node, "SELECT worker_pid <> $worker AND worker_state IN ('running', 'disabled') AND NOT stuck FROM ignisign_stats()"),
		'another worker runs');
}

# A request that is sent though something is locked.
sub goes_on
{
	my ($title) = @_;
	my $id = value(sign_sql($title, 'ann@example.com'));

	return is(value("SELECT ignisign_wait('$id', 'SENT', '60 s')"), 't', $title);
}

sub once { return is(scalar(grep { $_->{title} eq $_[0] } $sandbox->requests), 1, "$_[0]: once") }

# ---- A call that is due ----

setting('ignisign.enabled', 'off');
my $id = value(sign_sql('Due', 'ann@example.com'));
my $session = lock_rows("SELECT FROM ignisign.call WHERE request = '$id'");
setting('ignisign.enabled', 'on');
goes_on('Another one goes first');
is(value("SELECT state FROM ignisign.call WHERE request = '$id'"), 'pending', 'the locked one is passed over');

# The worker looks for it now and then, and rests meanwhile.
my $worker = value('SELECT worker_pid FROM ignisign_stats()');
ok(wait_for($node, "SELECT in_flight = 0 AND sending = 0 AND pending = 1 FROM ignisign_stats()"), 'nothing else is left to do');
my $turns = 0;
my $heartbeat = '';
my $until = time + 5;
while (time < $until)
{
	my $now = value('SELECT heartbeat FROM ignisign_stats()');

	$turns++ if $now ne $heartbeat;
	$heartbeat = $now;
}
cmp_ok($turns, '>=', 2, 'the worker looks again');
cmp_ok($turns, '<=', 9, 'once a second');
let_go($session);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')", 'postgres', { timeout => 30 }), 'let go of, it is sent');
once('Due');
is(value('SELECT worker_pid FROM ignisign_stats()'), $worker, 'by the same worker');
ok( wait_for($node, "SELECT heartbeat < now() - interval '3 seconds' FROM ignisign_stats()"), 'which rests then');

# ---- What a predecessor had under way ----

$sandbox->fault('one-call-sign count=2 delay-after=60000');
my @lost = map { value(sign_sql($_, 'ann@example.com')) } 'Locked', 'Free';
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.call WHERE state = 'sending'"), 'two calls are under way');
$session = lock_rows("SELECT FROM ignisign.call WHERE request = '$lost[0]'");
restart_worker();
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$lost[1]')", 'postgres', { timeout => 60 }), 'the free one is found');
goes_on('A new worker goes on');
is(value("SELECT state FROM ignisign.call WHERE request = '$lost[0]'"), 'sending', 'of the locked one nothing is decided');

# One that the new worker has under way itself is not taken for a lost one.
$sandbox->fault('one-call-sign count=1 delay-after=4000');
my $own = value(sign_sql('Own', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'sending' FROM ignisign.call WHERE request = '$own'"), 'its own call is under way');
let_go($session);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$lost[0]')", 'postgres', { timeout => 60 }), 'let go of, it is found');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$own')"), 'its own call is answered');
is(value("SELECT string_agg(outcome, ' ') FROM ignisign.attempt WHERE request = '$own' AND operation = 'one-call-sign'"), 'done', 'and was not lost');
once($_) for 'Locked', 'Free', 'Own';

# ---- On another timeline ----

# What is pending may have been sent; as long as that cannot be noted, nothing is.
setting('ignisign.enabled', 'off');
my @kept = map { value(sign_sql($_, 'ann@example.com')) } 'Promoted 1', 'Promoted 2';
value('UPDATE ignisign.origin SET timeline = 99');
$session = lock_rows("SELECT FROM ignisign.call WHERE request = '$kept[0]'");
restart_worker();
setting('ignisign.enabled', 'on');
ok(wait_for($node, "SELECT NOT stuck AND now() - worker_since > interval '2 seconds' FROM ignisign_stats()"), 'the worker waits for nobody');
is(value("SELECT count(*) FROM ignisign.call WHERE state = 'pending'"), '2', 'but sends nothing');
let_go($session);
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.request WHERE sent_at IS NULL', 'postgres', { timeout => 60 }), 'let go of, all is sent');
ok($node->log_contains('was promoted or restored: 2 calls are looked for before they are sent'), 'having been looked for');
once($_) for 'Promoted 1', 'Promoted 2';

$node->stop;
done_testing();
