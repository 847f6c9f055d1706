# Replication: a reporting database gets the rows and sends nothing; a standby
# that is promoted in the midst of it loses nothing and repeats nothing; and a
# synchronous standby that is gone holds up what would otherwise not be safe.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $sandbox = start_sandbox();
my %settings = (
	'ignisign.reconcile_delay' => '1s',
	wal_level => 'logical',
	max_prepared_transactions => 2,
	max_wal_senders => 6,
	max_replication_slots => 4,
	hot_standby => 'on');
my $primary = new_node('primary', $sandbox, %settings);
my $hex = unpack 'H*', pdf('contract');

$primary->append_conf('pg_hba.conf', 'local replication all trust');
$primary->reload;

sub sign_many
{
	my ($node, $word, $n) = @_;

	$node->safe_psql('postgres', <<"SQL");
SELECT count(ignisign_sign(title => '$word ' || i, document => '\\x$hex'::bytea,
	signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])) FROM generate_series(1, $n) i
SQL
	return;
}

sub arrived
{
	my ($node, $word, $n, $name) = @_;
	my %seen;

	ok( wait_for($node, "SELECT count(*) = $n FROM ignisign.request WHERE title LIKE '$word %' AND sent_at IS NOT NULL",
			'postgres', { timeout => 60 }),
		"$name: all are sent");
	$seen{ $_->{title} }++ for grep { $_->{title} =~ /^$word / } $sandbox->requests;
	is_deeply([ scalar(keys %seen), grep { $seen{$_} > 1 } keys %seen ], [$n], "$name: each once");
	return;
}

# ---- A reporting database ----

my $reports = new_node('reports', $sandbox, wal_level => 'logical');

$primary->safe_psql('postgres', 'CREATE PUBLICATION signatures FOR TABLES IN SCHEMA ignisign');
sign_many($primary, 'before', 3);
arrived($primary, 'before', 3, 'with a publication');
$reports->safe_psql('postgres',
	"CREATE SUBSCRIPTION signatures CONNECTION '" . $primary->connstr . " dbname=postgres' PUBLICATION signatures");
$reports->wait_for_subscription_sync($primary, 'signatures');
$sandbox->fault('one-call-sign share=1 status=503');
sign_many($primary, 'replicated', 3);
ok(wait_for($reports, "SELECT count(*) = 3 FROM ignisign.call c JOIN ignisign.request r ON r.id = c.request WHERE r.title LIKE 'replicated %' AND c.attempts > 0"),
	'queued calls are replicated');
$reports->safe_psql('postgres', 'SELECT ignisign_refresh(id) FROM ignisign.request WHERE sent_at IS NOT NULL');
ok(wait_for($reports, "SELECT bool_and(worker_state LIKE 'parked%') FROM ignisign_stats()"), 'the reporting database knows that they are not its own');
$sandbox->clear_faults;
arrived($primary, 'replicated', 3, 'beside a reporting database');
ok(wait_for($reports, "SELECT count(*) = 6 FROM ignisign.request WHERE sent_at IS NOT NULL AND status IS NOT NULL"), 'the outcomes are replicated');
my $attempts = "SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM ignisign.attempt t WHERE operation <> 'status'";

ok(wait_for(sub { return $reports->safe_psql('postgres', $attempts) eq $primary->safe_psql('postgres', $attempts) }, { timeout => 30, what => 'equal attempts' }),
	'it made no call of its own');
$primary->safe_psql('postgres', 'UPDATE ignisign.origin SET system_identifier = 1; SELECT ignisign_adopt()');
pass('a publication does not keep the owner of the queue from changing');
$reports->safe_psql('postgres', 'DROP SUBSCRIPTION signatures');
$reports->stop;

# ---- A standby ----

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my ($status, $out, $err) = $standby->psql('postgres', sign_sql('standby', 'ann@example.com'));

like($err, qr/cannot execute ignisign_sign\(\) during recovery/, 'a standby refuses what writes');
($status, $out, $err) = $standby->psql('postgres', 'SELECT ignisign_create_draft()');
like($err, qr/cannot execute operation create-request during recovery/, 'calls as well');

# A synchronous one that is away for a moment.  While the worker waits for it, a
# request is committed that was queued before the worker has looked at the queue.

