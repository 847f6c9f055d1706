-- Signing: what is checked at the call, and what is queued.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_sign');

-- One document, signers as rows.
BEGIN;
SELECT ignisign_sign(title => 'Lease', document => '%PDF-1.4 x', file_name => 'lease.pdf', server => 'regress_sign',
	signers => ARRAY[ignisign_signer('ann@example.com', 'Ann', 'Lee'), ignisign_signer('bob@example.com')]) AS id \gset
SELECT substr(:'id', 15, 1) AS uuid_version;
SELECT title, owner = current_user, server, signature_method, status, signed_count, signer_count FROM ignisign.request WHERE id = :'id';
SELECT n, email, first_name, last_name, signer_profile_id, signed_at FROM ignisign.signer WHERE request = :'id' ORDER BY n;
SELECT n, file_name, mime_type, size, encode(sha256, 'hex') = encode(sha256('%PDF-1.4 x'), 'hex') FROM ignisign.document WHERE request = :'id';
SELECT operation, state, attempts FROM ignisign.call WHERE request = :'id';
SELECT state, status, signed, signers, proofs FROM ignisign_status(:'id');
SELECT pg_temp.refusal(format('SELECT ignisign_wait(%L)', :'id'));
ROLLBACK;
SELECT count(*) FROM ignisign.request WHERE id = :'id';

-- Signers as jsonb, several documents, one of them by URL.
BEGIN;
SELECT ignisign_sign('Sale', ARRAY[ignisign_document('hello', 'a.txt'), ignisign_document('\x89504e470d0a1a0a'),
		ignisign_document(url => 'https://example.com/t.pdf', file_name => 't.pdf', mime_type => 'application/pdf')],
	'[{"email": "ann@example.com", "firstName": "Ann", "signerProfileId": "66c6c0de0000000000000051"}]'::jsonb,
	'ADVANCED_STD', 'regress_sign') AS id \gset
SELECT n, file_name, mime_type, url, size FROM ignisign.document WHERE request = :'id' ORDER BY n;
SELECT n, email, first_name, last_name, signer_profile_id FROM ignisign.signer WHERE request = :'id';
SELECT signature_method FROM ignisign.request WHERE id = :'id';
ROLLBACK;

-- Refusals, with their SQLSTATE and hint.
CREATE FUNCTION pg_temp.sign(signers text, title text DEFAULT '''t''', document text DEFAULT '''%PDF-''', more text DEFAULT '')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refusal(format('SELECT ignisign_sign(title => %s, document => %s::bytea, signers => %s, server => ''regress_sign''%s)',
		title, document, signers, more))
