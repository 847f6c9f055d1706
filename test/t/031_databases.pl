# A database changes under its worker: renamed, moved, copied, closed, dropped,
# its extension dropped and made anew, all of it while calls are under way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('changes', $sandbox,
	allow_in_place_tablespaces => 'on',
	'ignisign.reconcile_delay' => '1s');

# How many of the titles that start with a word have arrived, and each once.
sub arrived
{
	my ($word, $n, $database, $name) = @_;
	my %seen;

	ok( wait_for($node, "SELECT count(*) = $n FROM ignisign.request WHERE title LIKE '$word %' AND sent_at IS NOT NULL",
			$database, { timeout => 60 }),
		"$name: all are sent");
	$seen{ $_->{title} }++ for grep { $_->{title} =~ /^$word / } $sandbox->requests;
	is_deeply([ scalar(keys %seen), grep { $seen{$_} > 1 } keys %seen ], [$n], "$name: each once");
	return;
}

# Sign n contracts in a database, and wait until some of them are under way.
sub sign_slowly
{
	my ($word, $n, $database, $fault) = @_;
	my $hex = unpack 'H*', pdf('contract');

	$sandbox->fault("one-call-sign count=$n " . ($fault // 'delay=200'));
	$node->safe_psql($database, <<"SQL");
SELECT count(ignisign_sign(title => '$word ' || i, document => '\\x$hex'::bytea,
	signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')])) FROM generate_series(1, $n) i
SQL
	ok(wait_for($node, "SELECT count(*) > 0 FROM ignisign.call WHERE state = 'sending'", $database, { timeout => 20 }),
		"$word: calls are under way");
	return;
}

$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION ''");
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', 'CREATE EXTENSION ignisign');
connect_node($node, $sandbox, 'one');
$node->safe_psql('one', "ALTER SERVER ignisign OPTIONS (ADD max_in_flight '10')");

# What is under way is waited for: no call's outcome becomes unknown.

sign_slowly('renamed', 30, 'one');
$node->safe_psql('postgres', 'ALTER DATABASE one RENAME TO two');
arrived('renamed', 30, 'two', 'RENAME');
sign_slowly('moved', 30, 'two');
$node->safe_psql('postgres', 'ALTER DATABASE two SET TABLESPACE elsewhere');
arrived('moved', 30, 'two', 'SET TABLESPACE');
is($node->safe_psql('two', "SELECT count(*) FROM ignisign.attempt WHERE outcome <> 'done'"), '0', 'no call was cut off');

# The copy of a database with calls under way holds still.

sign_slowly('copied', 30, 'two');
$node->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE two');
arrived('copied', 30, 'two', 'TEMPLATE');
ok(wait_for($node, "SELECT bool_and(worker_state LIKE 'parked%') FROM ignisign_stats()", 'twin'), 'the copy is parked');
is($node->safe_psql('twin', "SELECT count(*) > 0 FROM ignisign.call"), 't', 'with a queue');

# A call that takes too long for that is looked for, not repeated.

sign_slowly('slow', 3, 'two', 'delay-after=3000');
$node->safe_psql('postgres', 'ALTER DATABASE two RENAME TO three');
is($node->safe_psql('three', "SELECT count(*) FROM ignisign.call WHERE operation = 'one-call-sign' AND state IN ('sending', 'unknown')"),
	'3', 'the command did not wait for it');
$sandbox->clear_faults;
arrived('slow', 3, 'three', 'RENAME with slow answers');

# A command that fails lets the worker in again.

my ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE three RENAME TO twin');

like($err, qr/already exists/, 'a command fails');
ok(wait_for($node, "SELECT bool_and(worker_state = 'running') FROM ignisign_stats()", 'three'), 'the worker is back');

# A database that allows no connections has no worker; when it allows them again
# its queue goes on, though nobody queues anything.

$sandbox->fault('one-call-sign share=1 status=503');
$node->safe_psql('three', sign_sql("closed $_", 'ann@example.com')) for 1 .. 3;
$node->safe_psql('postgres', 'ALTER DATABASE three ALLOW_CONNECTIONS false');
$node->restart;
$sandbox->clear_faults;
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'twin'"), 'other databases have their workers');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'three'"), '0', 'a closed database has none');
$node->safe_psql('postgres', 'ALTER DATABASE three ALLOW_CONNECTIONS true');
arrived('closed', 3, 'three', 'ALLOW_CONNECTIONS');

# The limit of connections is for sessions; a worker is none.

$node->safe_psql('postgres', 'ALTER DATABASE three CONNECTION LIMIT 0');
$node->restart;
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'three'"),
	'CONNECTION LIMIT does not keep the worker out');

# What an interrupted DROP DATABASE leaves cannot be connected to.

$node->safe_psql('postgres', "CREATE DATABASE broken; UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'");
$node->stop;
my $offset = -s $node->logfile;

$node->start;
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign worker' AND datname = 'three'"), 'the workers are back');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset), qr/invalid database/, 'an invalid database is left alone');
$node->safe_psql('postgres', 'DROP DATABASE broken');

# Settings of the database are for its sessions; the worker has its own.

$node->safe_psql('postgres', <<'SQL');
ALTER DATABASE three CONNECTION LIMIT -1;
CREATE ROLE powerless;
ALTER DATABASE three SET role = 'powerless';
ALTER DATABASE three SET default_transaction_read_only = on;
ALTER DATABASE three SET default_transaction_isolation = 'serializable';
ALTER DATABASE three SET statement_timeout = '1ms';
ALTER DATABASE three SET lock_timeout = '1ms';
ALTER DATABASE three SET idle_session_timeout = '1ms';
ALTER DATABASE three SET idle_in_transaction_session_timeout = '1ms';
ALTER DATABASE three SET session_replication_role = 'replica';
ALTER DATABASE three SET enable_indexscan = off;
ALTER DATABASE three SET row_security = off;
ALTER DATABASE three SET search_path = 'nowhere';
ALTER DATABASE three SET quote_all_identifiers = on;
ALTER DATABASE three SET array_nulls = off;
ALTER DATABASE three SET transform_null_equals = on;
ALTER DATABASE three SET bytea_output = 'escape';
ALTER DATABASE three SET DateStyle = 'SQL, DMY';
ALTER DATABASE three SET IntervalStyle = 'sql_standard';
ALTER DATABASE three SET TimeZone = 'Asia/Kathmandu';
ALTER DATABASE three SET extra_float_digits = -15;
SQL
# The setting has another name since 16.
$node->safe_psql('postgres', 'ALTER DATABASE three SET '
	  . ($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode') . ' = on');
# It cannot be off since 19.
$node->safe_psql('postgres', 'ALTER DATABASE three SET standard_conforming_strings = off')
  if $node->safe_psql('postgres', 'SHOW server_version_num') < 190000;
$node->safe_psql('postgres', 'ALTER DATABASE three SET transaction_timeout = 1') if $node->pg_version >= 17;
$node->restart;
{
	# Sessions of the test are not to have them.
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } 'default_transaction_isolation=read\ committed',
	  qw(role=none default_transaction_read_only=off session_replication_role=origin
	  statement_timeout=0 lock_timeout=0 idle_session_timeout=0 transform_null_equals=off
	  search_path=public standard_conforming_strings=on bytea_output=hex),
	  $node->pg_version >= 17 ? 'transaction_timeout=0' : ();

	$node->safe_psql('three', sign_sql('settings 1', 'ann@example.com'));
	arrived('settings', 1, 'three', 'settings of the database');
}

# DROP EXTENSION under load, again and again: it does not fail, the worker does
# not, and the extension that comes after it works.

$node->safe_psql('postgres', 'CREATE DATABASE load');
$offset = -s $node->logfile;
for my $round (1 .. 4)
{
	$node->safe_psql('load', 'CREATE EXTENSION ignisign');
	connect_node($node, $sandbox, 'load');
	sign_slowly("dropped in round $round", 100, 'load', 'delay=500');
	($status, $out, $err) = $node->psql('load', 'DROP EXTENSION ignisign CASCADE');
	is($status, 0, "round $round: DROP EXTENSION") or diag($err);
}
$node->safe_psql('load', 'CREATE EXTENSION ignisign');
connect_node($node, $sandbox, 'load');
$sandbox->clear_faults;
$node->safe_psql('load', sign_sql('anew 1', 'ann@example.com'));
arrived('anew', 1, 'load', 'CREATE EXTENSION after DROP EXTENSION');
is($node->safe_psql('load', "SELECT count(*) FROM ignisign.attempt WHERE request NOT IN (SELECT id FROM ignisign.request) AND operation <> 'status'"),
	'0', 'nothing of the dropped ones is in it');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset), qr/ignisign worker.*(ERROR|FATAL)|deadlock/, 'the worker never failed');

# In one transaction, and rolled back.

sign_slowly('undone', 30, 'load', 'delay=1000');
$node->safe_psql('load', 'BEGIN; DROP EXTENSION ignisign CASCADE; ROLLBACK');
arrived('undone', 30, 'load', 'DROP EXTENSION rolled back');
$node->safe_psql('load', 'BEGIN; DROP EXTENSION ignisign CASCADE; CREATE EXTENSION ignisign; COMMIT');
connect_node($node, $sandbox, 'load');
$node->safe_psql('load', sign_sql('replaced 1', 'ann@example.com'));
arrived('replaced', 1, 'load', 'dropped and made in one transaction');

# DROP DATABASE under load.

sign_slowly('gone', 30, 'load', 'delay=1000');
($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE load');
is($status, 0, 'DROP DATABASE') or diag($err);
$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|server process .* was terminated/, 'nothing crashed');
done_testing();
