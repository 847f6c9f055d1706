# pg_dump takes the queue along.  A copy does not send until it is adopted.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('dump', $sandbox);
my $dump = PostgreSQL::Test::Utils::tempdir('dump') . '/dump';

# One request is proven, three wait because the service is down.

my $done = $node->safe_psql('postgres', sign_sql('Done', 'ann@example.com'));
is($node->safe_psql('postgres', "SELECT ignisign_wait('$done', 'PROOF', '60 s')"), 't', 'one request is proven');
# However slow the test is, they are not given up meanwhile.
$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD max_attempts '1000000')");
$sandbox->stop;
# A worker that has no connection: what is sent on one that was cut off is in doubt.
$node->restart;
$node->safe_psql('postgres', sign_sql("Waiting $_", 'ann@example.com')) for 1 .. 3;
ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.call WHERE state = 'pending' AND attempts > 0"), 'three wait');

$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');

# In the order that is worst for us: extension and calls first, the row that
# tells whose they are last.  The worker has its chance in between.

$node->command_ok([ 'pg_restore', '--exit-on-error', '--section=pre-data', '--dbname', $node->connstr('copy'), $dump ], 'pg_restore, definitions');
ok(wait_for($node, "SELECT worker_state = 'running' FROM ignisign_stats() LIMIT 1", 'copy'), 'the worker of the copy runs');
for my $table (qw(call request document signer))
{
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '--schema=ignisign', "--table=$table",
			'--dbname', $node->connstr('copy'), $dump ], "pg_restore, $table");
}
$node->safe_psql('copy', "SELECT ignisign_refresh('$done')");
is( $node->safe_psql('copy', "SELECT (SELECT count(*) FROM ignisign.attempt), (SELECT count(*) FROM ignisign.event WHERE kind = 'dead'), (SELECT count(*) FROM ignisign.call)"),
	'0|0|4', 'nothing is sent or given up in the midst of a restore');
$node->safe_psql('postgres', 'DROP DATABASE copy');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), $dump ], 'pg_restore');

for my $table (qw(request signer document proof call event))
{
	# The original goes on trying, so that its calls change.
	my $row = $table eq 'call' ? 't.request::text || t.operation' : 't::text';
	my $sum = "SELECT md5(string_agg($row, '' ORDER BY $row)) FROM ignisign.$table t";

	is($node->safe_psql('copy', $sum), $node->safe_psql('postgres', $sum), "$table is the same in the copy");
}

# The copy holds still, and says so.

ok($node->wait_for_log(qr/the queue was copied here from database "postgres"/), 'the copy knows that it is one');
like($node->safe_psql('copy', 'SELECT hint FROM ignisign_stats() LIMIT 1'), qr/ignisign_adopt/, 'it tells what to do');
is($node->safe_psql('copy', "SELECT ignisign_proof('$done') IS NOT NULL"), 't', 'its proofs can be read');

# The original is given up, the copy goes on in its place.

$node->safe_psql('postgres', 'DROP EXTENSION ignisign CASCADE');
$sandbox->start;
$node->safe_psql('copy', 'SELECT ignisign_adopt()');
ok(wait_for($node, 'SELECT count(*) = 4 FROM ignisign.requests WHERE proofs = 1', 'copy', { timeout => 60 }),
	'after ignisign_adopt() it goes on');
is_deeply([ sort map { $_->{title} } $sandbox->requests ], [ 'Waiting 1', 'Waiting 2', 'Waiting 3' ],
	'every request arrived once');

$node->stop;
done_testing();
