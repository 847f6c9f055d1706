-- Signing by trigger.
\i test/prelude.psql
SELECT ignisign_connect(:'key', base_url => 'http://127.0.0.1:8017', server => 'regress_trigger');

-- A jsonb column of signers, the id by default.
CREATE TABLE contract (
	id int PRIMARY KEY, title text, pdf bytea, signers jsonb, emails text[], email varchar(80), name text,
	signature_id uuid DEFAULT ignisign_id());
CREATE TRIGGER sign AFTER INSERT OR UPDATE OF pdf ON contract FOR EACH ROW WHEN (NEW.pdf IS NOT NULL)
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'signers', 'signature_id',
		'file_name=name', 'method=ADVANCED_STD', 'server=regress_trigger');
BEGIN;
INSERT INTO contract (id, title, pdf, signers, name) VALUES (1, 'Lease', '%PDF-1', '[{"email": "ann@example.com", "firstName": "Ann"}]', 'a.pdf');
SELECT r.title, r.signature_method, s.email, s.first_name, d.file_name, d.mime_type, q.state
FROM contract c JOIN ignisign.request r ON r.id = c.signature_id JOIN ignisign.signer s ON s.request = r.id
	JOIN ignisign.document d ON d.request = r.id JOIN ignisign.requests q ON q.id = r.id;
-- A row without a document is signed when it gets one; then no more.
INSERT INTO contract (id, title, signers) VALUES (2, 'Later', '[{"email": "bob@example.com"}]');
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
UPDATE contract SET pdf = '%PDF-2' WHERE id = 2;
UPDATE contract SET pdf = '%PDF-3' WHERE id = 2;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
-- What ON CONFLICT drops is not signed.
INSERT INTO contract (id, title, pdf, signers) VALUES (1, 'Twice', '%PDF-1', '[{"email": "ann@example.com"}]') ON CONFLICT DO NOTHING;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
ROLLBACK;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';

-- E-mails as text and text[]; the id written by the trigger.
ALTER TABLE contract ALTER signature_id DROP DEFAULT;
CREATE OR REPLACE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'emails', 'signature_id', 'server=regress_trigger');
BEGIN;
INSERT INTO contract (id, title, pdf, emails) VALUES (1, 'Many', 'x', ARRAY['ann@example.com', 'bob@example.com']),
	(2, 'One', 'x', ARRAY['ann@example.com']);
SELECT r.title, s.n, s.email FROM contract c JOIN ignisign.signer s ON s.request = c.signature_id
	JOIN ignisign.request r ON r.id = c.signature_id ORDER BY c.id, s.n;
ROLLBACK;
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails) VALUES (1, ''t'', ''x'', ARRAY[NULL])');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails) VALUES (1, ''t'', ''x'', ARRAY[]::text[])');
CREATE OR REPLACE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id', 'server=regress_trigger');
BEGIN;
INSERT INTO contract (id, title, pdf, email) VALUES (1, 'One', 'x', 'ann@example.com');
SELECT s.email FROM contract c JOIN ignisign.signer s ON s.request = c.signature_id;
ROLLBACK;

-- What only staged delivery carries, from columns of the row.
ALTER TABLE contract ADD description text, ADD language varchar(2), ADD reference text, ADD until timestamptz,
	ADD copies varchar[], ADD terms text[], ADD day date;
CREATE OR REPLACE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id', 'server=regress_trigger',
		'description=description', 'language=language', 'external_id=reference', 'expires_at=until',
		'recipients=copies', 'statements=terms');
BEGIN;
INSERT INTO contract (id, title, pdf, email, description, language, reference, until, copies, terms)
	VALUES (1, 'All', '%PDF-1', 'ann@example.com', 'Flat 3', 'EN', 'lease-7', '2999-01-01 00:00+00', ARRAY['archive@example.com'], ARRAY['I agree']),
	(2, 'Few', '%PDF-1', 'ann@example.com', 'Flat 4', NULL, NULL, NULL, '{}', NULL),
	(3, 'None', '%PDF-1', 'ann@example.com', NULL, NULL, NULL, NULL, NULL, NULL);
SELECT r.title, r.delivery, r.description, r.language, r.external_id, r.expires_at = '2999-01-01 00:00+00' AS until, r.recipients, r.statements,
	(SELECT string_agg(operation, ' ') FROM ignisign.call q WHERE q.request = r.id) AS calls
FROM contract c JOIN ignisign.request r ON r.id = c.signature_id ORDER BY c.id;
SELECT recipients = ARRAY['archive@example.com'] FROM ignisign.request WHERE title = 'All';
ROLLBACK;
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, email, until) VALUES (1, ''t'', ''%PDF-1'', ''ann@example.com'', ''2001-01-01'')');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, email, copies) VALUES (1, ''t'', ''%PDF-1'', ''ann@example.com'', ARRAY[NULL])');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, email, copies) VALUES (1, ''t'', ''%PDF-1'', ''ann@example.com'', ARRAY[''archive''])');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, email, description) VALUES (1, ''t'', ''%PDF-1'', ''ann@example.com'', '''')');
CREATE OR REPLACE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id', 'server=regress_trigger', 'delivery=staged');
BEGIN;
INSERT INTO contract (id, title, pdf, email) VALUES (1, 'Staged', '%PDF-1', 'ann@example.com');
SELECT r.delivery FROM contract c JOIN ignisign.request r ON r.id = c.signature_id;
ROLLBACK;

-- Errors name trigger, table and column.
SELECT pg_temp.refusal('INSERT INTO contract (id, pdf, email) VALUES (1, ''x'', ''ann@example.com'')');
\set VERBOSITY default
INSERT INTO contract (id, title, pdf, email) VALUES (1, 't', 'x', 'ann');
\set VERBOSITY terse
CREATE FUNCTION pg_temp.with_trigger(kind text, arguments text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refusal(format($sql$
		CREATE OR REPLACE TRIGGER sign %s EXECUTE FUNCTION ignisign_sign_trigger(%s);
		INSERT INTO contract (id, title, pdf, email) VALUES (1, 't', 'x', 'ann@example.com')$sql$, kind, arguments))
$$;
\set after 'AFTER INSERT ON contract FOR EACH ROW'
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''mail'', ''signature_id''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''title'', ''email'', ''signature_id''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''id'', ''signature_id''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''title''');
SELECT pg_temp.with_trigger(:'after', '''id'', ''pdf'', ''email'', ''signature_id''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''color=red''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''server=regress_none''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''server=regress_trigger'', ''delivery=later''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''description=nothing''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''language=id''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''external_id=pdf''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''expires_at=day''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''recipients=email''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''statements=title''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''desc=description''');
SELECT pg_temp.with_trigger(:'after', '''title'', ''pdf'', ''email'', ''signature_id'', ''delivery''');
SELECT pg_temp.with_trigger('AFTER INSERT ON contract', '''title'', ''pdf'', ''email'', ''signature_id''');
DROP TRIGGER sign ON contract;
SELECT pg_temp.with_trigger('BEFORE INSERT ON contract FOR EACH ROW', '''title'', ''pdf'', ''email'', ''signature_id''');
SELECT pg_temp.refusal('SELECT ignisign_sign_trigger()');

DROP TABLE contract;
DROP SERVER regress_trigger CASCADE;
