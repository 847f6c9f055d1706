# ALTER EXTENSION UPDATE from 1.0, with data in all states and calls under way.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use Test::More;

my $sandbox = start_sandbox(proof_delay => 0);
my $node = new_node('update', undef, 'ignisign.reconcile_delay' => '1h');
my $dump = PostgreSQL::Test::Utils::tempdir('update') . '/dump';

sub value { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# ---- A database of version 1.0 ----

value('DROP EXTENSION ignisign');
value("CREATE EXTENSION ignisign VERSION '1.0'");
connect_node($node, $sandbox);
value("CREATE ROLE app; SELECT ignisign_grant('app')");
value('CREATE ROLE guard; GRANT EXECUTE ON FUNCTION ignisign_stats() TO guard WITH GRANT OPTION');

is(value("SELECT count(*), max(worker_state) FROM ignisign_stats()"), '1|running', 'the function of 1.0 works with this library');
is(value('SELECT * FROM ignisign_stats()') =~ tr/|//, 10, 'and has the columns of 1.0');

# Requests in all states.

value(<<~SQL);
	CREATE TABLE told (request uuid, status text);
	CREATE FUNCTION tell(request uuid, event jsonb) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO told VALUES (request, event ->> 'value') \$\$;
	SELECT ignisign_on('COMPLETED', 'tell(uuid, jsonb)'), ignisign_listen()
	SQL
my $done = value(sign_sql('Done', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$done')"), 'a request is sent');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$done')"));
is(value("SELECT ignisign_wait('$done', 'PROOF', '60 s')"), 't', 'and completed, with its proof');
ok(wait_for($node, 'SELECT count(*) = 1 FROM told'), 'and a function was called');

$sandbox->fault('one-call-sign count=1 close=after');
my $lost = value(sign_sql('Lost', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign_status('$lost')"), 'of one the outcome is unknown');
$sandbox->fault('one-call-sign count=1 status=400');
my $dead = value(sign_sql('Dead', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'dead' FROM ignisign_status('$dead')"), 'one is dead');
my $open = value(sign_sql('Open', 'ann@example.com'));
ok(wait_for($node, "SELECT state = 'open' FROM ignisign_status('$open')"), 'one is open');

# One that belongs to a role whose key cannot be read waits.

value('CREATE ROLE other; SELECT ignisign_grant(\'other\')');
value(<<~SQL);
	CREATE SERVER nokey FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '@{[$sandbox->url]}');
	GRANT USAGE ON FOREIGN SERVER nokey TO other;
	CREATE USER MAPPING FOR other SERVER nokey OPTIONS (api_key_file '/nonexistent')
	SQL
my $pending = value('SET ROLE other; ' . (sign_sql('Pending', 'ann@example.com') =~ s/ignisign_sign\(/ignisign_sign(server => 'nokey', /r));
ok(wait_for($node, 'SELECT count(*) = 1 FROM ignisign.parked'), 'one waits for a key');

$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dump of 1.0');

# ---- The update, with calls under way ----

# What does not move by itself.
my $still = <<~SQL;
	SELECT md5(string_agg(row, '' ORDER BY row)) FROM (
		SELECT (to_jsonb(r) - 'fingerprint')::text FROM ignisign.request r WHERE title <> 'Flying' UNION ALL
		SELECT s::text FROM ignisign.signer s UNION ALL SELECT d::text FROM ignisign.document d UNION ALL
		SELECT p::text FROM ignisign.proof p UNION ALL SELECT e::text FROM ignisign.endpoint e UNION ALL
		SELECT c::text FROM ignisign.callback c UNION ALL SELECT o::text FROM ignisign.origin o UNION ALL
		SELECT concat_ws('/', c.id, c.request, c.state, c.attempts) FROM ignisign.call c WHERE state <> 'sending') t (row)
	SQL

$sandbox->fault('one-call-sign share=1 delay=10000');
my @flying = map { value(sign_sql('Flying', "f$_\@example.com")) } 1 .. 5;
ok(wait_for($node, "SELECT count(*) = 5 FROM ignisign.call WHERE state = 'sending'"), 'calls are under way');
my $before = value($still);
my $worker = value('SELECT DISTINCT worker_pid FROM ignisign_stats()');

value("CREATE VIEW watch AS SELECT server, hint FROM ignisign_stats()");
my ($status, $out, $err) = $node->psql('postgres', 'ALTER EXTENSION ignisign UPDATE');
like($err, qr/cannot drop function ignisign_stats\(\).*view watch depends/s, 'a view that depends on it is not lost unasked');
is(value("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'"), '1.0', 'and nothing has changed');
value('DROP VIEW watch');

value('ALTER EXTENSION ignisign UPDATE');
is(value("SELECT count(*) FROM ignisign.call WHERE state = 'sending'"), '5', 'after the update they still are');
is(value("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'"), '1.1', 'the version is 1.1');
is(value($still), $before, 'what was there is there as it was');
ok(wait_for($node, "SELECT count(*) = 5 FROM ignisign.requests WHERE title = 'Flying' AND state = 'open'"), 'the calls under way have come back');
is(value('SELECT DISTINCT worker_pid FROM ignisign_stats()'), $worker, 'to the same worker');
is(value("SELECT calls > 0 AND succeeded >= 5 AND stuck IS FALSE FROM ignisign_stats() WHERE server = 'ignisign'"),
	't', 'which has counted, also before the update');
$sandbox->clear_faults;

# ---- It is what a new 1.1 is ----

value('CREATE DATABASE fresh');
value('CREATE EXTENSION ignisign', 'fresh');
is(value("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'", 'fresh'), '1.1', 'CREATE EXTENSION makes 1.1');

my $members = "pg_depend d JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid"
  . " AND d.deptype = 'e' AND x.extname = 'ignisign'";
my $extension_acl = "(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(%s) a WHERE a::text !~ '^(app|guard|other)=')";
my %catalog = (
	members => "SELECT pg_describe_object(d.classid, d.objid, d.objsubid), obj_description(d.objid, d.classid::regclass::name) FROM $members ORDER BY 1",
	functions => "SELECT pg_get_functiondef(p.oid), " . sprintf($extension_acl, 'p.proacl') . ", " . sprintf($extension_acl, 'i.initprivs')
	  . " FROM $members JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
	  . " LEFT JOIN pg_init_privs i ON i.objoid = p.oid AND i.classoid = d.classid ORDER BY 1",
	columns => "SELECT c.relname, c.relkind, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attstorage, "
	  . "pg_get_expr(f.adbin, f.adrelid), col_description(c.oid, a.attnum), " . sprintf($extension_acl, 'c.relacl')
	  . " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum"
	  . " WHERE c.relnamespace = 'ignisign'::regnamespace ORDER BY 1, 3",
	constraints => "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'ignisign'::regnamespace ORDER BY 1, 2",
	indexes => "SELECT indexdef FROM pg_indexes WHERE schemaname = 'ignisign' ORDER BY 1",
	policies => "SELECT * FROM pg_policies WHERE schemaname = 'ignisign' ORDER BY tablename, policyname",
	triggers => "SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'ignisign'::regnamespace ORDER BY 1",
	dumped => "SELECT unnest(extconfig)::regclass::text, unnest(extcondition) FROM pg_extension WHERE extname = 'ignisign' ORDER BY 1");
is(value($catalog{$_}), value($catalog{$_}, 'fresh'), "$_ are those of a new 1.1") for sort keys %catalog;

# ---- Privileges ----

is(value('SET ROLE app; SELECT count(*) FROM ignisign_stats()'), '1', 'who had been granted the function still may call it');
is(value("SELECT has_function_privilege('guard', 'ignisign_stats()', 'EXECUTE WITH GRANT OPTION')"), 't', 'and may pass it on');
is(value("CREATE ROLE eve; SELECT has_function_privilege('eve', 'ignisign_stats()', 'EXECUTE')"), 'f', 'nobody else may');
is(value("SELECT has_function_privilege('app', 'ignisign.grant_again(regprocedure, aclitem[])', 'EXECUTE')"), 'f', 'the step of the update is for nobody');
($status, $out, $err) = $node->psql('postgres', "SELECT ignisign.grant_again('ignisign_stats()', format('{=X/%I}', current_user)::aclitem[])");
like($err, qr/is for the extension's update scripts/, 'nor outside of it');
value("SELECT ignisign_grant('app')");
is(value("SELECT has_function_privilege('app', 'ignisign.grant_again(regprocedure, aclitem[])', 'EXECUTE')"), 'f', 'also after ignisign_grant()');
my ($plain) = PostgreSQL::Test::Utils::run_command([ 'pg_dump', '--schema-only', '--dbname', $node->connstr('postgres') ]);
like($plain, qr/GRANT ALL ON FUNCTION public\.ignisign_stats\([^)]*\) TO app;/, 'pg_dump knows of what was granted');
like($plain, qr/GRANT ALL ON FUNCTION public\.ignisign_stats\([^)]*\) TO guard WITH GRANT OPTION;/, 'and how');

# ---- Nothing is lost, nothing sent twice ----

value('SELECT ignisign_resolve(\'' . $lost . '\', \'' . (map { $_->{id} } grep { $_->{title} eq 'Lost' } $sandbox->requests)[0] . '\')');
value("SELECT ignisign_retry_request('$dead')");
value("ALTER USER MAPPING FOR other SERVER nokey OPTIONS (DROP api_key_file, ADD api_key '@{[$sandbox->key]}')");
ok(wait_for($node, "SELECT count(*) = 10 FROM ignisign.requests WHERE state IN ('open', 'closed')"), 'all requests go on');
my %count;
$count{ $_->{title} }++ for $sandbox->requests;
is_deeply(\%count, { Done => 1, Lost => 1, Open => 1, Pending => 1, Dead => 1, Flying => 5 },
	'each was sent once');
$sandbox->sign(value("SELECT signature_request_id FROM ignisign_status('$open')"));
is(value("SELECT ignisign_wait('$open', 'PROOF', '60 s')"), 't', 'an open one is completed');
ok(wait_for($node, "SELECT count(*) = 1 FROM told WHERE request = '$open'"), 'the callback is called');

# ---- Requests of 1.0 that share an id ----

value('CREATE DATABASE shared');
value("CREATE EXTENSION ignisign VERSION '1.0'", 'shared');
my %twin = map { $_ => sprintf '01900000-0000-7000-8000-%012d', $_ } 1 .. 3;
value(<<~SQL, 'shared');
	INSERT INTO ignisign.request (id, owner, server, title, signature_method, delivery, signer_count, signed_count, signature_request_id, status, sent_at, closed_at)
	SELECT ('01900000-0000-7000-8000-00000000000' || n)::uuid, current_user, 's' || n, 'Twin ' || n, 'SIMPLE_STD', CASE n WHEN 3 THEN 'imported' ELSE 'one-call' END,
		1, 1, '67a1c0de0000000000000001', 'COMPLETED', now() - n * interval '1 hour', CASE n WHEN 3 THEN NULL ELSE now() END FROM generate_series(1, 3) n (n);
	INSERT INTO ignisign.event (request, source, kind) VALUES ('$twin{1}', 'api', 'sent'), ('$twin{2}', 'reconcile', 'sent');
	INSERT INTO ignisign.signer (request, n, email, signer_id, signed_at) SELECT id, 1, 'ann\@example.com', 'x', now() FROM ignisign.request;
	INSERT INTO ignisign.proof (request, document, proof_type, content, sha256, size) SELECT id, 1, 'SIGNED_DATA', 'x', 'x', 1 FROM ignisign.request;
	INSERT INTO ignisign.call (request, operation, owner, server, state) SELECT id, 'context', owner, server, 'dead' FROM ignisign.request
	SQL
value('ALTER EXTENSION ignisign UPDATE', 'shared');
my $state = "SELECT state, signature_request_id, sent_at IS NOT NULL, status, signed, proofs, (SELECT count(*) FROM ignisign.signer s WHERE s.request = r.id AND signed_at IS NOT NULL) FROM ignisign.requests r WHERE id =";
is(value("$state '$twin{1}'", 'shared'), 'closed|67a1c0de0000000000000001|t|COMPLETED|1|1|1', 'the one whose own response had the id keeps it');
is(value("$state '$twin{2}'", 'shared'), 'unknown||f||0|0|0', 'of another one the outcome is unknown');
is(value("SELECT string_agg(operation || ' ' || state || ' ' || run_at, ' ') FROM ignisign.call WHERE request = '$twin{2}'", 'shared'), 'one-call-sign unknown infinity', 'and only a person decides');
like(value("SELECT last_error FROM ignisign.requests WHERE id = '$twin{2}'", 'shared'), qr/signature request 67a1c0de0000000000000001 belongs to another request: decide with ignisign_resolve/, 'which the request says');
is(value("$state '$twin{3}'", 'shared'), 'closed||t||0|1|1', 'an imported one is closed');
value("SELECT ignisign_resolve('$twin{2}', '67A1C0DE0000000000000002')", 'shared');
is(value("SELECT signature_request_id FROM ignisign.requests WHERE id = '$twin{2}'", 'shared'), '67a1c0de0000000000000002', 'a person gives an id of its own');
value('DROP DATABASE shared WITH (FORCE)');

# ---- A dump of 1.0 ----

value('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('restored'), $dump ], 'a dump of 1.0 is restored');
is(value("SELECT extversion FROM pg_extension WHERE extname = 'ignisign'", 'restored'), '1.1', 'as 1.1');
is(value("SELECT string_agg(title, ' ' ORDER BY title) FROM ignisign.requests", 'restored'), 'Dead Done Lost Open Pending', 'with its requests');
is(value("SELECT has_function_privilege('app', 'ignisign_stats()', 'EXECUTE')", 'restored'), 't', 'and what was granted');
ok(wait_for($node, "SELECT bool_and(worker_state LIKE 'parked%') FROM ignisign_stats()", 'restored'), 'it holds still');

$node->stop;
done_testing();
