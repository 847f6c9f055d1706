-- Calls that belong to no request: what is refused before anything is queued.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_calls');
-- Without a key nothing is sent, whatever the server's settings are.
ALTER USER MAPPING FOR CURRENT_USER SERVER regress_calls OPTIONS (DROP api_key, ADD api_key_file '/nonexistent');
\set id 67a1c0de0000000000000001

-- What an operation does not take.
SELECT pg_temp.refusal('SELECT ignisign_create_signer(email => ''ann'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_create_signer(email => ''ann@example.com'', first_name => '''', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_get_signer(''42'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_get_signer(NULL, server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_publish(''../x'', server => ''regress_calls'')');
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L, ARRAY[''ann@example.com'', ''bob''], server => ''regress_calls'')', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_check_signers(%L, ''{}'', server => ''regress_calls'')', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_update_draft(%L, signature_method => ''SIMPLE'', server => ''regress_calls'')', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_upload_hash(%L, ''\x00'', server => ''regress_calls'')', :'id'));
SELECT pg_temp.refusal(format('SELECT ignisign_signer_proof(%L, %L, ''PDF'', server => ''regress_calls'')', :'id', :'id'));
SELECT pg_temp.refusal('SELECT ignisign_create_webhook(''db.example.org/hook'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_list_signers(-1, server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_upload_document('''', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_upload_document(NULL, server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_upload_document(''x'', file_name => E''a\nb'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign.ask(''sign-all'', ''{}'', ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign.ask(''signer'', ''[]'', ''regress_calls'')');
SELECT pg_temp.refusal(format('SELECT ignisign.ask(''signer'', jsonb_build_object(''signerId'', %L, ''name'', 1), ''regress_calls'')', :'id'));
SELECT pg_temp.refusal('SELECT ignisign.ask(''upload-document'', ''{}'', ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign.ask_with_file(''application'', ''{}'', ''x'', NULL, NULL, ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_application(''nowhere'')');

-- Any call.
SELECT pg_temp.refusal('SELECT ignisign_call(''TRACE'', ''/v4/x'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_call(''GET'', ''https://example.org/'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_call(''GET'', ''//example.org/'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_call(''GET'', ''/v4/../x'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_call(''GET'', ''/v4/x y'', server => ''regress_calls'')');
SELECT pg_temp.refusal('SELECT ignisign_call(''GET'', ''/v4/x'', ''{}'', server => ''regress_calls'')');

-- What is queued, and whether it may be sent again.
SELECT ignisign_call('POST', '/v4/x', '{"n": 12345678901234567890.10, "none": null}', server => 'regress_calls') AS call \gset
SELECT operation, args FROM ignisign.call WHERE id = :call;
SELECT ignisign_call('DELETE', '/v4/x', server => 'regress_calls') AS deletion \gset
SELECT ignisign_call('POST', '/v4/x', repeatable => true, server => 'regress_calls') AS again \gset
SELECT operation FROM ignisign.call WHERE id IN (:deletion, :again);
SELECT ignisign_upload_document('some bytes', server => 'regress_calls') AS upload \gset
SELECT d.file_name, d.mime_type, d.size FROM ignisign.document d JOIN ignisign.call c USING (request) WHERE c.id = :upload;

-- Its answer.
SELECT ignisign_result(:call) IS NULL, ignisign_content(:call) IS NULL;
SELECT pg_temp.refusal('SELECT ignisign_result(-1)');
UPDATE ignisign.call SET state = 'dead', code = 'NOT_FOUND', last_error = 'HTTP status 404: No such endpoint' WHERE id = :call;
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_result(%s)', :call)), '\d{1,}', 'N', 'g');
SELECT ignisign_retry(:call);
SELECT ignisign_result(:call) IS NULL;
BEGIN;
SELECT ignisign_application('regress_calls') AS mine \gset
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_result(%s, ''1 s'')', :mine)), '\d{1,}', 'N', 'g');
ROLLBACK;

-- Who discards a call discards its file.
SELECT ignisign_discard(:upload);
SELECT count(*) FROM ignisign.document d WHERE NOT EXISTS (SELECT FROM ignisign.request r WHERE r.id = d.request);

-- Others see nothing of it.
CREATE ROLE regress_other;
SELECT ignisign_grant('regress_other', 'regress_calls');
SET ROLE regress_other;
SELECT count(*) FROM ignisign.call;
SELECT regexp_replace(pg_temp.refusal(format('SELECT ignisign_result(%s)', :call)), 'call \d+', 'call N');
RESET ROLE;
DELETE FROM ignisign.call WHERE server = 'regress_calls';
DROP OWNED BY regress_other;
DROP ROLE regress_other;
DROP SERVER regress_calls CASCADE;
