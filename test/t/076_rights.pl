# What a role attaches to the extension's tables runs nothing with the rights of
# their owner, and nobody else empties them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('rights', $sandbox, 'ignisign.refresh_interval' => '1h');

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# What a role's commands print, and the messages that they get.
sub run_as { return ($node->psql('postgres', $_[1], extra_params => [ '-U', $_[0] ]))[ 1, 2 ] }
sub bob { return (run_as('bob', $_[0]))[1] }

sub is_superuser { return value("SELECT rolsuper FROM pg_roles WHERE rolname = 'bob'") }

sub set { value("ALTER SYSTEM SET $_[0]"); value('SELECT pg_reload_conf()'); return }

# Restart the server with the library preloaded, or not.
sub restart
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$_[0]'");
	$node->restart;
	return;
}

my $hint = qr/HINT:  Only ignisign\.request\(id\) may be referenced: by a column of type uuid, with NO ACTION or RESTRICT, not deferrable\./;

value("CREATE ROLE bob LOGIN; CREATE ROLE ann LOGIN; SELECT ignisign_grant('bob'), ignisign_grant('ann')");
value('GRANT CREATE ON SCHEMA public TO bob; GRANT ALL ON ALL TABLES IN SCHEMA ignisign TO bob; GRANT ALL ON SCHEMA ignisign TO bob');

my $trap = <<~'SQL';
	CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN ALTER ROLE bob SUPERUSER; RETURN NULL; END$$;
	SQL
my $trapped = <<~'SQL';
	CREATE TABLE mine (call bigint, request uuid, CONSTRAINT steal FOREIGN KEY (call, request) REFERENCES ignisign.call (id, request) ON DELETE CASCADE);
	CREATE TRIGGER trap AFTER DELETE ON mine EXECUTE FUNCTION trap();
	SQL

# A row of bob's that refers to a call.
sub refer { return bob("INSERT INTO mine SELECT id, request FROM ignisign.call WHERE id = $_[0]") }

# Try all ways in which a row of ignisign.call is deleted; returns those by which bob became a superuser.
sub attack
{
	my @ways;
	my $call;
	my $note = sub {
		push @ways, $_[0] if is_superuser() eq 't';
		value('ALTER ROLE bob NOSUPERUSER');
	};

	set('ignisign.enabled = off');
	ok(wait_for($node, "SELECT bool_and(worker_state IN ('disabled', 'not preloaded')) FROM ignisign_stats()"), 'the worker stops sending');
	($call) = run_as('bob', 'SELECT ignisign_application()');
	refer($call);
	bob("SELECT ignisign_discard($call)");
	$note->('discard');

	($call) = run_as('bob', 'SELECT ignisign_application()');
	refer($call);
	set('ignisign.enabled = on');
	wait_for($node, "SELECT count(*) = 0 OR (SELECT bool_and(worker_state ~ '^held|not preloaded') FROM ignisign_stats()) FROM ignisign.call WHERE id = $call");
	$note->('worker');

	value("UPDATE ignisign.call SET state = 'dead' WHERE id = $call");
	refer($call);
	$node->psql('postgres', "SELECT ignisign_purge('calls', '0')");
	$note->('purge');
	return "@ways";
}

# ---- The attack, where the library is preloaded ----

is(bob($trap), '', 'bob has a trap');
like(bob($trapped), qr/ERROR:  foreign key "steal" of table public\.mine must not reference table ignisign\.call in this way.*DETAIL:.*$hint/s,
	'a foreign key to ignisign.call is refused');
is(attack(), '', 'nothing of bob\'s runs with the rights of a superuser');

# ---- Foreign keys ----

