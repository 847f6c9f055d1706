-- What holds of every object of the extension, whoever adds one, and what its
-- functions do for who would abuse them.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress "Säure" \', for_role => 'public');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR PUBLIC SERVER "regress ""Säure"" \" OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');
CREATE ROLE regress_grantee;
SELECT ignisign_grant('regress_grantee', 'regress "Säure" \');
CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ignisign'
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e';
CREATE TEMP VIEW member_function AS
	SELECT p.* FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid;
CREATE TEMP VIEW member_relation AS
	SELECT c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid;

-- Nothing is for PUBLIC, be it said or by default.
SELECT 'function', p.oid::regprocedure FROM member_function p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
WHERE a.grantee = 0;
SELECT 'relation', c.oid::regclass FROM member_relation c, aclexplode(coalesce(relacl, acldefault('r', relowner))) a
WHERE a.grantee = 0;
SELECT 'type', t.oid::regtype FROM member m JOIN pg_type t ON t.oid = m.objid AND m.classid = 'pg_type'::regclass,
	aclexplode(coalesce(typacl, acldefault('T', typowner))) a
WHERE a.grantee = 0 AND t.typtype = 'c' AND t.typrelid NOT IN (SELECT oid FROM member_relation);
SELECT 'schema', nspname FROM member m JOIN pg_namespace n ON n.oid = m.objid AND m.classid = 'pg_namespace'::regclass,
	aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
WHERE a.grantee = 0;
SELECT 'wrapper', fdwname FROM pg_foreign_data_wrapper w, aclexplode(coalesce(fdwacl, acldefault('F', fdwowner))) a
WHERE fdwname = 'ignisign' AND a.grantee = 0;

-- No function is SECURITY DEFINER, and those in SQL were bound when they were made.
SELECT oid::regprocedure FROM member_function WHERE prosecdef;
SELECT p.oid::regprocedure FROM member_function p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname <> 'c' AND (l.lanname <> 'sql' OR p.prosqlbody IS NULL);
-- All belongs to one owner.
SELECT count(DISTINCT owner) FROM (SELECT proowner AS owner FROM member_function UNION SELECT relowner FROM member_relation
	UNION SELECT nspowner FROM pg_namespace WHERE nspname = 'ignisign') o;
-- Every table has row-level security; those without a policy are for no one else.
SELECT relname FROM member_relation WHERE relkind IN ('r', 'p') AND NOT relrowsecurity;
SELECT relname FROM member_relation c WHERE relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_policy p WHERE polrelid = c.oid) ORDER BY 1;
SELECT polrelid::regclass, polname FROM pg_policy WHERE polrelid IN (SELECT oid FROM member_relation) AND (polcmd <> 'r' OR NOT polpermissive);
-- Views look with the eyes of who reads them.
SELECT relname FROM member_relation WHERE relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false);
-- No trigger but those of the extension.
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM member_relation) AND tgname <> 'check_truncate' ORDER BY 1, 2;
-- Every table has the one against TRUNCATE.
SELECT relname FROM member_relation c WHERE relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'check_truncate');

-- What ignisign_grant() grants: each new object is to be thought of.
SELECT DISTINCT proname FROM member_function WHERE has_function_privilege('regress_grantee', oid, 'EXECUTE') ORDER BY 1;
SELECT string_agg(DISTINCT proname, ' ') FROM member_function WHERE NOT has_function_privilege('regress_grantee', oid, 'EXECUTE');
SELECT string_agg(relname, ' ' ORDER BY relname) FROM member_relation WHERE has_table_privilege('regress_grantee', oid, 'SELECT');
SELECT string_agg(relname, ' ' ORDER BY relname) FROM member_relation
WHERE relkind <> 'S' AND NOT has_table_privilege('regress_grantee', oid, 'SELECT');
SELECT DISTINCT privilege_type FROM member_relation, aclexplode(relacl) WHERE grantee = 'regress_grantee'::regrole;
SELECT count(*) FROM aclexplode((SELECT proacl FROM pg_proc WHERE proname = 'ignisign_fdw_validator')) WHERE grantee = 'regress_grantee'::regrole;

