# The API key is nowhere but in the user mapping and on the wire, and who has
# been granted nothing can read nothing.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('secrets', $sandbox, log_statement => 'all', log_min_messages => 'debug5',
	log_min_error_statement => 'debug5');

# The part of the key that must not be seen.
my $secret = ($sandbox->key =~ /_([^_]+)$/)[0];

# Use the key with success, with a refusal, with a wrong key, and wrongly.

my $id = $node->safe_psql('postgres', sign_sql('secret', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$id')"), 'a request goes out');
$sandbox->fault('one-call-sign count=1 status=401');
$id = $node->safe_psql('postgres', sign_sql('secret 2', 'ann@example.com'));
ok(wait_for($node, 'SELECT count(*) = 1 FROM ignisign.parked'), 'a request is refused');
for my $key ($sandbox->key . ' x', 'skv2_nowhere_x_' . $secret)
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT ignisign_connect('$key')");

	isnt($status, 0, 'a malformed key is refused');
	unlike($err, qr/$secret/, 'and not repeated');
	($status, $out, $err) = $node->psql('postgres',
		"CREATE USER MAPPING FOR CURRENT_USER SERVER ignisign OPTIONS (api_key '$key')");
	isnt($status, 0, 'a malformed key is refused by CREATE USER MAPPING');
}
my ($status) = $node->psql('postgres', "CREATE USER MAPPING FOR PUBLIC SERVER ignisign OPTIONS (api_key '" . $sandbox->key . "')");
isnt($status, 0, 'a second mapping is refused');

# Look for it, in the log as it was before that.

my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);

for my $table (split /\n/, $node->safe_psql('postgres', <<~SQL))
	SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'ignisign' AND c.relkind = 'r'
	SQL
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM $table t WHERE t::text LIKE '%$secret%'"),
		'0', "$table does not have the key");
}
is( $node->safe_psql(
		'postgres', <<~SQL), '0', 'pg_stat_activity of the workers does not have it');
	SELECT count(*) FROM pg_stat_activity a
	WHERE a::text LIKE '%$secret%' AND pid <> pg_backend_pid()
	SQL
is(scalar(grep { /\Q$secret\E/ } split /\n/, $log),
	0, 'the server log does not have it');
like($log,
	qr/skv2_\*+/, 'the log shows that there was a key');

# A role without grants.

$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
for my $query (
	'SELECT * FROM ignisign.request', 'SELECT * FROM ignisign.document',
	'SELECT * FROM ignisign.proof', 'SELECT * FROM ignisign.call',
	'SELECT * FROM ignisign.attempt', 'SELECT * FROM ignisign.event',
	'SELECT * FROM ignisign.signer', 'SELECT * FROM ignisign.origin',
	'SELECT * FROM ignisign.requests', "SELECT * FROM ignisign_status('$id')",
	"SELECT ignisign_proof('$id')", 'SELECT * FROM ignisign_stats()',
	"SELECT ignisign_sign('t', '\\x25'::bytea, '[]'::jsonb)")
{
	my ($result, $out, $err) = $node->psql('postgres', $query, extra_params => [ '-U', 'stranger' ]);

	like($err, qr/permission denied/, "a stranger cannot: $query");
}
is( $node->safe_psql(
		'postgres',
		"SELECT string_agg(coalesce(umoptions::text, 'none'), ' ') FROM pg_user_mappings",
		extra_params => [ '-U', 'stranger' ]),
	'none',
	'a stranger cannot see the mapping');

$node->stop;
done_testing();
