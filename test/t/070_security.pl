# Hostile objects wherever a name could be looked up, a hostile API, and files
# that are no key: nothing of it runs with another's rights, reaches another's
# rows or stops the worker.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use IgnisignTest;
use IO::Socket::INET;
use POSIX ();
use Test::More;

my $sandbox = start_sandbox(sign_after => 0, proof_delay => 0);
my $node = new_node('security', $sandbox, 'ignisign.reconcile_delay' => '2s');
my $root = "$FindBin::RealBin/../..";

# What the extension's sources call: whatever of it the server has gets a double.
my %words;
for my $file (glob("$root/src/*.c $root/src/*/*.c"), "$root/sql/ignisign--1.0.sql")
{
	my $text = PostgreSQL::Test::Utils::slurp_file($file);

	$words{$1} = 1 while $text =~ /\b([a-z_0-9]+) ?\(/g;
}
my $words = join ',', sort keys %words;

# A double of each operator and function, and types of the same names, in a
# schema; each tells who ran it.
sub plant
{
	my ($database, $schema) = @_;

	$node->safe_psql($database, <<~SQL, extra_params => [ '-U', 'mallory' ]);
	SET client_min_messages = error;
	SET search_path = pg_catalog;
	DO \$do\$
	DECLARE
		o record;
		n integer := 0;
	BEGIN
		FOR o IN
			SELECT oprname AS name, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
			FROM pg_operator
			WHERE oprkind = 'b' AND oprnamespace = 'pg_catalog'::regnamespace AND oprresult <> 0
				AND oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '&&', '\@>', '->', '->>', '~', '+', '-', '*')
				AND oprleft::regtype::text !~ '^any|record|inet|money|path|box|point|circle|vector|lseg'
				AND oprright::regtype::text !~ '^any|record|inet|money|path|box|point|circle|vector|lseg'
			UNION
			SELECT '=', l, r, 'boolean' FROM
				unnest('{text,name,uuid,oid,regclass,regprocedure,bigint,integer,boolean,"char",varchar,xid,tid}'::regtype[]) l,
				unnest('{text,name,uuid,oid,regclass,regprocedure,bigint,integer,boolean,"char",varchar,xid,tid}'::regtype[]) r
		LOOP
			n := n + 1;
			EXECUTE format('CREATE FUNCTION $schema.op_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS
				\$\$BEGIN PERFORM hostile.note(%L); RETURN NULL; END\$\$', n, o.l, o.r, o.result, o.name);
			BEGIN
				EXECUTE format('CREATE OPERATOR $schema.%s (FUNCTION = $schema.op_%s, LEFTARG = %s, RIGHTARG = %s)', o.name, n, o.l, o.r);
			EXCEPTION WHEN duplicate_function THEN NULL;
			END;
		END LOOP;
		FOR o IN
			SELECT DISTINCT proname AS name, replace(replace(replace(replace(pg_get_function_identity_arguments(p.oid),
				'anyarray', 'text[]'), 'anyelement', 'text'), 'VARIADIC "any"', 'text'), '"any"', 'text') AS args
			FROM pg_proc p
			WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY (string_to_array('$words', ','))
		LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION $schema.%I(%s) RETURNS text LANGUAGE plpgsql AS
					\$\$BEGIN PERFORM hostile.note(%L); RETURN NULL; END\$\$', o.name, o.args, o.name);
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
		FOR o IN SELECT unnest('{text,uuid,name,jsonb,bytea,int8,int4,bool,oid,regclass,interval,timestamptz}'::text[]) AS name
		LOOP
			EXECUTE format('CREATE DOMAIN $schema.%I AS pg_catalog.%I CHECK (hostile.note(''type'') IS NULL)', o.name, o.name);
		END LOOP;
		EXECUTE 'CREATE FUNCTION $schema.ignisign_webhook(jsonb, text) RETURNS uuid LANGUAGE plpgsql AS
			''BEGIN PERFORM hostile.note(''''ignisign_webhook''''); RETURN NULL; END''';
		EXECUTE 'CREATE FUNCTION $schema.ask(text, jsonb, text) RETURNS bigint LANGUAGE plpgsql AS
			''BEGIN PERFORM hostile.note(''''ask''''); RETURN NULL; END''';
	END
	\$do\$;
	SQL
}

# A database in which mallory may create all that can be created by who is no
# superuser, and where she came before the extension.
sub prepare
{
	my ($database) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->safe_psql($database, "GRANT CREATE ON SCHEMA public TO mallory; GRANT CREATE, TEMP ON DATABASE $database TO mallory;");
	$node->safe_psql($database, <<~'SQL', extra_params => [ '-U', 'mallory' ]);
	CREATE SCHEMA hostile;
	GRANT USAGE ON SCHEMA hostile TO PUBLIC;
	CREATE TABLE hostile.ran (who name, what text);
	GRANT ALL ON hostile.ran TO PUBLIC;
	CREATE FUNCTION hostile.note(text) RETURNS integer LANGUAGE plpgsql AS 'BEGIN INSERT INTO hostile.ran VALUES (current_user, $1); RETURN NULL; END';
	SQL
	plant($database, $_) for qw(public hostile);
}

# Call all that the extension has, as mallory, with her objects before the
# server's and in place of the extension's tables.
sub attack
{
	my ($database, $schema) = @_;
	my $calls = $node->safe_psql($database, <<~SQL);
	SET search_path = pg_catalog;
	SELECT format('SELECT %s(%s);', p.oid::regproc, string_agg(
		CASE t::regtype::text WHEN 'uuid' THEN '''01890000-0000-7000-8000-000000000000''' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1'
			WHEN 'jsonb' THEN '''{}''' WHEN 'boolean' THEN 'true' WHEN 'bytea' THEN quote_literal('\\x25504446') WHEN 'text[]' THEN '''{a}'''
			WHEN 'name' THEN '''ignisign''::pg_catalog.name' WHEN 'interval' THEN '''0''' WHEN 'date' THEN '''2000-01-01''' WHEN 'timestamp with time zone' THEN '''2100-01-01'''
			WHEN 'text' THEN '''5f0000000000000000000001''' ELSE 'NULL' END, ', ' ORDER BY i))
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ignisign'
	LEFT JOIN LATERAL unnest(p.proargtypes) WITH ORDINALITY AS a (t, i) ON true
	WHERE has_function_privilege('mallory', p.oid, 'EXECUTE') AND p.prorettype <> 'trigger'::regtype
	GROUP BY p.oid ORDER BY p.oid
	SQL
	my $tables = join '', map { "CREATE TEMP VIEW $_ AS SELECT hostile.note('$_');\n" }
	  qw(call request signer document proof event attempt webhook endpoint delivery callback session origin result parked
	  added sent changed pg_proc pg_database pg_foreign_server pg_class);
	my $hex = unpack 'H*', pdf('hostile');
	my ($status, $out, $err) = $node->psql(
		$database, <<~SQL, on_error_stop => 0, extra_params => [ '-U', 'mallory' ]);
	$tables
	SET search_path = hostile, pg_temp, pg_catalog, $schema, public, ignisign;
	SET bytea_output = escape;
	SET DateStyle = 'German';
	SET IntervalStyle = 'sql_standard';
	SET TimeZone = 'Asia/Kathmandu';
	SET standard_conforming_strings = off;
	SET row_security = off;
	SET quote_all_identifiers = on;
	SET array_nulls = off;
	SET transform_null_equals = on;
	SET plan_cache_mode = force_generic_plan;
	SELECT $schema.ignisign_sign(title => 'Hostile', document => E'\\\\x$hex', signers => '[{"email": "x\@example.com"}]'::pg_catalog.jsonb) AS id \\gset
	SELECT $schema.ignisign_sign(title => 'Hostile', document => E'\\\\x$hex', signers => ARRAY[$schema.ignisign_signer('y\@example.com')], description => 'staged');
	SELECT $schema.ignisign_refresh(:'id');
	CREATE TABLE hostile.contract (title pg_catalog.text, pdf pg_catalog.bytea, email pg_catalog.text, signature_id pg_catalog.uuid);
	CREATE TRIGGER sign AFTER INSERT ON hostile.contract FOR EACH ROW
		EXECUTE FUNCTION $schema.ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id');
	INSERT INTO hostile.contract VALUES ('By trigger', E'\\\\x$hex', 'z\@example.com');
	DROP TABLE hostile.contract;
	CREATE FUNCTION hostile.told(pg_catalog.uuid, pg_catalog.jsonb) RETURNS void LANGUAGE sql AS 'SELECT';
	SELECT $schema.ignisign_on('*', 'hostile.told(pg_catalog.uuid, pg_catalog.jsonb)');
	$calls
	SELECT $schema.ignisign_discard_request(:'id');
	SQL
	is( $node->safe_psql($database, 'SELECT coalesce(string_agg(DISTINCT who || $$ ran $$ || what, $$, $$), $$nobody$$) FROM hostile.ran'),
		'nobody', "$database: no function, operator, type or table of hers was run");
	is( $node->safe_psql($database, "SELECT count(*) > 2 FROM ignisign.request WHERE owner = 'mallory'"),
		't', "$database: though she could sign")
	  or diag($err);
	unlike($err, qr/(?:not find|corrupt|internal error|XX000)/, "$database: and nothing came apart");
	return;
}

# Nothing of the extension is for PUBLIC, and ann's requests are ann's.
sub check_rights
{
	my ($database) = @_;

	is( $node->safe_psql(
			$database, <<~'SQL'), '0', "$database: nothing is for PUBLIC");
	SET search_path = pg_catalog;
	SELECT (SELECT count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ignisign'
			JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass,
			aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0)
		+ (SELECT count(*) FROM pg_class c, aclexplode(coalesce(relacl, acldefault('r', relowner))) a
			WHERE relnamespace = 'ignisign'::regnamespace AND a.grantee = 0)
		+ (SELECT count(*) FROM pg_class c WHERE relnamespace = 'ignisign'::regnamespace AND relkind = 'r' AND NOT relrowsecurity)
		+ (SELECT count(*) FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = 'ignisign' AND a.grantee = 0)
	SQL
	like(
		($node->psql($database, 'SELECT FROM ignisign.request', extra_params => [ '-U', 'stranger' ]))[2],
		qr/permission denied/,
		"$database: a stranger sees nothing");
	return;
}

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE ann LOGIN; CREATE ROLE stranger LOGIN');

# ---- Hostile objects ----

prepare('first');
is( $node->safe_psql(
		'first', <<~'SQL'), 't', 'what she has planted is run where names are not qualified');
	SET search_path = hostile, pg_catalog;
	SELECT lower('X'::pg_catalog.text), 'pg_class'::pg_catalog.regclass = 1::pg_catalog.oid \g /dev/null
	SET search_path = public;
	SELECT 1::pg_catalog.oid = 'pg_class'::pg_catalog.regclass \g /dev/null
	SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>=) 3 FROM hostile.ran
	SQL
$node->safe_psql('first', 'TRUNCATE hostile.ran');
$node->safe_psql('first', 'CREATE EXTENSION ignisign');
is( $node->safe_psql('first', 'SELECT count(*) FROM hostile.ran'), '0', 'CREATE EXTENSION runs nothing of hers');
is( $node->safe_psql(
		'first', <<~'SQL'), '0', 'nothing of the extension depends on what is hers');
	SELECT count(*) FROM pg_shdepend s JOIN pg_depend d ON d.refclassid = s.classid AND d.refobjid = s.objid AND d.deptype = 'n'
	JOIN pg_depend m ON m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e'
	WHERE s.deptype = 'o' AND s.refobjid = 'mallory'::regrole AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
	SQL
connect_node($node, $sandbox, 'first');
$node->safe_psql('first', "SELECT ignisign_grant('mallory'); SELECT ignisign_grant('ann')");
my $id = $node->safe_psql('first', sign_sql('Of Ann', 'ann@example.com'), extra_params => [ '-U', 'ann' ]);
attack('first', 'public');
ok(wait_for($node, "SELECT count(*) = 0 FROM ignisign.call WHERE state = 'sending' OR state = 'pending' AND attempts = 0", 'first'), 'the worker has tried all of it');
is($node->safe_psql('first', 'SELECT count(*) FROM hostile.ran'), '0', 'the worker ran nothing of hers');
$node->safe_psql('first', "SELECT ignisign_purge('attempts', '1 day'); SELECT ignisign_adopt()");
is($node->safe_psql('first', 'SELECT count(*) FROM hostile.ran'), '0', 'nor did what only the owner may run');
check_rights('first');
is( $node->safe_psql('first', "SELECT count(*) FROM ignisign.requests WHERE owner <> 'mallory'", extra_params => [ '-U', 'mallory' ]),
	'0', 'she sees nothing of Ann');

# The same after a restore, with and without privileges, and in another schema.

my $dump = PostgreSQL::Test::Utils::tempdir('security') . '/dump';
$node->command_ok([ 'pg_dump', '--format=custom', '--file', $dump, '--dbname', $node->connstr('first') ], 'pg_dump');
for my $case ([ 'copied' ], [ 'bare', '--no-privileges' ])
{
	my ($database, @options) = @$case;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '--dbname', $node->connstr($database), $dump ], "pg_restore @options");
	check_rights($database);
	if (@options)
	{
		like(
			($node->psql($database, "SELECT public.ignisign_stats()", extra_params => [ '-U', 'mallory' ]))[2],
			qr/permission denied/,
			"$database: she may do nothing");
		next;
	}
	$node->safe_psql($database, 'GRANT INSERT ON hostile.ran TO PUBLIC');
	attack($database, 'public');
	is( $node->safe_psql($database, "SELECT count(*) FROM ignisign.requests WHERE owner <> 'mallory'", extra_params => [ '-U', 'mallory' ]),
		'0', "$database: she sees nothing of Ann");
}
prepare('elsewhere');
$node->safe_psql('elsewhere', 'CREATE SCHEMA sign; GRANT USAGE ON SCHEMA sign TO PUBLIC; CREATE EXTENSION ignisign SCHEMA sign');
$node->safe_psql('elsewhere', sprintf "SELECT sign.ignisign_connect('%s', base_url => '%s', for_role => 'public')", $sandbox->key, $sandbox->url);
$node->safe_psql('elsewhere', "SELECT sign.ignisign_grant('mallory')");
attack('elsewhere', 'sign');
check_rights('elsewhere');
like(
	($node->psql('elsewhere', 'ALTER EXTENSION ignisign SET SCHEMA public'))[2],
	qr/does not support SET SCHEMA/,
	'the extension stays in its schema');

# And after an update, which meets what she has planted.

prepare('updated');
$node->safe_psql('updated', "CREATE EXTENSION ignisign VERSION '1.0'");
connect_node($node, $sandbox, 'updated');
$node->safe_psql('updated', 'ALTER EXTENSION ignisign UPDATE');
is($node->safe_psql('updated', 'SELECT count(*) FROM hostile.ran'), '0', 'ALTER EXTENSION UPDATE runs nothing of hers');
$node->safe_psql('updated', "SELECT ignisign_grant('mallory')");
attack('updated', 'public');
check_rights('updated');
$node->safe_psql('postgres', "DROP DATABASE $_") for qw(copied bare elsewhere updated);

# ---- A hostile API ----

# Ann has imported a request.  The API of a server of Mallory's says of one of hers
# that it has the same id.  An id belongs to one request of the database: Ann's row keeps
# it, Mallory's request stays in doubt, and her others go on.

my $theirs = '5f00000000000000000000aa';
my $own = '5f00000000000000000000bb';
my $listener = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1', LocalPort => free_port(), ReuseAddr => 1) or die $!;
my $api = fork // die;
if ($api == 0)
{
	# Since 16 the tests' servers are stopped by a signal that a test gets.
	$SIG{TERM} = 'DEFAULT';
	while (my $client = $listener->accept)
	{
		my ($body, $length) = ('', 0);

		while (my $line = <$client>)
		{
			$length = $1 if $line =~ /^content-length: *(\d+)/i;
			last if $line =~ /^\r?$/;
		}
		read $client, $body, $length;
		$body = sprintf '{"signatureRequestId":"%s"}', $body =~ /"title": *"Hers"/ ? $theirs : $own;
		print $client "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
		close $client;
	}
	POSIX::_exit(0);
}
my $url = 'http://127.0.0.1:' . $listener->sockport;
$node->safe_psql('postgres', "SELECT ignisign_grant('ann'); SELECT ignisign_grant('mallory')");
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER ignisign TO mallory');
$node->safe_psql('postgres', "SELECT ignisign_import('$theirs')", extra_params => [ '-U', 'ann' ]);
$node->safe_psql(
	'postgres', "CREATE SERVER evil FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '$url', check_inputs 'false');
	CREATE USER MAPPING FOR mallory SERVER evil OPTIONS (api_key '" . $sandbox->key . "')", extra_params => [ '-U', 'mallory' ]);
my $hers = $node->safe_psql('postgres', sign_sql('Hers', 'x@example.com') =~ s/\)$/, server => 'evil')/r, extra_params => [ '-U', 'mallory' ]);
ok(wait_for($node, "SELECT state = 'unknown' AND run_at = 'infinity' FROM ignisign.call WHERE request = '$hers' AND operation = 'one-call-sign'"),
	'her API answers, and she decides');
is($node->safe_psql('postgres', "SELECT sent_at IS NULL AND signature_request_id IS NULL FROM ignisign.request WHERE id = '$hers'"),
	't', 'her request does not get the id');
$hers = $node->safe_psql('postgres', sign_sql('Also hers', 'x@example.com') =~ s/\)$/, server => 'evil')/r, extra_params => [ '-U', 'mallory' ]);
ok(wait_for($node, "SELECT signature_request_id = '$own' FROM ignisign.request WHERE id = '$hers'"), 'her others go on');
is( $node->safe_psql('postgres', "SELECT count(*) FROM ignisign.request WHERE signature_request_id = '$theirs' AND owner = 'ann'"),
	'1', 'what Ann has imported stays');

# Ann's request is in doubt; a row of Mallory's server has its id.  It is not sent twice;
# Ann's other requests go on, and it is found when that row is gone.

$sandbox->fault('one-call-sign count=1 close=after');
my $doubt = $node->safe_psql('postgres', sign_sql('In doubt', 'ann@example.com'), extra_params => [ '-U', 'ann' ]);
ok(wait_for($node, "SELECT state = 'unknown' FROM ignisign.call WHERE request = '$doubt' AND operation = 'one-call-sign'"), 'a request is in doubt');
my ($remote) = map { $_->{signatureRequestId} // $_->{_id} // $_->{id} } grep { $_->{title} eq 'In doubt' } $sandbox->requests;
$node->safe_psql(
	'postgres', "INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count, signature_request_id, closed_at)
	VALUES (gen_random_uuid(), 'mallory', 'evil', 'x', 'SIMPLE_STD', 1, '$remote', now())");
ok(wait_for($node, "SELECT last_error LIKE '%$remote %its id is that of a request of another account%' FROM ignisign.call WHERE request = '$doubt' AND operation = 'one-call-sign'"),
	'it stays in doubt, and the reason is there');
my $next = $node->safe_psql('postgres', sign_sql('Next', 'ann@example.com'), extra_params => [ '-U', 'ann' ]);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$next', 'SENT', '60 s')", extra_params => [ '-U', 'ann' ]), 't', 'others go on');
$node->safe_psql('postgres', "DELETE FROM ignisign.request WHERE owner = 'mallory' AND signature_request_id = '$remote'");
ok(wait_for($node, "SELECT signature_request_id = '$remote' FROM ignisign.request WHERE id = '$doubt'"), 'it is found when that row is gone');
is(scalar(grep { $_->{title} eq 'In doubt' } $sandbox->requests), 1, 'and not sent twice');
kill 'TERM', $api;
waitpid $api, 0;

# ---- Files that are no key ----

my $directory = PostgreSQL::Test::Utils::tempdir('keys');
chmod 0755, $directory;
POSIX::mkfifo("$directory/pipe", 0644) or die $!;
PostgreSQL::Test::Utils::append_to_file("$directory/notes", "root:hunter2secret:0:0\n");
$node->safe_psql('postgres', "CREATE SERVER filed FOREIGN DATA WRAPPER ignisign OPTIONS (base_url '" . $sandbox->url . "');
	CREATE USER MAPPING FOR PUBLIC SERVER filed OPTIONS (api_key_file '$directory/pipe'); GRANT USAGE ON FOREIGN SERVER filed TO ann");
for my $case ([ 'pipe', qr/is not a regular file/ ], [ '', qr/is not a regular file/ ], [ 'nothing', qr/No such file/ ],
	[ 'notes', qr/invalid API key in the key file: it does not start with/ ])
{
	my ($name, $reason) = @$case;

	$node->safe_psql('postgres', "ALTER USER MAPPING FOR PUBLIC SERVER filed OPTIONS (SET api_key_file '$directory/$name')");
	$node->safe_psql('postgres', "SELECT ignisign_application('filed')", extra_params => [ '-U', 'ann' ]);
	ok( wait_for(sub { ($node->psql('postgres', "SELECT reason FROM ignisign.parked WHERE server = 'filed'"))[1] =~ $reason }),
		"what is no key file is told: '$name'");
}
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/hunter2secret/, 'what is in such a file is not told');
$id = $node->safe_psql('postgres', sign_sql('After', 'ann@example.com'), extra_params => [ '-U', 'ann' ]);
is($node->safe_psql('postgres', "SELECT ignisign_wait('$id', 'SENT', '60 s')", extra_params => [ '-U', 'ann' ]), 't', 'and the worker goes on');

$node->stop;
done_testing();
