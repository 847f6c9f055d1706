# There are fewer background worker slots than databases: the log says so once,
# those that have a worker are served, and the others are as soon as one is free.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();

# One for the launcher, one for logical replication, and two for workers.
my $node = new_node('exhausted', $sandbox, max_worker_processes => 4);

for my $database (qw(second third))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION ignisign');
	connect_node($node, $sandbox, $database);
}
ok($node->wait_for_log(qr/could not start the ignisign worker for database "third": no background worker slot is free/),
	'the log says which database has no worker, and why');
my $id = $node->safe_psql('third', sign_sql('third', 'ann@example.com'));

like( $node->safe_psql('third', 'SELECT DISTINCT worker_state, hint FROM ignisign_stats()'),
	qr/failed \d+ times, next start in \d+ s\|.*max_worker_processes/,
	'ignisign_stats() tells, too');

# The others are served meanwhile.

for my $database (qw(postgres second))
{
	my $other = $node->safe_psql($database, sign_sql($database, 'ann@example.com'));

	is($node->safe_psql($database, "SELECT ignisign_wait('$other', 'SENT', '30 s')"), 't', "database $database is served");
}
is($node->safe_psql('third', "SELECT state FROM ignisign_status('$id')"), 'queued', 'the third one waits');

# A slot becomes free.

$node->safe_psql('second', 'DROP EXTENSION ignisign CASCADE');
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')", 'third', { timeout => 90 }), 'a slot is free: it is served');
$node->safe_psql('second', 'CREATE EXTENSION ignisign');
connect_node($node, $sandbox, 'second');
ok(wait_for($node, "SELECT worker_state LIKE 'failed%' FROM ignisign_stats()", 'second'), 'now another one waits');
is(scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /could not start the ignisign worker for database "third"/g),
	1, 'it was said once');

# A database too many for ignisign.max_databases is named as well; its queue is
# served when there is room.

$node->append_conf('postgresql.conf', "ignisign.max_databases = 4\nmax_worker_processes = 20\n");
$node->restart;
ok( wait_for($node, "SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'ignisign worker'"), 'with more slots all have workers');
$node->stop;

# There are fewer places for databases than databases that want a worker.

$node = new_node('full', $sandbox, 'ignisign.max_databases' => 1);
$node->safe_psql('postgres', "SELECT ignisign_wait('" . $node->safe_psql('postgres', sign_sql('full', 'ann@example.com')) . "', 'SENT', '60 s')");
$node->safe_psql('postgres', 'CREATE DATABASE "one too many"');
ok($node->wait_for_log(qr/no worker for the database "one too many": ignisign.max_databases \(1\) is reached/),
	'the log says which database, and what is full');
$node->safe_psql('one too many', 'CREATE EXTENSION ignisign');
ok($node->wait_for_log(qr/no worker for the database "one too many".*no worker for the database "one too many"/s),
	'also when the database asks itself');

$node->stop;
done_testing();