# By every command that makes one; also to a superuser.
my %refused = (
	'to another table'     => 'CREATE TABLE t (id bytea REFERENCES ignisign.endpoint)',
	'with CASCADE'         => 'CREATE TABLE t (id uuid REFERENCES ignisign.request ON DELETE CASCADE)',
	'with SET NULL'        => 'CREATE TABLE t (id uuid REFERENCES ignisign.request ON DELETE SET NULL)',
	'with SET DEFAULT'     => 'CREATE TABLE t (id uuid REFERENCES ignisign.request ON DELETE SET DEFAULT)',
	'with update cascade'  => 'CREATE TABLE t (id uuid REFERENCES ignisign.request ON UPDATE CASCADE)',
	'deferrable'           => 'CREATE TABLE t (id uuid REFERENCES ignisign.request DEFERRABLE)',
	'deferred'             => 'CREATE TABLE t (id uuid REFERENCES ignisign.request DEFERRABLE INITIALLY DEFERRED)',
	'added'                => 'CREATE TABLE t (id uuid); ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES ignisign.request ON DELETE CASCADE',
	'added unchecked'      => 'CREATE TABLE t (id uuid); ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES ignisign.request ON DELETE CASCADE NOT VALID',
	'added with a column'  => 'CREATE TABLE t (); ALTER TABLE t ADD id uuid REFERENCES ignisign.request ON DELETE CASCADE',
	'made deferrable'      => 'CREATE TABLE t (id uuid CONSTRAINT k REFERENCES ignisign.request); ALTER TABLE t ALTER CONSTRAINT k DEFERRABLE',
	'of a partitioned one' => 'CREATE TABLE t (id uuid REFERENCES ignisign.request ON DELETE CASCADE) PARTITION BY HASH (id)',
	'of a partition'       => 'CREATE TABLE p (id uuid) PARTITION BY HASH (id); CREATE TABLE t PARTITION OF p (FOREIGN KEY (id) REFERENCES ignisign.request ON DELETE CASCADE) FOR VALUES WITH (MODULUS 1, REMAINDER 0)',
	'of a temporary one'   => 'CREATE TEMP TABLE t (id uuid REFERENCES ignisign.request ON DELETE CASCADE)');
for my $role ('bob', value('SELECT current_user'))
{
	for my $case (sort keys %refused)
	{
		my $err = (run_as($role, "BEGIN; $refused{$case}; COMMIT"))[1];

		# A temporary table cannot reference another one at all.
		like($err, $case =~ /temporary/ ? qr/may reference only temporary tables/ : qr/ERROR:  foreign key "\w+" of table \S+ must not reference table ignisign\.\w+ in this way.*$hint/s, "$role: a key $case is refused");
	}
}

# A cast of the column's owner would run when the key is checked, with the rights of
# the owner of ignisign.request.
like(
	bob(<<~'SQL'), qr/must not reference/, 'a key of another type is refused');
	CREATE TYPE disguise AS (x integer);
	CREATE FUNCTION unmask(disguise) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$BEGIN ALTER ROLE bob SUPERUSER; RETURN gen_random_uuid(); END$$;
	CREATE CAST (disguise AS uuid) WITH FUNCTION unmask(disguise) AS IMPLICIT;
	CREATE TABLE masked (id disguise REFERENCES ignisign.request (id));
	INSERT INTO masked VALUES (ROW(1));
	SQL
is(is_superuser(), 'f', 'and its cast does not run');

is(bob(<<~'SQL'), '', 'keys to request(id) without consequences are allowed');
	CREATE DOMAIN request_id AS uuid;
	CREATE TABLE contract (id uuid CONSTRAINT of_contract REFERENCES ignisign.request);
	CREATE TABLE note (id request_id REFERENCES ignisign.request ON DELETE RESTRICT ON UPDATE RESTRICT);
	CREATE TABLE part (id uuid REFERENCES ignisign.request, n integer) PARTITION BY LIST (n);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
	CREATE TABLE part_2 (id uuid, n integer);
	ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES IN (2);
	ALTER TABLE contract RENAME CONSTRAINT of_contract TO of_request;
	SQL
