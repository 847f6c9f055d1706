# Webhooks through PostgREST, by what it does on the wire to PostgreSQL: one
# transaction for each request, in which the authenticator becomes the role that
# was granted for it, and the body is bound as the only parameter.  The grants are
# those of examples/postgrest, all of them are needed, and they give nothing else.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('postgrest', $sandbox, 'ignisign.refresh_interval' => "'1h'");
my $dir = PostgreSQL::Test::Utils::tempdir();

# The mapping for everybody is not to help.
$node->safe_psql('postgres', sprintf "CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_key '%s');"
	  . ' DROP USER MAPPING FOR public SERVER ignisign', $sandbox->key);
my @grants = slurp_file(example('postgrest/webhooks.sql')) =~ /^([A-Z].*?;)$/msg;
is(scalar @grants, 6, 'the example has the grants');
my ($documented) = slurp_file(example('../docs/reference.md')) =~ /^### With PostgREST\n.*?^```sql\n(.*?)^```/ms;
is_deeply([ map { s/:'api_key'/'skv2_development_...'/r } @grants ], [ $documented =~ /^([A-Z].*?;)$/msg ], 'as does the reference');
s/:'api_key'/"'" . $sandbox->key . "'"/e for @grants;

# A request to PostgREST: its status, of the transaction, is returned, and what
# was said.  pgbench speaks the extended protocol with a bound parameter.
sub post
{
	my ($body) = @_;

	append_to_file("$dir/request.sql", <<'END') unless -e "$dir/request.sql";
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT set_config('search_path', '"public"', true), set_config('role', 'webhooks', true), set_config('request.jwt.claims', '{"role":"webhooks"}', true), set_config('request.method', 'POST', true), set_config('request.path', '/rpc/ignisign_webhook', true), set_config('request.headers', '{"content-type":"application/json","host":"db.example.org"}', true), set_config('request.cookies', '{}', true);
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "public"."ignisign_webhook"(:body::jsonb) AS pgrst_scalar) pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null')::text AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status FROM (SELECT "ignisign_webhook".* FROM "pgrst_source" AS "ignisign_webhook") _postgrest_t;
COMMIT;
END
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-D', "body=$body", '-f', "$dir/request.sql",
			'-h', $node->host, '-p', $node->port, '-U', 'authenticator', 'postgres' ], '>', \$out, '2>', \$err);
	return $err =~ /ERROR:  (.*)/ ? $1 : $out =~ m{actually processed: 1/1} ? 'committed' : "$out$err";
}

my %message = (appId => 'appId_5a4db0c5-0000-4000-8000-000000000001', appEnv => 'DEVELOPMENT', topic => 'SIGNATURE_REQUEST',
	action => 'COMPLETED', msgNature => 'SUCCESS', content => {});
sub message { return encode_json({ %message, @_ }) }

# Without each of them it does not work.
my %without = (
	2 => qr/permission denied to set role|permission denied/,
	3 => qr/permission denied for function ignisign_webhook/,
	4 => qr/permission denied for foreign server ignisign/,
	5 => qr/there is no user mapping for "webhooks"/);
for my $missing (sort keys %without)
{
	$node->safe_psql('postgres', join ' ', map { $grants[$_] } grep { $_ != $missing } 0 .. 5);
	like(post(message(verificationToken => 'early')), $without{$missing}, "needed: $grants[$missing]");
	$node->safe_psql('postgres', 'DROP USER MAPPING IF EXISTS FOR webhooks SERVER ignisign; DROP OWNED BY webhooks; DROP ROLE authenticator; DROP ROLE webhooks');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM ignisign.webhook'), '0', 'nothing of this was stored');
is((run_example($node, $node->safe_psql('postgres', 'SELECT current_user'), example('postgrest/webhooks.sql'), IGNISIGN_API_KEY => $sandbox->key))[0],
	0, 'the example is run');
is(post(message(verificationToken => 'guess')), 'committed', 'with all of them it does');
is($node->safe_psql('postgres', 'SELECT owner FROM ignisign.webhook'), 'webhooks', 'a message is stored for the role');
ok(wait_for($node, "SELECT state = 'rejected' FROM ignisign.webhook"), 'and rejected, as its token was guessed');

# A message of the API: its request belongs to somebody else of the same application.
my $listener = listen_for_messages();
my $call = $node->safe_psql('postgres', sprintf "SELECT ignisign_create_webhook('%s')", $listener->url);
$node->safe_psql('postgres', "SELECT ignisign_result($call, '30 s')");
my $id = $node->safe_psql('postgres', sign_sql('Lease', 'ann@example.com'));
ok(wait_for($node, "SELECT sent_at IS NOT NULL FROM ignisign_status('$id')"), 'a request is sent');
$node->safe_psql('postgres', "SELECT ignisign_refresh('$id')");
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM ignisign.call WHERE request = '$id') AND status = 'IN_PROGRESS' FROM ignisign_status('$id')"), 'and known');
my $remote = $node->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
$sandbox->sign($remote);
is(post($listener->take(qr/"COMPLETED"/)), 'committed', 'a message of the API');
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'PROOF', '60 s')"), 't', 'has its effect');

# The body is anything: what is no message is an error, for PostgREST to answer.
like(post('{}'), qr/the webhook message is not one of the API: its "appId" is missing/, 'no message');
like(post('[]'), qr/not a JSON object/, 'no object');
like(post('{"a":'), qr/invalid input syntax for type json/, 'no JSON');
like(post(message(verificationToken => 'x', content => { x => "'); DROP TABLE ignisign.webhook; --" })), qr/^committed$/, 'what looks like SQL is a value');

# And nothing else.
for my $statement ('SELECT count(*) FROM ignisign.request', 'SELECT count(*) FROM ignisign.webhook', 'SELECT count(*) FROM ignisign.call',
	"SELECT ignisign_sign('x', 'x'::bytea, '[]'::jsonb)", "SELECT ignisign_status('$id')", "SELECT ignisign_proof('$id')", "SELECT ignisign_call('GET', '/v4/x')",
	'SELECT ignisign_application()', 'SELECT ignisign_result(1)', "SELECT ignisign_cancel('$id')", "SELECT ignisign_purge('proofs', '0')", 'SELECT ignisign_adopt()',
	"SELECT ignisign.ask('application', '{}', 'ignisign')", 'SELECT umoptions FROM pg_user_mapping')
{
	my ($out, $err) = ('', '');

	$node->psql('postgres', "SET ROLE webhooks; $statement", stdout => \$out, stderr => \$err);
	like($err, qr/permission denied/, "not granted: $statement");
}
is($node->safe_psql('postgres', 'SET ROLE webhooks; SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL AND usename <> current_user'), '0',
	'nor are the keys of others');

$node->stop;
done_testing();
