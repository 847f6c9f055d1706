# Documents of all sizes arrive as they are: those that end where a slice does, or a
# group of base64, or beside it; alone, many in one call, and many side by side.  What
# comes back is stored as it is, and is in memory once.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox();

# A sanitizer keeps what is freed.
my $sanitized = ($ENV{IGNISIGN_MODE} // '') eq 'sanitize';
my $node = new_node('bytes', $sandbox, 'ignisign.refresh_interval' => '10ms');

sub value { return $node->safe_psql('postgres', $_[0]) }

# Bytes of which no stretch is like another one.
value('CREATE TABLE noise AS SELECT string_agg(sha256(int4send(i)), NULL) AS bytes FROM generate_series(1, 70000) i');
value("ALTER SERVER ignisign OPTIONS (ADD max_in_flight '40')");

# The hashes that the API has of a request's documents, in their order.
sub remote_hashes
{
	my ($id) = @_;
	my @calls = split /\n/,
	  value("SELECT ignisign_get_document(document_id) FROM ignisign.document WHERE request = '$id' ORDER BY n");

	return map { decode_json(value("SELECT ignisign_result($_, '30 s')"))->{documentHash} } @calls;
}

# The worker's memory, in kB: what it has (VmSize), or had at most (VmPeak).
sub memory
{
	my ($which) = @_;
	my $worker = value("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");
	my $status = PostgreSQL::Test::Utils::slurp_file("/proc/$worker/status");

	return $status =~ /^$which:\s+(\d+) kB/m ? $1 : die $status;
}

# Sign documents of these sizes; all are to arrive.
sub arrive
{
	my ($what, $delivery, @sizes) = @_;
	my $id = value(<<~SQL);
		SELECT ignisign_sign('$what', (SELECT array_agg(ignisign_document(substring(bytes FROM n::integer FOR size), n || '.txt', 'text/plain') ORDER BY n)
				FROM noise, unnest('{@{[ join ',', @sizes ]}}'::integer[]) WITH ORDINALITY AS u (size, n)),
			ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')], delivery => '$delivery')
		SQL

	ok(wait_for($node, "SELECT bool_and(document_id IS NOT NULL) FROM ignisign.document WHERE request = '$id'"), "$what: sent");
	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign.request WHERE id = '$id'"), "$what: all of it");
	is(join("\n", remote_hashes($id)),
		value("SELECT encode(sha256(substring(bytes FROM n::integer FOR size)), 'base64')"
			  . " FROM noise, unnest('{@{[ join ',', @sizes ]}}'::integer[]) WITH ORDINALITY AS u (size, n) ORDER BY n"),
		"$what: as it was");
	return;
}

# What is small is read with its row; else a slice is 192 kB to 768 kB.
my $kb = 1024;
my @sizes = (
	1 .. 5,
	map { $_ - 2 .. $_ + 2 } 16 * $kb, 32 * $kb, 64 * $kb, 192 * $kb, 768 * $kb, 1536 * $kb);

arrive("one-call $_", 'one-call', $_) for 1, 2, 3, 32 * $kb + 1, 768 * $kb, 768 * $kb + 1, 2_000_003;
arrive('one-call', 'one-call', @sizes);
arrive('staged', 'staged', @sizes);
arrive('staged, side by side', 'staged', map { 1_200_000 + $_ } 1 .. 40);

# What comes back: in memory, in a temporary file, and much.
my $large = 50_000_000;
my $id = value("SELECT id FROM ignisign.request WHERE title = 'one-call'");
my $n = 0;

my $before = memory('VmSize');
for my $size (1, 200_000, 262_144, 262_145, 3_000_001, $large)
{
	$n++;
	$sandbox->fault("proof count=1 status=200 huge=$size type=application/zip");
	value("SELECT ignisign_fetch_proof('$id', 'ADVANCED_LEGAL_KIT', $n)");
	ok(wait_for($node, "SELECT count(*) = $n FROM ignisign.proof"), "a proof of $size bytes comes");
	is(value("SELECT length(content) = $size AND size = $size AND sha256(content) = sha256 FROM ignisign.proof WHERE document = $n"),
		't', 'and is stored as it is');
	$sandbox->fault("original count=1 status=200 huge=$size type=application/pdf");
	my $call = value("SELECT ignisign_original(document_id) FROM ignisign.document WHERE request = '$id' AND n = 1");
	is(value("SELECT sha256(ignisign_content($call, '60 s')) = (SELECT sha256 FROM ignisign.proof WHERE document = $n)"),
		't', 'a file of as much, too');
}
SKIP:
{
	skip 'sanitized', 1 if $sanitized;
	cmp_ok(memory('VmPeak') - $before, '<', 1.5 * $large / 1024, 'what is large was in memory once');
}

$node->stop;
done_testing();
