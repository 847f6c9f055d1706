# A webhook message only says that a request is to be looked at.  Whatever the
# message says beside that, what the history, callbacks and notifications tell comes
# from the API's own responses, which must be about the request that was asked for.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);

# Polls come too seldom to help.
my $node = new_node('forged', $sandbox, 'ignisign.refresh_interval' => "'1h'", 'ignisign.max_retry_delay' => '100ms');
my $listener = listen_for_messages();

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Run SQL that must fail, and return its error.
sub error_of
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', $_[0], stdout => \$out, stderr => \$err);
	return $err;
}

# Send a request; returns its id and the API's.
sub sent
{
	my ($title) = @_;
	my $id = sql(sign_sql($title, 'ann@example.com'));

	wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')") or die $title;
	sql("SELECT ignisign_refresh('$id')");
	ok(wait_for($node, "SELECT status = 'IN_PROGRESS' AND NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id') FROM ignisign_status('$id')"),
		"$title is sent");
	return ($id, sql("SELECT signature_request_id FROM ignisign_status('$id')"));
}

# Have the API send a genuine message about a request; returns it decoded.
sub genuine
{
	my ($remote) = @_;

	$sandbox->control('POST', 'webhooks',
		{ emit => { topic => 'SIGNATURE_SESSION', action => 'INITIALIZED', msgNature => 'INFO', content => { signatureRequestId => $remote, marker => "m$$" } } });
	return decode_json($listener->take(qr/"m$$"/));
}

# Hand a message over as a role that may do no more than that; returns its id when
# the worker is done with it, and with what it led to.
sub hand_over
{
	my ($message) = @_;
	my $json = JSON::PP->new->ascii->canonical->encode($message) =~ s/'/''/gr;
	my $webhook = sql("SET ROLE front; SELECT ignisign_webhook('$json'::jsonb)");

	ok(wait_for($node, "SELECT state <> 'unverified' FROM ignisign.webhook WHERE id = '$webhook'"), 'it is verified');
	ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE state <> 'dead')"), 'and what it led to is done');
	return $webhook;
}

sub drained { return wait_for($node, 'SELECT NOT EXISTS (SELECT FROM ignisign.delivery)') }

sql(<<~'SQL');
	CREATE ROLE front;
	GRANT EXECUTE ON FUNCTION ignisign_webhook(jsonb), ignisign_webhook(jsonb, name) TO front;
	GRANT USAGE ON FOREIGN SERVER ignisign TO front;
	CREATE TABLE told (n bigint GENERATED ALWAYS AS IDENTITY, request uuid, event jsonb);
	CREATE FUNCTION note(request uuid, event jsonb) RETURNS void LANGUAGE sql
		BEGIN ATOMIC INSERT INTO told (request, event) VALUES (note.request, note.event); END;
	CREATE TABLE completed (request uuid, event jsonb);
	CREATE FUNCTION contract_signed(request uuid, event jsonb) RETURNS void LANGUAGE sql
		BEGIN ATOMIC INSERT INTO completed VALUES (contract_signed.request, contract_signed.event); END;
	SELECT ignisign_on('*', 'note(uuid,jsonb)');
	SELECT ignisign_on('COMPLETED', 'contract_signed(uuid,jsonb)');
	SELECT ignisign_on('signed', 'contract_signed(uuid,jsonb)');
	SELECT ignisign_on('proof', 'contract_signed(uuid,jsonb)');
	SQL
sql(sprintf "SELECT ignisign_create_webhook('%s')", $listener->url);
ok(wait_for(sub { $sandbox->journal('create-webhook') == 1 }), 'an endpoint is registered');

my ($id, $remote) = sent('Unsigned');

# The words of a message that was changed on its way.
sql('TRUNCATE told');
for my $words (
	{ topic => 'status',            action => 'COMPLETED' },
	{ topic => 'signed',            action => 'ann@example.com' },
	{ topic => 'proof',             action => 'PDF_WITH_SIGNATURES' },
	{ topic => 'proof status',      action => 'CREATED' },
	{ topic => 'COMPLETED',         action => 'COMPLETED' },
	{ topic => 'SIGNATURE_REQUEST', action => 'COMPLETED' },
	{ topic => 'SIGNATURE',         action => 'FINALIZED' },
	{ topic => 'SIGNATURE_PROOF',   action => 'GENERATED' },
	{ topic => 'dead',              action => 'context', msgNature => 'ERROR', error => { errorCode => 'COMPLETED' } })
{
	my $what = "$words->{topic} $words->{action}";
	my $message = genuine($remote);
	my $reads = $sandbox->journal('context');
	my $webhook;

	$message->{content}{status} = 'COMPLETED';
	$message->{content}{signers} = { signersEmbedded => [] };
	$webhook = hand_over({ %$message, %$words });
	is(sql("SELECT state, request FROM ignisign.webhook WHERE id = '$webhook'"), "applied|$id", "$what: the message is about the request");
	cmp_ok(scalar($sandbox->journal('context')), '>', $reads, "$what: the request is read");
	is(sql("SELECT kind, value IS NULL, previous IS NULL, detail FROM ignisign.event WHERE request = '$id' AND source = 'webhook' ORDER BY id DESC LIMIT 1"),
		"webhook|t|t|$webhook", "$what: the history says that a message came, and which");
}
is(sql("SELECT count(*) FROM ignisign.event WHERE request = '$id' AND source = 'webhook' AND kind <> 'webhook'"), '0',
	'no event has the words of a message');
