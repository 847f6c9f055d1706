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


-- What is checked once in a statement is checked again for another role.
CREATE ROLE regress_ignisign_a;
CREATE ROLE regress_ignisign_b;
CREATE ROLE regress_ignisign_c;
SELECT ignisign_connect(:'key', server => 'regress_trigger', for_role => 'public');
SELECT ignisign_grant(role, 'regress_trigger') FROM unnest('{regress_ignisign_a,regress_ignisign_b}'::name[]) role;
REVOKE USAGE ON FOREIGN SERVER regress_trigger FROM PUBLIC;
CREATE FUNCTION pg_temp.become() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', NEW.name);
	RETURN NEW;
END $$;
-- Since 18 a trigger AFTER is run as who was the role when its row was inserted.
SELECT CASE WHEN current_setting('server_version_num')::integer < 180000 THEN 'AFTER' ELSE 'BEFORE' END AS timing \gset
CREATE TRIGGER become :timing INSERT ON contract FOR EACH ROW EXECUTE FUNCTION pg_temp.become();
CREATE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id', 'server=regress_trigger');
ALTER TABLE contract ALTER signature_id SET DEFAULT ignisign_id();
BEGIN;
INSERT INTO contract (id, title, pdf, email, name) SELECT n, 'Contract ' || n, 'x', 'ann@example.com', 'regress_ignisign_' || substr('aabbaab', n, 1) FROM generate_series(1, 7) n;
RESET ROLE;
SELECT string_agg(right(r.owner, 1), '' ORDER BY c.id) FROM contract c JOIN ignisign.request r ON r.id = c.signature_id;
ROLLBACK;
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, email, name) SELECT n, ''t'', ''x'', ''ann@example.com'', ''regress_ignisign_'' || substr(''aac'', n, 1) FROM generate_series(1, 3) n');
RESET ROLE;
DROP TRIGGER become ON contract;
DROP TRIGGER sign ON contract;
DROP OWNED BY regress_ignisign_a, regress_ignisign_b;
DROP ROLE regress_ignisign_a, regress_ignisign_b, regress_ignisign_c;

-- For a statement: its rows' requests are inserted together.
CREATE TRIGGER sign_all AFTER INSERT ON contract REFERENCING NEW TABLE AS new FOR EACH STATEMENT
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'emails', 'signature_id', 'server=regress_trigger', 'description=description');
ALTER TABLE contract ALTER signature_id SET DEFAULT ignisign_id();
BEGIN;
INSERT INTO contract (id, title, pdf, emails) SELECT n, 't', 'x', '{ann@example.com}' FROM generate_series(1, 0) n;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
INSERT INTO contract (id, title, pdf, emails)
	SELECT n, 'Contract ' || n, decode(repeat(to_hex(n % 256), CASE WHEN n % 7 = 0 THEN 20000 ELSE 2000 END), 'escape'),
		CASE WHEN n % 2 = 0 THEN ARRAY['ann@example.com', 'bob@example.com'] ELSE ARRAY['ann' || n || '@example.com'] END
	FROM generate_series(1, 1000) n;
SELECT count(*), count(DISTINCT d.content), count(DISTINCT q.id), bool_and(r.title = c.title AND d.content = c.pdf AND d.sha256 = sha256(c.pdf)
	AND q.operation = 'one-call-sign' AND (SELECT array_agg(s.email ORDER BY s.n) FROM ignisign.signer s WHERE s.request = r.id) = c.emails)
FROM contract c JOIN ignisign.request r ON r.id = c.signature_id JOIN ignisign.document d ON d.request = r.id
	JOIN ignisign.call q ON q.request = r.id;
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
-- What ON CONFLICT drops is not signed, and what it updates was signed before.
INSERT INTO contract AS c (id, title, pdf, emails) VALUES (1, 'Twice', 'x', '{ann@example.com}'), (1001, 'New', 'x', '{ann@example.com}')
	ON CONFLICT (id) DO UPDATE SET name = 'updated';
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
ROLLBACK;
-- Some of them staged.
BEGIN;
INSERT INTO contract (id, title, pdf, emails, description)
	SELECT n, 'Contract ' || n, '%PDF-1', '{ann@example.com}', CASE WHEN n = 3 THEN 'Flat 3' END FROM generate_series(1, 5) n;
SELECT r.title, q.operation FROM contract c JOIN ignisign.request r ON r.id = c.signature_id JOIN ignisign.call q ON q.request = r.id ORDER BY c.id;
ROLLBACK;
-- One that is wrong is told as for a row, and none is signed.
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails) SELECT n, ''t'', ''x'', CASE n WHEN 3 THEN ARRAY[''ann''] ELSE ARRAY[''ann@example.com''] END FROM generate_series(1, 5) n');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails) SELECT n, CASE n WHEN 3 THEN NULL ELSE ''t'' END, ''x'', ''{ann@example.com}'' FROM generate_series(1, 5) n');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails, signature_id) VALUES (1, ''t'', ''x'', ''{ann@example.com}'', NULL)');
BEGIN;
INSERT INTO contract (id, title, pdf, emails, signature_id) VALUES (1, 't', 'x', '{ann@example.com}', '11111111-1111-1111-1111-111111111107');
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails, signature_id) SELECT n, ''u'', ''x'', ''{ann@example.com}'', (''11111111-1111-1111-1111-1111111111'' || lpad(n::text, 2, ''0''))::uuid FROM generate_series(2, 20) n');
SELECT count(*) FROM ignisign.request WHERE server = 'regress_trigger';
ROLLBACK;
SELECT pg_temp.refusal('INSERT INTO contract (id, title, pdf, emails, signature_id) SELECT n, ''t'', ''x'', ''{ann@example.com}'', (''11111111-1111-1111-1111-1111111111'' || lpad((n % 15)::text, 2, ''0''))::uuid FROM generate_series(1, 20) n');
DROP TRIGGER sign_all ON contract;
SELECT pg_temp.refusal($$
	CREATE TRIGGER sign_all AFTER UPDATE ON contract REFERENCING NEW TABLE AS new FOR EACH STATEMENT
		EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id');
	UPDATE contract SET title = 'new'$$);
SELECT pg_temp.refusal($$
	CREATE TRIGGER sign_all AFTER INSERT ON contract FOR EACH STATEMENT
		EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id');
	INSERT INTO contract (id) VALUES (1)$$);
-- Rows that go to partitions.
CREATE TABLE parted (id int, title text, pdf bytea, email text, signature_id uuid DEFAULT ignisign_id()) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (signature_id uuid, email text, pdf bytea, title text, id int);
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
CREATE TRIGGER sign_all AFTER INSERT ON parted REFERENCING NEW TABLE AS new FOR EACH STATEMENT
	EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id', 'server=regress_trigger');
BEGIN;
INSERT INTO parted (id, title, pdf, email) VALUES (1, 'First', 'x', 'ann@example.com'), (2, 'Second', 'y', 'bob@example.com');
SELECT p.id, r.title, d.content, s.email FROM parted p JOIN ignisign.request r ON r.id = p.signature_id
	JOIN ignisign.document d ON d.request = r.id JOIN ignisign.signer s ON s.request = r.id ORDER BY 1;
ROLLBACK;

DROP TABLE parted;
DROP TABLE contract;
DROP SERVER regress_trigger CASCADE;
