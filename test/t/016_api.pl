# Every operation of the API that belongs to no request of ours, called from
# SQL and answered; what it refuses is an error that says why.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('api', $sandbox);
my $json = JSON::PP->new->allow_nonref;

# The functions that were answered.
my %answered;

# Queue a call, wait for its answer and return it, decoded.
sub answer
{
	my ($sql, $function) = @_;
	my ($name) = $sql =~ /^(\w+)/;

	$answered{$name} = 1;
	my $call = $node->safe_psql('postgres', "SELECT $sql");
	my $text = $node->safe_psql('postgres',
		sprintf "SELECT %s(%s, '30 s')", $function // 'ignisign_result', $call);

	return defined $function ? $text : $json->decode($text eq '' ? 'null' : $text);
}

# Queue a call that the API refuses, and return the error of its answer.
sub refusal
{
	my ($sql) = @_;
	my $call = $node->safe_psql('postgres', "SELECT $sql");
	my ($out, $err) = ('', '');

	wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE id = $call");
	$node->psql('postgres', "SELECT ignisign_result($call)", stdout => \$out, stderr => \$err);
	return $err;
}

sub hex_of { return unpack 'H*', $_[0] }

# A draft that can be published.
sub answer_draft
{
	my $draft = answer('ignisign_create_draft()')->{signatureRequestId};
	my $document = answer("ignisign_upload_document('x', 'x.txt')")->{documentId};
	my $signer = answer("ignisign_create_signer('ann\@example.com')")->{signerId};

	answer("ignisign_update_draft('$draft', title => 'x', document_ids => ARRAY['$document'],"
		  . " signer_ids => ARRAY['$signer'], signature_method => 'SIMPLE_STD')");
	return $draft;
}

my $pdf = '\x' . hex_of(pdf('Lease'));
my $nobody = '67a1c0de0000000000000001';

# The account.
is(answer('ignisign_application()')->{appId}, 'appId_5a4db0c5-0000-4000-8000-000000000001', 'application');

# The examples of the vendor's REST guide, in its order.
my $document = answer("ignisign_upload_document('$pdf', 'contract.pdf')");
is($document->{status}, 'PROVIDED', 'a document is uploaded in one step');
is($document->{fileName}, 'contract.pdf', 'with its name');
is($document->{mimeType}, 'application/pdf', 'and its type');

my $odd = answer("ignisign_upload_document('x', E'a \"b\" \\u00e9.txt')");
is($odd->{fileName}, "a %22b%22 \xc3\xa9.txt", 'a name with quotes and beyond ASCII');
my $large = answer("ignisign_upload_document(convert_to(repeat('0123456789', 300000), 'UTF8'), 'large.txt', 'text/plain')");
is($large->{fileSize}, 3000000, 'a large document is uploaded');
is($large->{documentHash},
	$node->safe_psql('postgres', "SELECT encode(sha256(convert_to(repeat('0123456789', 300000), 'UTF8')), 'base64')"),
	'as it is');
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.document'), '0', 'what was uploaded is not kept');

my $id = $node->safe_psql('postgres', sign_sql('Contract', 'john@example.com'));
ok(wait_for($node, "SELECT signature_request_id IS NOT NULL FROM ignisign_status('$id')"), 'one-call-sign');
my $request = $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
is(answer("ignisign_call('POST', '/v4/applications/{appId}/envs/{appEnv}/signature-requests/status', '{\"signatureRequestIds\": [\"$request\"]}')")
	->{signatureRequests}[0]{signatureRequestId},
	$request, 'status, as any call');
is_deeply(
	answer("ignisign_check_signers('$request', ARRAY['new\@example.com', 'john\@example.com'])"),
	{ emails => ['new@example.com'], canBeAdded => JSON::PP::false },
	'check-signers-can-be-added');
ok(answer("ignisign_check_signers(request => '$id', emails => ARRAY['new\@example.com'])")->{canBeAdded}, 'the same by our id');
like(refusal("ignisign_check_signers('$nobody', ARRAY['new\@example.com'])"),
	qr/SIGNATURE_REQUEST_NOT_FOUND: HTTP status 404/, 'of a request that is not there');

# Documents.
my $draft = answer('ignisign_create_draft()')->{signatureRequestId};
like($draft, qr/^[0-9a-f]{24}$/, 'a draft is created');
my $shell = answer("ignisign_init_document('$draft', 'ref-1', 'Lease', 'signed copy')")->{documentId};
is(answer("ignisign_get_document('$shell')")->{label}, 'Lease', 'a document is initialized');
is(answer("ignisign_upload_file('$shell', '$pdf', 'lease.pdf')")->{documentNature}, 'PDF', 'it gets its file');
is(answer("ignisign_original('$shell')", 'ignisign_content'), $pdf, 'which comes back');
is(answer("ignisign_update_document('$shell', label => 'Lease 2')")->{label}, 'Lease 2', 'its label is changed');
is(answer("ignisign_document_context('$shell')")->{signatureSummaries}[0], undef, 'nobody has signed it');
ok(answer("ignisign_check_authenticity('$shell', '$pdf', 'lease.pdf')")->{authenticityValidated}, 'the file is the document');
ok(!answer("ignisign_check_authenticity('$shell', '%PDF-1.4 other', 'lease.pdf')")->{authenticityValidated}, 'another one is not');
like(refusal("ignisign_upload_file('$shell', 'no pdf', 'lease.pdf', 'application/pdf')"), qr/PDF_CORRUPTED/, 'what is no PDF is refused');
is(answer("ignisign_delete_content('$shell')")->{status}, 'CREATED', 'its content is removed');
like(refusal("ignisign_original('$shell')"), qr/DOCUMENT_NOT_PROVIDED/, 'and gone');
my $data = answer("ignisign_init_document('$draft')")->{documentId};
is(answer("ignisign_upload_json('$data', '{\"amount\": 12, \"none\": null}')")->{dataJsonContent},
	'{"none":null,"amount":12}', 'data in JSON');
like(refusal("ignisign_upload_json('" . answer("ignisign_init_document('$draft')")->{documentId} . "', '{}')"),
	qr/ONLY_ONE_JSON_PER_SIGNATURE_REQUEST_IS_ALLOWED/, 'of which a request has one');
my $private = answer("ignisign_init_document('$draft', label => 'Secret')")->{documentId};
is(answer("ignisign_upload_hash('$private', sha256('secret'))")->{documentNature}, 'PRIVATE_FILE', 'a private document');
is(answer("ignisign_get_document('$private')")->{documentHash},
	$node->safe_psql('postgres', "SELECT encode(sha256('secret'), 'base64')"), 'of which only the hash left');
is(answer("ignisign_delete_document('$shell')")->{documentId}, $shell, 'a document is removed');
like(refusal("ignisign_get_document('$shell')"), qr/DOCUMENT_NOT_FOUND/, 'and gone');

# Signers and their profiles.
my $profiles = answer('ignisign_signer_profiles()');
is(scalar @$profiles, 4, 'signer profiles');
my ($phone) = grep { $_->{name} eq 'By e-mail and SMS' } @$profiles;
my ($embedded) = grep { $_->{integrationMode} eq 'EMBEDDED' } @$profiles;
is(answer("ignisign_signer_profile('$phone->{_id}')")->{name}, $phone->{name}, 'one of them');
is_deeply(answer("ignisign_inputs_needed('$phone->{_id}')")->{inputsNeeded},
	[qw(email firstName lastName phoneNumber)], 'what it needs');
like(refusal("ignisign_signer_profile('$nobody')"), qr/SIGNER_PROFILE_NOT_FOUND/, 'a profile that is not there');
like(refusal("ignisign_create_signer('ada\@example.org', signer_profile_id => '$phone->{_id}')"),
	qr/SIGNER_CREATION__INPUT_FIELD_MISSING/, 'what is needed and missing is refused');
my $ada = answer("ignisign_create_signer('ada\@example.org', 'Ada', 'Lovelace', '$phone->{_id}', '+352621000000', 'crm-42', birth_date => '1815-12-10')");
ok(!$ada->{alreadyExists}, 'a signer is created');
ok(answer("ignisign_create_signer('Ada\@example.org')")->{alreadyExists}, 'the same is found');
is(answer("ignisign_get_signer('$ada->{signerId}')")->{externalId}, 'crm-42', 'and read');
is(answer("ignisign_signer_details('$ada->{signerId}')")->{claims}[0]{claimRef}, 'EMAIL_POSSESSION', 'with claims');
answer("ignisign_update_signer('$ada->{signerId}', nationality => 'GB')");
ok((grep { $_ eq 'nationality' } @{ answer("ignisign_get_signer('$ada->{signerId}')")->{alreadyProvidedInputs} }),
	'an input is added');
ok(answer('ignisign_list_signers()')->{total} >= 2, 'signers are listed');
is(answer("ignisign_search_signers('love')")->{signers}[0]{signerId}, $ada->{signerId}, 'and searched');
my $page = answer("ignisign_create_signer('eve\@example.org', signer_profile_id => '$embedded->{_id}')");
isnt(answer("ignisign_regenerate_auth_secret('$page->{signerId}')")->{authSecret}, $page->{authSecret}, 'a new secret');
like(refusal("ignisign_get_signer('$nobody')"), qr/SIGNER_NOT_FOUND/, 'a signer that is not there');

# A request step by step.
like(refusal("ignisign_publish('$draft')"), qr/NO_DOCUMENTS/, 'an empty draft is not published');
my $lease = answer("ignisign_upload_document('$pdf', 'lease.pdf')")->{documentId};
my $context = answer("ignisign_update_draft('$draft', title => 'Lease', description => 'Flat 3', language => 'EN',"
	  . " document_ids => ARRAY['$lease'], signer_ids => ARRAY['$ada->{signerId}', '$page->{signerId}'],"
	  . " recipients => ARRAY['archive\@example.org'], external_id => 'lease-7', expires_at => now() + '1 day',"
	  . " signature_method => 'SIMPLE_STD')");
is($context->{externalId}, 'lease-7', 'a draft is completed');
my $published = answer("ignisign_publish('$draft')");
is($published->{signersBySide}[0]{signerExternalId}, 'crm-42', 'and published');
ok($published->{signersEmbedded}[0]{token}, 'with a token for who signs embedded');
ok(wait_for(sub { answer("ignisign_request_context('$draft')")->{status} eq 'COMPLETED' }), 'it is completed');
ok((grep { $_->{_id} eq $draft } @{ answer('ignisign_list_requests()')->{signatureRequests} }), 'it is listed');
like(refusal("ignisign_close('$draft')"), qr/SIGNATURE_REQUEST_ALREADY_COMPLETED/, 'it cannot be closed any more');
like(refusal("ignisign_upload_file('$lease', '$pdf')"), qr/DOCUMENT_LOCKED/, 'nor its documents be changed');
my $other = answer('ignisign_signer_setup()')->{signatureRequestId};
is(answer("ignisign_close('$other')")->{signatureRequestId}, $other, 'a draft is closed');

# Proofs.
my $signatures = answer("ignisign_signatures('$lease')");
is(scalar @$signatures, 2, 'two signatures');
is(answer("ignisign_signature('$lease', '$signatures->[0]{_id}')")->{signerId}, $signatures->[0]{signerId}, 'one of them');
like(refusal("ignisign_signature_images('$lease')"), qr/NO_SIGNATURE_IMAGES_FOUND/, 'nobody has drawn one');
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/proof.pdf", pack 'H*', substr answer("ignisign_get_proof('$lease')", 'ignisign_content'), 2);
my $checked = `pdfsig -nocert $dir/proof.pdf`;
is(scalar(() = $checked =~ /Signature is Valid/g), 2, 'pdfsig calls both signatures of the proof valid');
is(scalar(() = $checked =~ /ETSI\.CAdES\.detached/g), 2, 'they are PAdES');
like($checked, qr/- Total document signed\s+- Signature Validation: Signature is Valid\.\s*\z/, 'and the last one covers the whole document');
for my $type (qw(CADES PKCS7))
{
	my $cms = pack 'H*', substr answer("ignisign_signer_proof('$lease', '$ada->{signerId}', '$type')", 'ignisign_content'), 2;

	append_to_file("$dir/$type.p7s", $cms);
}
append_to_file("$dir/lease.pdf", pdf('Lease'));
append_to_file("$dir/ca.pem", HTTP::Tiny->new->get($sandbox->url . '/_sandbox/signers-ca.pem')->{content});
for my $type (qw(CADES PKCS7))
{
	command_ok(
		[ 'openssl', 'cms', '-verify', '-binary', '-inform', 'DER', '-in', "$dir/$type.p7s",
			'-content', "$dir/lease.pdf", '-CAfile', "$dir/ca.pem", '-out', "$dir/out" ],
		"openssl accepts $type");
}
like(refusal("ignisign_signer_proof('$lease', '$ada->{signerId}', 'XADESDET')"),
	qr/SIGNATURE_PROOF_TYPE_NOT_AVAILABLE/, 'a type that the document has not');
is(answer("ignisign_revoke_signer('$ada->{signerId}')")->{signerId}, $ada->{signerId}, 'a signer is revoked');

# What was lost: a call that may be repeated is, the other one is for a person.
$sandbox->fault('signer count=1 close=after');
is(answer("ignisign_get_signer('$ada->{signerId}')")->{status}, 'BLOCKED', 'a read is repeated');
my $posts = "ignisign_call('POST', '/v4/applications/{appId}/envs/{appEnv}/signer-setup', '{}'";
$sandbox->fault('signer-setup count=1 close=after');
like(refusal("$posts)"), qr/call \d+ failed/, 'a POST is not');
$sandbox->fault('signer-setup count=1 close=after');
ok(answer("$posts, repeatable => true)")->{signatureRequestId}, 'unless it may be');
like(refusal("ignisign_call('GET', '/v4/nothing')"), qr/NOT_FOUND/, 'an endpoint that is not there');
is(substr(answer("ignisign_call('GET', '/v4/documents/$lease/file')", 'ignisign_content'), 0, 12), '\x255044462d', 'any call may answer bytes');

ok(answer("ignisign_log_capsule(sha256('x'))")->{timestamp_b64}, 'a hash is stamped');

# Webhook endpoints; what is delivered to them is in 018_webhooks.pl.
my $webhook = answer("ignisign_create_webhook('http://127.0.0.1:1/', 'pg')")->[0]{_id};
answer("ignisign_update_webhook('$webhook', 'http://127.0.0.1:2/')");
is(answer('ignisign_list_webhooks()')->[0]{url}, 'http://127.0.0.1:2/', 'an endpoint is changed');
answer("ignisign_publish('" . answer_draft() . "')");
ok(wait_for(sub { answer("ignisign_webhook_events('$webhook', 'FAILED')")->{searchData}{total} > 0 }), 'its delivery log');
my $event = answer("ignisign_webhook_events('$webhook')")->{events}[-1]{_id};
is(answer("ignisign_webhook_event('$webhook', '$event')")->{_id}, $event, 'an event of it');
is_deeply(answer("ignisign_resend_webhook_event('$webhook', '$event')"), {}, 'is sent again');
ok(answer("ignisign_read_webhook_log('$webhook')")->{events}, 'the log is read for what is new');
is_deeply(answer("ignisign_mute_webhook('$webhook', '{\"SIGNATURE\": true}')"), {}, 'a topic is muted');
is_deeply(answer("ignisign_delete_webhook('$webhook')"), [], 'and the endpoint removed');
ok(answer('ignisign_import_all()')->{paginationData}, 'requests made elsewhere are adopted');

# Nothing that a test needs was refused by mistake: the sandbox is strict.
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.call WHERE code = 'BODY_VALIDATION_FAILED'"), '0', 'no body was refused');

# ---- Each function: what the API refuses, and what is refused at once ----

my %refused = (
	# function => [ arguments that the API refuses, its code, arguments that are refused at once ... ]
	ignisign_application            => [ '', 'fault application' ],
	ignisign_list_requests          => [ 'page => 0', 'QUERY_VALIDATION_FAILED', 'page => -1' ],
	ignisign_request_context        => [ '{none}', 'SIGNATURE_REQUEST_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_create_draft           => [ '', 'fault create-request' ],
	ignisign_update_draft           => [
		"{none}, title => 'x'", 'SIGNATURE_REQUEST_NOT_FOUND', "{bad}, title => 'x'", "NULL, title => 'x'", "{none}, title => ''",
		"{none}, title => repeat('x', 1025)", "{none}, description => repeat('x', 4097)", '{none}, document_ids => ARRAY[{bad}]',
		"{none}, document_ids => '{}'", '{none}, signer_ids => ARRAY[{bad}]', '{none}, approver_ids => ARRAY[{bad}]',
		"{none}, recipients => ARRAY['x']", "{none}, language => ''", "{none}, external_id => ''", "{none}, signature_method => 'SIMPLE'" ],
	ignisign_publish                => [ '{none}', 'SIGNATURE_REQUEST_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_close                  => [ '{none}', 'SIGNATURE_REQUEST_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_check_signers          => [
		"{none}, ARRAY['a\@example.com']", 'SIGNATURE_REQUEST_NOT_FOUND', "{bad}, ARRAY['a\@example.com']", "{none}, ARRAY['a']",
		"{none}, '{}'", '{none}, NULL', '{none}, ARRAY[NULL]' ],
	ignisign_signer_setup           => [ '', 'fault signer-setup' ],
	ignisign_log_capsule            => [ "sha256('x')", 'fault log-capsule', "'x'", 'NULL' ],
	ignisign_import_all             => [ '', 'fault list' ],
	ignisign_upload_document        => [ "'x', 'a.pdf', 'application/pdf'", 'PDF_CORRUPTED' ],
	ignisign_upload_file            => [ "{none}, 'x'", 'DOCUMENT_NOT_FOUND', "{bad}, 'x'", "NULL, 'x'" ],
	ignisign_check_authenticity     => [ "{none}, 'x'", 'DOCUMENT_NOT_FOUND', "{bad}, 'x'", "NULL, 'x'" ],
	ignisign_init_document          => [ '{none}', 'SIGNATURE_REQUEST_NOT_FOUND', '{bad}', 'NULL', "{none}, label => ''" ],
	ignisign_upload_json            => [ "{none}, '{}'", 'DOCUMENT_NOT_FOUND', "{bad}, '{}'", '{none}, NULL' ],
	ignisign_upload_hash            => [ "{none}, sha256('x')", 'DOCUMENT_NOT_FOUND', "{bad}, sha256('x')", "{none}, 'x'", '{none}, NULL' ],
	ignisign_get_document           => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_update_document        => [ "{none}, label => 'x'", 'DOCUMENT_NOT_FOUND', "{bad}, label => 'x'", "{none}, label => ''" ],
	ignisign_delete_document        => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_delete_content         => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_document_context       => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_original               => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_signatures             => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_signature              => [ '{none}, {none}', 'DOCUMENT_NOT_FOUND', '{bad}, {none}', '{none}, {bad}', '{none}, NULL' ],
	ignisign_signature_images       => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_get_proof              => [ '{none}', 'DOCUMENT_NOT_FOUND', '{bad}', 'NULL', "{none}, ''" ],
	ignisign_signer_proof           => [ '{none}, {none}', 'DOCUMENT_NOT_FOUND', '{bad}, {none}', '{none}, {bad}', "{none}, {none}, 'PDF'" ],
	ignisign_create_signer          => [
		"'a\@example.com', signer_profile_id => {none}", 'SIGNER_PROFILE_NOT_FOUND', "'a'", "''", "'a\@example.com', ''",
		"'a\@example.com', signer_profile_id => {bad}", "'a\@example.com', external_id => ''" ],
	ignisign_update_signer          => [ '{none}', 'SIGNER_NOT_FOUND', '{bad}', "{none}, 'a'", "{none}, first_name => ''" ],
	ignisign_get_signer             => [ '{none}', 'SIGNER_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_signer_details         => [ '{none}', 'SIGNER_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_revoke_signer          => [ '{none}', 'SIGNER_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_regenerate_auth_secret => [ '{none}', 'SIGNER_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_list_signers           => [ '', 'fault list-signers', 'page => -1', 'page => NULL' ],
	ignisign_search_signers         => [ "'a'", 'fault search-signers', "''", 'NULL' ],
	ignisign_signer_profiles        => [ '', 'fault signer-profiles' ],
	ignisign_signer_profile         => [ '{none}', 'SIGNER_PROFILE_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_inputs_needed          => [ '{none}', 'SIGNER_PROFILE_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_create_webhook         => [
		"'http://x/', topics => ARRAY['NONE']", 'BODY_VALIDATION_FAILED', "'x'", "'ftp://x/'", 'NULL', "'http://x/', ''", "'http://x/', topics => '{}'" ],
	ignisign_list_webhooks          => [ '', 'fault list-webhooks' ],
	ignisign_update_webhook         => [ "{none}, 'http://x/'", 'WEBHOOK_NOT_FOUND', "{bad}, 'http://x/'", "{none}, 'x'", '{none}, NULL' ],
	ignisign_delete_webhook         => [ '{none}', 'WEBHOOK_NOT_FOUND', '{bad}', 'NULL' ],
	ignisign_mute_webhook           => [ "{none}, '{}'", 'WEBHOOK_NOT_FOUND', "{bad}, '{}'", '{none}, NULL' ],
	ignisign_webhook_events         => [ '{none}', 'WEBHOOK_NOT_FOUND', '{bad}', "{none}, ''", '{none}, page => -1' ],
	ignisign_webhook_event          => [ '{none}, {none}', 'WEBHOOK_NOT_FOUND', '{bad}, {none}', '{none}, {bad}' ],
	ignisign_resend_webhook_event   => [ '{none}, {none}', 'WEBHOOK_NOT_FOUND', '{bad}, {none}', '{none}, {bad}' ],
	ignisign_read_webhook_log       => [ '{none}', 'WEBHOOK_NOT_FOUND', '{bad}' ],
	ignisign_call                   => [ "'GET', '/v4/nothing'", 'NOT_FOUND', "'BREW', '/v4/x'", "'GET', 'x'", "'GET', ''", "NULL, '/v4/x'", "'GET', NULL" ]);

# All are there: those that ask, by what the server knows of their bodies.
my @asking = split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d
	ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
	WHERE d.refobjid IN ('ignisign.ask(text, jsonb, name)'::regprocedure,
		'ignisign.ask_with_file(text, jsonb, bytea, text, text, name)'::regprocedure) ORDER BY 1});
ok(@asking >= 48, 'there are many');
is_deeply([ sort keys %refused ], [ sort @asking ], 'each that asks has its line');
is_deeply([ grep { !$answered{$_} && $_ ne 'ignisign_signature_images' } @asking ], [],
	'and was answered, but the one whose answer the sandbox has not');

# What is refused at once leaves nothing behind.  Nothing else may happen
# meanwhile: a poll, a resent event.
$node->safe_psql('postgres', "ALTER SYSTEM SET ignisign.enabled = off; SELECT pg_reload_conf()");
wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE state = 'sending'");
my $queued = $node->safe_psql('postgres', 'SELECT count(*), max(id) FROM ignisign.call');
my (%codes, @states);

sub fill { return $_[0] =~ s/\{none\}/'$nobody'/gr =~ s/\{bad\}/'67a1'/gr }

for my $function (sort keys %refused)
{
	my (undef, undef, @bad) = @{ $refused{$function} };

	for my $arguments (map { fill($_) } @bad)
	{
		push @states, "$function($arguments)", '22023';
	}
	my $first = fill($refused{$function}[0]);
	push @states, "$function(" . ($first eq '' ? '' : "$first, ") . "server => 'nowhere')", '42704';
}
push @states, "ignisign_upload_document('')", 'IG004', 'ignisign_upload_document(NULL)', '22004',
  "ignisign_upload_document('x', '')", 'IG009', "ignisign_upload_document('x', 'a', 'x')", 'IG009',
  'ignisign_result(0)', 'IG012', 'ignisign_content(0)', 'IG012';
while (my ($sql, $state) = splice @states, 0, 2)
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY sqlstate\nSELECT $sql", stdout => \$out, stderr => \$err);
	like($err, qr/ERROR:  $state$/m, "at once: $sql");
}
is($node->safe_psql('postgres', 'SELECT count(*), max(id) FROM ignisign.call'), $queued, 'nothing was queued');
$node->safe_psql('postgres', "ALTER SYSTEM RESET ignisign.enabled; SELECT pg_reload_conf()");

# What the API refuses is an error with its code, and stays as a dead call.
for my $function (sort keys %refused)
{
	my ($arguments, $code) = @{ $refused{$function} };

	if ($code =~ s/^fault //)
	{
		$sandbox->fault("$code count=1 status=400");
		$code = 'BAD_REQUEST';
	}
	like(refusal("$function(" . fill($arguments) . ')'), qr/IG013|$code: HTTP status 40[034]/, "$function: $code");
}

# Every function of the extension occurs in a test, and in the reference with an example.
my $top = "$FindBin::RealBin/../..";
my $tests = join '', map { slurp_file($_) } glob("$top/test/t/*.pl"), glob("$top/sql/*[a-z].sql"), glob("$top/test/isolation/specs/*.spec");
my $reference = slurp_file("$top/docs/reference.md");
my $examples = $reference =~ s/^### .*//mgr;
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ignisign') AND p.proname LIKE 'ignisign\_%' AND p.proname <> 'ignisign_fdw_validator' ORDER BY 1});
is_deeply([ grep { $tests !~ /\b$_\b/ } @functions ], [], 'each function occurs in a test');
is_deeply([ grep { $reference !~ /\b$_\b/ } @functions ], [], 'and in the reference');
is_deeply([ grep { $examples !~ /\b$_\(/ } @functions ], [], 'with an example');

done_testing();
