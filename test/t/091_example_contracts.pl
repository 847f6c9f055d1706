# examples/contracts: rows become signed contracts, and tell so themselves.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('contracts');
my $hex = unpack 'H*', pdf('lease');

connect_example($node, $sandbox);
$node->safe_psql('postgres', 'GRANT CREATE ON SCHEMA public TO app');
my ($status, $out, $err) = run_example($node, 'app', example('contracts/contracts.sql'));
is($status, 0, 'the table is made') or diag($err);

# Insert a contract that some are to sign.
sub add
{
	my ($title, @names) = @_;
	my $signers = join ', ', map { qq({"email": "$_\@example.com", "firstName": "$_"}) } @names;

	($status, $out, $err) = run_example($node, 'app', [ 'psql', '-XAtqc',
			"INSERT INTO contract (title, pdf, signers) VALUES ('$title', '\\x$hex', '[$signers]')" ]);
	is("$status$err", '0', "inserted: $title");
	return;
}

# Ignisign's id of the request for a contract.
sub remote
{
	my ($title) = @_;

	return $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign.request WHERE title = '$title'");
}

add('Lease', 'ann', 'bob');
add('Half', 'ann', 'bob');
ok(wait_for($node, "SELECT count(*) = 2 FROM ignisign.request WHERE status = 'IN_PROGRESS'"), 'rows are sent');

$sandbox->sign(remote('Half'), 'ann@example.com');
ok(wait_for($node, "SELECT signed_count = 1 FROM ignisign.request WHERE title = 'Half'"), 'one of two has signed');
is($node->safe_psql('postgres', "SELECT state, signed_at IS NULL FROM contract WHERE title = 'Half'"), 'asked|t', 'so the contract is not signed yet');

$sandbox->sign(remote('Lease'));
ok(wait_for($node, "SELECT state = 'signed' AND signed_at IS NOT NULL AND signed_pdf IS NOT NULL FROM contract WHERE title = 'Lease'"),
	'signed by all, a row says so and has the document');
is($node->safe_psql('postgres', "SELECT c.signed_pdf = p.content FROM contract c JOIN ignisign.proof p ON p.request = c.signature_id WHERE c.title = 'Lease'"),
	't', 'which is the proof');

$node->safe_psql('postgres', "SELECT ignisign_cancel(signature_id) FROM contract WHERE title = 'Half'");
ok(wait_for($node, "SELECT state = 'failed' AND signed_at IS NULL FROM contract WHERE title = 'Half'"), 'closed before all have signed, it has failed');

$sandbox->fault('one-call-sign count=1 status=400');
add('Refused', 'ann');
ok(wait_for($node, "SELECT state = 'failed' FROM contract WHERE title = 'Refused'"), 'as has what Ignisign refused');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.delivery'), 'all was delivered');

$node->stop;
done_testing();
