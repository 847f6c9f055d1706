-- Looking and deciding.
\i test/prelude.psql
\set nobody 00000000-0000-7000-8000-000000000000
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_functions');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR CURRENT_USER SERVER regress_functions OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');

-- Without a request.
SELECT count(*) FROM ignisign_status(:'nobody');
SELECT ignisign_proof(:'nobody') IS NULL;
SELECT pg_temp.refusal(format('SELECT ignisign_refresh(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L, ''SIGNED'')', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_retry_request(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_discard_request(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_resolve(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_cancel(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 1)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L, ''PDF'')', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L, ''CADES'')', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L, signer => 1)', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L::uuid, ARRAY[''bob@example.com''])', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L::uuid, ARRAY[''bob@example.com'', ''bob''])', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L::uuid, ARRAY[NULL])', :'nobody'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L::uuid, ''{}'')', :'nobody'));
SELECT pg_temp.refusal('SELECT ignisign_resolve(NULL)');
SELECT pg_temp.refusal('SELECT ignisign_retry(-1)');
SELECT pg_temp.refusal('SELECT ignisign_discard(-1)');
SELECT count(DISTINCT ignisign_id()), bool_and(i::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')
FROM (SELECT ignisign_id() AS i FROM generate_series(1, 1000)) s;
SELECT bool_and(i > previous) AS in_order
FROM (SELECT i, lag(i) OVER (ORDER BY n) AS previous FROM (SELECT n, ignisign_id() AS i FROM generate_series(1, 1000) n) s) t;

-- With one that is queued.
SELECT ignisign_sign('Queued', '%PDF-1'::bytea, '[{"email": "ann@example.com"}]'::jsonb, server => 'regress_functions') AS id \gset
SELECT state, status, signed, signers, proofs FROM ignisign_status(:'id');
SELECT ignisign_wait(:'id', timeout => '0');
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L, timeout => ''-1 s'')', :'id'));
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L)', :'id'));
ROLLBACK;
SELECT pg_temp.refusal(format('SELECT ignisign_refresh(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(request => %L, emails => ARRAY[''bob@example.com''])', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_resolve(%L)', :'id'));
SELECT id AS call FROM ignisign.call WHERE request = :'id' \gset
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_retry(%s)', :call)), 'call \d+', 'call N');
SELECT server, pending, sending, unknown, dead, open_requests FROM ignisign_stats() WHERE server = 'regress_functions';

-- A dead call is retried or dropped.
UPDATE ignisign.call SET state = 'dead', attempts = 3, code = 'BODY_VALIDATION_FAILED', last_error = 'no' WHERE id = :call;
SELECT state, last_error FROM ignisign_status(:'id');
SELECT dead FROM ignisign_stats() WHERE server = 'regress_functions';
SELECT ignisign_retry_request(:'id');
SELECT state, attempts FROM ignisign.call WHERE id = :call;
SELECT ignisign_retry_request(:'id');
SELECT ignisign_discard(:call);
SELECT state FROM ignisign_status(:'id');
SELECT count(*) FROM ignisign.call WHERE request = :'id';
SELECT kind FROM ignisign.event WHERE request = :'id' ORDER BY id;

-- An unknown one is decided by a person.
SELECT ignisign_sign('Unknown', '%PDF-1'::bytea, '[{"email": "ann@example.com"}]'::jsonb, server => 'regress_functions') AS id \gset
UPDATE ignisign.call SET state = 'unknown' WHERE request = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_resolve(%L, ''x'')', :'id'));
SELECT ignisign_resolve(:'id', '67a1c0de0000000000000001');
SELECT state, signature_request_id FROM ignisign_status(:'id');
SELECT ignisign_sign('Not there', '%PDF-1'::bytea, '[{"email": "ann@example.com"}]'::jsonb, server => 'regress_functions') AS id \gset
UPDATE ignisign.call SET state = 'unknown' WHERE request = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_resolve(%L, ''67a1c0de0000000000000001'')', :'id'));
SELECT ignisign_resolve(:'id');
SELECT state FROM ignisign_status(:'id');


-- Cancelled before it was sent, while it is being sent, after, and when closed.
SELECT ignisign_sign('Cancelled', '%PDF-1'::bytea, '[{"email": "ann@example.com"}]'::jsonb, server => 'regress_functions') AS id \gset
BEGIN;
SELECT ignisign_cancel(:'id');
SELECT state FROM ignisign_status(:'id');
SELECT kind, detail = current_user FROM ignisign.event WHERE request = :'id';
ROLLBACK;
BEGIN;
UPDATE ignisign.call SET state = 'unknown' WHERE request = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_cancel(%L)', :'id'));
ROLLBACK;
BEGIN;
DELETE FROM ignisign.call WHERE request = :'id';
UPDATE ignisign.request SET signature_request_id = '67a1c0de0000000000000002' WHERE id = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_fetch_proof(%L, document => 2)', :'id'));
SELECT ignisign_check_signers(:'id'::uuid, ARRAY['bob@example.com']) AS call \gset
SELECT operation, args FROM ignisign.call WHERE id = :call;
SELECT ignisign_cancel(:'id');
SELECT operation, state FROM ignisign.call WHERE request = :'id';
-- Reminded: who is not known, who is, twice, and when it is too late.
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 2)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 1)', :'id'));
UPDATE ignisign.signer SET signer_id = '67a1c0de0000000000000011' WHERE request = :'id';
SELECT ignisign_resend_email(:'id', 1);
SELECT operation, signer, state FROM ignisign.call WHERE request = :'id' ORDER BY id;
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 1)', :'id'));
DELETE FROM ignisign.event WHERE request = :'id';
UPDATE ignisign.signer SET signed_at = now() WHERE request = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 1)', :'id'));
UPDATE ignisign.request SET status = 'EXPIRED', closed_at = now() WHERE id = :'id';
SELECT pg_temp.refusal(format('SELECT ignisign_cancel(%L)', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_resend_email(%L, 1)', :'id'));
ROLLBACK;

DELETE FROM ignisign.call;
DELETE FROM ignisign.request;
DELETE FROM ignisign.parked;
DROP SERVER regress_functions CASCADE;