is(value('SELECT ignisign.check_tables()'), '', 'the check of the catalogs allows them, too');

# ---- Requests that are referenced are kept ----

# Requests of Ann's that are closed, and of which no proof is kept.
sub closed
{
	my @ids = map { (run_as('ann', sign_sql("Closed $_", 'ann@example.com')))[0] } 1 .. $_[0];

	ok(wait_for($node, "SELECT count(*) = $_[0] FROM ignisign.request WHERE sent_at IS NOT NULL AND closed_at IS NULL"), 'requests are sent');
	value('SELECT ignisign_sync()');
	ok(wait_for($node, "SELECT bool_and(proofs = 1) FROM ignisign.requests WHERE id = ANY ('{@{[join ',', @ids]}}')"), 'and completed');
	ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.call'), 'nothing is left to do');
	value("SELECT ignisign_purge('proofs', '0')");
	return @ids;
}

my @ids = closed(5);
is(bob("INSERT INTO contract VALUES ('$ids[0]'), ('$ids[0]'), ('$ids[1]'); INSERT INTO part VALUES ('$ids[1]', 1), ('$ids[2]', 2)"), '', 'bob references requests');
my ($out, $err) = run_as(value('SELECT current_user'), "SELECT ignisign_purge('requests', '0')");
is($out, '2', 'the others are purged');
like($err, qr/NOTICE:  3 requests are kept because other tables reference them\nDETAIL:  Foreign key of_request of table public\.contract references such a request\./, 'and the purge says why not all');
is(bob('DELETE FROM contract; DELETE FROM part WHERE n = 1'), '', 'references go');
($out, $err) = run_as(value('SELECT current_user'), "SELECT ignisign_purge('requests', '0')");
is($out, '2', 'and their requests with them');
like($err, qr/NOTICE:  1 request is kept because another table references it/, 'but for one');
bob('DROP TABLE contract, note, part');
is(value("SELECT ignisign_purge('requests', '0')"), '1', 'without the table there is no reference');

