-- Who may do and see what.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_rights', for_role => 'public');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR PUBLIC SERVER regress_rights OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');
CREATE ROLE regress_ann;
CREATE ROLE regress_bob;
CREATE ROLE regress_eve;
CREATE ROLE regress_boss IN ROLE regress_ann;
CREATE ROLE regress_watcher IN ROLE pg_monitor;
SELECT ignisign_grant('regress_ann', 'regress_rights');
SELECT ignisign_grant('regress_bob', 'regress_rights');
GRANT USAGE ON SCHEMA ignisign TO regress_boss;
ALTER ROLE regress_ann LOGIN;
CREATE FUNCTION public.regress_told(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
ALTER FUNCTION public.regress_told OWNER TO regress_ann;

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
SELECT pg_temp.refusal('SELECT ignisign_reassign_server(''a'', ''b'')');
SELECT pg_temp.refusal('DELETE FROM ignisign.request');
SET ROLE regress_boss;
SELECT title FROM ignisign.requests;
RESET ROLE;
SELECT title FROM ignisign.requests;

-- Figures are for members of pg_monitor, too; rows are not.
SET ROLE regress_ann;
SELECT operation, state, calls, queued_since <= now(), claimed_since FROM ignisign_queue_stats() WHERE server = 'regress_rights';
SELECT ignisign_on('COMPLETED', 'regress_told(uuid, jsonb)') AS callback \gset
SELECT callback = :callback, function, owner, problem, pending, running, dead, retried, oldest_pending FROM ignisign_callback_stats();
SELECT calls, total, array_length(up_to, 1), up_to[1], up_to[64] > 50000, array_length(calls_within, 1), calls_within[64] FROM ignisign_latency_stats() WHERE server = 'regress_rights';
SET ROLE regress_bob;
SELECT operation, state, calls FROM ignisign_queue_stats();
SELECT function FROM ignisign_callback_stats();
SET ROLE regress_watcher;
SELECT operation, state, calls FROM ignisign_queue_stats() WHERE server = 'regress_rights';
SELECT function, owner FROM ignisign_callback_stats();
SELECT server, calls FROM ignisign_latency_stats() WHERE server = 'regress_rights';
SELECT pending FROM ignisign_stats() WHERE server = 'regress_rights';
SELECT pg_temp.refusal('SELECT FROM ignisign.call');
SET ROLE regress_eve;
SELECT pg_temp.refusal('SELECT ignisign_stats()');
SELECT pg_temp.refusal('SELECT ignisign_queue_stats()');
SELECT pg_temp.refusal('SELECT ignisign_callback_stats()');
SELECT pg_temp.refusal('SELECT ignisign_latency_stats()');
RESET ROLE;

DELETE FROM ignisign.callback;
DELETE FROM ignisign.call;
DELETE FROM ignisign.request;
DELETE FROM ignisign.parked;
DROP OWNED BY regress_ann, regress_bob, regress_eve, regress_boss, regress_watcher;
DROP ROLE regress_ann, regress_bob, regress_eve, regress_boss, regress_watcher;
DROP SERVER regress_rights CASCADE;