is(sql("SELECT count(*) FROM ignisign.event WHERE request = '$id' AND (value IN ('COMPLETED', 'CREATED') OR kind IN ('signed', 'proof', 'dead'))"), '0',
	'nor does any event tell what did not happen');
ok(drained(), 'callbacks are called');
is(sql('SELECT count(*) FROM completed'), '0', 'none for a contract that nobody signed');
is(sql("SELECT DISTINCT event ->> 'event', event ->> 'source', event ->> 'value' FROM told"), 'webhook|webhook|', 'they are told that messages came');
is(sql("SELECT status, signed, proofs, closed_at FROM ignisign_status('$id')"), 'IN_PROGRESS|0|0|', 'and the request is as it was');

# A topic is no event to ask for; that a message came is one.
like(error_of("SELECT ignisign_on('SIGNATURE_REQUEST', 'note(uuid,jsonb)')"), qr/topic of a webhook message.*HINT:.*"webhook"/s, 'a topic is refused');
sql("SELECT ignisign_on('webhook', 'note(uuid,jsonb)')");

# A token of a signing session that the API gave is not replaced by a message's.
my $signer = sql("SELECT signer_id FROM ignisign.signer WHERE request = '$id'");
sql("INSERT INTO ignisign.session (request, signer_id, token) VALUES ('$id', '$signer', 'from-the-api')");
my $message = genuine($remote);
hand_over({ %$message, topic => 'SIGNATURE_REQUEST', action => 'LAUNCHED',
	content => { %{ $message->{content} }, signers => { signersEmbedded => [ { signerId => $signer, token => 'forged' }, { signerId => '0' x 24, token => 'other' } ] } } });
is(sql("SELECT string_agg(token, ' ' ORDER BY token) FROM ignisign.session WHERE request = '$id'"), 'from-the-api other', 'a token of the API is kept');

# A response about another request than the one that was asked for.
my ($other, $other_remote) = sent('Other');
my %completed = (_id => $other_remote, status => 'COMPLETED', title => 'Other', signedBy => [$signer],
	signers => [ { signerId => $signer, email => 'ann@example.com' } ], documents => [], signatureProofStatus => 'CREATED');

sql("ALTER SERVER ignisign OPTIONS (ADD max_attempts '2')");
$sandbox->fault({ spec => 'context share=1', answer => \%completed });
sql("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign.call WHERE request = '$id' AND operation = 'context'"), 'a context of another request is refused');
like(sql("SELECT last_error FROM ignisign.call WHERE request = '$id'"), qr/about another request/, 'with the reason');
is(sql("SELECT status, signed, closed_at FROM ignisign_status('$id')"), 'IN_PROGRESS|0|', 'and changes nothing');
is(sql("SELECT status FROM ignisign_status('$other')"), 'IN_PROGRESS', 'neither here nor there');
$sandbox->clear_faults;
sql("SELECT ignisign_retry(id) FROM ignisign.call WHERE request = '$id'");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'the right one is taken');

# An id that differs in the case of its letters is the same.
$sandbox->fault({ spec => 'context count=1', answer => { _id => uc $remote, status => 'IN_PROGRESS' } });
sql("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'an id in upper case');
is(sql("SELECT count(*) FROM ignisign.attempt WHERE request = '$id' AND operation = 'context' AND outcome = 'done' AND started_at = (SELECT max(started_at) FROM ignisign.attempt WHERE request = '$id')"),
	'1', 'is the same id');

# Signers with another id than ours have, and e-mail addresses of ours, have not signed.
$sandbox->fault({ spec => 'context count=1', answer => { _id => $remote, status => 'IN_PROGRESS', signedBy => ['f' x 24],
	signers => [ { signerId => 'f' x 24, email => 'ann@example.com' } ] } });
sql("SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id')"), 'a signer with another id');
is(sql("SELECT signer_id, signed_at FROM ignisign.signer WHERE request = '$id'"), "$signer|", 'is not ours');
is(sql("SELECT count(*) FROM ignisign.event WHERE request = '$id' AND kind = 'signed'"), '0', 'and has not signed for ours');

# Statuses that were not asked for.
$sandbox->fault({ spec => 'status share=1', answer => { signatureRequests => [ map { { signatureRequestId => $_, status => 'COMPLETED' } } '0' x 24, 'f' x 24 ] } });
$node->append_conf('postgresql.conf', "ignisign.refresh_interval = '50ms'");
$node->reload;
ok(wait_for(sub { $sandbox->journal('status') >= 2 }), 'statuses of other requests come');
is(sql("SELECT count(*) FROM ignisign.request WHERE status IS DISTINCT FROM 'IN_PROGRESS'"), '0', 'and change nothing');
$sandbox->clear_faults;

# What really happens is told once, by the API.
is(sql('SELECT count(*) FROM completed'), '0', 'until then nobody is told of a signature');
$sandbox->sign($remote);
is(sql("SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'it is signed');
ok(drained(), 'callbacks are called');
is(sql("SELECT string_agg(event ->> 'event', ' ' ORDER BY event ->> 'event') FROM completed WHERE request = '$id' AND event ->> 'source' IN ('api', 'poll')"),
	'proof signed status', 'once for each fact, and from the API');
is(sql('SELECT count(*) FROM completed'), '3', 'and for nothing else');

$node->stop;
done_testing();