$$;
\set ann 'ARRAY[ignisign_signer(''ann@example.com'')]'
SELECT pg_temp.sign('ARRAY[]::ignisign.new_signer[]');
SELECT pg_temp.sign('''[]''::jsonb');
SELECT pg_temp.sign('''{}''::jsonb');
SELECT pg_temp.sign('''["ann@example.com"]''::jsonb');
SELECT pg_temp.sign('''[{"email": "ann@example.com", "mail": "x"}]''::jsonb');
SELECT pg_temp.sign('''[{"email": 7}]''::jsonb');
SELECT pg_temp.sign('''[{"firstName": "Ann"}]''::jsonb');
SELECT pg_temp.sign('ARRAY[ignisign_signer(''ann@example.com''), ignisign_signer(''ANN@example.com'')]');
SELECT pg_temp.sign('ARRAY[ignisign_signer(''ann.example.com'')]');
SELECT pg_temp.sign('ARRAY[ignisign_signer(NULL)]');
SELECT pg_temp.sign('ARRAY[ignisign_signer(''ann@example.com'', '''')]');
SELECT pg_temp.sign('ARRAY[ignisign_signer(''ann@example.com'', signer_profile_id => ''x'')]');
SELECT pg_temp.sign('ARRAY[NULL::ignisign.new_signer]');
SELECT pg_temp.sign('NULL::jsonb');
SELECT pg_temp.sign(:'ann', title => 'NULL');
SELECT pg_temp.sign(:'ann', title => '''''');
SELECT pg_temp.sign(:'ann', title => 'repeat(''x'', 1025)');
SELECT pg_temp.sign(:'ann', title => 'E''a\nb''');
SELECT pg_temp.sign(:'ann', document => 'NULL');
SELECT pg_temp.sign(:'ann', document => '''''');
SELECT pg_temp.sign(:'ann', more => ', file_name => ''''');
SELECT pg_temp.sign(:'ann', more => ', mime_type => ''pdf''');
SELECT pg_temp.sign(:'ann', more => ', signature_method => ''SIMPLE''');
SELECT pg_temp.sign(:'ann', more => ', signature_method => NULL');
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ARRAY[]::ignisign.new_document[], ' || :'ann' || ', server => ''regress_sign'')');
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ARRAY[ignisign_document()], ' || :'ann' || ', server => ''regress_sign'')');
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ARRAY[ignisign_document(''x'', url => ''https://x'')], ' || :'ann' || ', server => ''regress_sign'')');
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ARRAY[ignisign_document(url => ''file:///etc/passwd'')], ' || :'ann' || ', server => ''regress_sign'')');
BEGIN;
SET LOCAL ignisign.max_document_size = '1kB';
SELECT pg_temp.sign(:'ann', document => 'decode(repeat(''00'', 1025), ''hex'')');
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', array_fill(ignisign_document(decode(repeat(''00'', 600), ''hex'')), ARRAY[2]), ' || :'ann' || ', server => ''regress_sign'')');
ROLLBACK;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_sign';

-- Rows are stored without a plan: what has become of a table since the last one is seen.
BEGIN;
SELECT pg_temp.sign(:'ann', '''before''');
ALTER TABLE ignisign.request ADD COLUMN extra text NOT NULL DEFAULT 'extra';
CREATE INDEX ON ignisign.request (extra);
CREATE INDEX ON ignisign.call (lower(operation));
SELECT pg_temp.sign(:'ann', '''after''');
SET LOCAL enable_seqscan = off;
SELECT title, extra FROM ignisign.request WHERE extra = 'extra' AND server = 'regress_sign' ORDER BY title;
SELECT count(*) FROM ignisign.call WHERE lower(operation) = 'one-call-sign' AND server = 'regress_sign';
ALTER TABLE ignisign.signer ADD CHECK (email <> 'eve@example.com');
SELECT pg_temp.sign('ARRAY[ignisign_signer(''eve@example.com'')]');
CREATE FUNCTION pg_temp.change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.title := NEW.title || ' changed';
	IF NEW.title = 'outer changed' THEN
		PERFORM public.ignisign_sign('inner', '%PDF-'::bytea, ARRAY[public.ignisign_signer('ann@example.com')], server => 'regress_sign');
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '%: %', TG_WHEN, NEW.title;
	RETURN NULL;
END $$;
CREATE TRIGGER change BEFORE INSERT ON ignisign.request FOR EACH ROW EXECUTE FUNCTION pg_temp.change();
CREATE TRIGGER note AFTER INSERT ON ignisign.request FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT pg_temp.sign(:'ann', '''outer''');
SELECT title FROM ignisign.request WHERE server = 'regress_sign' ORDER BY title;
-- Triggers AFTER rows and statements, with the new rows, and one that signs in its turn; a generated column.
DROP TRIGGER change ON ignisign.request;
ALTER TABLE ignisign.signer ADD COLUMN loud text GENERATED ALWAYS AS (upper(email)) STORED;
CREATE FUNCTION pg_temp.tell() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	emails text := (SELECT string_agg(loud, ' ' ORDER BY n) FROM added);
BEGIN
	RAISE WARNING 'added: %', emails;
	IF emails LIKE '% %' THEN
		PERFORM public.ignisign_sign('inner', '%PDF-'::bytea, ARRAY[public.ignisign_signer('ann@example.com')], server => 'regress_sign');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON ignisign.signer REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.tell();
SELECT pg_temp.sign('ARRAY[ignisign_signer(''ann@example.com''), ignisign_signer(''bob@example.com'')]', '''both''');
SELECT title FROM ignisign.request WHERE server = 'regress_sign' ORDER BY title;
ROLLBACK;
BEGIN;
SELECT pg_temp.sign(:'ann', '''at last''');
SELECT title FROM ignisign.request WHERE server = 'regress_sign' ORDER BY title;
ROLLBACK;

-- Servers: none, another wrapper's, without USAGE, without a mapping.
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ''x''::bytea, ' || :'ann' || ', server => ''regress_none'')');
CREATE FOREIGN DATA WRAPPER regress_wrapper;
CREATE SERVER regress_other FOREIGN DATA WRAPPER regress_wrapper;
SELECT pg_temp.refusal('SELECT ignisign_sign(''t'', ''x''::bytea, ' || :'ann' || ', server => ''regress_other'')');
DROP FOREIGN DATA WRAPPER regress_wrapper CASCADE;
CREATE ROLE regress_ignisign_signer;
SELECT ignisign_grant('regress_ignisign_signer', 'regress_sign');
REVOKE USAGE ON FOREIGN SERVER regress_sign FROM regress_ignisign_signer;
SET ROLE regress_ignisign_signer;
SELECT pg_temp.sign(:'ann');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER regress_sign TO regress_ignisign_signer;
SET ROLE regress_ignisign_signer;
SELECT pg_temp.sign(:'ann');
RESET ROLE;
SELECT ignisign_connect(:'key', server => 'regress_sign', for_role => 'public');
SET ROLE regress_ignisign_signer;
BEGIN;
SELECT pg_temp.sign(:'ann');
SELECT owner, state FROM ignisign.requests;
ROLLBACK;
RESET ROLE;

DROP OWNED BY regress_ignisign_signer;
DROP ROLE regress_ignisign_signer;
DROP SERVER regress_sign CASCADE;
