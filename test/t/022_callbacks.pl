# Functions that are called when something happened: as their owner, after it is
# committed, at least once, in order, within a time limit; and in nobody's way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('callbacks', $sandbox,
	'ignisign.max_retry_delay'       => '200ms',
	'ignisign.callback_max_attempts' => '1000',
	'restart_after_crash'            => 'on');
my $processes = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ignisign callback'";

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# Run as a role that logs in.
sub sql_as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $role ]);
}

# Make a request of a role's, for which nothing is sent, with some events.
sub request
{
	my ($owner, @kinds) = @_;
	my $id = sql('SELECT ignisign_id()');

	sql("INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count, closed_at)"
		  . " VALUES ('$id', '$owner', 'ignisign', 't', '', 0, now())");
	event($id, @kinds) if @kinds;
	return $id;
}

# Let something happen, in one transaction.
sub event
{
	my ($id, @kinds) = @_;

	sql('INSERT INTO ignisign.event (request, source, kind, previous, value, detail) VALUES '
		  . join(', ', map { "('$id', 'user', '$_', 'before', 'after', 'why')" } @kinds));
	return;
}

# Make a role with a schema, which may sign, and a table that tells what ran.
sub new_role
{
	my ($role) = @_;

	sql(<<~SQL);
		CREATE ROLE $role LOGIN;
		CREATE SCHEMA AUTHORIZATION $role;
		SELECT ignisign_grant('$role');
		SQL
	sql_as($role, <<~SQL);
		CREATE TABLE log (n bigint GENERATED ALWAYS AS IDENTITY, request uuid, event jsonb, who name DEFAULT current_user,
			login name DEFAULT session_user, transaction xid8 DEFAULT pg_current_xact_id(), pid integer DEFAULT pg_backend_pid(),
			setting text DEFAULT current_setting('app.mine', true), at timestamptz DEFAULT clock_timestamp());
		CREATE FUNCTION note(request uuid, event jsonb) RETURNS void LANGUAGE sql
			BEGIN ATOMIC INSERT INTO log (request, event) VALUES (note.request, note.event); END;
		SQL
	return;
}

sub drained { return wait_for($node, "SELECT count(*) = 0 FROM ignisign.delivery WHERE state <> 'dead'") }

new_role($_) for qw(ann bob);

# ---- A real request, from beginning to end. ----

sql("ALTER ROLE ann SET app.mine = 'ann''s own'");
sql_as('ann', "SELECT ignisign_on('*', 'note(uuid,jsonb)')");
my $id = sql_as('ann', sign_sql('Real', 'ann@example.com'));
ok(wait_for($node, "SELECT count(*) > 0 FROM ann.log WHERE request = '$id' AND event ->> 'event' = 'proof'"),
	'called from the first event to the last');
drained();
is(sql("SELECT string_agg(event ->> 'event', ',' ORDER BY n) FROM ann.log"),
	sql("SELECT string_agg(kind, ',' ORDER BY id) FROM ignisign.event WHERE request = '$id'"), 'once for each, in order');
is(sql("SELECT count(*) FROM ann.log l JOIN ignisign.event e ON e.request = l.request AND l.event = jsonb_build_object("
		  . "'id', e.id, 'request', e.request, 'event', e.kind, 'at', e.at, 'source', e.source, 'previous', e.previous,"
		  . " 'value', e.value, 'detail', e.detail)"),
	sql('SELECT count(*) FROM ann.log'), 'with all that is known of the event');
is(sql("SELECT string_agg(DISTINCT concat_ws(',', who, login, setting), ' ') FROM ann.log"),
	"ann,ann,ann's own", 'as the owner, with their settings');
is(sql('SELECT count(DISTINCT transaction) = count(*) FROM ann.log'), 't', 'each in a transaction of its own');
is(sql("SELECT count(*) FROM ann.log WHERE pid = (SELECT DISTINCT worker_pid FROM ignisign_stats())"), '0',
	'in a process of its own');
ok(wait_for($node, "SELECT ($processes) = 0"), 'which ends when nothing is left');

# After COMMIT: what is rolled back calls nobody, and nobody sees what is not there yet.

