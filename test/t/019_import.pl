# Requests made elsewhere, catching up, and forgetting.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0, page_size => 2);
my $node = new_node('import', $sandbox);
my $elsewhere = new_node('elsewhere', $sandbox);

# Requests of another database: one to be imported, more on further pages.
my @remote;
for my $n (1 .. 5)
{
	my $id = $elsewhere->safe_psql('postgres', sign_sql("Elsewhere $n", 'ann@example.com', 'bob@example.com'));

	ok(wait_for($elsewhere, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), "request $n is made elsewhere");
	push @remote, $elsewhere->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
}
$elsewhere->safe_psql('postgres', 'SELECT ignisign_create_draft()');
ok(wait_for(sub { scalar $sandbox->requests == 6 }), 'and a draft');
$elsewhere->stop;

my $id = $node->safe_psql('postgres', "SELECT ignisign_import('$remote[0]')");
ok(wait_for($node, "SELECT title = 'Elsewhere 1' AND status = 'IN_PROGRESS' AND signers = 2 FROM ignisign.requests WHERE id = '$id'"),
	'one is adopted');
is($node->safe_psql('postgres', "SELECT string_agg(email, ' ' ORDER BY n), bool_and(signer_id IS NOT NULL) FROM ignisign.signer WHERE request = '$id'"),
	'ann@example.com bob@example.com|t', 'with its signers');
is($node->safe_psql('postgres', "SELECT file_name, content IS NULL, sha256 IS NOT NULL, document_id IS NOT NULL FROM ignisign.document WHERE request = '$id'"),
	'a.pdf|t|t|t', 'and documents, without their content');
my ($out, $err) = ('', '');
$node->psql('postgres', "SELECT ignisign_import('$remote[0]')", stdout => \$out, stderr => \$err);
like($err, qr/is here already/, 'no request is adopted twice');
$node->psql('postgres', "SELECT ignisign_import('42')", stdout => \$out, stderr => \$err);
like($err, qr/invalid signature request id/, 'nor what has no id');
my $nothing = $node->safe_psql('postgres', "SELECT ignisign_import('67a1c0de0000000000000001')");
ok(wait_for($node, "SELECT last_error LIKE 'SIGNATURE_REQUEST_NOT_FOUND%' FROM ignisign_status('$nothing')"), 'one that is not there says so');

$node->safe_psql('postgres', 'SELECT ignisign_import_all()');
ok(wait_for($node, "SELECT count(*) = 5 FROM ignisign.requests WHERE title LIKE 'Elsewhere _' AND status = 'IN_PROGRESS'"), 'all are adopted, page by page');
$node->safe_psql('postgres', 'SELECT ignisign_import_all()');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE operation = 'import'"), 'and once more');
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.request'), '6', 'nothing is there twice, and no draft');

# An adopted request is followed like any other.
$sandbox->sign($remote[0]);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'it is completed and proven');
is($node->safe_psql('postgres', "SELECT signed FROM ignisign_status('$id')"), '2', 'both have signed');

# Catching up: where polls are rare, and a proof was refused.
$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '1h'");
$node->reload;
$sandbox->fault('proof share=1 status=400');
my $second = $node->safe_psql('postgres', "SELECT id FROM ignisign.request WHERE signature_request_id = '$remote[1]'");
$sandbox->sign($remote[1]);
# What the worker is reading at this moment is not counted.
ok(wait_for(sub { $node->safe_psql('postgres', 'SELECT ignisign_sync()') >= 4 }), 'open requests are read');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE request = '$second' AND operation = 'proof' AND state = 'dead'"), 'a proof is refused');
$sandbox->clear_faults;
$node->safe_psql('postgres', 'SELECT ignisign_sync()');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$second', 'PROOF', '60 s')"), 't', 'and had the next time');
is($node->safe_psql('postgres', "SELECT ignisign_sync('nowhere')"), '0', 'a server without requests');
$node->safe_psql('postgres', "CREATE ROLE other; SELECT ignisign_grant('other')");
is($node->safe_psql('postgres', 'SET ROLE other; SELECT ignisign_sync()'), '0', 'of others nothing is read');