$primary->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'standby'; ALTER SYSTEM SET ignisign.refresh_interval = 0; SELECT pg_reload_conf()");
$primary->wait_for_catchup($standby);
ok(wait_for($primary, "SELECT sync_state = 'sync' FROM pg_stat_replication"), 'the standby is synchronous');
$standby->stop;
$primary->safe_psql('postgres', "SET synchronous_commit = local; BEGIN; " . sign_sql('meanwhile 1', 'ann@example.com') . "; PREPARE TRANSACTION 'meanwhile'");
$primary->safe_psql('postgres', 'SET synchronous_commit = local; ' . sign_sql('meanwhile 2', 'ann@example.com'));
ok(wait_for($primary, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"), 'the worker waits for the standby');
$primary->safe_psql('postgres', "SET synchronous_commit = local; COMMIT PREPARED 'meanwhile'");
$standby->start;
ok(wait_for($primary, "SELECT count(*) = 2 FROM ignisign.request WHERE title LIKE 'meanwhile %' AND sent_at IS NOT NULL"),
	'and has not missed what was committed meanwhile');

# The same while it waits at the end of all that it has to do.

my $delay = $ENV{IGNISIGN_MODE} ? 20000 : 5000;

ok(wait_for($primary, 'SELECT count(*) = 0 FROM ignisign.call'), 'nothing else is to be done');
$sandbox->fault("application count=1 delay=$delay");
$primary->safe_psql('postgres', 'SELECT ignisign_application()');
ok(wait_for($primary, "SELECT count(*) = 1 FROM ignisign.call WHERE state = 'sending'"), 'but for a call that is under way');
$standby->stop('immediate');
$primary->safe_psql('postgres', "SET synchronous_commit = local; BEGIN; " . sign_sql('at rest 1', 'ann@example.com') . "; PREPARE TRANSACTION 'rest'");
ok(wait_for($primary, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"), 'its answer waits for the standby');
$primary->safe_psql('postgres', "SET synchronous_commit = local; COMMIT PREPARED 'rest'");
$standby->start;
ok(wait_for($primary, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE title = 'at rest 1'"), 'and the worker does not rest then');
$primary->safe_psql('postgres', 'ALTER SYSTEM RESET ignisign.refresh_interval; SELECT pg_reload_conf()');

# A synchronous one that is gone.  The worker waits for it before it sends; it
# can be stopped, and nothing is lost.

sign_many($primary, 'synchronous', 3);
arrived($primary, 'synchronous', 3, 'with a synchronous standby');
ok(wait_for($primary, 'SELECT count(*) = 0 FROM ignisign.call'), 'all is settled');
$standby->stop;
$primary->safe_psql('postgres', 'SET synchronous_commit = local; ' . sign_sql('unsafe 1', 'ann@example.com'));
ok(wait_for($primary, "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"), 'a claim waits for the standby');
is(scalar(grep { $_->{title} =~ /^unsafe/ } $sandbox->requests), 0, 'and is not sent');
$primary->stop('fast');
is(scalar(grep { $_->{title} =~ /^unsafe/ } $sandbox->requests), 0, 'nor at shutdown');
$primary->append_conf('postgresql.auto.conf', "synchronous_standby_names = ''");
$primary->start;
arrived($primary, 'unsafe', 1, 'without the standby');
$standby->start;

# An asynchronous one that has missed a claim: it sees a call as pending that
# was sent.  And one that has seen them: their outcome is unknown.

$primary->safe_psql('postgres', 'ALTER SYSTEM SET ignisign.enabled = off; SELECT pg_reload_conf()');
ok(wait_for($primary, "SELECT worker_state = 'disabled' FROM ignisign_stats() LIMIT 1"), 'nothing is sent for the moment');
sign_many($primary, 'missed', 3);
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', "ALTER SYSTEM SET primary_conninfo = ''; SELECT pg_reload_conf()");
ok(wait_for($standby, 'SELECT count(*) = 0 FROM pg_stat_wal_receiver'), 'the standby falls behind');
$primary->safe_psql('postgres', 'ALTER SYSTEM SET ignisign.enabled = on; SELECT pg_reload_conf()');
arrived($primary, 'missed', 3, 'on the primary');
$primary->stop('immediate');
is($standby->safe_psql('postgres', "SELECT count(*) FROM ignisign.call WHERE state = 'pending' AND operation = 'one-call-sign'"), '3', 'the standby has missed it');
$standby->promote;
arrived($standby, 'missed', 3, 'on the promoted standby');
ok($standby->log_contains('was promoted or restored: 3 calls are looked for before they are sent'), 'and the log tells');

# Calls are under way when the primary ends.

$standby->safe_psql('postgres', 'ALTER SYSTEM RESET primary_conninfo');
$standby->append_conf('pg_hba.conf', 'local replication all trust');
$standby->backup('second');
my $next = PostgreSQL::Test::Cluster->new('next');
$next->init_from_backup($standby, 'second', has_streaming => 1);
$next->start;
$sandbox->fault('one-call-sign count=10 delay-after=800');
sign_many($standby, 'flying', 10);
ok(wait_for($standby, "SELECT count(*) = 10 FROM ignisign.call WHERE state = 'sending'"), 'calls are under way');
$standby->wait_for_catchup($next);
$standby->stop('immediate');
$next->promote;
arrived($next, 'flying', 10, 'promoted while calls are under way');
$next->stop;
done_testing();
