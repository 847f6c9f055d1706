# What happens to one account delays no other: the calls of one server, or role,
# are done while another's queue is still long, slow, refused or broken.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my @key = map { "skv2_development_5a4db0c5-0000-4000-8000-00000000000${_}_secret$_" } 1 .. 2;
my $flooded = start_sandbox(api_key => \@key);
my $other = start_sandbox(api_key => \@key);
my $node = new_node('fair', undef,
	'ignisign.refresh_interval' => 0,
	'ignisign.max_retry_delay'  => '1s');

$node->safe_psql('postgres', 'CREATE ROLE ann; CREATE ROLE bob');
for my $server ([ 'a', $flooded ], [ 'b', $other ])
{
	my ($name, $sandbox) = @$server;

	for my $n (0, 1)
	{
		my $role = (qw(ann bob))[$n];

		$node->safe_psql('postgres', sprintf(
				"SELECT ignisign_connect('%s', base_url => '%s', server => '%s', for_role => '%s')",
				$key[$n], $sandbox->url, $name, $role));
		$node->safe_psql('postgres', "SELECT ignisign_grant('$role', '$name')");
	}
}

# A server that takes as much as it can.
$node->safe_psql('postgres', "ALTER SERVER a OPTIONS (ADD max_in_flight '1000', ADD max_total_in_flight '1000')");

# Queue n calls of a role on a server.
sub queue
{
	my ($role, $server, $n) = @_;

	$node->safe_psql('postgres', <<~SQL);
		SET ROLE $role;
		SELECT count(ignisign_get_signer(lpad(i::text, 24, '0'), server => '$server')) FROM generate_series(1, $n) i
		SQL
}

sub value { return $node->safe_psql('postgres', $_[0]) }

# Forget what was, and have a call show that all is well again.
sub begin
{
	my ($what) = @_;

	$flooded->clear_faults;
	$node->safe_psql('postgres', 'BEGIN; LOCK TABLE ignisign.call, ignisign.attempt; DELETE FROM ignisign.call; DELETE FROM ignisign.attempt; COMMIT');
	$node->safe_psql('postgres', "ALTER SERVER a OPTIONS (SET base_url '@{[ $flooded->url ]}')");
	my $call = $node->safe_psql('postgres',
		"SET ROLE ann; SELECT ignisign_get_signer(repeat('0', 24), server => 'a')");

	ok( wait_for(
			$node,
			"SELECT NOT EXISTS (SELECT FROM ignisign.parked) AND "
			  . "EXISTS (SELECT FROM ignisign.attempt WHERE call = $call AND http_status = 404)"),
		"$what: all is well before");
	$node->safe_psql('postgres', 'BEGIN; LOCK TABLE ignisign.call, ignisign.attempt; DELETE FROM ignisign.call; DELETE FROM ignisign.attempt; COMMIT');
}

# Fifty calls of the second party, one after the other as an application makes
# them; each is answered.
sub fifty_calls
{
	my ($role, $server) = @_;

	$node->safe_psql('postgres', <<~SQL);
		SET ROLE $role;
		DO \$\$
		BEGIN
			FOR i IN 1 .. 50 LOOP
				PERFORM ignisign_get_signer(lpad(i::text, 24, 'f'), server => '$server');
				COMMIT;
				PERFORM pg_sleep(0.01);
			END LOOP;
		END \$\$
		SQL
	return wait_for($node,
		"SELECT count(*) = 50 FROM ignisign.attempt WHERE owner = '$role' AND server = '$server' AND http_status = 404");
}

# How long the calls of a party waited, for people.
sub latency
{
	my ($what, $role, $server) = @_;

	note("$what: from queued to sent, milliseconds: "
		  . value(<<~SQL));
		SELECT concat_ws(' ', 'median', round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY w)),
			'99%', round(1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY w)), 'longest', round(1000 * max(w)))
		FROM (SELECT extract(epoch FROM a.started_at - p.created_at)::float8 AS w
			FROM ignisign.attempt a JOIN t_created p ON p.call = a.call
			WHERE a.owner = '$role' AND a.server = '$server') x
		SQL
}

