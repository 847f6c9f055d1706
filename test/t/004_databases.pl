# Workers come and go with the extension and the database, and are in nobody's
# way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('databases', $sandbox);

my $workers = "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') "
  . "FROM pg_stat_activity WHERE backend_type = 'ignisign worker'";

sub workers_are
{
	my ($list, $name) = @_;

	return ok(wait_for($node, "SELECT ($workers) = '$list'"), $name);
}

workers_are('postgres', 'CREATE EXTENSION starts a worker');

# A database without the extension has none.

$node->safe_psql('postgres', 'CREATE DATABASE other');
workers_are('postgres', 'a database without the extension has no worker');
$node->safe_psql('other', 'CREATE EXTENSION ignisign');
workers_are('other postgres', 'a second database has its own');

# Commands that need a database for themselves succeed while its worker runs.

$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO renamed');
workers_are('postgres renamed', 'ALTER DATABASE RENAME succeeds, and the worker is back');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE renamed');
workers_are('copy postgres renamed', 'CREATE DATABASE TEMPLATE succeeds, and the copy has a worker');
$node->safe_psql('postgres', 'DROP DATABASE renamed');
workers_are('copy postgres', 'DROP DATABASE succeeds');
unlike($node->safe_psql('postgres', 'SELECT datname FROM pg_database'),
	qr/renamed/, 'the database is gone');

# Who may not run the command disturbs nobody.

my $before = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'copy'");

$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
my ($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE copy',
	extra_params => [ '-U', 'stranger' ]);

like($err, qr/must be owner of database copy/, 'another role cannot drop the database');
is( $node->safe_psql(
		'postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'copy'"
	),
	$before,
	'and its worker has not been disturbed');

# A copy with a queue does not send what the original sends.

$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', 'CREATE EXTENSION ignisign');
connect_node($node, $sandbox, 'source');
$sandbox->fault('one-call-sign share=1 status=503');
my $id = $node->safe_psql('source', sign_sql('copied', 'ann@example.com'));

ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE state <> 'sending'", 'source'),
	'a request is queued');
$node->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE source');
ok( wait_for(
		$node, "SELECT bool_and(worker_state LIKE 'parked%') FROM ignisign_stats()", 'twin'),
	'the copy parks its queue');
$sandbox->clear_faults;
ok( wait_for(
		$node,
		"SELECT signature_request_id IS NOT NULL FROM ignisign.request",
		'source', { timeout => 60 }),
	'the original sends it');
is($node->safe_psql('twin', 'SELECT count(*) FROM ignisign.request WHERE signature_request_id IS NULL'),
	'1', 'the copy does not');
is(scalar(grep { $_->{title} eq 'copied' } $sandbox->requests), 1, 'it arrived once');
$node->safe_psql('twin', 'DELETE FROM ignisign.call');
$node->safe_psql('twin', 'SELECT ignisign_adopt()');
ok( wait_for(
		$node, "SELECT bool_and(worker_state = 'running') FROM ignisign_stats()", 'twin'),
	'after ignisign_adopt() it goes on');

# A template that has the extension, and no queue, gives working databases.

$node->safe_psql('postgres', 'CREATE DATABASE tmpl');
$node->safe_psql('tmpl', 'CREATE EXTENSION ignisign');
$node->safe_psql('postgres', 'CREATE DATABASE from_tmpl TEMPLATE tmpl');
ok( wait_for(
		$node, "SELECT bool_and(worker_state = 'running') FROM ignisign_stats()", 'from_tmpl'),
	'the copy of an empty queue is its own');

# DROP EXTENSION.

$node->safe_psql('copy', 'DROP EXTENSION ignisign CASCADE');
workers_are('from_tmpl postgres source tmpl twin', 'DROP EXTENSION ends the worker');
$node->safe_psql('copy', 'BEGIN; CREATE EXTENSION ignisign; ROLLBACK');
$node->safe_psql('copy', 'CREATE EXTENSION ignisign');
workers_are('copy from_tmpl postgres source tmpl twin', 'CREATE EXTENSION starts one again');

# All of them are there after a restart, without any list.

$node->restart;
workers_are('copy from_tmpl postgres source tmpl twin', 'a restart finds them all');

# A worker that is terminated comes back.

$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'postgres'");
ok( wait_for(
		$node,
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'postgres' AND backend_start > now() - interval '1 minute'"
	),
	'a terminated worker is started again');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/PANIC|server process .* was terminated/, 'nothing crashed');
done_testing();
