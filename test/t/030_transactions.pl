# What is queued goes out when, and only when, its transaction has committed:
# whole or in part, at once or prepared, and under any settings of the session.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox();
my $node = new_node('transactions', $sandbox, max_prepared_transactions => 10);
my %told;

# The signatures of these titles have arrived, and none other since last time.
sub arrived
{
	my ($name, @titles) = @_;
	my $list = join ', ', map { "'$_'" } @titles;

	ok( wait_for($node, "SELECT count(*) = " . scalar(@titles)
			  . " FROM ignisign.request WHERE sent_at IS NOT NULL AND title IN ($list)"),
		"$name: sent");
	my @new = grep { !$told{$_}++ } map { $_->{title} } $sandbox->requests;

	is_deeply([ sort @new ], [ sort @titles ], "$name: nothing else");
	return;
}

# Run a script in one session, and in one transaction only where it says so.
sub script
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0);

	return $err;
}

sub sign { return sign_sql($_[0], 'ann@example.com') . ';' }

# ---- Subtransactions ----

script("BEGIN;" . sign('kept 1') . "SAVEPOINT a;" . sign('undone 1') . "ROLLBACK TO a;" . sign('kept 2')
	  . "SAVEPOINT b; SAVEPOINT c;" . sign('kept 3') . "RELEASE c; RELEASE b; COMMIT;");
arrived('savepoints', 'kept 1', 'kept 2', 'kept 3');

# A wake-up that was owed to what was rolled back is no harm, ...

script("BEGIN; SAVEPOINT a;" . sign('undone 2') . "ROLLBACK TO a; COMMIT;");
script("BEGIN;" . sign('undone 3') . "ROLLBACK;");

# ... and one is not forgotten because a later part is rolled back.

script("BEGIN; SAVEPOINT a;" . sign('kept 4') . "RELEASE a; SAVEPOINT b;" . sign('undone 4') . "ROLLBACK TO b; COMMIT;");
arrived('released', 'kept 4');

# The subtransaction of a PL/pgSQL block with an exception, around a trigger.

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE contract (title text, pdf bytea, email text, signature uuid DEFAULT ignisign_id(), CHECK (title <> 'checked'));
CREATE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature');
CREATE FUNCTION add(title text, email text, fail boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO contract VALUES (title, '\x255044462d312e34', email);
	IF fail THEN
		RAISE EXCEPTION 'afterwards';
	END IF;
	RETURN 'added';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SQL
is( $node->safe_psql('postgres',
		"SELECT add('by trigger', 'ann\@example.com', false), add('taken back', 'ann\@example.com', true), add('bad', 'nobody', false), add('by trigger 2', 'bob\@example.com', false)"),
	'added|P0001|IG003|added',
	'errors in and after the trigger end their block only');
is($node->safe_psql('postgres', "SELECT count(*) FROM contract"), '2', 'the rows are there');
arrived('trigger', 'by trigger', 'by trigger 2');

# ---- Transactions that follow each other ----

script("BEGIN;" . sign('chained 1') . "COMMIT AND CHAIN;" . sign('chained 2') . "ROLLBACK AND CHAIN;" . sign('chained 3') . "COMMIT;");
arrived('COMMIT AND CHAIN', 'chained 1', 'chained 3');

my $hex = unpack 'H*', pdf('x');

$node->safe_psql('postgres', <<"SQL");
CREATE PROCEDURE sign_all() LANGUAGE plpgsql AS \$\$
BEGIN
	FOR i IN 1 .. 4 LOOP
		PERFORM ignisign_sign(title => 'procedure ' || i, document => '\\x$hex'::bytea,
			signers => ARRAY[ignisign_signer('ann\@example.com', 'Ann', 'Lee')]);
		IF i = 3 THEN
			-- What was committed before goes out while this still runs.
			WHILE (SELECT count(*) < 2 FROM ignisign.request WHERE sent_at IS NOT NULL AND title LIKE 'procedure _') LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
	END LOOP;
END \$\$;
SQL
script('CALL sign_all()');
arrived('COMMIT in a procedure', 'procedure 1', 'procedure 2', 'procedure 4');

# ---- Two-phase commit ----

script("BEGIN;" . sign('prepared 1') . "PREPARE TRANSACTION 'one';");
script("BEGIN;" . sign('prepared 2') . "PREPARE TRANSACTION 'two';");
script("BEGIN;" . sign('prepared 3') . "PREPARE TRANSACTION 'three';");
script("BEGIN;" . sign('prepared 4') . "PREPARE TRANSACTION 'four';");
script(sign('beside'));
arrived('while others are prepared', 'beside');
script("COMMIT PREPARED 'one'");
arrived('COMMIT PREPARED in another session', 'prepared 1');
script("ROLLBACK PREPARED 'two'");

# What is prepared survives a crash, and no worker has seen it before.

$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "SELECT string_agg(gid, ' ' ORDER BY gid) FROM pg_prepared_xacts"),
	'four three', 'prepared transactions are there after a crash');
