# A standby has no worker; promoted, it has one at once and goes on.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $sandbox = start_sandbox();
my $primary = new_node('primary', $sandbox, wal_level => 'replica', max_wal_senders => 3, hot_standby => 'on');

$primary->append_conf('pg_hba.conf', 'local replication all trust');
$primary->reload;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# One request is settled, one is waiting when the primary goes away.

my $id = $primary->safe_psql('postgres', sign_sql('first', 'ann@example.com'));
ok(wait_for($primary, "SELECT state = 'open' FROM ignisign_status('$id')"), 'the primary sends');
$sandbox->fault('one-call-sign share=1 status=503');
my $waiting = $primary->safe_psql('postgres', sign_sql('second', 'ann@example.com'));
ok(wait_for($primary, "SELECT count(*) > 0 FROM ignisign.attempt WHERE request = '$waiting'"),
	'a request waits');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'ignisign%'"),
	'0', 'a standby has no worker and no launcher');
is($standby->safe_psql('postgres', 'SELECT DISTINCT worker_state FROM ignisign_stats()'),
	'standby', 'and says so');
is($standby->safe_psql('postgres', "SELECT state FROM ignisign_status('$id')"),
	'open', 'requests can be read there');

$primary->stop;
$sandbox->clear_faults;
my $start = time;
$standby->promote;
ok(wait_for($standby, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"),
	'promoted, it has a worker');
note(sprintf 'after %.2f s', time - $start);
ok(wait_for($standby, "SELECT state = 'open' FROM ignisign_status('$waiting')", 'postgres', { timeout => 60 }),
	'and sends what was waiting');
is(scalar(grep { $_->{title} eq 'second' } $sandbox->requests), 1, 'once');

$standby->stop;
done_testing();
