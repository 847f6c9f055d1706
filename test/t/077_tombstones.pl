# An id that has or had a request gets no other one by a trigger: rows outlive requests.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('tombstones', $sandbox);
my $dump = PostgreSQL::Test::Utils::tempdir('tombstones') . '/dump';

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# SQLSTATE, message and hint of a statement that is refused.
sub refusal
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	return $status == 0 ? 'done' : join ' ', $err =~ /ERROR:  (.*)/, $err =~ /HINT:  (.*)/;
}

# A statement does nothing: no request, and no call.
sub does_nothing
{
	my ($sql, $what) = @_;
	my $count = 'SELECT (SELECT count(*) FROM ignisign.request), (SELECT max(id) FROM ignisign.call)';
	my $before = sql($count);

	is(refusal($sql), 'done', $what);
	return is(sql($count), $before, '... and signs nothing');
}

# Sign a row of a table; returns its id.
sub insert
{
	my ($table, $id, $title) = @_;

	return sql("INSERT INTO $table (id, title, pdf, email) VALUES ($id, '$title', '%PDF-1', 'ann\@example.com') RETURNING signature_id");
}

my $columns = 'id int, title text, pdf bytea, email text, note text, signature_id uuid DEFAULT ignisign_id()';
my $arguments = "'title', 'pdf', 'email', 'signature_id'";
my $used = qr/23505: a request with the id [0-9a-f-]{36} existed already, and was deleted .*ignisign_id\(\)/;
my $here = qr/23505: a request with the id [0-9a-f-]{36} exists already .*ignisign_id\(\)/;

sql(<<~SQL);
	CREATE ROLE ann; CREATE ROLE bob;
	SELECT ignisign_grant(role) FROM unnest('{ann,bob}'::name[]) role;
	CREATE TABLE contract ($columns, PRIMARY KEY (id));
	CREATE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW EXECUTE FUNCTION ignisign_sign_trigger($arguments);
	CREATE TRIGGER sign_later AFTER UPDATE ON contract FOR EACH ROW WHEN (NEW.pdf IS NOT NULL)
		EXECUTE FUNCTION ignisign_sign_trigger($arguments);
	CREATE TABLE batch ($columns);
	CREATE TRIGGER sign AFTER INSERT ON batch REFERENCING NEW TABLE AS new FOR EACH STATEMENT
		EXECUTE FUNCTION ignisign_sign_trigger($arguments);
	CREATE TABLE archive ($columns, old boolean DEFAULT false, PRIMARY KEY (id, old)) PARTITION BY LIST (old);
	CREATE TABLE archive_new PARTITION OF archive FOR VALUES IN (false);
	CREATE TABLE archive_old PARTITION OF archive FOR VALUES IN (true);
	CREATE TRIGGER sign AFTER INSERT OR UPDATE ON archive FOR EACH ROW EXECUTE FUNCTION ignisign_sign_trigger($arguments);
	GRANT ALL ON contract, batch, archive TO ann, bob
	SQL

# ---- While the request is there ----

my $id = insert('contract', 1, 'Lease');
my $moved = insert('archive', 1, 'Moved');
my $batch = insert('batch', 1, 'Batch');
sql("SELECT ignisign_wait('$_', 'COMPLETED', '60 s')") for $id, $moved, $batch;
does_nothing("UPDATE contract SET title = 'x' WHERE id = 1", 'an UPDATE');
does_nothing('UPDATE archive SET old = NOT old', 'a row that moves to another partition');
does_nothing("DELETE FROM contract; INSERT INTO contract VALUES (1, 'Lease', '%PDF-1', 'ann\@example.com', 'y', '$id')", 'the same row again');
does_nothing("INSERT INTO batch SELECT * FROM batch", 'the same rows by a statement');
my $other = "INSERT INTO contract VALUES (2, 'Other', '%PDF-1', 'ann\@example.com', 'y', '$id')";
like(refusal($other), $here, 'another row');
like(refusal("INSERT INTO batch VALUES (2, 'Batch', '%PDF-2', 'ann\@example.com', 'y', '$batch')"), $here, 'another document, by a statement');
like(refusal("INSERT INTO contract VALUES (2, 'Lease', NULL, 'ann\@example.com', 'y', '$id')"), $here, 'a row without its document');
like(refusal("SET ROLE bob; INSERT INTO contract VALUES (2, 'Lease', '%PDF-1', 'ann\@example.com', 'y', '$id')"), $here, 'the same row by another role');
like(refusal("INSERT INTO batch SELECT 3, 'Twice', '%PDF-1', 'ann\@example.com', 'y', i.i FROM (SELECT ignisign_id() i) i, generate_series(1, 2)"),
	$here, 'one id twice in a statement');

