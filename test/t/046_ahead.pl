# Calls are claimed before there is a place for them, so that a place that becomes free
# is taken at once; what may not go then is given back as it was.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $places = 40;
my $ahead = $places / 4;
my $sandbox = start_sandbox();
my $node = new_node('ahead', $sandbox,
	'restart_after_crash'       => 'on',
	'ignisign.refresh_interval' => '1h',
	'ignisign.retry_delay'      => '1h',
	'ignisign.max_retry_delay'  => '1h',
	'ignisign.reconcile_delay'  => '1h');
my $calls = "FROM ignisign.call WHERE operation = 'one-call-sign'";

sub value { return $node->safe_psql('postgres', $_[0]) }

# Queue so many requests.
sub queue
{
	my ($title, $n) = @_;

	value("SELECT count(ignisign_sign(title => '$title ' || i, document => '\\x255044462d',"
		  . " signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])) FROM generate_series(1, $n) i");
	return;
}

# Have the worker know that calls are fast, then queue more than there are places for, of
# which those that go are dealt with in some way, or not at all; the queue is full and some are claimed
# ahead, unless they were given back already.
sub saturate
{
	my ($title, $fault) = @_;

	$sandbox->clear_faults;
	wait_for($node, "SELECT NOT EXISTS (SELECT $calls AND (state = 'sending' OR state = 'pending' AND run_at <= now()))")
	  or die 'calls are left';
	$node->safe_psql('postgres', 'BEGIN; LOCK TABLE ignisign.call; DELETE FROM ignisign.call; COMMIT');
	value("SELECT ignisign_connect('@{[ $sandbox->key ]}', base_url => '@{[ $sandbox->url ]}', for_role => 'public')");
	queue("fast $title", 5);
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), "$title: some go fast");
	$sandbox->clear_journal;
	$fault ? $sandbox->fault("one-call-sign share=1 $fault") : kill 'STOP', $sandbox->pid;
	queue($title, 3 * $places);
	ok(wait_for($node, "SELECT count(*) >= $places + $ahead $calls AND claimed_at IS NOT NULL"),
		"$title: more are claimed than there are places");
	return;
}

# How many calls of the requests were made.
sub made { return scalar $sandbox->journal('one-call-sign') }

# Those that were claimed ahead are as they were, but for when they were claimed.
sub given_back
{
	my ($title, $others) = @_;

	ok( wait_for(
			$node,
			"SELECT count(*) FILTER (WHERE state = 'pending' AND attempts = 0 AND claimed_at IS NOT NULL) = $ahead"
			  . " AND count(*) FILTER (WHERE $others) = $places AND count(*) = 3 * $places $calls"),
		"$title: what was claimed ahead is given back, and no attempt is used up")
	  or diag(value("SELECT state, attempts, claimed_at IS NULL, count(*) $calls GROUP BY 1, 2, 3"));
	return;
}

value("ALTER SERVER ignisign OPTIONS (ADD max_in_flight '$places', ADD max_total_in_flight '1000', ADD timeout '600000', ADD breaker_failures '0', ADD breaker_pause '3600000')");

# No more are under way at a time than there are places, but all of these are used.

saturate('some', 'delay=100');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), 'some: all are sent');
is(made(), 3 * $places, 'some: once');
is( value(<<~SQL), $places, 'some: as many at a time as there are places');
	WITH a AS (SELECT started_at AS began, started_at + duration AS ended FROM ignisign.attempt
		ORDER BY started_at DESC LIMIT 3 * $places)
	SELECT max((SELECT count(*) FROM a o WHERE o.began <= a.began AND o.ended > a.began)) FROM a
	SQL

# No place becomes free: they wait only so long, and may be discarded then.

saturate('slow', '');
given_back('slow', "state = 'sending' AND attempts = 1");
is( value(<<~SQL), $ahead, 'slow: they can be discarded');
	SELECT sum(ignisign_discard_request(request)) $calls AND state = 'pending' AND claimed_at IS NOT NULL
	SQL
kill 'CONT', $sandbox->pid;
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), 'slow: the others go on');
is(made(), 3 * $places - $ahead, 'slow: and each is sent once');

# What goes wrong, of the server or of the account, holds them back, too.

for my $case (
	[ 'breaker', 'delay=300 status=503', "state = 'unknown' AND attempts = 1", 3 ],
	[ 'parked',  'delay=300 status=401', "state = 'pending' AND attempts = 0 AND claimed_at IS NOT NULL", 0 ],
	[ 'held',    'delay=300 status=429 retry-after=3600', "state = 'pending' AND attempts = 1", 0 ])
{
	my ($title, $fault, $others, $failures) = @$case;

	value("ALTER SERVER ignisign OPTIONS (SET breaker_failures '$failures')");
	saturate($title, $fault);
	if ($title eq 'parked')
	{
		ok( wait_for($node, "SELECT count(*) = $places + $ahead $calls AND $others"),
			'parked: nobody has used up an attempt');
		is(made(), $places, 'parked: and no more were sent than there are places');
	}
	else
	{
		given_back($title, $others);
		is(made(), $places, "$title: and was not sent");
	}
	$sandbox->clear_faults;
	value("ALTER SERVER ignisign OPTIONS (SET breaker_failures '0')");
}

# Nothing more is to be sent.

saturate('off', 'delay=1500');
value('ALTER SYSTEM SET ignisign.enabled = off');
$node->reload;
ok( wait_for(
		$node, "SELECT count(*) = 2 * $places AND bool_and(state = 'pending' AND attempts = 0) $calls"),
	'off: those under way end, the others are as they were');
is(made(), $places, 'off: and not sent');
value('ALTER SYSTEM RESET ignisign.enabled');
$node->reload;
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), 'off: and then they are');

# The account is another one.

my $other = start_sandbox();

saturate('moved', 'delay=500');
value("ALTER SERVER ignisign OPTIONS (SET base_url '@{[ $other->url ]}')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), 'moved: all are sent');
is(made() + scalar($other->journal('one-call-sign')), 3 * $places, 'moved: once');

# Somebody wants the database for himself: nothing is "sending" in his copy.

saturate('copied', 'delay=700');
$node->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
is($node->safe_psql('copied', "SELECT count(*) FILTER (WHERE state <> 'pending') $calls"), '0', 'copied: nothing is under way in the copy');
$node->safe_psql('postgres', 'DROP DATABASE copied');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT $calls)"), 'copied: all are sent');
is(made(), 3 * $places, 'copied: once');

# The server is shut down: what nothing was sent of need not be looked for.

saturate('stopped', '');
$node->restart;
kill 'CONT', $sandbox->pid;
ok( wait_for(
		$node, "SELECT count(*) FILTER (WHERE state = 'unknown') = $places AND bool_and(state = 'unknown' OR attempts = 0) $calls"),
	'stopped: only what was sent is looked for')
  or diag(value("SELECT state, attempts, claimed_at IS NULL, count(*) $calls GROUP BY 1, 2, 3"));

done_testing();
