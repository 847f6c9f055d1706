# examples/tenants: several tenants, each with an account of its own, of which none
# sees or uses another's; and an application that becomes one for a transaction.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my %sandbox = (
	acme   => start_sandbox(sign_after => 0, proof_delay => 0),
	globex => start_sandbox(
		sign_after  => 0,
		proof_delay => 0,
		api_key     => 'skv2_development_5a4db0c5-0000-4000-8000-000000000002_anothersecret'));
my $node = new_node('tenants');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $hex = unpack 'H*', pdf('lease');

# Run SQL as a login; returns what it printed, or the error.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = run_example($node, $role, [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', $sql ]);

	chomp $out;
	return $status == 0 ? $out : $err =~ /ERROR:  (.*)/ ? $1 : $err;
}

sub insert { return "INSERT INTO contract (title, pdf, signers) VALUES ('$_[0]', '\\x$hex', '[{\"email\": \"$_[0]\@example.com\", \"firstName\": \"$_[0]\"}]')" }

is((run_example($node, $superuser, example('tenants/tenants.sql')))[0], 0, 'the table');
for my $tenant (sort keys %sandbox)
{
	my ($status, $out, $err) = run_example($node, $superuser, [ example('tenants/add-tenant.sql'), '-v', "tenant=$tenant" ],
		IGNISIGN_API_KEY  => $sandbox{$tenant}->key,
		IGNISIGN_BASE_URL => $sandbox{$tenant}->url);
	is($status, 0, "the tenant $tenant") or diag($err);
}

# Each for itself.
is(as($_, insert($_)), '', "$_ inserts a contract") for sort keys %sandbox;
# The application, for both.
is(as('tenants_app', "BEGIN; SET LOCAL ROLE $_; " . insert("app-$_") . '; COMMIT'), '', "the application does, as $_") for sort keys %sandbox;

ok(wait_for($node, 'SELECT count(*) = 4 FROM ignisign.requests WHERE proofs = 1'), 'all are signed');
for my $tenant (sort keys %sandbox)
{
	is_deeply([ sort map { $_->{title} } $sandbox{$tenant}->requests ], [ sort $tenant, "app-$tenant" ], "with the account of $tenant");
	is(as($tenant, 'SELECT string_agg(title, \' \' ORDER BY title) FROM contract JOIN ignisign.requests r USING (title)'), join(' ', sort "app-$tenant", $tenant),
		"$tenant sees its contracts and requests");
	is(as($tenant, 'SELECT DISTINCT tenant FROM contract'), $tenant, 'and no contract of another');
}

# Nobody sees anything of another's, in any table.
my %visible = map { $_ => 1 } split /\n/, as('acme', "SELECT tablename FROM pg_tables WHERE schemaname = 'ignisign' AND has_table_privilege(format('ignisign.%I', tablename), 'SELECT')");
my @with_owner = split /\n/, $node->safe_psql('postgres',
	"SELECT table_name FROM information_schema.columns WHERE table_schema = 'ignisign' AND column_name = 'owner' AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'ignisign')");
my @with_request = split /\n/, $node->safe_psql('postgres',
	"SELECT table_name FROM information_schema.columns WHERE table_schema = 'ignisign' AND column_name = 'request' AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'ignisign')");

for my $table (grep { $visible{$_} } @with_owner)
{
	is(as('acme', "SELECT count(*) FROM ignisign.$table WHERE owner <> 'acme'"), '0', "$table shows none of another's");
}
my $foreign = $node->safe_psql('postgres', "SELECT string_agg(quote_literal(id), ', ') FROM ignisign.request WHERE owner = 'globex'");
for my $table (grep { $visible{$_} } @with_request)
{
	is(as('acme', "SELECT count(*) FROM ignisign.$table WHERE request IN ($foreign)"), '0', "$table shows nothing of another's request");
}
cmp_ok(as('acme', "SELECT count(*) FROM ignisign.$_"), '>', 0, "$_ shows one's own") for qw(request signer document proof attempt event);

# Nor through functions.
my $victim = $node->safe_psql('postgres', "SELECT id FROM ignisign.request WHERE title = 'globex'");
is(as('acme', "SELECT count(*) FROM ignisign_status('$victim')"), '0', 'no status');
is(as('acme', "SELECT ignisign_proof('$victim') IS NULL"), 't', 'no proof');
like(as('acme', $_->[0]), $_->[1], "refused: $_->[0]")
  for [ "SELECT ignisign_cancel('$victim')", qr/there is no request/ ],
  [ "SELECT ignisign_refresh('$victim')", qr/there is no request/ ],
  [ "SELECT ignisign_application('globex')", qr/permission denied for foreign server globex/ ],
  [ sign_sql('x', 'x@example.com') =~ s/signers =>/server => 'globex', signers =>/r, qr/permission denied for foreign server globex/ ],
  [ sign_sql('x', 'x@example.com'), qr/server "ignisign" does not exist/ ],
  [ "INSERT INTO contract (tenant, title, pdf, signers) VALUES ('globex', 'x', 'x', '[]')", qr/violates row-level security/ ],
  [ "SELECT count(*) FROM pg_user_mapping", qr/permission denied/ ],
  [ 'SET ROLE globex', qr/permission denied/ ];
is(as('acme', "SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL AND usename <> 'acme'"), '0', 'no key');
is(as('acme', "SELECT string_agg(server, ' ') FROM ignisign_stats()"), 'acme', 'no figures');
is(as('tenants_app', 'SELECT count(*) FROM contract'), 'permission denied for table contract', 'the application is nobody before it becomes one');

# A tenant whose account does not work holds up nobody else.
$sandbox{acme}->stop;
is(as('acme', insert('waits')), '', 'one that cannot be sent');
is(as('globex', insert('passes')), '', 'and one that can');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.requests WHERE title = 'passes' AND proofs = 1"), 'which is signed');
is($node->safe_psql('postgres', "SELECT sent_at IS NULL FROM ignisign.request WHERE title = 'waits'"), 't', 'while the other waits');

$node->stop;
done_testing();
