# Whatever is sent back has a bound, a setting, and an error that says so.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $elsewhere = start_sandbox();
my $node = new_node('limits', $sandbox,
	'restart_after_crash'        => 'on',
	'ignisign.refresh_interval'  => 0,
	'ignisign.max_response_size' => '1MB',
	'ignisign.max_proof_size'    => '2MB',
	'ignisign.max_retry_delay'   => '100ms');

sub value { return $node->safe_psql('postgres', $_[0]) }

# The breaker is not what is tested here.
value("ALTER SERVER ignisign OPTIONS (ADD max_attempts '1', ADD timeout '2000', ADD breaker_failures '0')");

# Change settings, and wait until they hold.
sub set
{
	my (%setting) = @_;

	for my $name (sort keys %setting)
	{
		value("ALTER SYSTEM SET ignisign.$name = '$setting{$name}'");
	}
	$node->reload;
	for my $name (sort keys %setting)
	{
		wait_for($node, "SELECT current_setting('ignisign.$name') = '$setting{$name}'") or die $name;
	}

	# The worker has read them, too, before it reads what comes next.
	value("ALTER SERVER ignisign OPTIONS (SET timeout '2000')");
}

# Make one call of an operation while the sandbox does something wrong, and tell
# what becomes of it: its last error, or the answer.
sub outcome
{
	my ($fault, $ask) = @_;

	$sandbox->clear_faults;
	$sandbox->fault($fault);
	my $call = value('SELECT ' . ($ask // 'ignisign_application()'));

	wait_for($node, "SELECT EXISTS (SELECT FROM ignisign.result WHERE call = $call)"
		  . " OR EXISTS (SELECT FROM ignisign.call WHERE id = $call AND state = 'dead')");
	return value("SELECT coalesce((SELECT last_error FROM ignisign.call WHERE id = $call), 'answered')");
}

my $url = $elsewhere->url;

for my $case (
	[ 'huge=3000000',           qr/^the response is larger than 1024 kB \(ignisign\.max_response_size\)$/ ],
	[ 'endless',                qr/^the response is larger than 1024 kB \(ignisign\.max_response_size\)$/ ],
	[ 'deep=65',                qr/^the answer cannot be used: it is nested more than 64 deep \(ignisign\.max_json_depth\)$/ ],
	[ 'deep=400000',            qr/^the answer cannot be used: it is nested more than 64 deep \(ignisign\.max_json_depth\)$/ ],
	[ 'wide=99999',             qr/^the answer cannot be used: it has more than 100000 values \(ignisign\.max_json_values\)$/ ],
	[ 'wide=340000',            qr/^the answer cannot be used: it has more than 100000 values \(ignisign\.max_json_values\)$/ ],
	[ 'bomb=50000000',          qr/^the answer is compressed, which was not asked for$/ ],
	[ 'raw=headers',            qr/^the response's headers are larger than 64 kB \(ignisign\.max_header_size\)$/ ],
	[ 'raw=informational',      qr/^the response's headers are larger than 64 kB \(ignisign\.max_header_size\)$/ ],
	[ 'raw=slow-headers',       qr/too slow|timed out/ ],
	[ 'slow=10 huge=500000',    qr/too slow|timed out/ ],
	[ 'delay-after=10000',      qr/too slow|timed out/ ],
	[ 'raw=http09',             qr/HTTP\/0\.9/ ],
	[ 'raw=bad-chunks',         qr/chunk/i ],
	[ 'raw=too-long',           qr/closed|transfer|missing/ ],
	[ 'raw=too-short',          qr/^the answer cannot be used: it is not JSON$/ ],
	[ 'garbage',                qr/^the answer cannot be used: it is not JSON$/ ],
	[ 'status=500 endless',     qr/^HTTP status 500/ ],
	[ 'status=500 huge=900000', qr/^HTTP status 500/ ],
	[ "redirect=$url/v4/healthcheck",            qr/^HTTP status 302/ ],
	[ "status=307 redirect=$url/v4/healthcheck", qr/^HTTP status 307/ ],
	[ 'redirect=file:///etc/passwd',             qr/^HTTP status 302/ ])
{
	my ($fault, $error) = @$case;

	like(outcome("application $fault"), $error, $fault);

	# What is left over on the connection may spoil one more call.
	outcome('application delay=0') if $fault eq 'raw=too-short';
}
is_deeply([ $elsewhere->journal ], [], 'redirects: nothing was sent elsewhere, not even without the key');
is(outcome('application deep=63'), 'answered', 'deep=63 is not too deep');
is(outcome('application wide=99998'), 'answered', 'wide=99998 is not too wide');

# Proofs and other files have their own bound.

my $file = "ignisign_original('67a1c0de0000000000000001')";

like(outcome('original status=200 endless', $file), qr/^the response is larger than 2048 kB \(ignisign\.max_proof_size\)$/, 'a file without an end');
like(outcome('original status=200 huge=2100000', $file), qr/^the response is larger than 2048 kB \(ignisign\.max_proof_size\)$/, 'a file that is too large');
is(outcome('original status=200 huge=2000000 type=application/pdf', $file), 'answered', 'a file that is just small enough');

# Each bound is a setting.

set(max_response_size => '4MB', max_proof_size => '3MB', max_json_depth => 500,
	max_json_values => 400000, max_header_size => '1MB');
is(outcome('application deep=400'),    'answered', 'max_json_depth');
is(outcome('application wide=340000'), 'answered', 'max_json_values');
is(outcome('original status=200 huge=3000000 type=application/pdf', $file), 'answered', 'max_proof_size');
like(outcome('application huge=3000000'), qr/not JSON|answered/, 'max_response_size');
set(max_json_depth => 8, max_json_values => 1000, max_header_size => '1kB');
like(outcome('application deep=9'), qr/nested more than 8 deep/, 'max_json_depth, less');
like(outcome('application wide=1001'), qr/more than 1000 values/, 'max_json_values, less');
like(outcome('application raw=headers'), qr/headers are larger than 1 kB/, 'max_header_size, less');
set(max_json_depth => 64, max_json_values => 100000, max_header_size => '64kB');
set(min_speed => 0);
is(outcome('application slow=150'), 'answered', 'min_speed: what trickles is waited for');
set(min_speed => 1000);

# A request is made exactly once, whatever the answer to it was.

value("ALTER SERVER ignisign OPTIONS (SET max_attempts '10')");
for my $fault ('endless', 'deep=1000', 'wide=200000', 'bomb=100000000', 'raw=headers', 'raw=informational',
	'raw=http09', 'raw=bad-chunks', 'raw=too-long', 'raw=too-short')
{
	$sandbox->clear_faults;
	$sandbox->fault("one-call-sign $fault");
	my $id = value(sign_sql($fault, 'ann@example.com'));

	ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')"), "$fault: the request is settled");
	is(scalar(grep { $_->{title} eq $fault } $sandbox->requests), 1, "$fault: it was made once");
}
$sandbox->clear_faults;

# A page in place of a proof is not taken for one, however large it is.

my $proven = value(sign_sql('proven', 'ann@example.com'));

is(value("SELECT ignisign_wait('$proven', 'SENT', '60 s')"), 't', 'proof: the request is sent');
$sandbox->fault('proof count=1 huge=600000');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$proven')"));
value("SELECT ignisign_refresh('$proven')");
is(value("SELECT ignisign_wait('$proven', 'PROOF', '60 s')"), 't', 'proof: it is there');
is(value("SELECT substr(ignisign_proof('$proven'), 1, 5)"), '\x255044462d', 'proof: and it is a PDF');
is(value("SELECT count(*) FROM ignisign.attempt WHERE request = '$proven' AND error LIKE 'the answer is not a proof%'"),
	'1', 'proof: the page was refused');

# What is queued is bounded at once.

sub refused
{
	my ($sql) = @_;

	return value(<<~SQL);
		CREATE OR REPLACE FUNCTION pg_temp.refusal() RETURNS text LANGUAGE plpgsql AS \$f\$
		BEGIN
			EXECUTE \$sql\$ $sql \$sql\$;
			RETURN 'taken';
		EXCEPTION WHEN OTHERS THEN
			RETURN SQLSTATE || ' ' || SQLERRM;
		END \$f\$;
		SELECT pg_temp.refusal()
		SQL
}

my $signers = q{ARRAY[ignisign_signer('ann@example.com', 'Ann', 'Lee')]};

like(refused("SELECT ignisign_call('POST', '/v4/x', jsonb_build_object('a', repeat('x', 1100000)))"),
	qr/^54000 the arguments of the call are too large: 11\d+ bytes/, 'arguments');
like(refused("SELECT ignisign_sign('t', 'x'::bytea, $signers, description => repeat('x', 1100000))"),
	qr/^54000 the texts of the request are too large: 11\d+ bytes/, 'texts');
like(refused("SELECT ignisign_sign('t', 'x'::bytea, $signers, statements => array_fill('x'::text, ARRAY[200000]))"),
	qr/^54000 the texts of the request are too large/, 'many texts');
like(refused("SELECT ignisign_sign('t', repeat('x', 38000000)::bytea, $signers)"),
	qr/^IG005 document 1 is too large/, 'a document');
like(refused("SELECT set_config('ignisign.max_document_size', '1MB', true), "
	  . "ignisign_sign('t', array_fill(ignisign_document(repeat('x', 600000)::bytea), ARRAY[2]), $signers, delivery => 'one-call')"),
	qr/^IG005 the documents together are too large/, 'documents together');
like(refused("SELECT ignisign_sign('t', array_fill(ignisign_document('x'::bytea), ARRAY[101]), $signers)"),
	qr/^IG009 there are too many documents/, 'many documents');
like(refused("SELECT ignisign_sign('t', 'x'::bytea, (SELECT array_agg(ignisign_signer(i || '\@example.com', 'A', 'B')) FROM generate_series(1, 101) i))"),
	qr/^IG\d+ there are too many signers/, 'many signers');
like(refused("SELECT ignisign_webhook(jsonb_build_object('a', repeat('x', 1100000)))"),
	qr/^54000 the webhook message is too large/, 'a webhook message');
like(refused("SELECT ignisign_webhook(('{\"a\":' || repeat('[', 64) || repeat(']', 64) || '}')::jsonb)"),
	qr/^22023 the webhook message is not one of the API: it is nested more than 64 deep/, 'a webhook message: nested');
like(refused("SELECT ignisign_webhook(jsonb_build_object('a', array_fill(true, ARRAY[100000])))"),
	qr/^22023 the webhook message is not one of the API: it has more than 100000 values/, 'a webhook message: wide');
value("ALTER SYSTEM SET ignisign.max_request_size = '2MB'");
$node->reload;
ok(wait_for($node, "SELECT current_setting('ignisign.max_request_size') = '2MB'"), 'max_request_size');
is(refused("SELECT ignisign_call('POST', '/v4/nothing', jsonb_build_object('a', repeat('x', 1100000)))"),
	'taken', 'max_request_size: more');

# Answers in temporary files do not outlive a crash.

my $temporary = $node->data_dir . '/base/pgsql_tmp';

value("UPDATE ignisign.call SET state = 'dead' WHERE state = 'pending'");
$sandbox->fault('original share=1 status=200 huge=1500000 slow=400000');
value("SELECT $file");
ok(wait_for(sub { my @files = glob "$temporary/*"; return scalar @files }, { what => 'temporary file' }),
	'spool: a large answer is in a temporary file');
my ($spool) = glob "$temporary/*";
cmp_ok(-s $spool // 0, '<=', 3 * 1024 * 1024, 'spool: within its bound');
my $worker = value("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'ignisign worker%' AND datname = 'postgres'");
kill 'KILL', $worker;
ok(wait_for(sub { return !-e $spool }, { what => 'removal' }), 'spool: it is gone after a crash');
$sandbox->clear_faults;
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE state IN ('pending', 'sending')"),
	'spool: the call is made again');

my @left = glob "$temporary/*";
is(scalar @left, 0, 'spool: nothing is left');

$node->stop;
done_testing();