# The queue forgets when a call was queued once it is done.
$node->safe_psql('postgres', <<~SQL);
	CREATE TABLE t_created (call bigint PRIMARY KEY, created_at timestamptz);
	CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS
	\$\$BEGIN INSERT INTO public.t_created VALUES (NEW.id, pg_catalog.clock_timestamp()); RETURN NULL; END\$\$;
	CREATE TRIGGER remember AFTER INSERT ON ignisign.call FOR EACH ROW EXECUTE FUNCTION remember();
	SQL

# Calls of the first party that are still to be made.
sub left
{
	return value("SELECT count(*) FROM ignisign.call WHERE owner = 'ann' AND server = 'a' AND state = 'pending'");
}

ok(fifty_calls('bob', 'b'), 'alone: fifty calls are answered');
latency('alone', 'bob', 'b');

for my $case (
	[ 'flood',           5000, 'signer share=1 delay=50',           'bob', 'b', 1500 ],
	[ 'slow',            1000, 'signer share=1 delay=2000',         'bob', 'b', 800 ],
	[ 'down',            1000, undef,                               'bob', 'b', 900 ],
	[ 'broken',          1000, '* share=1 status=500',              'bob', 'b', 900 ],
	[ 'throttled',       1000, '* share=1 status=429',              'bob', 'b', 900 ],
	[ 'hung',            1000, '* share=1 close=before delay=3000', 'bob', 'b', 500 ],
	[ 'role: flood',     5000, 'signer share=1 delay=50',           'bob', 'a', 1500 ],
	[ 'role: slow',      1000, 'signer for=secret1 share=1 delay=2000', 'bob', 'a', 800 ],
	[ 'role: throttled', 1000, '* for=secret1 share=1 status=429',  'bob', 'a', 900 ],
	[ 'role: refused',   1000, '* for=secret1 share=1 status=401',  'bob', 'a', 900 ])
{
	my ($what, $n, $fault, $role, $server, $least) = @$case;

	begin($what);
	$flooded->fault($fault) if defined $fault;
	$flooded->stop unless defined $fault;
	queue('ann', 'a', $n);
	ok( wait_for(
			$node,
			"SELECT count(*) > 0 FROM ignisign.call WHERE owner = 'ann' AND state = 'sending'"
			  . " UNION ALL SELECT count(*) > 0 FROM ignisign.attempt WHERE owner = 'ann' ORDER BY 1 DESC LIMIT 1"),
		"$what: the first party's calls are under way");
	ok(fifty_calls($role, $server), "$what: all of the second party's calls are answered");
	cmp_ok(left(), '>=', $least, "$what: while the first party's queue is long");
	latency($what, $role, $server);
	$flooded->start unless defined $fault;
}

# Two floods through one rate: each gets a half.

begin('rate');
$node->safe_psql('postgres', "ALTER SERVER a OPTIONS (ADD max_calls_per_second '100')");
queue('ann', 'a', 2000);
ok( wait_for($node, "SELECT count(*) > 20 FROM ignisign.attempt WHERE owner = 'ann' AND http_status = 404"),
	'rate: the first party is under way');
queue('bob', 'a', 100);
ok( wait_for($node, "SELECT count(*) = 100 FROM ignisign.attempt WHERE owner = 'bob' AND http_status = 404"),
	'rate: the second party\'s calls are made');
cmp_ok(
	value(<<~SQL), '<=', 130, 'rate: with about as many of the first in between');
	SELECT count(*) FROM ignisign.attempt WHERE owner = 'ann' AND started_at BETWEEN
		(SELECT min(p.created_at) FROM t_created p JOIN ignisign.attempt b ON b.call = p.call WHERE b.owner = 'bob') AND
		(SELECT max(started_at) FROM ignisign.attempt WHERE owner = 'bob')
	SQL

$node->stop;
done_testing();
