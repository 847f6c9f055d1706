# Staged delivery: what one call cannot carry goes step by step, resumes where
# it stopped, and asks nobody twice.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('staged', $sandbox);
my $hex = unpack 'H*', pdf('Lease');
my $json = JSON::PP->new;

# Queue a request of these arguments, and return its id.
sub sign
{
	my ($arguments, $signers) = @_;

	$signers //= "ignisign_signer('ann\@example.com', 'Ann', 'Lee')";
	return $node->safe_psql('postgres',
		"SELECT ignisign_sign(title => 'Lease', signers => ARRAY[$signers], $arguments)");
}

# Wait until a request is published, and return its context at Ignisign.
sub published
{
	my ($id, $what) = @_;

	ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), "$what: published");
	my $remote = $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
	my $call = $node->safe_psql('postgres', "SELECT ignisign_request_context('$remote')");
	return $json->decode($node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s')"));
}

sub count_of { return scalar grep { $_->{processed} } $sandbox->journal($_[0]) }

# All that a request can have.
my $id = sign(
	"documents => ARRAY[ignisign_document('\\x$hex', 'lease.pdf', label => 'Lease', external_id => 'doc-7'),"
	  . " ignisign_document('secret', 'secret.txt', private => true, label => 'Secret'),"
	  . " ignisign_document(data => '{\"amount\": 12345678901234567890.10}')],"
	  . " description => 'Flat 3', language => 'EN', expires_at => now() + '1 day',"
	  . " recipients => ARRAY['archive\@example.org'], statements => ARRAY['I have read **it**']",
	"ignisign_signer('ann\@example.com', 'Ann', 'Lee', phone_number => '+352621000000', external_id => 'crm-42', birth_date => '1980-02-03'),"
	  . " ignisign_signer('boss\@example.com', 'Bo', 'Ss', approver => true)");
is($node->safe_psql('postgres', "SELECT delivery, signer_count FROM ignisign.request WHERE id = '$id'"), 'staged|1', 'staged by itself');
my $context = published($id, 'everything');
is($context->{title}, 'Lease', 'title');
is($context->{description}, 'Flat 3', 'description');
is($context->{language}, 'EN', 'language');
is($context->{externalId}, $id, 'the external id is ours');
is_deeply($context->{recipients}, ['archive@example.org'], 'recipients');
ok($context->{expirationDateIsActivated}, 'expiry');
is($context->{defaultSignatureMethod}, 'SIMPLE_STD', 'signature method');
is($context->{statements}[0]{labelMd}, 'I have read **it**', 'statements');
is($context->{statements}[0]{appId}, 'appId_5a4db0c5-0000-4000-8000-000000000001', 'of the application');
is($context->{signers}[0]{externalId}, 'crm-42', 'a signer with an external id');
is(scalar @{ $context->{signers} }, 1, 'who signs');
is(scalar @{ $context->{signerIdsAsApprover} }, 1, 'and who approves');
is_deeply([ map { $_->{documentNature} } @{ $context->{documents} } ], [qw(PDF PRIVATE_FILE DATA_JSON)], 'documents');
is($context->{documents}[0]{label}, 'Lease', 'a label');
is($context->{documents}[1]{documentHash},
	$node->safe_psql('postgres', "SELECT encode(sha256('secret'), 'base64')"), 'the hash of the private one');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.event WHERE request = '$id' AND kind IN ('draft', 'sent')"), '2', 'its history');
is(count_of('publish'), 1, 'published once');

