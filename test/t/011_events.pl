# Who listens is told; who waits can be interrupted; who does neither costs
# nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('events', $sandbox);

# LISTEN, in one session, while another one signs.

my $listener = $node->background_psql('postgres');

$listener->query_safe('LISTEN ignisign');
my $id = $node->safe_psql('postgres', sign_sql('Told', 'ann@example.com'));
ok(wait_for($node, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$id')"), 'it is in progress');
my ($remote) = map { $_->{id} } $sandbox->requests;
$sandbox->sign($remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '30 s')"), 't', 'it is proven');
my $heard = $listener->query('SELECT 1');
my @events = map { decode_json($_) } $heard =~ /notification "ignisign" with payload "(\{.*?\})" received/g;

is_deeply([ grep { $_->{request} ne $id } @events ], [], 'a notification names the request');
is($events[-1]{event}, 'proof', 'the last one tells of the proof');
is_deeply(
	[ map { $_->{status} } grep { $_->{event} eq 'status' } @events ],
	[ 'IN_PROGRESS', 'COMPLETED' ],
	'each change of the status is told, once');
$listener->quit;

# The same is in the history.

is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM ignisign.event WHERE request = '$id'"), 't', 'there is a history');

# ignisign_wait() ends by a time-out of its own, by one of the statement, and
# when the request can no longer come to that.

$id = $node->safe_psql('postgres', sign_sql('Waiting', 'ann@example.com'));
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'COMPLETED', '100 ms')"), 'f', 'it waits no longer than told');
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '200ms'; SELECT ignisign_wait('$id')");
like($err, qr/canceling statement due to statement timeout/, 'it can be interrupted');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT')"), 't', 'it is sent');
($remote) = map { $_->{id} } grep { $_->{title} eq 'Waiting' } $sandbox->requests;
$sandbox->act($remote, 'expire');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'CLOSED', '30 s')"), 't', 'an expired request is closed');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'COMPLETED', '1 hour')"), 'f', 'and will not be completed');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '1 hour')"), 'f', 'nor proven');

# When there is nothing to do, the worker sleeps, and is not woken: the kernel
# counts how often it went to sleep, here over two seconds.

$node->safe_psql('postgres', 'CREATE DATABASE idle');
$node->safe_psql('idle', 'CREATE EXTENSION ignisign');
ok( wait_for(
		sub {
			my $pid = $node->safe_psql('idle', 'SELECT worker_pid FROM ignisign_stats()') || return 0;
			my @sleeps = map {
				$node->safe_psql('postgres', 'SELECT pg_sleep(2)') if $_;
				PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
			} 0, 1;

			return $sleeps[0] == $sleeps[1];
		}),
	'an idle worker is not woken');

$node->stop;
done_testing();
