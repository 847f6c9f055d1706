# Webhooks, received through the example for Node and Express: stored first,
# confirmed with the API, applied once, in whatever order they come.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use IgnisignTest;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'Node with express and pg is not installed'
  if system("node -e 'require(\"express\"); require(\"pg\")' >/dev/null 2>&1") != 0;

my $sandbox = start_sandbox(proof_delay => 0, webhook_retry_delay => 100);

# Polls come too seldom to help.
my $node = new_node('webhooks', $sandbox, 'ignisign.refresh_interval' => "'1h'");
my $port = free_port();
my $front;

sub start_front
{
	my $log = PostgreSQL::Test::Utils::tempdir() . '/front.log';

	$front = fork // die "fork: $!";
	if ($front == 0)
	{
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		@ENV{qw(PORT WEBHOOK_SECRET PGHOST PGPORT PGUSER PGDATABASE)} =
		  ($port, 's3cret', $node->host, $node->port, 'hooks', 'postgres');
		exec 'node', "$FindBin::RealBin/../../examples/webhook-express/server.js" or POSIX::_exit(127);
	}
	ok(wait_for(sub { -e $log && slurp_file($log) =~ /ready/ }), 'the front listens');
	return;
}

sub stop_front
{
	kill 'KILL', $front if $front;
	waitpid $front, 0 if $front;
	undef $front;
	return;
}
END { my $status = $?; stop_front(); $? = $status; }

