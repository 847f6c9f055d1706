# Without shared_preload_libraries, requests are queued durably and sent later.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $sandbox = start_sandbox();
my $node = PostgreSQL::Test::Cluster->new('lazy');

$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION ignisign');

is($status, 0, 'CREATE EXTENSION succeeds');
like($err, qr/WARNING:  ignisign is not in shared_preload_libraries/, 'and warns');
like($err, qr/HINT:  Set shared_preload_libraries/, 'and says what to set');
connect_node($node, $sandbox);
my $id = $node->safe_psql('postgres', sign_sql('lazy', 'ann@example.com'));

is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$id')"), 'queued', 'it is queued');
like($node->safe_psql('postgres', 'SELECT worker_state, hint FROM ignisign_stats()'),
	qr/^not preloaded\|.*shared_preload_libraries/, 'ignisign_stats() says why nothing is sent');
($status, $out, $err) = $node->psql('postgres', "SELECT ignisign_wait('$id')");
like($err, qr/shared_preload_libraries/, 'ignisign_wait() does not wait for nobody');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'ignisign'");
$node->restart;
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')"),
	'preloaded, the server sends it');

$node->stop;
done_testing();
