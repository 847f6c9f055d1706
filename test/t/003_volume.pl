# Ten thousand requests of one transaction drain without loss, at a cost a call that
# does not depend on how many there are.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('volume', $sandbox, 'ignisign.refresh_interval' => 0);
my $hex = unpack 'H*', pdf('contract');
my $n = 10_000;

# The worker's plans are made while the tables are known to be empty.
$node->safe_psql('postgres', 'VACUUM (ANALYZE) ignisign.request, ignisign.signer, ignisign.document, ignisign.call');
$node->safe_psql('postgres', sign_sql('first', 'ann@example.com'));
ok(wait_for($node, 'SELECT count(*) = 1 FROM ignisign.request WHERE sent_at IS NOT NULL'), 'the first one went out');
$node->safe_psql('postgres', 'SELECT pg_stat_reset()');

$node->safe_psql('postgres', <<~SQL);
	SELECT count(ignisign_sign(title => 'volume ' || i, document => '\\x$hex',
		signers => ARRAY[ignisign_signer('ann' || i || '\@example.com', 'Ann', 'Lee')]))
	FROM generate_series(1, $n) i
	SQL
ok( wait_for(
		$node,
		"SELECT count(*) = $n + 1 FROM ignisign.request WHERE signature_request_id IS NOT NULL",
		'postgres', { timeout => 300 }),
	'all requests went out');

my %seen;

$seen{ $_->{title} }++ for $sandbox->requests;
is(scalar(keys %seen), $n + 1, 'every request arrived');
is_deeply([ grep { $seen{$_} > 1 } keys %seen ], [], 'none arrived twice');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM ignisign.call WHERE operation = 'one-call-sign'"),
	'0',
	'the queue is empty');
ok( wait_for(
		$node,
		"SELECT sum(n_tup_del) >= $n FROM pg_stat_user_tables WHERE relid = 'ignisign.call'::regclass"),
	'the worker has told what it did');
cmp_ok(
	$node->safe_psql('postgres', "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'ignisign'"),
	'<', 100 * $n, 'each call reads few entries of indexes');

$node->stop;
done_testing();
