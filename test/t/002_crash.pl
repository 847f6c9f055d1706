# Killing the worker, or the server, loses no request and sends none twice.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();

# The grace must be longer than the sandbox takes to answer.
my $node = new_node('crash', $sandbox, 'ignisign.reconcile_delay' => '3s',
	'restart_after_crash' => 'on');

$node->safe_psql('postgres',
	"ALTER SERVER ignisign OPTIONS (ADD max_in_flight '100', ADD max_total_in_flight '200')");

my $hex = unpack 'H*', pdf('contract');

# Sign n contracts, whose titles start with the given word, in one transaction.
sub sign_many
{
	my ($word, $n) = @_;

	$node->safe_psql('postgres', <<~SQL);
		SELECT count(ignisign_sign(title => '$word ' || i, document => '\\x$hex',
			signers => ARRAY[ignisign_signer('ann' || i || '\@example.com', 'Ann', 'Lee')]))
		FROM generate_series(1, $n) i
		SQL
	return;
}

# Check that the sandbox has each of the n contracts exactly once.
sub check_once
{
	my ($word, $n) = @_;
	my %seen;

	$seen{ $_->{title} }++ for grep { $_->{title} =~ /^$word / } $sandbox->requests;
	is(scalar(keys %seen), $n, "$word: every request arrived");
	is_deeply([ grep { $seen{$_} > 1 } keys %seen ], [], "$word: none arrived twice");
	is( $node->safe_psql(
			'postgres', <<~SQL), $n, "$word: every row has an id of its own");
		SELECT count(DISTINCT signature_request_id) FROM ignisign.request WHERE title LIKE '$word %'
		SQL
	return;
}

sub all_sent
{
	my ($word, $n) = @_;

	return wait_for($node,
		"SELECT count(*) = $n FROM ignisign.request WHERE title LIKE '$word %' AND signature_request_id IS NOT NULL",
		'postgres', { timeout => 120 });
}

# The worker is killed while 100 requests are under way: answered late, ...

$sandbox->fault('one-call-sign count=100 delay-after=1500');
sign_many('killed', 100);
ok( wait_for(
		$node,
		"SELECT count(*) = 100 FROM ignisign.call WHERE state = 'sending'"),
	'100 requests are under way');
my $pid = $node->safe_psql('postgres',
	'SELECT DISTINCT worker_pid FROM ignisign_stats()');
kill 'KILL', $pid;
ok(all_sent('killed', 100), 'killed: all requests are settled');
check_once('killed', 100);
$sandbox->clear_faults;

# ... or not even looked at yet.

$sandbox->fault('one-call-sign count=100 delay=1500');
sign_many('early', 100);
ok( wait_for(
		$node,
		"SELECT count(*) = 100 FROM ignisign.call WHERE state = 'sending'"),
	'100 requests are under way again');
$pid = $node->safe_psql('postgres',
	'SELECT DISTINCT worker_pid FROM ignisign_stats()');
kill 'KILL', $pid;
ok(all_sent('early', 100), 'early: all requests are settled');
check_once('early', 100);
$sandbox->clear_faults;

# The whole server stops without warning.

$sandbox->fault('one-call-sign count=50 delay-after=1000');
sign_many('stopped', 50);
ok( wait_for(
		$node,
		"SELECT count(*) > 0 FROM ignisign.call WHERE state = 'sending'"),
	'requests are under way');
$node->stop('immediate');
$node->start;
ok(all_sent('stopped', 50), 'stopped: all requests are settled');
check_once('stopped', 50);
$sandbox->clear_faults;

# Equal contracts are interchangeable, but there are as many as were asked for.

$sandbox->fault('one-call-sign share=0.5 close=after');
$node->safe_psql('postgres', <<~SQL);
	SELECT count(ignisign_sign(title => 'equal', document => '\\x$hex',
		signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]))
	FROM generate_series(1, 20) i
	SQL
ok( wait_for(
		$node,
		"SELECT count(*) = 20 FROM ignisign.request WHERE title = 'equal' AND signature_request_id IS NOT NULL",
		'postgres', { timeout => 120 }),
	'equal: all requests are settled');
is(scalar(grep { $_->{title} eq 'equal' } $sandbox->requests),
	20, 'equal: as many arrived as were sent');

$node->stop;
done_testing();