-- Names of all kinds: each role sees its own requests, and no other's.
CREATE FUNCTION pg_temp.try_name(role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
	mine bigint;
	others bigint;
BEGIN
	EXECUTE format('CREATE ROLE %I', role);
	PERFORM ignisign_grant(role::name, 'regress "Säure" \');
	EXECUTE format('SET LOCAL ROLE %I', role);
	id := ignisign_sign('t', '%PDF-1'::bytea, '[{"email": "x@example.com"}]'::jsonb, server => 'regress "Säure" \');
	SELECT count(*) FILTER (WHERE owner = role::name), count(*) FILTER (WHERE owner <> role::name)
		INTO mine, others FROM ignisign.requests;
	PERFORM ignisign_discard_request(id);
	RESET ROLE;
	EXECUTE format('DROP OWNED BY %I', role);
	EXECUTE format('DROP ROLE %I', role);
	RETURN mine || ' ' || others;
END $$;
SELECT name, pg_temp.try_name(name) FROM unnest(ARRAY['regress_a"b', 'regress_a''b', 'regress_a\b', 'regress_A', 'regress_a', 'regress_a b; --',
	'regress_ünï', 'regress_$1', '"regress_q"', 'regress_' || repeat('x', 55)]) name;

-- Errors leave nothing behind: who catches them is who they were.
CREATE FUNCTION pg_temp.caught(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('search_path');
	code text := 'none';
BEGIN
	BEGIN
		EXECUTE command;
	EXCEPTION WHEN OTHERS THEN
		code := SQLSTATE;
	END;
	IF current_user <> 'regress_grantee' OR current_setting('search_path') <> path THEN
		RETURN format('%s: %s with %s', code, current_user, current_setting('search_path'));
	END IF;
	BEGIN
		PERFORM FROM ignisign.session;
		RETURN code || ': reads what it may not';
	EXCEPTION WHEN insufficient_privilege THEN
		RETURN code;
	END;
END $$;
GRANT USAGE ON SCHEMA ignisign TO regress_grantee;
SET ROLE regress_grantee;
SET search_path = public, ignisign;
SELECT command, pg_temp.caught(command) FROM unnest(ARRAY[
	'SELECT ignisign_refresh(gen_random_uuid())', 'SELECT ignisign_cancel(gen_random_uuid())',
	'SELECT ignisign_resend_email(gen_random_uuid(), 1)', 'SELECT ignisign_resolve(gen_random_uuid(), NULL)',
	'SELECT ignisign_wait(gen_random_uuid())', 'SELECT * FROM ignisign_session(gen_random_uuid())',
	'SELECT ignisign_retry(0)', 'SELECT ignisign_discard(0)', 'SELECT ignisign_retry_request(gen_random_uuid())',
	'SELECT ignisign_discard_request(gen_random_uuid())', 'SELECT ignisign_result(0)', 'SELECT ignisign_content(0)',
	'SELECT ignisign_fetch_proof(gen_random_uuid())', 'SELECT ignisign_check_signers(gen_random_uuid(), ARRAY[''a@example.com''])',
	'SELECT ignisign_off(0)', 'SELECT ignisign_retry_delivery(0)', 'SELECT ignisign_discard_delivery(0)',
	'SELECT ignisign_off(''*'', ''pg_temp.caught(text)''::regprocedure)']) command;
-- A value that makes the owner's own statement fail.
SELECT pg_temp.caught('SELECT ignisign_sign(''t'', ''%PDF-1''::bytea, ''[{"email": "x@example.com"}]''::jsonb, expires_at => ''infinity'', server => ''regress "Säure" \'')');
SELECT pg_temp.caught('SELECT ignisign_wait(gen_random_uuid(), ''SENT'', ''178000000 years'')');

-- What is another's is told in the same words as what is not there.
RESET ROLE;
SET search_path = public;
SELECT ignisign_sign('Theirs', '%PDF-1'::bytea, '[{"email": "x@example.com"}]'::jsonb, server => 'regress "Säure" \') AS theirs \gset
SELECT id AS call FROM ignisign.call WHERE request = :'theirs' \gset
CREATE FUNCTION pg_temp.message(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SET ROLE regress_grantee;
SELECT f FROM unnest(ARRAY['ignisign_refresh(%L)', 'ignisign_cancel(%L)', 'ignisign_resend_email(%L, 1)', 'ignisign_resolve(%L, NULL)',
	'ignisign_wait(%L)', 'ignisign_session(%L)', 'ignisign_retry_request(%L)', 'ignisign_discard_request(%L)',
	'ignisign_fetch_proof(%L)', 'ignisign_check_signers(%L::uuid, ARRAY[''a@example.com''])', 'ignisign_status(%L)', 'ignisign_proof(%L)']) f
WHERE replace(pg_temp.message('SELECT ' || format(f, :'theirs')), :'theirs', '')
	IS DISTINCT FROM replace(pg_temp.message('SELECT ' || format(f, '01234567-89ab-7def-8123-456789abcdef')), '01234567-89ab-7def-8123-456789abcdef', '');
SELECT f FROM unnest(ARRAY['ignisign_retry(%s)', 'ignisign_discard(%s)', 'ignisign_result(%s)', 'ignisign_content(%s)']) f
WHERE regexp_replace(pg_temp.message('SELECT ' || format(f, :call)), 'call \d+', '')
	IS DISTINCT FROM regexp_replace(pg_temp.message('SELECT ' || format(f, 0)), 'call \d+', '');
SELECT count(*) FROM ignisign.call;
SELECT sum(pending) FROM ignisign_stats();

-- No call goes elsewhere than below the server's base URL.
SELECT path FROM unnest(ARRAY['//evil.example/x', 'https://evil.example/', '@evil.example/', '.evil.example/', ':80@evil.example', '/..', '/a/../b', '/a/./b',
	'/a/%2e%2e/b', '/a/%2E./b', '/a/.%2e/b', '/a\b', '/a b', E'/a\tb', E'/a\r\nHost: evil', '/a#b', '/ä', '/{appId', '', 'v4/x']) path
WHERE pg_temp.message(format('SELECT ignisign_call(''GET'', %L, server => ''regress "Säure" \'')', path)) NOT LIKE '22023 %';
SELECT pg_temp.message('SELECT ignisign_call(E''GET / HTTP/1.1\r\nX: y'', ''/'', server => ''regress "Säure" \'')');

-- The privilege TRIGGER, which GRANT ALL gives, is not the owner's rights.
RESET ROLE;
GRANT ALL ON ALL TABLES IN SCHEMA ignisign TO regress_grantee;
GRANT CREATE ON SCHEMA public TO regress_grantee;
SET ROLE regress_grantee;
CREATE FUNCTION regress_trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'run as %', current_user; RETURN NEW; END $$;
SELECT pg_temp.refusal('CREATE TRIGGER trap BEFORE INSERT ON ignisign.request FOR EACH ROW EXECUTE FUNCTION regress_trap()');
SELECT pg_temp.refusal('CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON ignisign.call DEFERRABLE FOR EACH ROW EXECUTE FUNCTION regress_trap()');
CREATE TABLE regress_mine (request uuid REFERENCES ignisign.request);
CREATE TRIGGER trap BEFORE INSERT ON regress_mine FOR EACH ROW EXECUTE FUNCTION regress_trap();
-- Rows cannot be written even with all privileges on the table.
SELECT pg_temp.refusal('INSERT INTO ignisign.call (request, operation, owner, server) VALUES (gen_random_uuid(), ''application'', ''postgres'', ''x'')');
WITH changed AS (UPDATE ignisign.request SET owner = 'regress_grantee' RETURNING 1) SELECT count(*) FROM changed;
WITH gone AS (DELETE FROM ignisign.call RETURNING 1) SELECT count(*) FROM gone;
SELECT count(*) FROM ignisign.session;
RESET ROLE;

-- What only reads does not connect.
BEGIN READ ONLY;
SELECT pg_temp.refusal(format('SELECT ignisign_connect(%L, server => ''regress_read_only'')', :'key'));
ROLLBACK;

-- Who owns a server cannot turn what a superuser has set on it against others.
CREATE ROLE regress_server_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER ignisign TO regress_server_owner;
GRANT ALL ON SCHEMA public TO regress_server_owner;
SET ROLE regress_server_owner;
CREATE SERVER regress_owned FOREIGN DATA WRAPPER ignisign OPTIONS (base_url 'http://127.0.0.1:8017');
RESET ROLE;
ALTER SERVER regress_owned OPTIONS (ADD allow_http 'true');
CREATE USER MAPPING FOR regress_server_owner SERVER regress_owned OPTIONS (api_key_file '/nonexistent');
SET ROLE regress_server_owner;
SELECT command, pg_temp.refusal(command) FROM unnest(ARRAY[
	'ALTER SERVER regress_owned OPTIONS (SET base_url ''http://evil.example'')',
	'ALTER SERVER regress_owned OPTIONS (DROP allow_http, SET base_url ''http://evil.example'')',
	'ALTER USER MAPPING FOR CURRENT_USER SERVER regress_owned OPTIONS (SET api_key_file ''/etc/passwd'')',
	'ALTER USER MAPPING FOR CURRENT_USER SERVER regress_owned OPTIONS (ADD app_id ''x'')']) command;
-- Nor who does not own it, or see what others put there.
SET ROLE regress_grantee;
SELECT pg_temp.refusal('ALTER SERVER regress_owned OPTIONS (SET base_url ''https://evil.example'')');
SELECT pg_temp.refusal('CREATE SERVER regress_evil FOREIGN DATA WRAPPER ignisign');
SELECT pg_temp.refusal('CREATE USER MAPPING FOR PUBLIC SERVER regress_owned OPTIONS (api_key ''x'')');
SELECT pg_temp.refusal('SELECT ignisign_application(server => ''regress_owned'')');
SELECT srvname, umoptions FROM pg_user_mappings WHERE srvname LIKE 'regress%' ORDER BY 1;
RESET ROLE;

DROP TABLE regress_mine;
DROP FUNCTION regress_trap();
DELETE FROM ignisign.call;
DELETE FROM ignisign.request;
DELETE FROM ignisign.parked;
DROP SERVER regress_owned CASCADE;
DROP OWNED BY regress_grantee, regress_server_owner;
DROP ROLE regress_grantee, regress_server_owner;
DROP SERVER "regress ""Säure"" \" CASCADE;