# One that is canceled.
my $canceled = insert('contract', 3, 'Canceled');
sql("SELECT ignisign_wait('$canceled', 'SENT', '60 s')");
sql("UPDATE ignisign.request SET status = 'CANCELLED', closed_at = now() WHERE id = '$canceled'");

# ---- After it was purged ----

ok(wait_for($node, 'SELECT NOT EXISTS (SELECT FROM ignisign.call)'), 'all is done');
sql("SELECT ignisign_purge(what, '0') FROM unnest('{proofs,calls,requests}'::text[]) what");
is(sql('SELECT count(*) FROM ignisign.request'), '0', 'the requests are purged');
is(sql('SELECT count(*), count(fingerprint), count(DISTINCT owner) FROM ignisign.tombstone'), '4|4|1', 'and leave their ids');
my $sent = $sandbox->requests;

does_nothing('UPDATE contract SET id = id, title = title, pdf = pdf, email = email, note = note', 'an UPDATE of all columns');
does_nothing("UPDATE contract SET title = 'Changed' WHERE id = 1", 'an UPDATE that changes the row');
sql("UPDATE contract SET title = 'Lease' WHERE id = 1");
does_nothing('UPDATE archive SET old = NOT old', 'a row that moves to another partition');
does_nothing("DELETE FROM contract WHERE id = 1; INSERT INTO contract VALUES (1, 'Lease', '%PDF-1', 'ann\@example.com', 'y', '$id')", 'the same row again');
does_nothing("INSERT INTO batch SELECT * FROM batch LIMIT 1", 'the same row by a statement');
like(refusal($other), $used, 'another row');
like(refusal("INSERT INTO batch VALUES (2, 'Batch', '%PDF-2', 'ann\@example.com', 'y', '$batch')"), $used, 'another document, by a statement');
like(refusal("SET ROLE bob; INSERT INTO contract VALUES (2, 'Lease', '%PDF-1', 'ann\@example.com', 'y', '$id')"), $used, 'the same row by another role');
like(refusal("UPDATE archive SET title = 'x', old = NOT old"), $used, 'a row that changes and moves');
isnt(sql("UPDATE contract SET signature_id = NULL WHERE id = 1; SELECT signature_id FROM contract WHERE id = 1"), $id, 'with no id in its row it is signed again');
is(sql('SELECT count(*) FROM ignisign.request'), '1', '... once');
is(sql("SELECT ignisign_wait(id, 'SENT', '60 s') FROM ignisign.request"), 't', '... and sent');
is(scalar($sandbox->requests), $sent + 1, 'nothing else was sent');

# ---- However it was deleted, and whoever looks ----

my $anns = sql("SET ROLE ann; INSERT INTO contract (id, title, pdf, email) VALUES (4, 'Hers', '%PDF-1', 'ann\@example.com') RETURNING signature_id");
sql('SELECT ignisign_wait(id, \'SENT\', \'60 s\') FROM ignisign.request');
sql("DELETE FROM ignisign.request WHERE id = '$anns'");
does_nothing("UPDATE contract SET note = 'z' WHERE id = 4", 'a request that was deleted by hand');
sql('GRANT SELECT ON ignisign.tombstone TO ann');
is(sql('SET ROLE ann; SELECT count(*) FROM ignisign.tombstone'), '1', 'a role sees its own');
insert('contract', 5, 'Truncated');
sql('TRUNCATE ignisign.request');
does_nothing("UPDATE contract SET note = 'z' WHERE id = 5", 'a request that was truncated');
like(refusal("SET ROLE ann; CREATE TABLE ann (id int, owner int, server int, fingerprint int);"
		. ' CREATE TRIGGER t AFTER DELETE ON ann FOR EACH ROW EXECUTE FUNCTION ignisign.request_deleted()'),
	qr/^42501/, 'nobody else can leave an id there');
is(sql("SELECT ignisign_reassign('ann', 'bob')") . sql("SELECT owner FROM ignisign.tombstone WHERE id = '$anns'"), '0bob', 'ids are reassigned');

# ---- In a dump ----

$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dump');
sql('CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), $dump ], 'pg_restore');
is(sql('SELECT md5(string_agg(t::text, \'\' ORDER BY id)) FROM ignisign.tombstone t', 'copy'),
	sql('SELECT md5(string_agg(t::text, \'\' ORDER BY id)) FROM ignisign.tombstone t'), 'a dump has them');

# ---- Until they are purged ----

is(sql("SELECT ignisign_purge('tombstones', '1 day')"), '0', 'young ones stay');
is(sql("SELECT ignisign_purge('tombstones', '0') > 5"), 't', 'they are purged when that is asked for');
my $again = sql("UPDATE archive SET note = 'again' RETURNING signature_id");
is(sql('SELECT id FROM ignisign.request'), $again, 'then an UPDATE signs it again');

$node->stop;
done_testing();
