-- Functions that are called when something happened: which may be, and by whom.
\i test/prelude.psql
CREATE ROLE regress_cb_ann LOGIN;
CREATE ROLE regress_cb_bob LOGIN;
CREATE ROLE regress_cb_group NOLOGIN;
GRANT regress_cb_group TO regress_cb_ann;
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_callbacks', for_role => 'public');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR PUBLIC SERVER regress_callbacks OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');
SELECT ignisign_grant('regress_cb_ann', 'regress_callbacks');
SELECT ignisign_grant('regress_cb_bob', 'regress_callbacks');
CREATE SCHEMA "regress Cb" AUTHORIZATION regress_cb_ann;
GRANT USAGE ON SCHEMA "regress Cb" TO regress_cb_bob;
SET search_path = "regress Cb", public;
SET ROLE regress_cb_ann;
CREATE FUNCTION "on It"(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION other(request uuid, event jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION rows(request uuid, event jsonb) RETURNS SETOF text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION one(request uuid) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION swapped(event jsonb, request uuid) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION text(request uuid, event text) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION grouped(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION step(request uuid, event jsonb) RETURNS uuid LANGUAGE sql AS 'SELECT $1';
CREATE AGGREGATE total(jsonb) (SFUNC = step, STYPE = uuid);
CREATE AGGREGATE ordered(uuid ORDER BY jsonb) (SFUNC = step, STYPE = uuid);
CREATE PROCEDURE proc(request uuid, event jsonb) LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION revoked(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
REVOKE ALL ON FUNCTION revoked FROM PUBLIC, regress_cb_ann;

-- The same function is one callback, for whatever it is called for.
SELECT ignisign_on('COMPLETED', '"on It"(uuid,jsonb)') AS callback \gset
SELECT ignisign_on('COMPLETED', '"on It"(uuid,jsonb)') = :callback;
SELECT ignisign_on('proof status', '"on It"(uuid,jsonb)') = :callback;
SELECT ignisign_on('*', 'other(uuid,jsonb)') <> :callback;
SELECT function, owner, events, problem FROM ignisign.callback ORDER BY id;

-- What is refused.
SELECT pg_temp.refusal($$SELECT ignisign_on('completed', 'other(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('', 'other(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'nowhere(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 0)$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'rows(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'one(uuid)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'swapped(jsonb,uuid)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', '"regress Cb".text(uuid,text)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'ordered(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'proc(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'revoked(uuid,jsonb)')$$);
SELECT ignisign_on(NULL, 'other(uuid,jsonb)') IS NULL;
RESET ROLE;
ALTER FUNCTION grouped(uuid, jsonb) OWNER TO regress_cb_group;
SET ROLE regress_cb_ann;
-- A group's function may be a member's callback; before 17 it takes LOGIN.
SELECT regexp_replace(pg_temp.refusal($$SELECT ignisign_on('*', 'grouped(uuid,jsonb)')$$), '^55000: no function can be called.*', 'done');
SET ROLE regress_cb_bob;
SELECT pg_temp.refusal($$SELECT ignisign_on('*', 'other(uuid,jsonb)')$$);
SELECT pg_temp.refusal($$SELECT ignisign_off('*', 'other(uuid,jsonb)')$$);
SELECT pg_temp.refusal(format('SELECT ignisign_off(%s)', :callback)) = format('IG012: there is no callback %s', :callback) || E'\nSELECT * FROM ignisign.callback shows what is called when.';
SELECT count(*) FROM ignisign.callback;
-- The trigger is of one table only.
CREATE TEMP TABLE event (request uuid, at timestamptz, id bigint, kind text, value text);
SELECT pg_temp.refusal($$CREATE TRIGGER mine AFTER INSERT ON event REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ignisign.event_added()$$);
RESET ROLE;
GRANT INSERT ON event TO PUBLIC;
CREATE TRIGGER mine AFTER INSERT ON event REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ignisign.event_added();
SELECT pg_temp.refusal($$INSERT INTO event DEFAULT VALUES$$);

-- What happens is to be delivered: once for each callback that asked, of one's own.
-- In a transaction that is rolled back, so that nobody is called meanwhile.
BEGIN;
SET ROLE regress_cb_ann;
SELECT ignisign_sign('Ann''s', '%PDF-1'::bytea, '[{"email": "x@example.com"}]'::jsonb, server => 'regress_callbacks') AS id \gset
SET ROLE regress_cb_bob;
SELECT ignisign_sign('Bob''s', '%PDF-1'::bytea, '[{"email": "x@example.com"}]'::jsonb, server => 'regress_callbacks') AS bobs \gset
RESET ROLE;
INSERT INTO ignisign.event (request, source, kind, value) VALUES
	(:'id', 'poll', 'status', 'COMPLETED'), (:'id', 'poll', 'status', 'EXPIRED'), (:'id', 'api', 'proof status', 'CREATED'),
	(:'bobs', 'poll', 'status', 'COMPLETED');
-- What is loaded from a dump is old.
INSERT INTO ignisign.event (request, at, source, kind, value) VALUES (:'id', now() - interval '2 hours', 'poll', 'status', 'COMPLETED');
SET ROLE regress_cb_ann;
SELECT c.function, e.kind, e.value, d.state, d.attempts, d.request = :'id' AS own FROM ignisign.delivery d JOIN ignisign.callback c ON c.id = d.callback
	JOIN ignisign.event e ON e.id = d.event AND e.at = d.event_at ORDER BY d.id;
SET ROLE regress_cb_bob;
SELECT count(*) FROM ignisign.delivery;

-- By hand.
RESET ROLE;
SELECT min(id) AS delivery FROM ignisign.delivery \gset
SET ROLE regress_cb_bob;
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_discard_delivery(%s)', :delivery)), 'delivery \d+', 'delivery N');
SELECT pg_temp.refusal('SELECT ignisign_retry_delivery(-1)');
SET ROLE regress_cb_ann;
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_retry_delivery(%s)', :delivery)), 'delivery \d+', 'delivery N');
RESET ROLE;
UPDATE ignisign.delivery SET state = 'running' WHERE id = :delivery;
SET ROLE regress_cb_ann;
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_discard_delivery(%s)', :delivery)), 'delivery \d+', 'delivery N');
RESET ROLE;
UPDATE ignisign.delivery SET state = 'dead', attempts = 10, last_error = 'of ann@example.com' WHERE id = :delivery;
SET ROLE regress_cb_ann;
SELECT ignisign_retry_delivery(:delivery);
SELECT state, attempts FROM ignisign.delivery WHERE id = :delivery;
SELECT ignisign_discard_delivery(:delivery);
SELECT count(*) FROM ignisign.delivery;
-- What is no longer asked for is not delivered any more.
SELECT ignisign_off('proof status', '"on It"(uuid,jsonb)');
SELECT count(*) FROM ignisign.delivery;
SELECT events FROM ignisign.callback WHERE id = :callback;
SELECT pg_temp.refusal($$SELECT ignisign_off('proof status', '"on It"(uuid,jsonb)')$$);

-- Forgetting keeps what is to be delivered.
RESET ROLE;
UPDATE ignisign.request SET closed_at = now() - interval '2 days' WHERE id = :'id';
UPDATE ignisign.event SET at = at - interval '2 days' WHERE request = :'id';
UPDATE ignisign.delivery SET event_at = event_at - interval '2 days', created_at = created_at - interval '2 days', last_error = 'of ann@example.com';
DELETE FROM ignisign.call WHERE request = :'id';
SELECT ignisign_purge('events', '1 day'), ignisign_purge('requests', '1 day');
SELECT count(*) FROM ignisign.event WHERE request = :'id';
SELECT ignisign_purge('signers', '1 day');
SELECT DISTINCT last_error FROM ignisign.delivery;
SAVEPOINT s;
UPDATE ignisign.delivery SET state = 'dead' WHERE id = (SELECT max(id) FROM ignisign.delivery);
SELECT ignisign_purge('deliveries', '1 day');
ROLLBACK TO s;
UPDATE ignisign.delivery SET state = 'dead';
SELECT ignisign_purge('requests', '1 day');
SELECT count(*) FROM ignisign.delivery;
ROLLBACK;

-- Off.
SET ROLE regress_cb_ann;
SELECT ignisign_off('*', 'other(uuid,jsonb)');
SELECT function, events FROM ignisign.callback WHERE owner = 'regress_cb_ann' ORDER BY id;
DROP FUNCTION "on It";
SELECT ignisign_off(:callback);
SELECT count(*) FROM ignisign.callback WHERE owner = 'regress_cb_ann';
RESET ROLE;
DELETE FROM ignisign.callback;
RESET search_path;
DROP TABLE pg_temp.event;
DROP SCHEMA "regress Cb" CASCADE;
DROP SERVER regress_callbacks CASCADE;
DROP OWNED BY regress_cb_ann, regress_cb_bob, regress_cb_group;
DROP ROLE regress_cb_ann, regress_cb_bob, regress_cb_group;
