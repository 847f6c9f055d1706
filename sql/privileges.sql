-- Who may do and see what.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_rights', for_role => 'public');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR PUBLIC SERVER regress_rights OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
CREATE ROLE regress_eve;
CREATE ROLE regress_boss IN ROLE regress_ann;
SELECT ignisign_grant('regress_ann', 'regress_rights');
SELECT ignisign_grant('regress_bob', 'regress_rights');
GRANT USAGE ON SCHEMA ignisign TO regress_boss;

-- Nothing is for everybody.
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ignisign'
WHERE has_function_privilege('regress_eve', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'ignisign'::regnamespace AND relkind IN ('r', 'v', 'S')
	AND (has_table_privilege('regress_eve', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'));
SELECT has_schema_privilege('regress_eve', 'ignisign', 'USAGE');
-- Who may sign may still write no table.
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'ignisign'::regnamespace AND relkind IN ('r', 'v')
	AND (has_table_privilege('regress_ann', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'));
-- Every table of requests has row-level security.
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'ignisign'::regnamespace AND relkind = 'r' AND NOT relrowsecurity;

-- Each sees what is their own, and members of a role what is the role's.
SET ROLE regress_ann;
SELECT ignisign_sign('Ann''s', '%PDF-1'::bytea, '[{"email": "x@example.com"}]'::jsonb, server => 'regress_rights') AS id \gset
SELECT title FROM ignisign.requests;
SET ROLE regress_bob;
SELECT title FROM ignisign.requests;
SELECT count(*) FROM ignisign.document;
SELECT count(*) FROM ignisign.signer;
SELECT count(*) FROM ignisign.call;
SELECT count(*) FROM ignisign.event;
SELECT count(*) FROM ignisign_status(:'id');
SELECT pg_temp.refusal(format('SELECT ignisign_discard_request(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_refresh(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L)', :'id'));
SELECT pg_temp.refusal('SELECT ignisign_adopt()');
SELECT pg_temp.refusal('DELETE FROM ignisign.request');
SET ROLE regress_boss;
SELECT title FROM ignisign.requests;
RESET ROLE;
SELECT title FROM ignisign.requests;

DELETE FROM ignisign.call;
DELETE FROM ignisign.request;
DELETE FROM ignisign.parked;
DROP OWNED BY regress_ann, regress_bob, regress_eve, regress_boss;
DROP ROLE regress_ann, regress_bob, regress_eve, regress_boss;
DROP SERVER regress_rights CASCADE;
