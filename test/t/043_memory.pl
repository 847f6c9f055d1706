# The worker's memory is bounded, whatever is sent back and however much, and it
# is given back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;
use Time::HiRes qw(sleep);

# All that this test allows the worker, of which a transfer's buffers are most.
my $most = 250 * 1024;

# A sanitizer takes memory of its own, keeps what is freed, and is slow; then
# only what the calls do is of interest.
my $sanitized = ($ENV{IGNISIGN_MODE} // '') eq 'sanitize';
my $many = $sanitized ? 2000 : 20000;

my $sandbox = start_sandbox();
my $node = new_node('memory', $sandbox,
	'ignisign.refresh_interval' => 0,
	'ignisign.max_retry_delay'  => '200ms');

sub value { return $node->safe_psql('postgres', $_[0]) }

value("ALTER SERVER ignisign OPTIONS (ADD max_attempts '2', ADD timeout '10000', ADD breaker_failures '0', ADD max_in_flight '128')");

# Calls that succeed, so that all that is kept for good is there.
sub calls
{
	my ($n, $what) = @_;

	value("SELECT count(ignisign_application()) FROM generate_series(1, $n)");
	ok(wait_for($node, 'SELECT NOT EXISTS (SELECT FROM ignisign.call)', 'postgres', { timeout => 600 }), $what);
	value('DELETE FROM ignisign.result');
}

calls(2000, 'two thousand calls are answered');

my $worker = value("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");

# The worker's own memory, in kB.
sub memory
{
	my $status = PostgreSQL::Test::Utils::slurp_file("/proc/$worker/status");

	return $status =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die $status;
}

# All memory contexts of the worker together, in bytes.
sub contexts
{
	my $from = -s $node->logfile;
	my $total;

	value("SELECT pg_log_backend_memory_contexts($worker)");
	wait_for(
		sub {
			my $log = substr PostgreSQL::Test::Utils::slurp_file($node->logfile), $from;

			($total) = $log =~ /Grand total: \d+ bytes in \d+ blocks; \d+ free \(\d+ chunks\); (\d+) used/;
			return defined $total;
		},
		{ what => 'memory contexts' }) or die 'no memory contexts';
	return $total;
}

my $before = memory();
my $contexts = contexts();
my $peak = 0;

# Every answer of ill will at once, from many calls.

$sandbox->fault("* share=$$_[0] seed=$$_[1] $$_[2]")
  for [ 0.1, 1, 'huge=8300000' ], [ 0.1, 2, 'endless' ], [ 0.1, 3, 'deep=1000000' ],
  [ 0.15, 4, 'wide=2500000' ], [ 0.2, 5, 'wide=99000' ], [ 0.1, 6, 'bomb=100000000' ],
  [ 0.1, 7, 'raw=headers' ], [ 0.1, 8, 'raw=informational' ], [ 0.1, 9, 'raw=slow-headers' ],
  [ 0.1, 10, 'status=500 endless' ], [ 0.2, 11, 'huge=8000000' ], [ 0.2, 12, 'status=200 huge=30000000 slow=20000000' ];
value(<<~'SQL');
	SELECT count(ignisign_application()), count(ignisign_original('67a1c0de0000000000000001')),
		count(ignisign_call('POST', '/v4/x', jsonb_build_object('a', repeat('x', 100000)))),
		count(ignisign_upload_document(repeat('x', 500000)::bytea, 'x.txt'))
	FROM generate_series(1, 100)
	SQL
value(sign_sql('t', 'ann@example.com')) for 1 .. 20;
ok( wait_for(
		sub {
			my $now = memory();

			$peak = $now if $now > $peak;
			return value("SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE operation <> 'one-call-sign' AND state IN ('pending', 'sending'))") eq 't';
		},
		{ timeout => 600, what => 'end of the attack' }),
	'all calls come to an end');
SKIP:
{
	skip 'sanitized', 1 if $sanitized;
	cmp_ok($peak, '<', $most, "no more than $most kB meanwhile");
}
is(value("SELECT count(*) FROM pg_stat_activity WHERE pid = $worker"), 1, 'by the same worker');
$sandbox->clear_faults;
# Two attempts may both have been refused: then somebody has it tried again.
ok( wait_for(
		sub {
			value("SELECT count(ignisign_retry(id)) FROM ignisign.call WHERE operation = 'one-call-sign' AND state = 'dead'");
			return value('SELECT count(*) = 20 FROM ignisign.request WHERE signature_request_id IS NOT NULL') eq 't';
		},
		{ what => 'requests' }),
	'the requests are there');
value('DELETE FROM ignisign.call; DELETE FROM ignisign.result');
calls(100, 'it goes on');
SKIP:
{
	skip 'sanitized', 1 if $sanitized;
	ok(wait_for(sub { return memory() < $before + 48 * 1024 }, { what => 'less memory', timeout => 30 }),
		'memory is given back');
}
note(sprintf 'kB before, at most, after: %d %d %d', $before, $peak, memory());

# Nothing is left behind by many calls.

my $warm = contexts();

calls($many, "$many calls are answered");
cmp_ok(contexts() - $warm, '<', 256 * 1024, 'they leave nothing in memory contexts');
SKIP:
{
	skip 'sanitized', 1 if $sanitized;
	cmp_ok(memory(), '<', $before + 48 * 1024, 'nor elsewhere');
}
note(sprintf 'contexts before, after the attack, after all: %d %d %d', $contexts, $warm, contexts());

$node->stop;
done_testing();
