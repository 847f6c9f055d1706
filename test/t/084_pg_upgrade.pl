# pg_upgrade: everything is there afterwards, nothing is sent meanwhile, and
# nothing twice. From a major to itself, which shows the same as to another one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $old = new_node('old', $sandbox);

sub sign { return $old->safe_psql('postgres', sign_sql($_[0], 'ann@example.com')) }

# One is proven, one was sent and its answer lost, three wait.

my $done = sign('Done');
is($old->safe_psql('postgres', "SELECT ignisign_wait('$done', 'PROOF', '60 s')"), 't', 'one request is proven');
$old->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD max_attempts '1000000')");
$sandbox->fault('one-call-sign count=1 close=after');
$sandbox->fault('list status=503');
my $doubt = sign('Doubt');
ok(wait_for($old, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$doubt'"), 'one is in doubt');
$old->append_conf('postgresql.conf', 'ignisign.enabled = off');
$old->restart;
sign("Waiting $_") for 1 .. 3;

my $counts = 'SELECT (SELECT count(*) FROM ignisign.request), (SELECT count(*) FROM ignisign.call), (SELECT count(*) FROM ignisign.attempt),'
  . " (SELECT string_agg(md5(content), '' ORDER BY document) FROM ignisign.proof), (SELECT count(*) FROM ignisign.event)";
my $before = $old->safe_psql('postgres', $counts);

# The settings do not keep the worker from sending, as in a cluster whose owner forgot that.

$old->stop;
$old->append_conf('postgresql.conf', 'ignisign.enabled = on');
$sandbox->clear_faults;

my $new = PostgreSQL::Test::Cluster->new('new');
my $bindir = $new->config_data('--bindir');

$new->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$new->append_conf('postgresql.conf', join '', map { "$_\n" } grep { /ignisign|fsync|max_worker/ } split /\n/, slurp_file($old->data_dir . '/postgresql.conf'));
chdir PostgreSQL::Test::Utils::tempdir('pg_upgrade');
$new->command_ok(
	[
		'pg_upgrade', '--no-sync', '--old-bindir', $bindir, '--new-bindir', $bindir,
		'--old-datadir', $old->data_dir, '--new-datadir', $new->data_dir,
		'--old-port', $old->port, '--new-port', $new->port, '--socketdir', $new->host
	],
	'pg_upgrade');
is(scalar(grep { $_->{title} =~ /Waiting/ } $sandbox->requests), 0, 'it sends nothing');
$new->start;
is($new->safe_psql('postgres', $counts), $before, 'all is in the new cluster');

# It waits to be told that it is no copy.

ok(wait_for($new, "SELECT hint LIKE '%ignisign_adopt%' FROM ignisign_stats() LIMIT 1"), 'the new cluster asks for ignisign_adopt()');
is(scalar(grep { $_->{title} =~ /Waiting/ } $sandbox->requests), 0, 'and sends nothing before');
$new->safe_psql('postgres', 'SELECT ignisign_adopt()');
ok(wait_for($new, 'SELECT count(*) = 5 FROM ignisign.requests WHERE proofs = 1', 'postgres', { timeout => 120 }), 'then it goes on');
is_deeply([ sort map { $_->{title} } $sandbox->requests ], [ 'Done', 'Doubt', map { "Waiting $_" } 1 .. 3 ], 'each request is there once');

$new->stop;
done_testing();