ok(wait_for($node, "SELECT bool_and(worker_state = 'running') FROM ignisign_stats()"), 'the worker is back');
script("COMMIT PREPARED 'three'");
arrived('COMMIT PREPARED after a crash', 'prepared 3');
$node->restart;
script("COMMIT PREPARED 'four'");
arrived('COMMIT PREPARED after a restart', 'prepared 4');

# CREATE EXTENSION can be prepared, too.

$node->safe_psql('postgres', 'CREATE DATABASE later');
$node->psql('later', "BEGIN; CREATE EXTENSION ignisign; PREPARE TRANSACTION 'extension'", on_error_die => 1);
$node->safe_psql('later', "COMMIT PREPARED 'extension'");
connect_node($node, $sandbox, 'later');
$node->safe_psql('later', sign('later'));
ok(wait_for($node, 'SELECT count(*) = 1 FROM ignisign.request WHERE sent_at IS NOT NULL', 'later'),
	'an extension that was created in a prepared transaction works');
$told{later} = 1;

# ---- Settings of the caller's session ----

like(script("SET default_transaction_read_only = on;" . sign('read-only')),
	qr/cannot execute ignisign_sign\(\) in a read-only transaction/, 'a read-only transaction is refused');
like(script("BEGIN READ ONLY; SELECT ignisign_refresh(ignisign_id());"),
	qr/cannot execute ignisign_refresh\(\) in a read-only transaction/, 'so are the others');
script("SET synchronous_commit = off;" . sign('asynchronous'));
script("BEGIN ISOLATION LEVEL REPEATABLE READ;" . sign('repeatable read') . "COMMIT;");
script("SET session_replication_role = replica;" . sign('replica'));
script("BEGIN ISOLATION LEVEL SERIALIZABLE;" . sign('serializable') . "COMMIT;");
arrived('settings', 'asynchronous', 'repeatable read', 'replica', 'serializable');

# Two serializable transactions that contradict each other: the caller of one
# gets an error as ever, and its request does not go out.

$node->safe_psql('postgres', 'CREATE TABLE duty (name text, on_call boolean); INSERT INTO duty VALUES (\'a\', true), (\'b\', true)');
my $one = $node->background_psql('postgres', on_error_stop => 0);
my $two = $node->background_psql('postgres', on_error_stop => 0);
my $check = 'SELECT count(*) FROM duty WHERE on_call;';

$one->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; $check");
$two->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; $check");
$one->query_safe("UPDATE duty SET on_call = false WHERE name = 'a';" . sign('first of two'));
$two->query_safe("UPDATE duty SET on_call = false WHERE name = 'b';" . sign('second of two'));
$one->query_safe('COMMIT');
my ($out, $failed) = $two->query('COMMIT');
is($node->safe_psql('postgres', $check), '1', 'one of two serializable transactions fails');
$one->quit;
$two->quit;
arrived('serializable, in conflict', 'first of two');

is($node->safe_psql('postgres', "SELECT count(*) FROM ignisign.request WHERE sent_at IS NULL"), '0', 'nothing is left behind');
$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|ERROR: .*ignisign worker/, 'no worker failed');
done_testing();
