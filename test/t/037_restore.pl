# Dumps of all kinds: with and without data, into the same and into another
# cluster, where roles are missing.  A copy holds still until it is adopted, and
# then sends nothing that the original has sent since.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('restore', $sandbox);
my $dir = PostgreSQL::Test::Utils::tempdir('restore');

# The extension is in a schema of its own, and the requests are another role's.

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
CREATE DATABASE original;
SQL
$node->safe_psql('original', 'CREATE SCHEMA sign; CREATE EXTENSION ignisign SCHEMA sign');
my $sql = sprintf "SELECT sign.ignisign_connect('%s', base_url => '%s', for_role => 'app')", $sandbox->key, $sandbox->url;
$node->safe_psql('original', "$sql; SELECT sign.ignisign_grant('app'); GRANT USAGE ON SCHEMA sign TO app; ALTER ROLE app IN DATABASE original SET search_path = sign");

sub sign_as_app
{
	my ($on, $database, $title) = @_;

	return $on->safe_psql($database, 'SET search_path = sign; ' . sign_sql($title, 'ann@example.com'), extra_params => [ '-U', 'app' ]);
}

sub parked
{
	my ($on, $database, $schema) = @_;

	return wait_for($on, "SELECT bool_and(worker_state LIKE 'parked%') FROM ${schema}.ignisign_stats()", $database);
}

sub run_ok
{
	my ($name, @command) = @_;

	return $node->command_ok([@command], $name);
}

sub titles
{
	return [ sort map { $_->{title} } $sandbox->requests ];
}

# One request waits when the dumps are made, however long that takes.

$node->safe_psql('original', "ALTER SERVER ignisign OPTIONS (ADD max_attempts '1000000')");
$sandbox->fault('one-call-sign share=1 status=429');
my $id = sign_as_app($node, 'original', 'waiting');

ok(wait_for($node, "SELECT attempts > 0 FROM ignisign.call WHERE request = '$id'", 'original'), 'a request waits');
run_ok('pg_dump, directory', 'pg_dump', '--format=directory', '--jobs=2', '--file', "$dir/all", '--dbname', $node->connstr('original'));
run_ok('pg_dump, plain', 'pg_dump', '--file', "$dir/plain", '--dbname', $node->connstr('original'));
run_ok('pg_dump, definitions', 'pg_dump', '--schema-only', '--file', "$dir/definitions", '--dbname', $node->connstr('original'));
run_ok('pg_dump, data', 'pg_dump', '--data-only', '--format=custom', '--file', "$dir/data", '--dbname', $node->connstr('original'));

# Definitions only: an empty queue, and a worker of its own.

$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(definitions plain data);
run_ok('definitions are restored', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/definitions", '-d', $node->connstr('definitions'));
is($node->safe_psql('definitions', 'SELECT (SELECT count(*) FROM ignisign.request), (SELECT count(*) FROM ignisign.call), (SELECT count(*) FROM ignisign.origin)'),
	'0|0|0', 'without any row');
ok(wait_for($node, "SELECT bool_and(worker_state = 'running') FROM sign.ignisign_stats()", 'definitions'), 'and a worker runs');

# All, as a script, and data only into an extension that is there.

run_ok('a script is restored', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", '-d', $node->connstr('plain'));
ok(parked($node, 'plain', 'sign'), 'it is parked');
$node->safe_psql('data', 'CREATE EXTENSION ignisign');
run_ok('data is restored', 'pg_restore', '--exit-on-error', '--data-only', '--schema=ignisign', '-d', $node->connstr('data'), "$dir/data");
ok(parked($node, 'data', 'public'), 'it is parked, too');

# Into another cluster, in parallel; the role is not there.

my $other = new_node('other', undef);

$other->safe_psql('postgres', 'DROP EXTENSION ignisign CASCADE; CREATE DATABASE copy');
my ($out, $err) = PostgreSQL::Test::Utils::run_command(
	[ 'pg_restore', '--jobs=2', '--no-owner', '--no-privileges', '--section=pre-data', '--section=data', '-d', $other->connstr('copy'), "$dir/all" ]);

is_deeply([ $err =~ /ERROR:\s+(.*)/g ], ['role "app" does not exist'], 'pg_restore into another cluster misses only a role, for its user mapping');
$other->command_ok([ 'pg_restore', '--no-owner', '--section=post-data', '-d', $other->connstr('copy'), "$dir/all" ], 'and the rest');
ok(parked($other, 'copy', 'sign'), 'it is parked there');

# The original goes on; nobody else has sent anything.

$sandbox->clear_faults;
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'original'), 'the original sends');
is_deeply(titles(), ['waiting'], 'it is there once');

# The copies are told to go on, one by one: what the original has sent since is
# found, and not sent again.

$other->safe_psql('copy', 'SELECT sign.ignisign_adopt()');
ok(wait_for($other, "SELECT reason = 'role \"app\" does not exist' FROM ignisign.parked", 'copy'), 'calls of a role that is missing are held back');
$other->safe_psql('copy', "CREATE ROLE app LOGIN; $sql; SELECT sign.ignisign_grant('app'); GRANT USAGE ON SCHEMA sign TO app");
ok(wait_for($other, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'copy', { timeout => 60 }), 'when it is there, they go on');
is_deeply(titles(), ['waiting'], 'what the original has sent is found');
$node->safe_psql('plain', 'SELECT sign.ignisign_adopt()');
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'plain', { timeout => 60 }), 'the same in another database');
is_deeply(titles(), ['waiting'], 'of the same cluster');

# Numbers go on where they were.

$id = sign_as_app($other, 'copy', 'new');
ok(wait_for($other, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'", 'copy'), 'the copy sends what is new');
is($other->safe_psql('copy', "SELECT min(a.id) FILTER (WHERE r.title = 'new') > max(a.id) FILTER (WHERE r.title = 'waiting' AND a.outcome = 'retry')"
		  . ' FROM ignisign.attempt a JOIN ignisign.request r ON r.id = a.request'),
	't', 'under new numbers');
is_deeply(titles(), [ 'new', 'waiting' ], 'once');
$other->stop;
$node->stop;
done_testing();
