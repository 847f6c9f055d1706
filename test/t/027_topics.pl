# Every topic and action of webhook messages has the effect that the reference
# tells: the history of the request that it names says that a message came, and the
# request is read; or it is recorded and ignored.  Nothing that a message says is
# believed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

# Topic and action, what its message is about, and whether it has an effect.
my @request = qw(signatureRequestId signatureRequestExternalId);
my @document = (@request, qw(documentId documentExternalId));
my @topics = (
	(map { [ 'SIGNATURE_REQUEST', $_, [ @request, 'status' ], 1 ] }
		qw(INITIALIZED UPDATED READY LAUNCHED FAILED CANCELLED EXPIRED COMPLETED CHILDREN_GENERATED APPROVER_STEP WAITING_DOCUMENTS)),
	(map { [ 'SIGNATURE', $_, [ @document, qw(signerId signatureId) ], 1 ] } qw(FINALIZED FAILED)),
	(map { [ 'SIGNATURE_PROOF', $_, \@document, 1 ] } qw(GENERATED ADV_GENERATED)),
	[ 'SIGNATURE_SESSION', 'INITIALIZED', [ @request, 'signerId' ], 1 ],
	[ 'SIGNATURE_SIGNER_IMAGE', 'GENERATED', [ @document, 'signerId' ], 1 ],
	(map { [ 'SIGNER', $_, ['signerId'], 0 ] } qw(CREATED INPUTS_ADDED)),
	(map { [ 'SIGNATURE_PROFILE', $_, ['signatureProfileId'], 0 ] } qw(CREATED ARCHIVED)),
	(map { [ 'APP', $_, ['userId'], 0 ] } qw(SETTINGS_UPDATED MEMBERSHIP_UPDATED ARCHIVED)),
	[ 'ID_PROOFING', 'DONE', ['signerId'], 0 ],
	[ 'SIGNER_AUTH', 'DONE', ['signerId'], 0 ],

	# Names of older versions, and what nobody knows yet.
	[ 'APPLICATION', 'ARCHIVED', ['userId'], 0 ],
	[ 'SIGNATURE_IMAGE', 'GENERATED', \@document, 1 ],
	[ 'DOCUMENT_REQUEST', 'PROVIDED', \@document, 1 ],
	[ 'TELEPATHY', 'RECEIVED', \@request, 1 ],
	[ 'TELEPATHY', 'LOST', [], 0 ],
	[ 'SIGNATURE_REQUEST', 'TELEPORTED', \@request, 1 ]);

my $sandbox = start_sandbox(proof_delay => 0);

# Polls come too seldom to help.
my $node = new_node('topics', $sandbox, 'ignisign.refresh_interval' => "'1h'");
my $listener = listen_for_messages();

$node->safe_psql('postgres', sprintf "SELECT ignisign_create_webhook('%s')", $listener->url);
my $id = $node->safe_psql('postgres', sign_sql('Lease', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), 'a request is sent');
$node->safe_psql('postgres', "SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call) FROM ignisign_status('$id')"), 'and known');
my %is = (
	signatureRequestId => $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')"),
	signerId => $node->safe_psql('postgres', "SELECT signer_id FROM ignisign.signer WHERE request = '$id'"),
	status => 'COMPLETED');
ok(wait_for(sub { $sandbox->journal('create-webhook') == 1 && $sandbox->requests == 1 }), 'an endpoint is registered');

