# What the network and the API can do wrong, and what follows.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('faults', $sandbox);

# Send one request while the sandbox does something wrong; return its id.
sub send_with
{
	my ($title, @faults) = @_;

	$sandbox->fault($_) for @faults;
	return $node->safe_psql('postgres', sign_sql($title, 'ann@example.com'));
}

# Check that a request arrives exactly once in spite of all.
sub arrives_once
{
	my ($title, @faults) = @_;
	my $id = send_with($title, @faults);

	ok( wait_for(
			$node,
			"SELECT signature_request_id IS NOT NULL FROM ignisign.request WHERE id = '$id'",
			'postgres', { timeout => 60 }),
		"$title: the request is settled");
	is(scalar(grep { $_->{title} eq $title } $sandbox->requests), 1, "$title: it arrived once");
	$sandbox->clear_faults;
	return $id;
}

# Count the attempts at a call that ended in some way.
sub attempts
{
	my ($id, $outcome) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*) FROM ignisign.attempt WHERE request = '$id' AND operation = 'one-call-sign' AND outcome = '$outcome'");
}

arrives_once('unavailable', 'one-call-sign count=2 status=503');
arrives_once('broken', 'one-call-sign count=1 status=500 body=text');
arrives_once('closed before', 'one-call-sign count=2 close=before');
arrives_once('closed after', 'one-call-sign count=1 close=after');
arrives_once('cut', 'one-call-sign count=1 close=mid');
arrives_once('garbage', 'one-call-sign count=1 garbage');
arrives_once('empty', 'one-call-sign count=1 empty');

# A connection that is used again and found dead must not have libcurl repeat
# the request behind our back: the answer to one is lost on a warm connection.

arrives_once('warm up');
arrives_once('warm connection', 'one-call-sign count=1 close=after');

# Retry-After is obeyed: the second attempt is not made before.

my $id = arrives_once('throttled', 'one-call-sign count=1 status=429 retry-after=2');

is(attempts($id, 'retry'), '1', 'throttled: one attempt was refused');
is( $node->safe_psql(
		'postgres', <<~SQL), 't', 'throttled: the next came no earlier than told');
	SELECT max(started_at) - min(started_at) >= interval '1.9 seconds'
	FROM ignisign.attempt WHERE request = '$id' AND operation = 'one-call-sign'
	SQL

# A refusal is for good, and says why.

$id = send_with('refused', 'one-call-sign count=1 status=400');
ok( wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$id')"), 'refused: the call is dead');
like($node->safe_psql('postgres', "SELECT last_error FROM ignisign_status('$id')"),
	qr/HTTP status 400/, 'refused: the error is shown');
is(attempts($id, 'dead'), '1', 'refused: it was tried once');
$node->safe_psql('postgres', "SELECT ignisign_retry_request('$id')");
ok( wait_for(
		$node, "SELECT state = 'open' FROM ignisign_status('$id')"),
	'refused: ignisign_retry_request() sends it again');

# Attempts are used up.

$node->safe_psql('postgres', "ALTER SERVER ignisign OPTIONS (ADD max_attempts '3')");
$id = send_with('hopeless', 'one-call-sign share=1 status=429');
ok( wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$id')"),
	'hopeless: the call is dead in the end');
is(attempts($id, 'retry'), '2', 'hopeless: after as many attempts as allowed');
$sandbox->clear_faults;
$node->safe_psql('postgres', "SELECT ignisign_discard_request('$id')");
is($node->safe_psql('postgres', "SELECT state FROM ignisign_status('$id')"),
	'discarded', 'hopeless: it can be discarded');
$node->safe_psql('postgres', 'ALTER SERVER ignisign OPTIONS (DROP max_attempts)');

# The API is down: nothing is lost.

my $port = $sandbox->port;

$sandbox->stop;
my $down = $node->safe_psql('postgres', sign_sql('down', 'ann@example.com'));
ok( wait_for(
		$node,
		"SELECT count(*) > 0 FROM ignisign.attempt WHERE request = '$down'"),
	'down: a connection is refused');
$sandbox->start;
ok( wait_for($node, "SELECT state = 'open' FROM ignisign_status('$down')", 'postgres', { timeout => 60 }),
	'down: it arrives when the API is back');

# A key that is refused parks the account and burns no attempts.

$node->safe_psql('postgres', <<~SQL);
	SELECT ignisign_connect('skv2_development_5a4db0c5-0000-4000-8000-000000000001_wrongsecret', for_role => 'public')
	SQL
$id = $node->safe_psql('postgres', sign_sql('parked', 'ann@example.com'));
ok( wait_for($node, 'SELECT count(*) = 1 FROM ignisign.parked'), 'parked: the account is held back');
like($node->safe_psql('postgres', "SELECT last_error FROM ignisign_status('$id')"),
	qr/HTTP status 401/, 'parked: the status says why');
is($node->safe_psql('postgres', "SELECT state, attempts FROM ignisign.call WHERE request = '$id' AND operation = 'one-call-sign'"),
	'pending|0', 'parked: no attempt is used up');
connect_node($node, $sandbox);
ok( wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')"),
	'parked: it goes out as soon as the key is right');
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.parked'), '0', 'parked: no longer');

# Proofs and contexts survive all this, too.

$sandbox->fault('context count=2 status=503');
$sandbox->fault('proof count=1 close=mid');
$sandbox->fault('proof count=1 garbage');
$id = $node->safe_psql('postgres', sign_sql('proof', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')"), 'proof: sent');
$sandbox->sign($node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')"));
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 seconds')"),
	't', 'proof: it is there in the end');
like($node->safe_psql('postgres', "SELECT substr(encode(ignisign_proof('$id'), 'escape'), 1, 5)"),
	qr/^%PDF-/, 'proof: it is a PDF');

$node->stop;
done_testing();