# What a reference's check evaluates runs as the owner of its table, and leaves nothing behind.
($ids[0]) = closed(1);
is(bob(<<~SQL), '', 'bob has an index whose expression is evaluated when a query is planned');
	CREATE FUNCTION escape() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMP TABLE escape (x integer); END';
	CREATE FUNCTION look(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$
	BEGIN
		IF current_setting('bob.armed', true) = 'on' THEN
			PERFORM set_config('search_path', 'bob', false);
			RAISE WARNING 'look: %', current_user;
			BEGIN
				PERFORM public.escape();
				RAISE WARNING 'look: escaped';
			EXCEPTION WHEN insufficient_privilege THEN
			END;
		END IF;
		RETURN \$1;
	END\$\$;
	CREATE TABLE contract (id uuid REFERENCES ignisign.request, n integer);
	CREATE INDEX ON contract (id) WHERE n > look(1);
	SQL
($out, $err) = run_as(value('SELECT current_user'),
	"SET bob.armed = on; SELECT ignisign_purge('requests', '0'); SHOW search_path");
like($err, qr/WARNING:  look: bob/, 'it runs as bob');
unlike($err, qr/look: (?!bob)/, 'and as nobody else, in a security-restricted operation');
is($out, "1\n\"\$user\", public", 'the request is purged, and the search_path is as before');
bob('DROP TABLE contract');

# ---- TRUNCATE and the other privileges of GRANT ALL ----

my ($kept) = run_as('ann', sign_sql('Kept', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$kept')"), 'Ann has a request');
for my $table (split /\n/, value("SELECT oid::regclass FROM pg_class WHERE relnamespace = 'ignisign'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"))
{
	like(bob("TRUNCATE $table"), qr/ERROR:  must be owner of table \Q$table\E to empty it/, "bob cannot empty $table");
}
like(bob('TRUNCATE ignisign.request CASCADE'), qr/must be owner/, 'nor with CASCADE');
is(value(<<~'SQL'), '', 'every table has the trigger for it');
	SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'ignisign'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'check_truncate')
	SQL
is(value('TRUNCATE ignisign.result; SELECT count(*) FROM ignisign.result'), '0', 'a superuser can');
my $request = "SELECT count(*) FROM ignisign.request WHERE id = '$kept'";
like(bob("INSERT INTO ignisign.request SELECT * FROM ignisign.request; INSERT INTO ignisign.parked VALUES ('ignisign', 'ann', 'x', now(), now(), 1)"), qr/violates row-level security/, 'INSERT inserts nothing');
bob("UPDATE ignisign.request SET title = 'Changed'; DELETE FROM ignisign.request");
is(value("$request AND title = 'Kept'"), '1', 'UPDATE and DELETE change nothing');
like(bob('CREATE TABLE ignisign.squatter (x integer)'), qr/ERROR:  must be owner of schema ignisign to create or alter "squatter" in it/, 'CREATE on the schema creates no table');
like(bob('CREATE TABLE squatter (x integer); ALTER TABLE squatter SET SCHEMA ignisign'), qr/must be owner of schema ignisign/, 'nor moves one there');
like(bob('CREATE TRIGGER t BEFORE INSERT ON ignisign.call FOR EACH ROW EXECUTE FUNCTION trap()'), qr/must be owner of table call/, 'TRIGGER creates no trigger');

# What is deferred would run outside of the restricted operation.
value('CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$');
for my $command (
	'CREATE CONSTRAINT TRIGGER later AFTER INSERT ON ignisign.call DEFERRABLE FOR EACH ROW EXECUTE FUNCTION noop()',
	'ALTER TABLE ignisign.request ADD CONSTRAINT later UNIQUE (id, title) DEFERRABLE INITIALLY DEFERRED')
{
	like(($node->psql('postgres', $command))[2], qr/ERROR:  "later" on table ignisign\.\w+ must not be deferrable/, 'nothing on the tables is deferrable');
}

# ---- All statements are security-restricted operations of the owner ----

# What a trigger of a superuser's sees: by whom it is run, as whom, and whether it is restricted.
my $watch = <<~'SQL';
	CREATE TABLE public.seen (place text, role name, restricted boolean);
	GRANT ALL ON public.seen TO PUBLIC;
	CREATE FUNCTION public.watch() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		BEGIN
			CREATE TEMP TABLE escape (x integer);
			DROP TABLE escape;
			INSERT INTO public.seen VALUES (current_setting('application_name'), current_user, false);
		EXCEPTION WHEN insufficient_privilege THEN
			INSERT INTO public.seen VALUES (current_setting('application_name'), current_user, true);
		END;
		RETURN NULL;
	END $$;
	CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON ignisign.call EXECUTE FUNCTION public.watch();
	CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON ignisign.delivery EXECUTE FUNCTION public.watch();
	CREATE TRIGGER watch AFTER INSERT ON ignisign.webhook EXECUTE FUNCTION public.watch();
	CREATE FUNCTION public.told(uuid, jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (''function'', current_user, false); END';
	ALTER FUNCTION public.told OWNER TO ann;
	SQL

# Do all that there is in a database whose tables belong to a role.
sub watch_as
{
	my ($database, $owner) = @_;

	value($watch, $database);
	$node->psql($database, "SELECT ignisign_on('*', 'told(uuid, jsonb)')", extra_params => [ '-U', 'ann' ], on_error_die => 1);
	my $id = $node->safe_psql($database, sign_sql('Watched', 'ann@example.com'), extra_params => [ '-U', 'ann' ]);
	is($node->safe_psql($database, "SELECT ignisign_wait('$id', 'SENT', '60 s')", extra_params => [ '-U', 'ann' ]), 't', "$database: a request is sent");
	$node->safe_psql($database, "SELECT ignisign_refresh('$id')", extra_params => [ '-U', 'ann' ]);
	is($node->safe_psql($database, "SELECT ignisign_wait('$id', 'PROOF', '60 s')", extra_params => [ '-U', 'ann' ]), 't', "$database: and completed");
	ok(wait_for($node, 'SELECT count(*) = 0 FROM ignisign.delivery', $database), "$database: a function is called");
	my $path = $node->safe_psql($database, 'SELECT ignisign_listen()', extra_params => [ '-U', 'ann' ]);
	my $port = free_port();
	value("ALTER DATABASE $database SET ignisign.webhook_listen = '127.0.0.1:$port'");
	my $message = '{"appId":"appId_5a4db0c5-0000-4000-8000-000000000001","appEnv":"DEVELOPMENT","topic":"SIGNER","action":"CREATED","msgNature":"INFO",'
	  . '"content":{"signerId":"x"},"verificationToken":"watched"}';
	my $http = HTTP::Tiny->new(no_proxy => ['127.0.0.1']);
	my $status;
	ok(wait_for(sub {
		$status = $http->post("http://127.0.0.1:$port$path", { content => $message, headers => { 'Content-Type' => 'application/json' } })->{status};
		return $status != 599;
	}), "$database: somebody listens");
	is($status, 200, "$database: the listener takes a message");
	value("ALTER DATABASE $database RESET ignisign.webhook_listen");
	is(value('SELECT DISTINCT place ~ $$^0|psql$$ AND place !~ $$ignisign$$, role, restricted FROM seen WHERE place !~ $$ignisign|function$$', $database), "t|$owner|t", "$database: statements of sessions are restricted");
	is(value('SELECT DISTINCT place, role, restricted FROM seen WHERE place ~ $$ignisign$$ ORDER BY 1', $database),
		join("\n", map { "ignisign $_|$owner|t" } qw(callback listener worker)), "$database: and those of the processes");
	is(value("SELECT DISTINCT role FROM seen WHERE place = 'function'", $database), 'ann', "$database: a callback's function runs as before");
	return;
}

watch_as('postgres', value('SELECT current_user'));
value('DROP TRIGGER watch ON ignisign.call; DROP TRIGGER watch ON ignisign.delivery; DROP TRIGGER watch ON ignisign.webhook');

# The same where the owner is no superuser.
value('CREATE ROLE keeper; CREATE DATABASE kept');
value('CREATE EXTENSION ignisign', 'kept');
connect_node($node, $sandbox, 'kept');
value("SELECT ignisign_grant('ann')", 'kept');
value(<<~'SQL', 'kept');
	ALTER SCHEMA ignisign OWNER TO keeper;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ignisign TO keeper;
	DO $$
	DECLARE t regclass;
	BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'ignisign'::regnamespace AND relkind IN ('r', 'v') LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO keeper', t);
		END LOOP;
	END $$;
	SQL
watch_as('kept', 'keeper');

# ---- What the owner attached, but another role owns ----

# The worker is held by it, says so, and goes on when it is gone.
sub holds
{
	my ($what, $attach, $problem, $detach) = @_;
	my $offset = -s $node->logfile;

	value($attach);
	my ($id) = run_as('ann', sign_sql($what, 'ann@example.com'));
	ok(wait_for($node, "SELECT bool_and(worker_state ~ '^held: ') FROM ignisign_stats()"), "$what holds the worker");
	like(value('SELECT worker_state, hint FROM ignisign_stats()'), $problem, 'which says why');
	ok(wait_for(sub { PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) =~ /WARNING: .*nothing is sent: $problem/ }), 'also in the log');
	is(value("SELECT state FROM ignisign_status('$id')"), 'queued', 'nothing is sent');
	like(($node->psql('postgres', "SELECT ignisign_purge('attempts', '1 day')"))[2], $problem, 'nothing is purged');
	like(($node->psql('postgres', 'SELECT ignisign.check_tables()'))[2], $problem, 'the check of the tables fails');
	value($detach);
	ok(wait_for($node, "SELECT state <> 'queued' FROM ignisign_status('$id')"), 'without it, calls are sent again');
	return;
}

bob(<<~'SQL');
	CREATE FUNCTION f(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
	CREATE FUNCTION is_f(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE DOMAIN d AS text;
	CREATE SEQUENCE s;
	SQL
value(<<~'SQL');
	CREATE OPERATOR public.=== (FUNCTION = is_f, LEFTARG = text, RIGHTARG = text);
	SQL
my $of_bob = 'which belongs to role bob';
holds('An index', 'CREATE INDEX i ON ignisign.request (f(title))', qr/index ignisign\.i uses function public\.f\(text\), $of_bob.*/, 'DROP INDEX ignisign.i');
my $me = value('SELECT current_user');
my %objects = (
	'a partial index'     => [ 'CREATE INDEX i ON ignisign.request (id) WHERE f(title) IS NULL', 'DROP INDEX ignisign.i' ],
	'a CHECK'             => [ 'ALTER TABLE ignisign.call ADD CONSTRAINT c CHECK (f(operation) IS NOT NULL)', 'ALTER TABLE ignisign.call DROP CONSTRAINT c' ],
	'a default'           => [ "ALTER TABLE ignisign.call ADD x text DEFAULT f('x')", 'ALTER TABLE ignisign.call DROP x' ],
	'a sequence'          => [ "ALTER TABLE ignisign.call ADD x bigint; ALTER TABLE ignisign.call ALTER x SET DEFAULT nextval('s')", 'ALTER TABLE ignisign.call DROP x' ],
	'a generated column'  => [ 'ALTER TABLE ignisign.call ADD x text GENERATED ALWAYS AS (f(operation)) STORED', 'ALTER TABLE ignisign.call DROP x' ],
	'a domain'            => [ 'ALTER TABLE ignisign.call ADD x d', 'ALTER TABLE ignisign.call DROP x' ],
	'statistics'          => [ 'CREATE STATISTICS x ON f(title) FROM ignisign.request', 'DROP STATISTICS x' ],
	'a rule'              => [ "CREATE RULE x AS ON UPDATE TO ignisign.parked WHERE f('x') = 'y' DO ALSO NOTHING", 'DROP RULE x ON ignisign.parked' ],
	'a policy'            => [ 'CREATE POLICY x ON ignisign.request FOR SELECT USING (f(title) IS NULL)', 'DROP POLICY x ON ignisign.request' ],
	'a trigger'           => [ 'CREATE TRIGGER x AFTER DELETE ON ignisign.call EXECUTE FUNCTION trap()', 'DROP TRIGGER x ON ignisign.call' ],
	'a condition'         => [ "CREATE TRIGGER x AFTER UPDATE ON ignisign.call FOR EACH ROW WHEN (f(NEW.operation) = 'x') EXECUTE FUNCTION noop()", 'DROP TRIGGER x ON ignisign.call' ],
	'an operator'         => [ "CREATE INDEX i ON ignisign.request (id) WHERE title === 'x'", 'DROP INDEX ignisign.i' ],
	'a foreign key'       => [ 'CREATE TABLE public.key (id uuid PRIMARY KEY); ALTER TABLE public.key OWNER TO bob; ALTER TABLE ignisign.signer ADD x uuid REFERENCES key', 'ALTER TABLE ignisign.signer DROP x; DROP TABLE key' ],
	'a child'             => [ 'CREATE TABLE public.child () INHERITS (ignisign.call); ALTER TABLE child OWNER TO bob', 'DROP TABLE child', qr/table public\.child belongs to role bob, schema ignisign to role $me/ ],
	'a table'             => [ 'ALTER TABLE ignisign.result OWNER TO bob', 'ALTER TABLE ignisign.result OWNER TO CURRENT_USER', qr/table ignisign\.result belongs to role bob/ ]);
for my $name (sort keys %objects)
{
	my ($attach, $detach, $problem) = @{ $objects{$name} };

	value($attach);
	like(($node->psql('postgres', 'SELECT ignisign.check_tables()'))[2], $problem // qr/ERROR:  .* uses .*, $of_bob/, "$name of bob's is not allowed");
	value($detach);
	is(value('SELECT ignisign.check_tables()'), '', 'without it, all is well');
}

# What a child has is judged as what the table itself has.
value('CREATE TABLE public.child () INHERITS (ignisign.request); ALTER TABLE child ADD PRIMARY KEY (id); GRANT ALL ON child TO bob');
like(bob('CREATE TABLE of_child (id uuid REFERENCES child ON DELETE CASCADE)'), qr/must not reference table public\.child/, 'a key to a child is refused');
like(bob('CREATE TRIGGER t AFTER DELETE ON child EXECUTE FUNCTION trap()'), qr/must be owner of table child/, 'and a trigger on it');
like(bob('TRUNCATE child'), qr/must be owner of table public\.child/, 'and TRUNCATE');
value('DROP TABLE child');

# A row filter of a publication calls no function of a user's at all.
like(($node->psql('postgres', 'CREATE PUBLICATION p FOR TABLE ignisign.request WHERE (f(title) IS NULL)'))[2], qr/User-defined or built-in mutable functions are not allowed|invalid publication WHERE expression/, 'PostgreSQL refuses such a row filter');

# ---- Where the library is not preloaded ----

bob('DROP TABLE mine');
value("DELETE FROM ignisign.call");
restart('');
is(bob($trapped), '', 'without hooks bob can make the key');
is(attack(), '', 'but nothing runs');
like(bob('TRUNCATE ignisign.request'), qr/must be owner of table ignisign\.request to empty it/, 'nor does TRUNCATE');
my ($call) = run_as('bob', 'SELECT ignisign_application()');
like(bob("SELECT ignisign_discard($call)"), qr/ERROR:  foreign key steal of table public\.mine must not reference table ignisign\.call in this way.*HINT:  Drop the foreign key\./s, 'who deletes a call gets an error');
my ($id) = run_as('ann', sign_sql('While there is a key', 'ann@example.com'));
like($id, qr/^[0-9a-f-]{36}$/, 'requests are queued');
restart('ignisign');
ok(wait_for($node, "SELECT bool_and(worker_state ~ '^held: foreign key steal of table public.mine') AND bool_and(hint ~ '^Drop the foreign key') FROM ignisign_stats()"),
	'an old key holds the worker');
is(attack(), '', 'nothing of bob\'s runs');
is(value("SELECT state FROM ignisign_status('$id')"), 'queued', 'nothing is sent');
like(($node->psql('postgres', "SELECT ignisign_purge('requests', '0')"))[2], qr/ERROR:  foreign key steal of table public\.mine/, 'nothing is purged');
value('CREATE DATABASE older');
value("CREATE EXTENSION ignisign VERSION '1.0'", 'older');
value('CREATE TABLE mine (id uuid)', 'older');
value("SET session_replication_role = replica", 'older');
value('DROP TABLE public.mine');
ok(wait_for($node, "SELECT state <> 'queued' FROM ignisign_status('$id')"), 'without the key it is sent');
is(is_superuser(), 'f', 'bob is no superuser');

# An update meets an old key.
restart('');
value('CREATE TABLE stale (id uuid CONSTRAINT stale REFERENCES ignisign.request ON DELETE CASCADE)', 'older');
like(($node->psql('older', 'ALTER EXTENSION ignisign UPDATE'))[2], qr/ERROR:  foreign key stale of table public\.stale must not reference/, 'ALTER EXTENSION UPDATE refuses an old key');
value('DROP TABLE stale', 'older');
is(value('ALTER EXTENSION ignisign UPDATE', 'older'), '', 'and goes on without it');

$node->stop;
done_testing();
