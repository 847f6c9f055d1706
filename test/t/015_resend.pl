# Reminding a signer: once for each time it was asked for, or not at all.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('resend', $sandbox);

# Send a request whose signers are known.
sub send_one
{
	my ($title) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($title, 'ann@example.com', 'bob@example.com'));

	ok(wait_for($node, "SELECT bool_and(signer_id IS NOT NULL) FROM ignisign.signer WHERE request = '$id'"),
		"$title: the signers are known");
	return $id;
}

my $before = $sandbox->counts->{emails};
my $id = send_one('Reminded');

$node->safe_psql('postgres', "SELECT ignisign_resend_email('$id', 2)");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE request = '$id' AND operation = 'resend-email' AND outcome = 'done'"),
	'a reminder goes out');
is($sandbox->counts->{emails} - $before, 3, 'as one e-mail');
my ($path) = map { $_->{path} } $sandbox->journal('resend-email');
my $bob = $node->safe_psql('postgres', "SELECT signer_id FROM ignisign.signer WHERE request = '$id' AND email LIKE 'bob%'");
like($path, qr/$bob/, 'to the right one');

# What certainly was not carried out is tried again; what may have been is not.

for my $case ([ 'status=429', 1 ], [ 'close=after', 0 ], [ 'close=before', 0 ], [ 'status=503', 0 ])
{
	my ($fault, $again) = @$case;

	$id = send_one($fault);
	$before = $sandbox->journal('resend-email');
	$sandbox->fault("resend-email count=1 $fault");
	$node->safe_psql('postgres', "SELECT ignisign_resend_email('$id', 1)");
	ok( wait_for($node, $again
			? "SELECT count(*) = 1 FROM ignisign.attempt WHERE request = '$id' AND operation = 'resend-email' AND outcome = 'done'"
			: "SELECT count(*) = 1 FROM ignisign.call WHERE request = '$id' AND state = 'dead' AND last_error IS NOT NULL"),
		$again ? "$fault: it is tried again" : "$fault: a person has to decide");
	is(scalar($sandbox->journal('resend-email')) - $before, $again + 1, "$fault: so many calls were made");
}

# Such a call does not stand in the way of the request.

my ($remote) = map { $_->{id} } grep { $_->{title} eq 'status=503' } $sandbox->requests;
$sandbox->sign($remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '30 s')"), 't', 'the request goes on');
$node->safe_psql('postgres', "SELECT ignisign_discard_request('$id')");

$node->stop;
done_testing();