# Forgetting.
my $own = $node->safe_psql('postgres', sign_sql('Own', 'carl@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$own')"), 'a request of our own');
$node->safe_psql('postgres', "SELECT ignisign_refresh('$own')");
$sandbox->sign($node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$own')"));
$node->safe_psql('postgres', "SELECT ignisign_refresh('$own')");
is($node->safe_psql('postgres', "SELECT ignisign_wait('$own', 'PROOF', '60 s')"), 't', 'is proven');
my $open = $node->safe_psql('postgres', sign_sql('Open', 'dora@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$open')"), 'another one is open');

sub purge { return $node->safe_psql('postgres', "SELECT ignisign_purge('$_[0]', '$_[1]')") }

for my $what (qw(attempts calls documents events proofs requests results signers webhooks))
{
	is(purge($what, '1 day'), '0', "no $what are that old");
}
is(purge('documents', '0'), '1', 'the content of a closed request is forgotten');
is($node->safe_psql('postgres', "SELECT content IS NULL, sha256 IS NOT NULL FROM ignisign.document WHERE request = '$own'"), 't|t', 'its hash stays');
is($node->safe_psql('postgres', "SELECT content IS NOT NULL FROM ignisign.document WHERE request = '$open'"), 't', 'that of an open one stays, too');
cmp_ok(purge('signers', '0'), '>=', 3, 'persons are forgotten');
is($node->safe_psql('postgres', "SELECT email, first_name IS NULL FROM ignisign.signer WHERE request = '$own'"), 'purged|t', 'of closed requests');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.event WHERE value LIKE '%carl%'"), '0', 'in their history, too');
is($node->safe_psql('postgres', "SELECT email FROM ignisign.signer WHERE request = '$open'"), 'dora@example.com', 'not of open ones');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.proof WHERE request = '$own'"), '1', 'the proof is still there');
is(purge('requests', '0'), '0', 'a request with a proof stays');
is(purge('calls', '0'), '1', 'the dead call is dropped');
cmp_ok(purge('attempts', '0'), '>', 10, 'attempts are forgotten');
cmp_ok(purge('events', '0'), '>', 3, 'events are');
is(purge('proofs', '0'), '3', 'proofs only where they are named');
is(purge('requests', '0'), '3', 'then their requests');
is($node->safe_psql('postgres', "SELECT (SELECT count(*) FROM ignisign.signer WHERE request = '$own'), (SELECT count(*) FROM ignisign.document WHERE request = '$own')"), '0|0', 'with all that was theirs');
is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$open')"), 'open', 'the open one is untouched');
$node->psql('postgres', "SELECT ignisign_purge('everything', '0')", stdout => \$out, stderr => \$err);
like($err, qr/invalid value for parameter "what"/, 'an unknown kind');
$node->psql('postgres', "SELECT ignisign_purge('attempts', '-1 day')", stdout => \$out, stderr => \$err);
like($err, qr/older_than must not be negative/, 'the future');
$node->psql('postgres', "SET ROLE other; SELECT ignisign_purge('attempts', '0')", stdout => \$out, stderr => \$err);
like($err, qr/permission denied/, 'only the owner forgets');

# One request for each signer: the parent tells so and is asked for no more, its children
# are adopted and followed.
sub answer
{
	my ($call) = @_;

	$call = $node->safe_psql('postgres', "SELECT $call");
	return $node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') #>> '{$_[1]}'");
}
my $draft = answer('ignisign_create_draft()', 'signatureRequestId');
my $document = answer("ignisign_upload_document('x', 'x.txt')", 'documentId');
my @signers = map { answer("ignisign_create_signer('$_\@example.com')", 'signerId') } qw(one two);
answer("ignisign_call('PUT', '/v4/signature-requests/$draft', jsonb_build_object('title', 'Each', 'individualizeRequests', true,"
	  . " 'documentIds', ARRAY['$document'], 'signerIds', ARRAY['$signers[0]', '$signers[1]'], 'defaultSignatureMethod', 'SIMPLE_STD'))", 'status');
answer("ignisign_publish('$draft')", 'signatureRequestId');
answer('ignisign_import_all()', 'paginationData');
ok(wait_for($node, "SELECT count(*) = 3 AND count(*) FILTER (WHERE status = 'CHILDREN_GENERATED' AND state = 'closed' AND signature_request_id = '$draft') = 1"
	  . " AND count(*) FILTER (WHERE status = 'IN_PROGRESS' AND signers = 1) = 2 FROM ignisign.requests WHERE title = 'Each'"),
	'a request for each signer: all are adopted, and the parent is over');
$sandbox->sign($_->{id}) for grep { $_->{title} eq 'Each' && $_->{status} eq 'IN_PROGRESS' } $sandbox->requests;
$node->safe_psql('postgres', 'SELECT ignisign_sync()');
ok(wait_for($node, "SELECT count(*) FILTER (WHERE status = 'COMPLETED' AND proofs = 1) = 2 AND count(*) FILTER (WHERE state = 'open') = 0 FROM ignisign.requests WHERE title = 'Each'"),
	'and the children completed and proven');

$node->stop;
done_testing();
