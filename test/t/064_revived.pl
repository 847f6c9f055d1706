# A call that is pending and due is taken, whoever made it so: also a dead call that a
# poll revives while nobody queues anything.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('revived', $sandbox);

sub value { return $node->safe_psql('postgres', $_[0]) }

my $id = value(sign_sql('Revived', 'ann@example.com'));
ok( wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call) FROM ignisign.request WHERE id = '$id'"),
	'a request is open');

# The API refuses to say who has signed, so the call that asks is dead.
$sandbox->fault('context count=1 status=400');
value("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$id'"), 'its context is refused');
my $since = value("SELECT run_at FROM ignisign.call WHERE request = '$id'");

# The queue goes on meanwhile, and then is empty but for the dead call.
my $other = value(sign_sql('Other', 'ann@example.com'));
ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND (SELECT count(*) = 1 FROM ignisign.call) FROM ignisign.request WHERE id = '$other'"),
	'another request is sent, and nothing else is left to do');

# From here on nobody queues anything: only polls tell that it is signed.
$sandbox->sign(value("SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"));
ok( wait_for($node, "SELECT status = 'COMPLETED' AND signed_count = 1 FROM ignisign.request WHERE id = '$id'", 'postgres', { timeout => 10 }),
	'the revived call is made, and tells who has signed');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.proof WHERE request = '$id'"), 'the proof is fetched');
is(value("SELECT count(*) FROM ignisign.call"), '0', 'no call is left');
cmp_ok(value("SELECT count(*) FROM ignisign.attempt WHERE request = '$id' AND operation = 'context' AND attempt = 1"), '>=', 3,
	'its attempts are counted from the start');

# A call that a person makes pending by hand is taken when the worker looks next, too,
# though it was due long ago.
$sandbox->fault('context count=1 status=400');
value("SELECT ignisign_refresh('$other')");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$other'"), 'a context is refused');
value("UPDATE ignisign.call SET state = 'pending', run_at = '$since' WHERE request = '$other'");
value(sign_sql('Last', 'ann@example.com'));
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$other')"), 'it is made');

$node->stop;
done_testing();
