# examples/replication: a reporting database without the extension gets what is
# published, all that follows, and nothing personal.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $primary = new_node('primary', undef, wal_level => 'logical', max_wal_senders => 4);
my $superuser = $primary->safe_psql('postgres', 'SELECT current_user');
my $reports = PostgreSQL::Test::Cluster->new('reports');

$reports->init;
$reports->start;
connect_example($primary, $sandbox);

# Ask, as the application; returns the request's id.
sub ask
{
	my ($title) = @_;

	return $primary->safe_psql('postgres', sign_sql($title, 'ann@example.com', 'bob@example.com'), extra_params => [ '-U', 'app' ]);
}

sub remote
{
	my ($id) = @_;

	ok(wait_for($primary, "SELECT status = 'IN_PROGRESS' FROM ignisign_status('$id')"), 'sent');
	return $primary->safe_psql('postgres', "SELECT signature_request_id FROM ignisign_status('$id')");
}

# One before the subscription, with history; one after.
my $before = ask('Before');
$sandbox->sign(remote($before));
ok(wait_for($primary, "SELECT proofs = 1 FROM ignisign_status('$before')"), 'signed');

is((run_example($primary, $superuser, example('replication/primary.sql')))[0], 0, 'the primary publishes');
my ($status, $out, $err) = run_example($reports, $superuser, example('replication/reports.sql'));
is($status, 0, 'the reporting database has the tables') or diag($err);
my ($subscribe) = slurp_file(example('replication/README.md')) =~ /^(CREATE SUBSCRIPTION.*?;)/ms;
my $connection = sprintf 'host=%s port=%s dbname=postgres user=reports', $primary->host, $primary->port;
ok($subscribe =~ s/CONNECTION '.*?'/CONNECTION '$connection'/, 'the README has the subscription');
$reports->safe_psql('postgres', $subscribe);
$reports->wait_for_subscription_sync($primary, 'ignisign_reports');
is($reports->safe_psql('postgres', "SELECT status, signed_count FROM ignisign.request WHERE id = '$before'"), 'COMPLETED|2', 'what was before is there');

my $after = ask('After');
$sandbox->sign(remote($after), 'ann@example.com');
ok(wait_for($reports, "SELECT signers = 1 FROM waiting WHERE id = '$after'"), 'what comes after arrives: one lets wait');
is($reports->safe_psql('postgres', 'SELECT owner, requests, signed, open FROM requests_by_day'), 'app|2|1|1', 'and is counted')
  if $reports->safe_psql('postgres', 'SELECT count(*) FROM requests_by_day') == 1;
$primary->wait_for_catchup('ignisign_reports');
is($reports->safe_psql('postgres', 'SELECT count(*) FROM ignisign.event'), $primary->safe_psql('postgres', 'SELECT count(*) FROM ignisign.event'), 'as is all history');
my $dump = `pg_dump -h ${\ $reports->host} -p ${\ $reports->port} -U $superuser postgres`;
like($dump, qr/$before/, 'in a dump of the reporting database');
unlike($dump, qr/example\.com|Ann|Lee|Before/, 'there is nothing personal');
is( $primary->safe_psql('postgres', "SELECT string_agg(attrelid::regclass || '.' || attname, ' ') FROM pg_attribute"
	  . " WHERE attname IN ('email', 'first_name', 'title', 'content', 'token', 'value') AND attrelid::regclass::text LIKE 'ignisign.%'"
	  . " AND has_column_privilege('reports', attrelid, attnum, 'SELECT') AND has_schema_privilege('reports', 'ignisign', 'USAGE')"),
	'', 'nor may the role read more');

# What is purged is gone here, too.
$primary->safe_psql('postgres', "SELECT ignisign_purge('proofs', '0'); SELECT ignisign_purge('requests', '0')");
ok(wait_for($reports, 'SELECT count(*) = 1 FROM ignisign.request'), 'what is forgotten is forgotten');
$reports->safe_psql('postgres', 'DROP SUBSCRIPTION ignisign_reports');

$reports->stop;
$primary->stop;
done_testing();
