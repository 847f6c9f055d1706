# examples/partitioning: the real tables become partitioned while calls are under
# way; nothing of them is lost, the worker goes on, partitions are dropped, a dump is
# restored, and the extension is updated.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
plan skip_all => 'pg_partman is not installed' unless -f "$sharedir/extension/pg_partman.control";
delete $ENV{IGNISIGN_PARTITIONED};

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('partitions', undef, max_locks_per_transaction => 256);
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $dir = PostgreSQL::Test::Utils::tempdir();
my @tables = qw(attempt event proof);

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }
sub app { return $node->safe_psql($_[1] // 'postgres', $_[0], extra_params => [ '-U', 'app' ]) }

# Run a file of the example; returns its errors, '' for success.
sub run_file
{
	my ($file, $database) = @_;
	my ($status, $out, $err) = run_example($node, $superuser, example("partitioning/$file"), PGDATABASE => $database // 'postgres');

	return $status == 0 ? '' : $err;
}

# Describe a table, without its key and where it is stored.
sub description
{
	my ($table, $database) = @_;

	return sql(<<~SQL, $database);
		SELECT a.attname, a.atttypid::regtype, a.attnotnull, a.attidentity, a.attstorage, pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = 'ignisign.$table'::regclass AND a.attnum > 0 ORDER BY a.attnum;
		SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'ignisign.$table'::regclass AND contype = 'c' ORDER BY 1;
		SELECT policyname, permissive, roles, cmd, qual, with_check FROM pg_policies WHERE schemaname = 'ignisign' AND tablename = '$table' ORDER BY 1;
		SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'ignisign.$table'::regclass AND NOT tgisinternal ORDER BY 1;
		SELECT relrowsecurity, relforcerowsecurity, relowner::regrole, obj_description(oid, 'pg_class'), (SELECT array_agg(x ORDER BY x::text) FROM unnest(relacl) x)
		FROM pg_class WHERE oid = 'ignisign.$table'::regclass;
		SELECT obj_description(to_regclass('ignisign.${table}_id_seq'), 'pg_class');
		SELECT e.extname, 'ignisign.${table}_id_seq' IN (SELECT unnest(e.extconfig)::regclass::text) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.objid = 'ignisign.$table'::regclass AND d.deptype = 'e';
		SQL
}

# Sum up the rows of a table that were there.
sub rows
{
	my ($table, $before, $database) = @_;

	return sql("SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM ignisign.$table t WHERE $before", $database);
}

connect_example($node, $sandbox);
sql('GRANT CREATE ON DATABASE postgres TO app');
app(<<~SQL);
	CREATE SCHEMA AUTHORIZATION app;
	CREATE TABLE app.log (request uuid, event jsonb);
	CREATE FUNCTION app.log(request uuid, event jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO app.log VALUES (request, event)';
	SELECT ignisign_on('*', 'app.log(uuid, jsonb)');
	CREATE VIEW app.sizes AS SELECT request, size FROM ignisign.proof;
	SQL
sql("CREATE ROLE stranger LOGIN; SELECT ignisign_grant('stranger'); GRANT SELECT (request, size) ON ignisign.proof TO stranger WITH GRANT OPTION");

my $done = app(sign_sql('Before', 'ann@example.com'));
is(app("SELECT ignisign_wait('$done', 'PROOF', '60 s')"), 't', 'a request is proven');
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.delivery'), 'all of it was delivered');

# What has happened long ago.
sql("INSERT INTO ignisign.attempt (request, started_at, operation, owner, server, attempt, outcome)"
	  . " SELECT '$done', now() - n * interval '1 month', 'status', 'app', 'ignisign', 1, 'done' FROM generate_series(1, 9) n");
sql("INSERT INTO ignisign.event (request, at, source, kind) SELECT '$done', now() - n * interval '1 month', 'user', 'resend' FROM generate_series(1, 9) n");
sql("INSERT INTO ignisign.proof SELECT request, document, 'CADES', signer, content, mime_type, sha256, size, fetched_at - interval '2 years' FROM ignisign.proof");
ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.delivery'), 'what is old is told to nobody');
my $told = sql('SELECT count(*) FROM app.log');
my $last = sql("SELECT max(id) FROM ignisign.event");
my %before = (
	attempt => 'started_at < ' . sql('SELECT quote_literal(clock_timestamp())'),
	event   => "id <= $last",
	proof   => "request = '$done'");
my %rows = map { $_ => rows($_, $before{$_}) } @tables;
my %description = map { $_ => description($_) } @tables;

# ---- Converting ----

sql('CREATE PUBLICATION p FOR TABLE ignisign.event');
like(run_file('partition.sql'), qr/a publication has one of the tables/, 'not while it is published');
sql('DROP PUBLICATION p');
is(sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'partman'"), '0', 'and nothing was changed');

# While calls are under way, and a transaction that reads lets it wait for a moment.
$sandbox->fault('one-call-sign count=8 delay-after=1500');
my @flying = map { app(sign_sql("Flying $_", 'ann@example.com')) } 1 .. 8;
ok(wait_for($node, "SELECT count(*) > 3 FROM ignisign.call WHERE state = 'sending'"), 'calls are under way');
my $reader = $node->background_psql('postgres', on_error_stop => 0);
$reader->query_until(qr/^held$/m, "BEGIN;\nSELECT FROM ignisign.event LIMIT 1;\n\\echo held\nSELECT pg_sleep(1);\nCOMMIT;\n");
is(run_file('partition.sql'), '', 'the tables are partitioned meanwhile');
$reader->quit;

for my $table (@tables)
{
	is(sql("SELECT relkind FROM pg_class WHERE oid = 'ignisign.$table'::regclass"), 'p', "$table is partitioned");
	is(description($table), $description{$table}, "$table is as it was");
	is(rows($table, $before{$table}), $rows{$table}, "$table has the rows that it had");
	is(sql("SELECT count(*) FROM ignisign.${table}_default"), '0', "$table has a partition for each of them");
	is(sql("SELECT count(*) FROM pg_inherits i WHERE inhparent = 'ignisign.$table'::regclass AND NOT EXISTS"
			. " (SELECT FROM pg_index x WHERE x.indrelid = i.inhrelid AND x.indisprimary)"), '0', "each partition of $table has a key");
	is(sql("SELECT to_regclass('ignisign.${table}_old') IS NULL"), 't', "nothing is left of the old $table");
}
my ($partition) = split /\n/, sql("SELECT tableoid::regclass FROM ignisign.event WHERE id = $last");

is(sql('SELECT (SELECT count(*) FROM app.sizes) - (SELECT count(*) FROM ignisign.proof)'), '0', 'a view of somebody\'s shows the new table');

# ---- The worker goes on ----

is(app("SELECT ignisign_wait('$_', 'PROOF', '60 s')"), 't', 'what was under way is proven') for @flying;
my %seen;
$seen{ $_->{title} }++ for $sandbox->requests;
is_deeply([ map { $seen{"Flying $_"} } 1 .. 8 ], [ (1) x 8 ], 'and was sent once');
is(sql("SELECT count(*) FROM ignisign.attempt WHERE outcome IN ('lost', 'reconcile', 'dead')"), '0', 'nothing was in doubt');
my $after = app(sign_sql('After', 'ann@example.com'));
is(app("SELECT ignisign_wait('$after', 'PROOF', '60 s')"), 't', 'a request is proven');
ok(wait_for($node, "SELECT count(*) > 3 FROM app.log WHERE request = '$after'"), 'its events are told');
is(sql("SELECT count(*) FROM app.log WHERE request = '$done'"), $told, 'what was moved is not');
is(sql("SELECT count(*) FROM ignisign.proof WHERE request = '$after'"), '1', 'it has one proof');
is(app("SELECT ignisign_fetch_proof('$after')"), 'f', 'which is not fetched again');
# Not even if the call for it should be there again, and the proof is in another partition.
sql("UPDATE ignisign.proof SET fetched_at = fetched_at - interval '1 year' WHERE request = '$after';"
	  . "INSERT INTO ignisign.call (request, operation, document, proof_type, owner, server) VALUES ('$after', 'proof', 1, 'PDF_WITH_SIGNATURES', 'app', 'ignisign');"
	  . " SELECT ignisign_refresh('$after')");
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE request = '$after'"), 'a proof comes twice');
is(sql("SELECT count(*) FROM ignisign.proof WHERE request = '$after'"), '1', 'and is stored once');
is(sql('SELECT count(*) = count(DISTINCT id) FROM ignisign.event'), 't', 'ids go on');

# Row security, and partitions that nobody reaches otherwise.
is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.$_", extra_params => [ '-U', 'stranger' ]), '0', "a stranger sees nothing of $_") for @tables;
cmp_ok(app("SELECT count(*) FROM ignisign.$_"), '>', 8, "the owner sees $_") for @tables;
my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM $partition", extra_params => [ '-U', 'app' ]);
like($err, qr/permission denied for table/, 'a partition cannot be read by itself');

# A statement on one request looks into the partitions by their keys.
unlike(sql("SET enable_seqscan = off; EXPLAIN SELECT ignisign_proof('$after')") . sql("SET enable_seqscan = off; EXPLAIN SELECT content FROM ignisign.proof WHERE request = '$after'"),
	qr/Seq Scan/, 'proofs are found by index');

# ---- Partitions come and go ----

my $months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ignisign.attempt'::regclass";
my $many = sql($months);
sql('SELECT partman.run_maintenance()');
cmp_ok(sql($months), '<=', $many - 5, 'partitions of old attempts are dropped');
is(sql("SELECT count(*) FROM ignisign.attempt WHERE started_at < now() - interval '5 months'"), '0', 'with their rows');
is(sql("SELECT count(*) FROM ignisign.event WHERE request = '$done' AND kind = 'resend'"), '9', 'events are kept');
is(sql("SELECT count(*) FROM ignisign.proof WHERE request = '$done'"), '2', 'as are proofs');
sql("UPDATE partman.part_config SET retention = '1 year' WHERE parent_table = 'ignisign.proof'; SELECT partman.run_maintenance()");
is(sql("SELECT proof_type FROM ignisign.proof WHERE request = '$done'"), 'PDF_WITH_SIGNATURES', 'until it is said how long');
is(sql("SELECT ignisign_purge('events', '40 days')"), '0', 'purging works, too: of events of requests that are closed for long');

# ---- Dump and restore ----

ok(wait_for($node, 'SELECT (SELECT count(*) FROM ignisign.call) + (SELECT count(*) FROM ignisign.delivery) = 0'), 'all is quiet');
$node->command_ok([ 'pg_dump', '--format=custom', '--file', "$dir/dump", '--dbname', $node->connstr('postgres') ], 'pg_dump');
sql('CREATE DATABASE copy');
sql('CREATE EXTENSION ignisign', 'copy');
is(run_file('parents.sql', 'copy'), '', 'another database is prepared');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), "$dir/dump" ], 'pg_restore');
for my $table (@tables)
{
	is(rows($table, 'true', 'copy'), rows($table, 'true'), "$table is the same in the copy");
	is(description($table, 'copy'), description($table), 'as is its definition');
	is(sql("SELECT string_agg(inhrelid::regclass::text || pg_get_expr(relpartbound, oid), ' ' ORDER BY relname) FROM pg_inherits JOIN pg_class c ON oid = inhrelid WHERE inhparent = 'ignisign.$table'::regclass", 'copy'),
		sql("SELECT string_agg(inhrelid::regclass::text || pg_get_expr(relpartbound, oid), ' ' ORDER BY relname) FROM pg_inherits JOIN pg_class c ON oid = inhrelid WHERE inhparent = 'ignisign.$table'::regclass"),
		'and are its partitions');
}
sql('SELECT partman.run_maintenance()', 'copy');
sql('SELECT ignisign_adopt()', 'copy');
my $copied = app(sign_sql('Copied', 'ann@example.com'), 'copy');
is(app("SELECT ignisign_wait('$copied', 'PROOF', '60 s')", 'copy'), 't', 'the copy goes on, once it is adopted');
is(sql('SELECT count(*) = count(DISTINCT id) FROM ignisign.event', 'copy'), 't', 'with ids that go on');
sql('DROP DATABASE copy WITH (FORCE)');

# ---- Update ----

sql('CREATE DATABASE older');
sql("CREATE EXTENSION ignisign VERSION '1.0'", 'older');
is(run_file('partition.sql', 'older'), '', 'an older version is partitioned');
sql('ALTER EXTENSION ignisign UPDATE', 'older');
is(sql("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'", 'older'), sql("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'"), 'and updated');
connect_node($node, $sandbox, 'older');
my $updated = sql(sign_sql('Updated', 'ann@example.com'), 'older');
is(sql("SELECT ignisign_wait('$updated', 'PROOF', '60 s')", 'older'), 't', 'it works');
sql('DROP EXTENSION ignisign CASCADE', 'older');
is(sql("SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = 'ignisign'", 'older'), '0', 'and is gone when it is dropped, with all partitions');

$node->stop;
done_testing();
