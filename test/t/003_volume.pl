# Ten thousand requests of one transaction drain without loss.

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

$node->safe_psql('postgres', <<~SQL);
	SELECT count(ignisign_sign(title => 'volume ' || i, document => '\\x$hex',
		signers => ARRAY[ignisign_signer('ann' || i || '\@example.com', 'Ann', 'Lee')]))
	FROM generate_series(1, $n) i
	SQL
ok( wait_for(
		$node,
		"SELECT count(*) = $n FROM ignisign.request WHERE signature_request_id IS NOT NULL",
		'postgres', { timeout => 300 }),
	'all requests went out');

my %seen;

$seen{ $_->{title} }++ for $sandbox->requests;
is(scalar(keys %seen), $n, 'every request arrived');
is_deeply([ grep { $seen{$_} > 1 } keys %seen ], [], 'none arrived twice');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM ignisign.call WHERE operation = 'one-call-sign'"),
	'0',
	'the queue is empty');

$node->stop;
done_testing();