# It is signed like any other.
my $remote = $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
$sandbox->sign($remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', timeout => '60 s')"), 't', 'it is completed');
ok(wait_for($node, "SELECT status = 'COMPLETED' AND signed = 1 FROM ignisign_status('$id')"), 'and signed');

# Delivery by choice, and what cannot be chosen.
my $plain = sign("document => '\\x$hex', delivery => 'staged'");
is(published($plain, 'by choice')->{title}, 'Lease', 'a plain request, staged');
my $before = count_of('one-call-sign');
my $one = sign("document => '\\x$hex'");
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$one')"), 'a plain request is sent');
is(count_of('one-call-sign'), $before + 1, 'in one call');
for my $case (
	[ "document => '\\x$hex', delivery => 'one-call', language => 'EN'", qr/one call cannot carry a language/ ],
	[ "document => '\\x$hex', delivery => 'later'", qr/invalid value for parameter "delivery"/ ],
	[ "document => '\\x$hex', expires_at => now() - '1 s'::interval", qr/expires_at is in the past/ ],
	[ "document => '\\x$hex', expires_at => 'infinity'", qr/expires_at is not a time of the calendar/ ],
	[ "document => '\\x$hex', recipients => ARRAY['archive']", qr/recipients must be an array of e-mail addresses/ ],
	[ "document => '\\x$hex', recipients => ARRAY[NULL]", qr/recipients must be a one-dimensional array without NULLs/ ],
	[ "document => '\\x$hex', description => ''", qr/description must be a string of 1 to 4096 characters/ ],
	[ "documents => ARRAY[ignisign_document(url => 'https://x.example/a.pdf')], language => 'EN'", qr/given by URL, which a staged request cannot carry/ ],
	[ "documents => ARRAY[ignisign_document(document_id => '42')]", qr/invalid id of document 1/ ],
	[ "documents => ARRAY[ignisign_document(url => 'https://x.example/a.pdf')], delivery => 'staged'", qr/given by URL, which a staged request cannot carry/ ],
	[ "documents => ARRAY[ignisign_document(data => '{}'), ignisign_document('x'), ignisign_document(data => '[1]')]", qr/documents 1 and 3 are both data in JSON/ ],
	[ "documents => ARRAY[ignisign_document('secret', private => true)]", qr/private document 1 has no label/ ],
	[ "documents => ARRAY[ignisign_document('no pdf', 'a.pdf')]", qr/document 1 is not a PDF/ ],
	[ "document => 'no pdf', mime_type => 'application/pdf'", qr/document 1 is not a PDF/ ],
	[ "document => '\\x$hex', description => repeat('x', 4097)", qr/description must be a string of 1 to 4096 characters/ ],
	[ "documents => ARRAY[ignisign_document('x', data => '{}')]", qr/a document in JSON has no other content/ ])
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', "SELECT ignisign_sign(title => 'No', signers => '[{\"email\": \"ann\@example.com\"}]'::jsonb, $case->[0])",
		stdout => \$out, stderr => \$err);
	like($err, $case->[1], "refused: $case->[0]" =~ s/[0-9a-f]{100,}/.../r);
}
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.request WHERE title = 'No'"), '0', 'nothing is left of what was refused');

# A document that was uploaded before.
my $upload = $node->safe_psql('postgres', "SELECT ignisign_upload_document('\\x$hex', 'before.pdf')");
my $document = $node->safe_psql('postgres', "SELECT ignisign_result($upload, '30 s') ->> 'documentId'");
is(published(sign("documents => ARRAY[ignisign_document(document_id => '$document')]"), 'uploaded before')->{documents}[0]{_id},
	$document, 'is the one that is signed');

# Files of any kind, and PDFs that nobody may read: by either way they are what
# they are, and have their proof.
my $locked = unpack 'H*', pdf('Locked') =~ s{/Root 1 0 R}{/Root 1 0 R /ID [<00> <00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -44 /O <@{[ '00' x 32 ]}> /U <@{[ '00' x 32 ]}> >>}r;
for my $delivery ('one-call', 'staged')
{
	my $files = sign("documents => ARRAY[ignisign_document('\\x$locked', 'locked.pdf'), ignisign_document('\\x504b0304', 'a.docx'), ignisign_document('a,b', 'a.csv')], delivery => '$delivery'");
	my $published = published($files, "files, $delivery");

	is_deeply([ map { $_->{documentNature} } @{ $published->{documents} } ], [qw(PDF_ENCRYPTED FILE FILE)], "$delivery: what they are");
	$sandbox->sign($published->{_id});
	is($node->safe_psql('postgres', "SELECT ignisign_wait('$files', 'PROOF', '60 s')"), 't', "$delivery: signed");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.proof WHERE request = '$files' AND substr(content, 1, 4) = '%PDF'"), '3', "$delivery: with proofs");
}

# Embedded signers.
my $profiles = $node->safe_psql('postgres', 'SELECT ignisign_signer_profiles()');
my $profile = $node->safe_psql('postgres',
	"SELECT p ->> '_id' FROM jsonb_array_elements(ignisign_result($profiles, '30 s')) p WHERE p ->> 'integrationMode' = 'EMBEDDED'");
my $page = sign("document => '\\x$hex', delivery => 'staged'", "ignisign_signer('page\@example.com', signer_profile_id => '$profile')");
published($page, 'embedded');
is($node->safe_psql('postgres',
	"SELECT signer, signer_id IS NOT NULL, token LIKE 'st_%', auth_secret LIKE 'as_%' FROM ignisign_session('$page')"),
	'1|t|t|t', 'what an embedding page needs');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign_session('$one')"), '0', 'others have none');

# Every step's answer lost once: it resumes, and asks once.
for my $step (qw(create-request init-document upload-file create-signer update-request publish))
{
	my $emails = $sandbox->counts->{emails};
	my $publications = count_of('publish');

	$sandbox->fault("$step count=1 close=after");
	my $lost = sign("document => '\\x$hex', delivery => 'staged'", "ignisign_signer('lost\@example.com')");
	is(published($lost, "$step lost")->{status}, 'IN_PROGRESS', "$step: it goes on");
	is($sandbox->counts->{emails}, $emails + 1, "$step: one e-mail");
}

# The API refuses a step: the request says so, and can be mended.
$sandbox->fault('update-request count=1 status=400');
my $refused = sign("document => '\\x$hex', language => 'EN'");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$refused')"), 'a refused step');
like($node->safe_psql('postgres', "SELECT last_error FROM ignisign_status('$refused')"), qr/BAD_REQUEST/, 'tells why');
$node->safe_psql('postgres', "SELECT ignisign_retry_request('$refused')");
published($refused, 'mended');

# The server crashes at any step: nothing is lost, nothing twice.
for my $step (qw(init-document upload-file publish))
{
	my $emails = $sandbox->counts->{emails};

	$sandbox->fault("$step count=1 delay-after=3000");
	my $crashed = sign("document => '\\x$hex', delivery => 'staged'");
	ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.call WHERE request = '$crashed' AND operation = '$step' AND state = 'sending'"),
		"$step is under way");
	$node->stop('immediate');
	$node->start;
	is(published($crashed, "crash in $step")->{status}, 'IN_PROGRESS', 'it goes on');
	is($sandbox->counts->{emails}, $emails + 1, 'one e-mail');
}

# Cancelled before it was published: nobody is asked, and the draft is closed.
$sandbox->fault('update-request count=1 status=503 retry-after=3600');
my $emails = $sandbox->counts->{emails};
my $cancelled = sign("document => '\\x$hex', language => 'EN'");
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.attempt WHERE request = '$cancelled' AND operation = 'update-request'"), 'a draft waits');
$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD connect_timeout '10000')");    # others do not
is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$cancelled')"), 'queued', 'for people it is queued');
$node->safe_psql('postgres', "SELECT ignisign_cancel('$cancelled')");
ok(wait_for($node, "SELECT status = 'CANCELLED' FROM ignisign_status('$cancelled')"), 'it is cancelled');
is($sandbox->counts->{emails}, $emails, 'nobody was asked');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.call WHERE request = '$cancelled'"), '0', 'nothing is left to do');

done_testing();
