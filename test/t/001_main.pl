# The main job: a call commits, goes out, is signed, and its proof comes back.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Digest::SHA qw(sha256_hex);
use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('main', $sandbox);

sub status
{
	my ($id, $columns) = @_;

	return $node->safe_psql('postgres',
		"SELECT $columns FROM ignisign_status('$id')");
}

# Signed by two people, one after the other.

my $id = $node->safe_psql('postgres',
	sign_sql('Lease 42', 'ann@example.com', 'bob@example.com'));

like($id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/,
	'a call returns a uuid of version 7');
ok( wait_for(
		$node, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$id')"),
	'the request goes out');
is(status($id, 'state, signed, signers, proofs'),
	'open|0|2|0', 'it is open and nobody has signed');

my $remote = status($id, 'signature_request_id');
my @requests = $sandbox->requests;

is(scalar(@requests), 1, 'the API has one request');
is($requests[0]{title}, 'Lease 42', 'its title arrived');
like($remote, qr/^[0-9a-f]{24}$/, 'its id is known here');

$sandbox->sign($remote, 'ann@example.com');
ok(wait_for($node, "SELECT signed = 1 FROM ignisign_status('$id')"),
	'the first signature is seen');
is(status($id, 'status'), 'IN_PROGRESS', 'the request waits for the second');
is( $node->safe_psql(
		'postgres',
		"SELECT email FROM ignisign.signer WHERE request = '$id' AND signed_at IS NOT NULL"
	),
	'ann@example.com',
	'it is known who signed');
is( $node->safe_psql('postgres', "SELECT ignisign_proof('$id') IS NULL"),
	't', 'there is no proof yet');

$sandbox->sign($remote, 'bob@example.com');
is( $node->safe_psql(
		'postgres', "SELECT ignisign_wait('$id', 'PROOF', '30 seconds')"),
	't',
	'the proof arrives');
is(status($id, 'state, status, signed, proofs'),
	'closed|COMPLETED|2|1', 'the request is completed and closed');

my $proof = pack 'H*',
  $node->safe_psql('postgres', "SELECT encode(ignisign_proof('$id'), 'hex')");

like($proof, qr/^%PDF-/, 'the proof is a PDF');
is( $node->safe_psql(
		'postgres',
		"SELECT encode(sha256, 'hex'), size FROM ignisign.proof WHERE request = '$id'"
	),
	sha256_hex($proof) . '|' . length($proof),
	'its SHA-256 and its size are right');

# A call that is rolled back is never sent.  The one after it shows that the
# worker had its chance.

my $sql = sign_sql('Rolled back', 'carl@example.com');
$node->safe_psql('postgres', "BEGIN; $sql; ROLLBACK");
my $next = $node->safe_psql('postgres', sign_sql('Next', 'dora@example.com'));

is( $node->safe_psql(
		'postgres', "SELECT ignisign_wait('$next', 'SENT', '30 seconds')"),
	't',
	'the next request goes out');
is_deeply(
	[ sort map { $_->{title} } $sandbox->requests ],
	[ 'Lease 42', 'Next' ],
	'what was rolled back was not sent');

# Ids are in the order in which a session made them.

is( $node->safe_psql(
		'postgres',
		"SELECT count(*), bool_and(id > before) FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before"
		  . " FROM (SELECT n, ignisign_id() AS id FROM generate_series(1, 5000) n) made) compared"),
	'5000|t',
	'each new id is greater than the one before');

# The version in the module is that of the release.

SKIP:
{
	skip 'the server does not tell the versions of modules', 1
	  if $node->pg_version < 18;

	my ($version) = slurp_file("$FindBin::RealBin/../../META.json") =~ /"version": "(.*?)"/;

	is( $node->safe_psql(
			'postgres', "SELECT version FROM pg_get_loaded_modules() WHERE module_name = 'ignisign'"),
		$version,
		'the server tells the version of the module');
}

$node->stop;
done_testing();