# Have something happen at the API, and hand its message over.
sub emit
{
	my ($topic, $action, $nature, $content) = @_;
	my $body;

	$sandbox->control('POST', 'webhooks',
		{ emit => { topic => $topic, action => $action, msgNature => $nature, content => { %$content, marker => "m$$" } } });
	$body = $listener->take(qr/"m$$"/);
	return $node->safe_psql('postgres', "SELECT ignisign_webhook('" . ($body =~ s/'/''/gr) . "'::jsonb)");
}

my $n = 0;
for my $row (@topics)
{
	my ($topic, $action, $fields, $effect) = @$row;

	for my $nature ($n % 2 ? qw(SUCCESS ERROR) : qw(INFO WARNING ERROR))
	{
		my %content = map { $_ => $is{$_} // "$_-" . ++$n } @$fields;
		my $reads = $sandbox->journal('context');
		my $webhook = emit($topic, $action, $nature, \%content);
		my $what = "$topic $action $nature";
		my $state = $effect ? 'applied' : 'ignored';

		ok(wait_for($node, "SELECT state = '$state' AND topic = '$topic' AND action = '$action' AND nature = '$nature' FROM ignisign.webhook WHERE id = '$webhook'"),
			"$what: $state");
		if ($effect)
		{
			is($node->safe_psql('postgres', "SELECT kind, value IS NULL FROM ignisign.event WHERE request = '$id' AND source = 'webhook' AND detail = '$webhook'"),
				'webhook|t', "$what: in the history, without its words");
			is($node->safe_psql('postgres', "SELECT error ->> 'errorCode' FROM ignisign.webhook WHERE id = '$webhook'"),
				'SIGNATURE_REQUEST_FAILED', "$what: its error is recorded")
			  if $nature eq 'ERROR';
			ok(wait_for(sub { $sandbox->journal('context') > $reads }), "$what: the request is read");
		}
		else
		{
			is($node->safe_psql('postgres', "SELECT reason, request FROM ignisign.webhook WHERE id = '$webhook'"), 'it is not about a request|', "$what: because");
		}
	}
}
is($node->safe_psql('postgres', "SELECT status, signed, proofs, closed_at FROM ignisign_status('$id')"), 'IN_PROGRESS|0|0|', 'no message is believed');

# A request that is not known here, or no object at all.
my $unknown = emit('SIGNATURE_REQUEST', 'COMPLETED', 'SUCCESS', { signatureRequestId => '0' x 24 });
ok(wait_for($node, "SELECT state = 'ignored' AND reason = 'its request is not known here' FROM ignisign.webhook WHERE id = '$unknown'"), 'of another request: ignored');
for my $odd (7, ['x'], { a => 1 }, undef)
{
	my $webhook = emit('SIGNATURE_REQUEST', 'COMPLETED', 'SUCCESS', { signatureRequestId => $odd });

	ok(wait_for($node, "SELECT state = 'ignored' FROM ignisign.webhook WHERE id = '$webhook'"), 'an id that is none: ignored');
}

# LAUNCHED brings the tokens of those who sign embedded.
emit('SIGNATURE_REQUEST', 'LAUNCHED', 'SUCCESS', { %is,
	signers => { signersBySide => [], signersEmbedded => [ { signerId => $is{signerId}, signerExternalId => undef, token => 'sess-1' }, { signerId => '0' x 24, token => 'sess-2' } ] } });
ok(wait_for($node, "SELECT token = 'sess-1' AND signer = 1 FROM ignisign_session('$id')"), 'LAUNCHED brings tokens');

# What really happened is applied, whatever the message says.
$sandbox->sign($is{signatureRequestId});
emit('SIGNATURE_SIGNER_IMAGE', 'GENERATED', 'INFO', \%is);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'any message about a request brings its state up to date');

# The reference names all of the API's, each in the line of its effect.
my ($table) = slurp_file("$FindBin::RealBin/../../docs/reference.md") =~ /^\| topic, actions \| effect \|\n(.*?)\n\n/ms;
for my $row (@topics)
{
	my ($topic, $action, undef, $effect) = @$row;

	next if $topic =~ /TELEPATHY|^(ID_PROOFING|SIGNER_AUTH)$/ || $action eq 'TELEPORTED';
	like($table, qr/^\|[^|]*`$topic`:?[^|;]*`$action`[^|]*\| [^|]*@{[ $effect ? 'request is read' : 'ignored' ]}/m, "the reference tells of $topic $action");
}

$node->stop;
done_testing();
