# The worker is a good neighbour: it holds no snapshot and no transaction id
# while it waits, tells autovacuum what it did, and is not slowed down by rows
# that vacuum cannot remove.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('maintenance', $sandbox,
	autovacuum => 'off',
	autovacuum_naptime => '1s',
	'ignisign.refresh_interval' => '0');
my $hex = unpack 'H*', pdf('contract');

sub sign_many
{
	my ($word, $n) = @_;

	$node->safe_psql('postgres', <<"SQL");
SELECT count(ignisign_sign(title => '$word ' || i, document => '\\x$hex'::bytea,
	signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])) FROM generate_series(1, $n) i
SQL
	return;
}

# While it waits for the network, and while it is idle, it holds nothing.

my $holds = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'ignisign%' "
  . "AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL OR state <> 'idle')";
my $locks = "SELECT count(*) FROM pg_locks WHERE pid = (SELECT DISTINCT worker_pid FROM ignisign_stats())";

ok(wait_for($node, "SELECT ($holds) = 0"), 'with nothing to do none of our processes has a transaction');
$sandbox->fault('one-call-sign count=3 delay=2500');
sign_many('slow', 3);
ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.call WHERE state = 'sending'"), 'three calls are under way');
ok(wait_for($node, "SELECT ($holds) + ($locks) = 0"), 'a worker that waits for the network has no snapshot, no transaction id and no lock');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.call WHERE state = 'sending'"), '3', 'the calls are still under way');

# VACUUM removes what died before, while they are.

$node->safe_psql('postgres', 'CREATE TABLE t AS SELECT 1; DELETE FROM t');
my ($status, $out, $err) = $node->psql('postgres', 'VACUUM (VERBOSE) t');

like($err, qr/1 removed, 0 remain, 0 are dead/, 'nor does it keep VACUUM from removing rows');
ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.request WHERE sent_at IS NOT NULL"), 'they arrive');

# What it did is known to the statistics when it is idle again.

my $counted = "SELECT n_tup_upd >= 3 AND n_tup_del >= 6 FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass";

ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call"), 'the queue is empty');
ok(wait_for($node, $counted), 'an idle worker has told what it did');

# Under load it tells, too.

$sandbox->fault('one-call-sign share=1 delay=50');
sign_many('busy', 2000);
ok( wait_for($node, "SELECT n_tup_upd > 100 AND (SELECT count(*) > 0 FROM ignisign.call WHERE operation = 'one-call-sign') FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass"),
	'a busy worker tells');
$sandbox->clear_faults;
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call"), 'all are sent');

# Autovacuum comes without being called.

$node->safe_psql('postgres', 'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()');
ok(wait_for($node, "SELECT autovacuum_count > 0 FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass"),
	'autovacuum cleans the queue');

# It keeps up: what one backlog leaves behind is where the next ones go.

my @size;

for my $round (1 .. 4)
{
	my $before = $node->safe_psql('postgres', "SELECT autovacuum_count FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass");

	sign_many("kept up $round", 1500);
	push @size, $node->safe_psql('postgres', "SELECT pg_total_relation_size('ignisign.call')");
	ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call"), "backlog $round is sent");
	ok( wait_for($node, "SELECT autovacuum_count > $before AND n_dead_tup < 300 FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass"),
		"and what it leaves is cleaned up");
}
note("bytes of the queue with a backlog: @size");
cmp_ok($size[3], '<', 1.5 * $size[1], 'the queue does not grow from one to the next');
$node->safe_psql('postgres', 'ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf()');

# A transaction elsewhere that has been open for long keeps dead rows from being
# removed.  A backlog drains as fast all the same: what is read of the queue for
# each call does not grow with what is dead.

my $old = $node->background_psql('postgres');

$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM ignisign.call');
my $blocks = "SELECT idx_blks_read + idx_blks_hit + heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relid = 'ignisign.call'::regclass";
my @cost;

for my $round (1 .. 6)
{
	my $before = $node->safe_psql('postgres', $blocks);

	sign_many("round $round", 1500);
	ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call"), "round $round is sent");
	my $told = "SELECT n_tup_del FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass";
	my $deleted = 3 + 2000 + 1500 * (4 + $round);

	ok(wait_for($node, "SELECT ($told) >= 2 * $deleted"), "round $round is counted");
	push @cost, ($node->safe_psql('postgres', $blocks) - $before) / 1500;
}
note(sprintf 'blocks of the queue for each request: %s', join ' ', map { sprintf '%.0f', $_ } @cost);
cmp_ok($cost[5], '<', 1.5 * $cost[0], 'the cost of a call does not grow with what is dead');

# No call is passed over for that: neither one that lies before those that are due, and
# that nobody wakes the worker for, nor one of another account.

my $before = $node->safe_psql('postgres', "SELECT id FROM ignisign.request WHERE title = 'round 1 1'");

$node->safe_psql('postgres', "CREATE ROLE bob LOGIN; SELECT ignisign_grant('bob')");
$sandbox->fault('context count=1 status=400');
$node->safe_psql('postgres', "SELECT ignisign_refresh('$before')");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$before'"), 'a call is dead');
$sandbox->fault('one-call-sign share=1 delay=1000');
sign_many('long', 500);
ok(wait_for($node, "SELECT count(*) > 20 FROM ignisign.request WHERE title LIKE 'long%' AND sent_at IS NOT NULL"), 'a backlog is being sent');
$node->safe_psql('postgres', "UPDATE ignisign.call SET state = 'pending' WHERE request = '$before'");
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE request = '$before'"), 'an old call is made that is pending again');
my $other = $node->safe_psql('postgres', sign_sql('Other', 'ann@example.com'), extra_params => [ '-U', 'bob' ]);
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$other'"), "another role's request is sent");
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.call WHERE operation = 'one-call-sign' AND state = 'pending'"),
	'>', 0, 'while the backlog is there');
$sandbox->clear_faults;
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call"), 'all are sent');
$old->query_safe('COMMIT');
$old->quit;

# What the worker queues for itself is not passed over, though nobody wakes it:
# with no change of the status, a context is read now and then.

$node->safe_psql('postgres', "ALTER SYSTEM SET ignisign.refresh_interval = '100ms'; SELECT pg_reload_conf()");
my $id = $node->safe_psql('postgres', sign_sql('Progress', 'ann@example.com', 'bob@example.com'));

ok(wait_for($node, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$id')"), 'a request of two signers is open');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.call'), 'and nothing is queued');
my ($remote) = map { $_->{id} } grep { $_->{title} eq 'Progress' } $sandbox->requests;

$sandbox->sign($remote, 'ann@example.com');
ok(wait_for($node, "SELECT signed = 1 FROM ignisign_status('$id')", 'postgres', { timeout => 30 }), 'one signature is seen');
$node->stop;
done_testing();
