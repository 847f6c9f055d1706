# Servers come and go: eight of them are counted apart, those that are there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('servers', undef, 'ignisign.refresh_interval' => 0);

sub value { return $node->safe_psql('postgres', $_[0]) }

# Make a call on a server, which is answered.
sub call
{
	my ($server) = @_;
	my $call = value("SELECT ignisign_get_signer(repeat('0', 24), server => '$server')");

	return wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE call = $call AND http_status = 404");
}

# Servers with counters, and how many calls were counted for all others.
sub counted
{
	return value(<<~'SQL');
		SELECT string_agg(server || ' ' || calls, ', ' ORDER BY server) FILTER (WHERE server <> ''),
			coalesce(sum(calls) FILTER (WHERE coalesce(server, '') = ''), 0)
		FROM ignisign_stats() WHERE calls > 0
		SQL
}

sub connect_server
{
	my ($server) = @_;

	return value(sprintf "SELECT ignisign_connect('%s', base_url => '%s', server => '$server', for_role => 'public')", $sandbox->key, $sandbox->url);
}

connect_server("s$_") for 1 .. 9;
ok(call("s$_"), "a call on server $_") for 1 .. 9;
is(counted(), 's1 1, s2 1, s3 1, s4 1, s5 1, s6 1, s7 1, s8 1|1', 'eight are counted apart, the ninth as one of all others');

value('DROP SERVER s3 CASCADE');
ok(call('s9'), 'a call on the ninth');
is(counted(), 's1 1, s2 1, s4 1, s5 1, s6 1, s7 1, s8 1, s9 1|1', 'has the place of one that was dropped');
connect_server('s3');
ok(call('s3'), 'a call on one of the same name');
is(counted(), 's1 1, s2 1, s4 1, s5 1, s6 1, s7 1, s8 1, s9 1|2', 'is counted with all others');

# A server that is dropped and made anew, with a call that waits meanwhile.
$sandbox->stop;
my $call = value("SELECT ignisign_get_signer(repeat('0', 24), server => 's1')");
ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign.attempt WHERE call = $call"), 'a call waits');
value('DROP SERVER s1 CASCADE');
$sandbox->start;
ok(wait_for($node, "SELECT reason LIKE '%\"s1\" does not exist' FROM ignisign.parked"), 'for a server that is gone');
ok(call('s3'), 'another one is called');
is(counted(), 's2 1, s3 1, s4 1, s5 1, s6 1, s7 1, s8 1, s9 1|2', 'and has its place');
connect_server('s1');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE call = $call AND http_status = 404"), 'it is made when the server is back');

# A new worker counts on.
my $before = counted();
my $worker = value('SELECT DISTINCT worker_pid FROM ignisign_stats()');
value("SELECT pg_terminate_backend($worker)");
ok(wait_for($node, "SELECT DISTINCT worker_pid <> $worker AND worker_state = 'running' FROM ignisign_stats()"), 'there is another worker');
is(counted(), $before, 'and what was counted is still there');

$node->stop;
done_testing();
