# Cancelling: at Ignisign, once, whatever becomes of the call.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('cancel', $sandbox);

# Send a request; returns its id here and there.
sub send_one
{
	my ($title) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($title, 'ann@example.com', 'bob@example.com'));

	$node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '30 s')");
	return ($id, $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign.request WHERE id = '$id'"));
}

sub becomes
{
	my ($id, $status, $what) = @_;

	return ok(wait_for($node, "SELECT state = 'closed' AND status = '$status' FROM ignisign_status('$id')"), $what);
}

my ($id, $remote) = send_one('Nobody has signed');
$node->safe_psql('postgres', "SELECT ignisign_cancel('$id')");
becomes($id, 'CANCELLED', 'nobody has signed: cancelled');

($id, $remote) = send_one('One has signed');
$sandbox->sign($remote, 'ann@example.com');
$node->safe_psql('postgres', "SELECT ignisign_cancel('$id')");
becomes($id, 'COMPLETED', 'somebody has signed: completed');
is($node->safe_psql('postgres', "SELECT signed, signers FROM ignisign_status('$id')"), '1|2', 'it is known that not all have');

# The answer is lost, the service is down: it is closed all the same.

for my $fault ('close=after', 'close=before', 'status=503', 'empty')
{
	($id, $remote) = send_one($fault);
	$sandbox->fault("close count=1 $fault");
	$node->safe_psql('postgres', "SELECT ignisign_cancel('$id')");
	becomes($id, 'CANCELLED', "$fault: cancelled");
	# A refresh may have found out before the call could.
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), "$fault: nothing is left");
}

# All have signed in the meantime: the refusal is kept to be seen.

$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '1h'");
# A reload leaves the round that was planned before.
$node->restart;
($id, $remote) = send_one('Too late');
$sandbox->sign($remote);
$node->safe_psql('postgres', "SELECT ignisign_cancel('$id')");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE request = '$id' AND state = 'dead' AND code = 'SIGNATURE_REQUEST_ALREADY_COMPLETED'"),
	'too late: the refusal is shown');

# What is rolled back is not cancelled.

($id, $remote) = send_one('Rolled back');
$node->safe_psql('postgres', "BEGIN; SELECT ignisign_cancel('$id'); ROLLBACK");
is(scalar(grep { $_->{path} =~ /$remote/ } $sandbox->journal('close')), 0, 'rolled back: not cancelled');

$node->stop;
done_testing();
