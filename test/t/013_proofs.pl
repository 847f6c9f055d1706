# Documents go out whole and proofs come back whole, whatever their number,
# kind and size, and however long it takes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 1500);
my $node = new_node('proofs', $sandbox);

$node->safe_psql('postgres',
	"ALTER SERVER ignisign OPTIONS (ADD proof_types 'PDF_WITH_SIGNATURES, ADVANCED_LEGAL_KIT')");

# Three documents: a PDF, text, and 12 MB that do not divide by three.

my $hex = unpack 'H*', pdf('small');
my $id = $node->safe_psql('postgres', <<~SQL);
	SELECT ignisign_sign('Many', ARRAY[
			ignisign_document('\\x$hex', 'a.pdf'),
			ignisign_document('hello', 'b.txt'),
			ignisign_document((SELECT string_agg(sha256(n::text::bytea), NULL) FROM generate_series(1, 393217) n) || '\\x00', 'c.bin')],
		ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])
	SQL

is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '60 s')"), 't', 'the request goes out');
my ($request) = $sandbox->requests;
is( join(' ', @{ $request->{documents} }),
	$node->safe_psql('postgres', "SELECT string_agg(encode(sha256, 'hex'), ' ' ORDER BY n) FROM ignisign.document WHERE request = '$id'"),
	'every document arrived as it is here');
is($node->safe_psql('postgres', "SELECT max(size) FROM ignisign.document WHERE request = '$id'"), 393217 * 32 + 1, 'also the large one');

$sandbox->sign($request->{id});
ok(wait_for($node, "SELECT status = 'COMPLETED' AND proofs = 0 FROM ignisign_status('$id')"), 'it is completed before there is a proof');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'the proofs arrive');
is( $node->safe_psql('postgres', <<~SQL), "1|2\n2|2\n3|2", 'of each document both kinds');
	SELECT document, count(*) FROM ignisign.proof WHERE request = '$id' GROUP BY 1 ORDER BY 1
	SQL
is( $node->safe_psql('postgres', <<~SQL), 't|t|t', 'size, SHA-256 and content agree');
	SELECT bool_and(size = length(content)), bool_and(sha256 = sha256(content)),
		bool_and(substr(content, 1, 4) = CASE proof_type WHEN 'PDF_WITH_SIGNATURES' THEN '%PDF'::bytea ELSE 'PK\\003\\004' END)
	FROM ignisign.proof WHERE request = '$id'
	SQL
is($node->safe_psql('postgres', "SELECT length(ignisign_proof('$id', 'ADVANCED_LEGAL_KIT', 3)) > 393217 * 32"), 't', 'the kit of the large one holds it');

# A proof that is cut, or is not what it says, is fetched again.

for my $fault ('close=mid', 'type=text/html garbage', 'empty', 'status=500')
{
	$id = $node->safe_psql('postgres', sign_sql($fault, 'ann@example.com'));
	$node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '30 s')");
	my ($one) = grep { $_->{title} eq $fault } $sandbox->requests;
	$sandbox->fault("proof count=1 $fault");
	$sandbox->sign($one->{id});
	is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', "$fault: the proofs arrive");
	is( $node->safe_psql('postgres', "SELECT bool_and(substr(content, 1, 4) IN ('%PDF', 'PK\\003\\004')) FROM ignisign.proof WHERE request = '$id'"),
		't', "$fault: and are whole");
	$sandbox->clear_faults;
}

# A proof that will never be there is not waited for.

$id = $node->safe_psql('postgres', sign_sql('No proof', 'ann@example.com'));
$node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '30 s')");
my ($one) = grep { $_->{title} eq 'No proof' } $sandbox->requests;
$sandbox->sign($one->{id});
$sandbox->act($one->{id}, 'proof-error');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 'f', 'a proof in error is not waited for');
is($node->safe_psql('postgres', "SELECT proof_status FROM ignisign_status('$id')"), 'ON_ERROR', 'which is shown');

$node->stop;
done_testing();