$id = request('ann');
sql("BEGIN; INSERT INTO ignisign.event (request, source, kind) VALUES ('$id', 'user', 'sent'); ROLLBACK");
is(sql('SELECT count(*) FROM ignisign.delivery'), '0', 'what is rolled back is not delivered');

# Only what is asked for, and only one's own requests.

sql_as('bob', "SELECT ignisign_on('COMPLETED', 'note(uuid,jsonb)'), ignisign_on('dead', 'note(uuid,jsonb)')");
$id = request('bob', 'sent', 'dead', 'proof');
request('ann', 'dead');
sql("INSERT INTO ignisign.event (request, source, kind, value) VALUES ('$id', 'poll', 'status', 'IN_PROGRESS'), ('$id', 'poll', 'status', 'COMPLETED')");
drained();
is(sql("SELECT string_agg(event ->> 'event' || ' ' || (event ->> 'value'), ', ' ORDER BY n) FROM bob.log"),
	'dead after, status COMPLETED', "kinds and statuses that were asked for, of one's own requests");
is(sql("SELECT count(*) FROM ann.log WHERE request = '$id'"), '0', "nobody is told of another's");

# ---- Failures ----

# One that fails is tried again, in order, and delays nothing but its request.

sql_as('bob', <<~SQL);
	CREATE TABLE broken (request uuid, kind text);
	CREATE FUNCTION picky(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO log (request, event) VALUES (request, event || '{"by": "picky"}');
		IF EXISTS (SELECT FROM broken b WHERE b.request = picky.request AND b.kind = event ->> 'event') THEN
			RAISE EXCEPTION 'not today' USING ERRCODE = 'XX123';
		END IF;
	END \$\$;
	SELECT ignisign_on('*', 'picky(uuid,jsonb)');
	SQL
my $bad = request('bob');
sql("INSERT INTO bob.broken VALUES ('$bad', 'draft')");
event($bad, 'draft', 'sent', 'proof');
my $attempts = "SELECT attempts FROM ignisign.delivery WHERE request = '$bad' ORDER BY id LIMIT 1";
ok(wait_for($node, "SELECT ($attempts) >= 2"), 'a failing one is tried again');
# As if what is later had been committed after the failure.
sql("UPDATE ignisign.delivery SET run_at = now() - interval '1 hour' WHERE request = '$bad' AND attempts = 0");
ok(wait_for($node, "SELECT ($attempts) >= " . (sql($attempts) + 2)), 'and again');
my $good = request('bob', 'draft', 'sent', 'dead');
ok(wait_for($node, "SELECT count(*) = 3 FROM bob.log WHERE request = '$good' AND event ? 'by'"), 'it does not delay another request');
ok(wait_for($node, "SELECT count(*) = 1 FROM bob.log WHERE request = '$good' AND NOT event ? 'by'"), 'nor another callback');
request('ann', 'draft');
ok(wait_for($node, "SELECT count(*) = 1 FROM ann.log WHERE event ->> 'event' = 'draft'"), 'nor another owner');
my $sent = sql(sign_sql('Sent', 'ann@example.com'));
is(sql("SELECT ignisign_wait('$sent', 'SENT', '60 s')"), 't', 'nor the sending');
is(sql("SELECT count(*) FROM bob.log WHERE request = '$bad'"), '0', 'what it did is rolled back, and what is later waits');
is(sql_as('bob', "SELECT state, code, last_error FROM ignisign.delivery WHERE request = '$bad' ORDER BY id LIMIT 1"),
	'pending|XX123|not today', 'its owner sees why');
ok($node->wait_for_log(qr/ignisign: callback bob\.picky failed for the request $bad: not today/), 'the log says it');
sql('DELETE FROM bob.broken');
drained();
is(sql("SELECT string_agg(event ->> 'event', ',' ORDER BY n) FROM bob.log WHERE request = '$bad'"), 'draft,sent,proof', 'then all come, in order');

# Given up, it lets go what is later, and can be tried again or dropped.

$node->append_conf('postgresql.conf', "ignisign.callback_max_attempts = 2");
$node->reload;
$bad = request('bob');
sql("INSERT INTO bob.broken VALUES ('$bad', 'sent')");
event($bad, 'sent');
ok(wait_for($node, "SELECT state = 'dead' AND attempts = 2 FROM ignisign.delivery WHERE request = '$bad'"), 'it is dead after its last attempt');
sql('DELETE FROM bob.broken');
event($bad, 'proof');
drained();
is(sql("SELECT string_agg(event ->> 'event', ',') FROM bob.log WHERE request = '$bad'"), 'proof', 'what is later goes on');
sql_as('bob', "SELECT ignisign_retry_delivery(id) FROM ignisign.delivery WHERE state = 'dead'");
ok(wait_for($node, "SELECT count(*) = 2 FROM bob.log WHERE request = '$bad'"), 'ignisign_retry_delivery() tries it again');
drained();

# ---- One's slow functions leave room for another's ----

$node->append_conf('postgresql.conf', "ignisign.callback_workers = 2\nignisign.callback_timeout = '1h'");
$node->reload;
sql_as('bob', <<~SQL);
	CREATE FUNCTION slow(request uuid, event jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(3600)';
	CREATE FUNCTION slow2(request uuid, event jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(3600)';
	SELECT ignisign_on('imported', 'slow(uuid,jsonb)'), ignisign_on('imported', 'slow2(uuid,jsonb)');
	SQL
request('bob', 'imported');
ok(wait_for($node, "SELECT count(*) = 1 FROM ignisign.delivery WHERE state = 'running'"), 'one slow function is under way');
request('ann', 'imported');
ok(wait_for($node, "SELECT count(*) = 1 FROM ann.log WHERE event ->> 'event' = 'imported'"), "another owner's is called meanwhile");
is(sql("SELECT string_agg(state, ',' ORDER BY state) FROM ignisign.delivery d JOIN ignisign.callback c ON c.id = d.callback WHERE c.owner = 'bob' AND c.function ~ 'slow'"),
	'pending,running', 'and all of one owner do not take all of the room');
sql_as('bob', "SELECT ignisign_off('imported', 'slow(uuid,jsonb)'), ignisign_off('imported', 'slow2(uuid,jsonb)')");
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'ignisign callback' AND usename = 'bob'");
drained();

# ---- Time ----

$node->append_conf('postgresql.conf', "ignisign.callback_workers = 4\nignisign.callback_timeout = '1500ms'");
$node->reload;
sql_as('bob', <<~SQL);
	CREATE FUNCTION stubborn(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_sleep(60);
			EXCEPTION WHEN query_canceled THEN
			END;
		END LOOP;
	END \$\$;
	CREATE FUNCTION late(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		PERFORM pg_sleep(60);
	EXCEPTION WHEN query_canceled THEN
		INSERT INTO log (request) VALUES (request);
	END \$\$;
	SELECT ignisign_on('retried', 'slow(uuid,jsonb)'), ignisign_on('discarded', 'stubborn(uuid,jsonb)'), ignisign_on('resolved', 'late(uuid,jsonb)');
	SQL
my %slow = map { $_ => request('bob', $_) } 'retried', 'discarded', 'resolved';
ok(wait_for($node, "SELECT count(*) = 3 FROM ignisign.delivery WHERE state = 'dead'", { timeout => 60 }), 'what takes too long is given up');
is(sql("SELECT code, last_error FROM ignisign.delivery WHERE request = '$slow{$_}' AND state = 'dead'"),
	'57014|it took longer than ignisign.callback_timeout, 1500 ms', "$_: cancelled")
  for 'retried', 'resolved';
like(sql("SELECT last_error FROM ignisign.delivery WHERE request = '$slow{discarded}' AND state = 'dead'"),
	qr/process ended.*took too long/, 'one that does not let itself be cancelled is ended');
is(sql("SELECT count(*) FROM bob.log WHERE event IS NULL"), '0', 'what was done too late does not count');
is(sql("SELECT count(*) FROM bob.log WHERE request = '$slow{retried}'"), '1', 'other callbacks were called all the same');
sql_as('bob', 'SELECT ignisign_discard_delivery(id) FROM ignisign.delivery');
is(sql('SELECT count(*) FROM ignisign.delivery'), '0', 'ignisign_discard_delivery() drops them');
sql_as('bob', "SELECT ignisign_off(event, function) FROM (VALUES ('retried', 'slow(uuid,jsonb)'::regprocedure), ('discarded', 'stubborn(uuid,jsonb)'), ('resolved', 'late(uuid,jsonb)')) v (event, function)");

# ---- Nothing to escape to ----

sql("CREATE TABLE public.caught (what text, who name, super boolean); GRANT INSERT ON public.caught TO ann");
sql_as('ann', <<~SQL);
	CREATE FUNCTION catch(what text) RETURNS boolean LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO public.caught VALUES (what, current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user));
		RETURN true;
	END \$\$;
	CREATE FUNCTION catch_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM ann.catch(TG_ARGV[0]); RETURN NULL; END';
	CREATE TABLE deferred (x integer);
	CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION catch_trigger('deferred trigger');
	CREATE FUNCTION equal(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN ann.catch(''operator''); END';
	CREATE OPERATOR ann.= (FUNCTION = equal, LEFTARG = text, RIGHTARG = text);
	CREATE FUNCTION escape(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
	DECLARE
		command text;
	BEGIN
		INSERT INTO log (request, event) VALUES (request, jsonb_build_object('temp', to_regclass('pg_temp.delivery'),
			'path', current_setting('search_path'), 'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid())));
		FOREACH command IN ARRAY ARRAY[
			'SET ROLE postgres', 'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'RESET ROLE',
			'SET session_replication_role = replica', 'DELETE FROM ignisign.delivery', 'UPDATE ignisign.callback SET owner = ''postgres''',
			'CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION ann.catch_trigger()',
			'CREATE TRIGGER t BEFORE DELETE ON ignisign.delivery EXECUTE FUNCTION ann.catch_trigger()',
			'CREATE TEMP TABLE delivery (request uuid, id bigint, callback bigint, state text, attempts integer)',
			'CREATE TRIGGER t BEFORE DELETE ON pg_temp.delivery EXECUTE FUNCTION ann.catch_trigger(''temporary table'')',
			'CREATE TEMP VIEW callback AS SELECT ann.catch(''temporary view'')',
			'CREATE DOMAIN pg_temp.uuid AS text CHECK (ann.catch(''domain''))',
			'DECLARE c CURSOR WITH HOLD FOR SELECT ann.catch(''cursor'')',
			'SET search_path = ann, pg_catalog', 'SET default_transaction_read_only = on', 'SET transaction_read_only = on',
			'SET lock_timeout = 1', 'SET default_transaction_isolation = serializable', 'SELECT pg_advisory_lock(1)',
			'SELECT pg_advisory_unlock_all()', 'SELECT pg_advisory_lock(2)', 'SET synchronous_commit = off', 'LISTEN ignisign']
		LOOP
			BEGIN
				EXECUTE command;
			EXCEPTION WHEN OTHERS THEN
			END;
		END LOOP;
		BEGIN
			SET transaction_read_only = off;
		EXCEPTION WHEN OTHERS THEN
		END;
	END \$\$;
	SELECT ignisign_off('*', 'note(uuid,jsonb)'), ignisign_on('*', 'escape(uuid,jsonb)');
	CREATE FUNCTION defer(request uuid, event jsonb) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO deferred VALUES (1); END;
	SELECT ignisign_on('*', 'defer(uuid,jsonb)');
	SQL
$id = request('ann', 'draft', 'sent', 'proof');
ok(drained(), 'functions that try to escape are called');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/callback ann\.escape failed/, 'without a failure');
is(sql("SELECT count(*) FROM ann.log WHERE request = '$id' AND event @> '{\"temp\": null, \"locks\": 0}' AND event ->> 'path' <> 'ann, pg_catalog'"),
	'3', 'and leave nothing in the session');
is(sql("SELECT string_agg(DISTINCT concat_ws(' ', what, who, super), ', ') FROM public.caught"),
	'cursor ann f, deferred trigger ann f', 'what runs at COMMIT runs as the owner, and nothing else of theirs runs');
is(sql("SELECT string_agg(DISTINCT owner::text, ',' ORDER BY owner::text) FROM ignisign.callback"), 'ann,bob', 'nothing is changed');
sql_as('ann', "SELECT ignisign_off('*', 'escape(uuid,jsonb)'), ignisign_off('*', 'defer(uuid,jsonb)'), ignisign_on('*', 'note(uuid,jsonb)')");

# A setting of the owner's does not make it somebody else's function, nor one that reads only.

sql('GRANT bob TO ann; ALTER ROLE ann SET role = bob; ALTER ROLE ann SET default_transaction_isolation = serializable');
$id = request('ann', 'sent');
drained();
is(sql("SELECT who, login FROM ann.log WHERE request = '$id'"), 'ann|ann', 'as the owner, whatever role they set');
sql('REVOKE bob FROM ann; ALTER ROLE ann RESET ALL');
sql_as('ann', "CREATE FUNCTION nothing(request uuid, event jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0)'; SELECT ignisign_on('draft', 'nothing(uuid,jsonb)'), ignisign_off('*', 'note(uuid,jsonb)')");
sql('ALTER ROLE ann SET default_transaction_read_only = on');
request('ann', 'draft');
drained();
is(sql('SELECT count(*) FROM ignisign.delivery'), '0', 'of a role that reads only, too');
sql('ALTER ROLE ann RESET ALL');
sql_as('ann', "SELECT ignisign_off('draft', 'nothing(uuid,jsonb)'), ignisign_on('*', 'note(uuid,jsonb)')");

# ---- Crashes ----

sql_as('ann', <<~SQL);
	CREATE TABLE gate (open boolean);
	CREATE SEQUENCE calls;
	CREATE FUNCTION gated(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO log (request, event) VALUES (request, '{"by": "gated"}');
		PERFORM nextval('calls');
		WHILE NOT EXISTS (SELECT FROM gate) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
	END \$\$;
	SELECT ignisign_on('sent', 'gated(uuid,jsonb)');
	SQL
$node->append_conf('postgresql.conf', "ignisign.callback_max_attempts = 10\nignisign.callback_timeout = '1h'");
$node->reload;
my $running = "SELECT count(*) = 1 FROM ignisign.delivery WHERE state = 'running'";
my $pid_of = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'ignisign callback'";

$id = request('ann', 'sent');
ok(wait_for($node, $running), 'a function is called');
my $worker = sql('SELECT DISTINCT worker_pid FROM ignisign_stats()');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'ignisign callback'");
ok(wait_for($node, 'SELECT max(attempts) = 2 FROM ignisign.delivery'), 'its process is terminated: it is called again');
is(sql('SELECT DISTINCT worker_pid FROM ignisign_stats()'), $worker, 'and the worker is unharmed');
ok(wait_for($node, $running), 'it is under way');
kill 'KILL', sql($pid_of);
ok(wait_for($node, 'SELECT max(attempts) = 3 FROM ignisign.delivery', { timeout => 60 }), 'its process is killed, and the server starts anew: it is called again');
ok(wait_for($node, $running), 'it is under way');
sql("SELECT pg_terminate_backend(worker_pid) FROM ignisign_stats() LIMIT 1");
ok(wait_for($node, 'SELECT max(attempts) = 4 FROM ignisign.delivery', { timeout => 60 }), 'the worker ends: so do its processes, and it is called again');
$node->stop('immediate');
$node->start;
ok(wait_for($node, 'SELECT max(attempts) = 5 FROM ignisign.delivery', { timeout => 60 }), 'the server stops without warning: it is called again');
ok(wait_for($node, $running), 'it is under way');
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ignisign callback' AND wait_event = 'PgSleep'"), 'and waits');
my $calls = sql('SELECT last_value FROM ann.calls');
sql('UPDATE ignisign.delivery SET attempts = attempts + 1');
sql('INSERT INTO ann.gate VALUES (true)');
drained();
is(sql('SELECT last_value FROM ann.calls'), $calls + 1, 'as if another process had taken it over, it is called again');
is(sql("SELECT count(*) FROM ann.log WHERE request = '$id' AND event ? 'by'"), '1', 'what it did in the database is there once');

# ---- What is gone, or not permitted ----

sql_as('ann', "SELECT ignisign_off('sent', 'gated(uuid,jsonb)'); ALTER FUNCTION note(uuid, jsonb) RENAME TO note2");
$id = request('ann', 'sent');
ok(wait_for($node, "SELECT code = '42883' AND last_error ~ 'ann.note.*does not exist' FROM ignisign.delivery WHERE request = '$id'"),
	'a function that is not there fails where it can be seen');
sql_as('ann', 'ALTER FUNCTION note2(uuid, jsonb) RENAME TO note');
ok(drained(), 'back again, it is called');
sql('ALTER FUNCTION ann.note OWNER TO bob; GRANT USAGE ON SCHEMA ann TO bob; GRANT INSERT ON ann.log TO bob');
$id = request('ann', 'sent');
ok(wait_for($node, "SELECT last_error ~ 'another owner' FROM ignisign.delivery WHERE request = '$id'"), 'it is not called as who owns it no more');
sql_as('bob', "SELECT ignisign_on('*', 'ann.note(uuid,jsonb)')");
ok(wait_for($node, "SELECT last_error ~ 'may not see the request' FROM ignisign.delivery WHERE request = '$id'"),
	"nor told to the new owner, whom it does not concern");
sql('ALTER FUNCTION ann.note OWNER TO ann');
sql_as('ann', "SELECT ignisign_on('*', 'note(uuid,jsonb)')");
ok(drained(), "its own again, it is called");

SKIP:
{
	skip 'roles without LOGIN can be connected as', 3 if $node->pg_version >= 17;
	sql('ALTER ROLE ann NOLOGIN');
	$id = request('ann', 'sent');
	ok(wait_for($node, "SELECT problem ~ 'log in' FROM ignisign.callback WHERE function = 'ann.note'"), 'without LOGIN it is held back, and says so');
	is(sql('SELECT sum(attempts) FROM ignisign.delivery'), '0', 'that is no attempt');
	sql('ALTER ROLE ann LOGIN');
	ok(drained(), 'then it goes on');
}
sql('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
$id = request('ann', 'sent');
ok(wait_for($node, "SELECT problem ~ 'may not connect' FROM ignisign.callback WHERE function = 'ann.note'"), 'without CONNECT, too');
sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC');
ok(drained(), 'then it goes on');
is(sql('SELECT count(*) FROM ignisign.callback WHERE problem IS NOT NULL'), '0', 'and there is no problem any more');

# ---- Room ----

is(sql("SHOW max_worker_processes"), '8', 'there is room for eight');
$node->append_conf('postgresql.conf', "max_worker_processes = 3\nmax_logical_replication_workers = 0");
$node->restart;
$id = request('ann', 'sent');
sql('SELECT 1', 'template1');
ok(wait_for($node, "SELECT count(*) = 1 FROM ann.log WHERE request = '$id'"), 'one slot is enough');
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
$id = request('ann', 'sent');
ok($node->wait_for_log(qr/could not start a process for an ignisign callback: no background worker slot is free/), 'none is not, and the log says so');
is(sql("SELECT count(*) FROM ignisign.delivery WHERE request = '$id' AND attempts = 0"), '1', 'the delivery waits');
$sent = sql(sign_sql('Without room', 'ann@example.com'));
is(sql("SELECT ignisign_wait('$sent', 'SENT', '60 s')"), 't', 'sending goes on');
my $said = () = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /could not start a process for an ignisign callback/g;
is($said, 1, 'it is said once');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
ok(drained(), 'with room again it is called');

# ---- Many ----

sql('TRUNCATE ann.log, bob.log');
my $began = Time::HiRes::time();
sql(<<~SQL);
	INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count, closed_at)
		SELECT ignisign_id(), 'ann', 'ignisign', 'many', '', 0, now() FROM generate_series(1, 250);
	INSERT INTO ignisign.event (request, source, kind, value)
		SELECT id, 'user', k, 'many' FROM ignisign.request, unnest('{sent,signed,status,proof}'::text[]) k WHERE title = 'many';
	SQL
ok(wait_for($node, "SELECT count(*) = 1000 FROM ann.log WHERE event ->> 'value' = 'many'", { timeout => 120 }), 'a thousand deliveries arrive');
diag(sprintf('1000 deliveries in %.1f s, by their own clock %s s', Time::HiRes::time() - $began,
		sql('SELECT round(extract(epoch FROM max(at) - min(at)), 1) FROM ann.log')));
drained();
is(sql("SELECT count(*) FROM (SELECT n, lag((event ->> 'id')::bigint) OVER (PARTITION BY request ORDER BY n) > (event ->> 'id')::bigint AS wrong FROM ann.log) s WHERE wrong"),
	'0', 'in order for each request');
is(sql('SELECT count(DISTINCT pid) < 20 FROM ann.log'), 't', 'with few processes');

# ---- Other databases, copies ----

sql('CREATE DATABASE other');
sql('CREATE EXTENSION ignisign', 'other');
connect_node($node, $sandbox, 'other');
sql(<<~SQL, 'other');
	CREATE TABLE log (event jsonb, at_ text DEFAULT current_database());
	CREATE FUNCTION note(request uuid, event jsonb) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO public.log VALUES (event); END;
	SELECT ignisign_on('sent', 'note(uuid,jsonb)');
	SQL
sql(sign_sql('Elsewhere', 'ann@example.com'), 'other');
ok(wait_for($node, 'SELECT count(*) = 1 FROM log', 'other'), 'another database has its own callbacks');

# A dump brings them along; the copy calls nobody until it is adopted.

my $dump = PostgreSQL::Test::Utils::tempdir('dump') . '/dump';
sql('TRUNCATE ann.gate');
sql_as('ann', "SELECT ignisign_on('sent', 'gated(uuid,jsonb)'), ignisign_off('*', 'note(uuid,jsonb)'); TRUNCATE log");
$id = request('ann', 'sent');
ok(wait_for($node, $running), 'a function is under way');
$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dump');
sql('CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('copy'), $dump ], 'pg_restore');
is(sql('SELECT string_agg(function || state, $$ $$) FROM ignisign.callback c JOIN ignisign.delivery d ON d.callback = c.id', 'copy'), 'ann.gatedrunning',
	'the copy has what was to be delivered, and not what was delivered');
ok(wait_for($node, "SELECT bool_and(worker_state LIKE 'parked%') FROM ignisign_stats()", 'copy'), 'it knows that it is a copy');
sql('INSERT INTO ann.gate VALUES (true)', 'copy');
sql("INSERT INTO ignisign.event (request, source, kind) SELECT id, 'user', 'sent' FROM ignisign.request LIMIT 1", 'copy');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'copy' AND backend_type = 'ignisign callback'"), '0', 'it calls nobody');
is(sql('SELECT count(*) FROM ignisign.delivery', 'copy'), '1', 'and nothing is to be delivered of what happens there');
sql('SELECT ignisign_adopt()', 'copy');
ok(wait_for($node, "SELECT count(*) = 1 FROM ann.log WHERE request = '$id' AND event ? 'by'", 'copy'), 'after ignisign_adopt() it goes on');

# ---- In nobody's way ----

is(sql("SELECT count(*) FROM ignisign.delivery WHERE state = 'running'"), '1', 'meanwhile the function is still under way here');
ok(wait_for($node, "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid "
		  . "WHERE a.backend_type = 'ignisign callback' AND c.relnamespace = 'ignisign'::regnamespace)"), "it holds no lock on the extension's tables");
sql('SELECT 1', 'other');
sql(<<~SQL, 'other');
	CREATE FUNCTION sleep(request uuid, event jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(3600)';
	SELECT ignisign_on('sent', 'sleep(uuid,jsonb)');
	SQL
sql(sign_sql('Slowly', 'ann@example.com'), 'other');
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'ignisign callback' AND query = 'public.sleep'"),
	'one is under way in the other database');
sql('ALTER DATABASE other RENAME TO renamed');
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'renamed' AND backend_type = 'ignisign callback'"), 'ALTER DATABASE RENAME succeeds, and it is called again');
sql('DROP DATABASE renamed');
pass('DROP DATABASE succeeds');
sql('DROP EXTENSION ignisign CASCADE');
ok(wait_for($node, "SELECT ($processes) = 0"), 'DROP EXTENSION succeeds, and ends them');

$node->stop;
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/PANIC/, 'nothing else crashed');
done_testing();
