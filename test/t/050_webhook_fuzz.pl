# Webhook messages that were broken at random, from a fixed seed: each is stored
# or refused with an error of its own, and neither session nor worker ends.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $count = $ENV{IGNISIGN_WEBHOOK_FUZZ} // 2000;
my $sandbox = start_sandbox();
my $node = new_node('webhook_fuzz', $sandbox, 'log_statement' => 'none', 'log_min_messages' => 'warning');
my ($app) = $sandbox->key =~ /^skv2_development_([^_]+)/;

# What the API sends.
my @seeds = map { encode_json({ appId => "appId_$app", appEnv => 'DEVELOPMENT', msgNature => 'SUCCESS', %$_ }) } (
	{ topic => 'SIGNATURE_REQUEST', action => 'LAUNCHED', verificationToken => 'token-1',
		content => { signatureRequestId => '67a1c0de0000000000000001', status => 'IN_PROGRESS',
			signers => { signersEmbedded => [ { signerId => '67a1c0de0000000000000012', token => 'session' } ] } } },
	{ topic => 'SIGNATURE', action => 'FAILED', verificationToken => 'token-2',
		content => { signerId => '67a1c0de0000000000000011' },
		error => { errorCode => 'DOCUMENT_SIGNATURE_FAILED', message => "Caf\x{e9}", context => {} } },
	{ topic => 'SIGNATURE_PROOF', action => 'GENERATED', verificationToken => 'token-3', content => {} });

# What is put in at random places.
my @pieces = (
	'"', '\\', '\\u0000', '\\ud800', '\\ud83d\\ude00', '{', '}', '[', ']', ':', ',', 'null', 'true', '-0', '1e308', '1e9999',
	"\0", "\xff", "\xc3\xa9", "'", '$1', '"token"', 'x' x 600, '[' x 200, '{"a":' x 200, '"verificationToken":"', '""');

# One message, broken in up to four places.
sub broken
{
	my $text = $seeds[ rand @seeds ];

	$text =~ s/token-\d/'token-' . int(rand 1e9)/e;
	for (1 .. 1 + int rand 4)
	{
		my $at = int rand length $text;
		my $kind = int rand 5;

		substr($text, $at, 1) = chr(int rand 256) if $kind == 0;
		substr($text, $at, 1 + int rand 20) = '' if $kind == 1;
		substr($text, $at, 0) = $pieces[ rand @pieces ] if $kind == 2;
		substr($text, $at, 0) = substr($text, int rand length $text, int rand 40) if $kind == 3;
		$text =~ s/"([^"]*)":"([^"]*)"/'"' . $1 . '":' . (42, 'null', '[]', '{}', '""', 'false')[ rand 6 ]/e if $kind == 4;
		last unless length $text;
	}
	return $text;
}

srand 20;
my $messages = join ",\n", map { "'" . unpack('H*', broken()) . "'" } 1 .. $count;
my $workers = 'SELECT string_agg(pid::text, \' \') FROM pg_stat_activity WHERE backend_type = \'ignisign worker\'';
my $worker = $node->safe_psql('postgres', $workers);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

$node->safe_psql('postgres', <<"SQL");
CREATE TABLE outcome (state text, message text);
DO \$\$
DECLARE
	hex text;
BEGIN
	FOREACH hex IN ARRAY ARRAY[$messages] LOOP
		BEGIN
			PERFORM ignisign_webhook(convert_from(decode(hex, 'hex'), 'UTF8')::jsonb);
			INSERT INTO outcome VALUES ('00000', NULL);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO outcome VALUES (SQLSTATE, SQLERRM);
		END;
	END LOOP;
END
\$\$;
SQL

is($node->safe_psql('postgres', 'SELECT count(*) FROM outcome'), $count, 'every message came to an end');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM outcome WHERE state = '00000'"), '>', $count / 20, 'some are stored');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM outcome WHERE state = '22023'"), '>', $count / 20, 'some lack what they need');

# 22P02, 22P05, 22021: it is not jsonb at all; 54001: nested too deeply for it.
is($node->safe_psql('postgres',
		"SELECT DISTINCT state, message FROM outcome WHERE state NOT IN ('00000', '22023', '54000', '22P02', '22P05', '22021', '54001', '22003')"),
	'', 'none fails in another way');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.webhook WHERE state = 'unverified'"), 'the API is asked about each that is stored');
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.webhook WHERE state <> 'rejected'"), '0', 'and knows none of them');
is($node->safe_psql('postgres', $workers), $worker, 'the worker is the same');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'and the server did not crash');

$node->stop;
done_testing();