# Post a message to the front; returns the HTTP status.
sub post
{
	my ($body, $secret) = @_;

	return HTTP::Tiny->new->post("http://127.0.0.1:$port/webhooks/" . ($secret // 's3cret'),
		{ headers => { 'Content-Type' => 'application/json' }, content => $body })->{status};
}

sub webhooks { return $sandbox->control('POST', 'webhooks', $_[0] // {}) }

# The context is read once after sending, some time later; here at once.
sub sent
{
	my ($title) = @_;
	my $id = $node->safe_psql('postgres', sign_sql($title, 'ann@example.com'));

	wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')");
	$node->safe_psql('postgres', "SELECT ignisign_refresh('$id')");
	ok(wait_for($node, "SELECT bool_and(signer_id IS NOT NULL) FROM ignisign.signer WHERE request = '$id'"), "$title is sent");
	return ($id, $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')"));
}

$node->safe_psql('postgres', "CREATE ROLE hooks LOGIN; SELECT ignisign_grant('hooks')");
start_front();

# Endpoints are registered from SQL.
my $call = $node->safe_psql('postgres', "SELECT ignisign_create_webhook('http://127.0.0.1:$port/webhooks/s3cret', 'pg')");
my $webhook = $node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') -> 0 ->> '_id'");
like($webhook, qr/^[0-9a-f]{24}$/, 'an endpoint is registered');
$call = $node->safe_psql('postgres', "SELECT ignisign_create_webhook('http://127.0.0.1:1/', topics => ARRAY['SIGNER'])");
my $other = $node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') -> 1 ->> '_id'");
$call = $node->safe_psql('postgres', "SELECT ignisign_update_webhook('$other', 'http://127.0.0.1:2/')");
is($node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') -> 1 ->> 'url'"), 'http://127.0.0.1:2/', 'one is changed');
$call = $node->safe_psql('postgres', "SELECT ignisign_mute_webhook('$other', '{\"SIGNER\": true}')");
is($node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s')"), '{}', 'muted');
$call = $node->safe_psql('postgres', "SELECT ignisign_delete_webhook('$other')");
is($node->safe_psql('postgres', "SELECT jsonb_array_length(ignisign_result($call, '30 s'))"), '1', 'and removed');
$call = $node->safe_psql('postgres', 'SELECT ignisign_list_webhooks()');
is($node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') -> 0 ->> 'description'"), 'pg', 'the other one is listed');

# What happens at Ignisign is here at once, without a poll.
my ($id, $remote) = sent('Told');
$sandbox->sign($remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'signed, completed and proven');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.attempt WHERE operation = 'status'"), '0', 'without a poll');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.webhook WHERE state = 'unverified'"), 'all messages are settled');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT topic || ' ' || action, ', ') FROM ignisign.webhook WHERE request = '$id' AND state = 'applied' AND action <> 'LAUNCHED'"),
	'SIGNATURE FINALIZED, SIGNATURE_PROOF GENERATED, SIGNATURE_REQUEST COMPLETED', 'which messages came');
is($node->safe_psql('postgres', "SELECT count(DISTINCT w.action) FROM ignisign.event e JOIN ignisign.webhook w ON w.id::text = e.detail WHERE e.request = '$id' AND e.source = 'webhook' AND w.action <> 'LAUNCHED'"), '3', 'and stand in its history');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook w WHERE w::text LIKE '%wt!_%' ESCAPE '!'"), '0', 'no token is kept');

# Twice, in reverse, late: the same rows.
webhooks({ duplicate => JSON::PP::true, reverse => JSON::PP::true, delay => 300 });
($id, $remote) = sent('Twice');
$sandbox->sign($remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'twice and in reverse: proven');
ok(wait_for($node, "SELECT count(*) >= 6 AND bool_and(state <> 'unverified') FROM ignisign.webhook WHERE request = '$id'"), 'all of them came');
is($node->safe_psql('postgres', "SELECT status, signed, proofs FROM ignisign_status('$id')"), 'COMPLETED|1|1', 'the state is the newest');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.event WHERE request = '$id' AND kind = 'status' AND value = 'COMPLETED'"), '1', 'it changed once');
webhooks();

# Forged, foreign or malformed messages change nothing.
webhooks({ badToken => JSON::PP::true });
my $before = $node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE state = 'rejected'");
my ($victim, $victim_remote) = sent('Victim');
$sandbox->sign($victim_remote);
ok(wait_for($node, "SELECT count(*) > $before FROM ignisign.webhook WHERE state = 'rejected'"), 'a forged token is rejected');
is($node->safe_psql('postgres', "SELECT status FROM ignisign_status('$victim')"), 'IN_PROGRESS', 'and has no effect');
webhooks();
my %good = (appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT', topic => 'SIGNATURE_REQUEST',
	action => 'COMPLETED', msgNature => 'SUCCESS', content => { signatureRequestId => $victim_remote }, verificationToken => 'guess');
is(post(encode_json({%good, appEnv => 'PRODUCTION', verificationToken => 'p'})), 200, 'a message for another environment is taken');
is($node->safe_psql('postgres', "SELECT state, reason FROM ignisign.webhook WHERE token_sha256 = sha256('p')"),
	'rejected|it is for another application or environment', 'and rejected without a question');
is(post(encode_json(\%good)), 200, 'a guessed token');
is(post(encode_json(\%good)), 200, 'and again');
ok(wait_for($node, "SELECT reason = 'the API does not know its token' FROM ignisign.webhook WHERE token_sha256 = sha256('guess')"), 'is rejected, once');
is(post('{}'), 400, 'no message');
is(post('[1]'), 400, 'no object');
is(post('{"a":'), 400, 'no JSON');
is(post(encode_json({ %good, topic => 7 })), 400, 'a field of another type');
is(post(encode_json(\%good), 'wrong'), 404, 'a wrong path');
is(post(encode_json({ %good, content => { x => 'y' x 1_200_000 } })), 413, 'a message that is too large');

# Whatever topic there is or will be.
for my $event ([ 'SIGNER', 'CREATED' ], [ 'APP', 'SETTINGS_UPDATED' ], [ 'ID_PROOFING', 'NEW' ], [ 'TELEPATHY', 'RECEIVED' ])
{
	webhooks({ emit => { topic => $event->[0], action => $event->[1], msgNature => 'INFO', content => { signerId => 'x' } } });
	ok(wait_for($node, "SELECT state = 'ignored' FROM ignisign.webhook WHERE topic = '$event->[0]'"), "$event->[0] is recorded and ignored");
}
webhooks({ emit => { topic => 'SIGNATURE', action => 'FAILED', msgNature => 'ERROR', content => { signatureRequestId => $victim_remote } } });
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.webhook WHERE request = '$victim' AND action = 'FAILED' AND error ->> 'errorCode' = 'SIGNATURE_REQUEST_FAILED'"), 'an error is recorded');

# A lost answer to the question: the token is used up, but by us.
$sandbox->fault('verify-webhook count=1 close=after');
my ($lost, $lost_remote) = sent('Lost');
$sandbox->sign($lost_remote);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$lost', timeout => '60 s')"), 't', 'a lost verdict is asked for again');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE request = '$lost' AND state = 'rejected'"), '0', 'and nothing is rejected');

# The front is down: what is sent again arrives, what is not is in the log.
stop_front();
my ($missed, $missed_remote) = sent('Missed');
$sandbox->sign($missed_remote);
wait_for(sub {
	$call = $node->safe_psql('postgres', "SELECT ignisign_webhook_events('$webhook', 'FAILED')");
	return $node->safe_psql('postgres', "SELECT jsonb_array_length(ignisign_result($call, '30 s') -> 'events') >= 3") eq 't';
});
$node->safe_psql('postgres', "SELECT ignisign_read_webhook_log('$webhook')");
is($node->safe_psql('postgres', "SELECT ignisign_wait('$missed', timeout => '60 s')"), 't', 'the delivery log tells what was missed');
ok(wait_for($node, "SELECT count(*) > 20 FROM ignisign.webhook WHERE source = 'log'"), 'page by page');
my $events = $node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE source = 'log'");
$call = $node->safe_psql('postgres', "SELECT ignisign_read_webhook_log('$webhook')");
$node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s')");
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE source = 'log'"), $events, 'and each event once');

# An event is sent again on demand.
start_front();
my $event = $node->safe_psql('postgres', "SELECT event_id FROM ignisign.webhook WHERE source = 'log' AND request = '$missed' LIMIT 1");
$call = $node->safe_psql('postgres', "SELECT ignisign_webhook_event('$webhook', '$event')");
is($node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s') ->> '_id'"), $event, 'one event is read');
$before = $node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE source = 'message' AND request = '$missed' AND state = 'applied'");
$node->safe_psql('postgres', "SELECT ignisign_resend_webhook_event('$webhook', '$event')");
ok(wait_for($node, "SELECT count(*) > $before FROM ignisign.webhook WHERE source = 'message' AND request = '$missed' AND state = 'applied'"), 'and sent again');

# PostgREST hands the body to a function of one parameter without a name.
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_proc WHERE oid = 'ignisign_webhook(jsonb)'::regprocedure AND proargnames IS NULL AND pronargs = 1"), '1', 'there is one for PostgREST');
is($node->safe_psql('postgres', "SET ROLE hooks; WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT '{\"json\": 1}'::json) pgrst_body, LATERAL (SELECT public.ignisign_webhook('" . encode_json({ %good, verificationToken => 'rest' }) . "'::jsonb) pgrst_scalar) pgrst_call) SELECT pgrst_scalar IS NOT NULL FROM pgrst_source"), 't', 'called as it does');

# Who may not use the server cannot feed it.
$node->safe_psql('postgres', 'CREATE ROLE stranger; GRANT EXECUTE ON FUNCTION ignisign_webhook(jsonb), ignisign_webhook(jsonb, name) TO stranger');
my ($out, $err) = ('', '');
$node->psql('postgres', "SET ROLE stranger; SELECT ignisign_webhook('" . encode_json({ %good, verificationToken => 's' }) . "')", stdout => \$out, stderr => \$err);
like($err, qr/permission denied/, 'a stranger is refused');

stop_front();
done_testing();
