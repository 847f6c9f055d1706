/* ignisign 1.0: install script, run by CREATE EXTENSION */

\echo Use "CREATE EXTENSION ignisign" to load this file. \quit

CREATE SCHEMA ignisign;

COMMENT ON SCHEMA ignisign IS 'tables of the extension ignisign; its functions are named ignisign_*';

/* ---- Credentials: server and user mapping ---- */

CREATE FUNCTION ignisign_fdw_validator(options text[], catalog oid)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER ignisign
	NO HANDLER
	VALIDATOR ignisign_fdw_validator;

COMMENT ON FOREIGN DATA WRAPPER ignisign IS 'accounts of the Ignisign API: a server is an end point, a user mapping its API key';

/* ---- Tables ---- */

/*
 * Which database owns the queue.  A logical copy of it brings this row along
 * and finds that it names another database: see ignisign_adopt().
 */
CREATE TABLE ignisign.origin
(
	system_identifier	bigint		NOT NULL,
	database			oid			NOT NULL,
	database_name		name		NOT NULL,
	timeline			bigint		NOT NULL,
	since				timestamptz	NOT NULL DEFAULT now()
);

/* It has no key, and must not keep a publication of the schema from working. */
ALTER TABLE ignisign.origin REPLICA IDENTITY FULL;

CREATE TABLE ignisign.request
(
	id					uuid		PRIMARY KEY,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	title				text		NOT NULL,
	signature_method	text		NOT NULL,
	delivery			text		NOT NULL DEFAULT 'one-call'
									CHECK (delivery IN ('one-call', 'staged', 'imported')),
	signer_count		integer		NOT NULL,
	signed_count		integer		NOT NULL DEFAULT 0,
	description			text,
	language			text,
	expires_at			timestamptz,
	recipients			text[],
	external_id			text,
	statements			text[],
	signature_request_id text,
	status				text,
	proof_status		text,
	created_at			timestamptz	NOT NULL DEFAULT now(),
	prepared_at			timestamptz,
	sent_at				timestamptz,
	context_at			timestamptz,
	closed_at			timestamptz
);

/* Requests to be refreshed, by age. */
CREATE INDEX request_open ON ignisign.request (server, sent_at, id)
	WHERE closed_at IS NULL AND sent_at IS NOT NULL;

/* One remote request is one row here, per account; found by id when an event names it. */
CREATE UNIQUE INDEX request_signature_request_id
	ON ignisign.request (signature_request_id, server)
	WHERE signature_request_id IS NOT NULL;

CREATE TABLE ignisign.signer
(
	request				uuid		NOT NULL,
	n					integer		NOT NULL,
	email				text		NOT NULL,
	first_name			text,
	last_name			text,
	signer_profile_id	text,
	external_id			text,
	inputs				jsonb,
	approver			boolean		NOT NULL DEFAULT false,
	signer_id			text,
	signed_at			timestamptz,
	checked_at			timestamptz,
	PRIMARY KEY (request, n)
);

/* What signer profiles need to know of a signer, as the API last told. */
CREATE TABLE ignisign.signer_profile
(
	server				name		NOT NULL,
	owner				name		NOT NULL,
	signer_profile_id	text		NOT NULL,
	inputs_needed		text[]		NOT NULL,
	optional_inputs		text[]		NOT NULL,
	read_at				timestamptz	NOT NULL DEFAULT now(),
	PRIMARY KEY (server, owner, signer_profile_id)
);

/* What a page of one's own needs to let a signer sign; read by ignisign_session(). */
CREATE TABLE ignisign.session
(
	request				uuid		NOT NULL,
	signer_id			text		NOT NULL,
	token				text,
	auth_secret			text,
	PRIMARY KEY (request, signer_id)
);

CREATE TABLE ignisign.document
(
	request				uuid		NOT NULL,
	n					integer		NOT NULL,
	file_name			text		NOT NULL,
	mime_type			text		NOT NULL,
	content				bytea,
	url					text,
	sha256				bytea,
	size				bigint,
	kind				text		NOT NULL DEFAULT 'file'
									CHECK (kind IN ('file', 'json', 'private', 'uploaded')),
	label				text,
	description			text,
	external_id			text,
	document_id			text,
	uploaded_at			timestamptz,
	PRIMARY KEY (request, n),
	CHECK ((content IS NULL) OR (url IS NULL))
);

/* Uncompressed, so that a slice of it is read without reading all of it. */
ALTER TABLE ignisign.document ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE ignisign.proof
(
	request				uuid		NOT NULL,
	document			integer		NOT NULL,
	proof_type			text		NOT NULL,
	signer				integer		NOT NULL DEFAULT 0,
	content				bytea		NOT NULL,
	mime_type			text,
	sha256				bytea		NOT NULL,
	size				bigint		NOT NULL,
	fetched_at			timestamptz	NOT NULL DEFAULT now(),
	PRIMARY KEY (request, document, proof_type, signer)
);

ALTER TABLE ignisign.proof ALTER COLUMN content SET STORAGE EXTERNAL;

/* The queue: one row for each API call still to be made or looked at. */
CREATE TABLE ignisign.call
(
	request				uuid		NOT NULL,
	id					bigint		GENERATED ALWAYS AS IDENTITY,
	operation			text		NOT NULL,
	document			integer		NOT NULL DEFAULT 0,
	signer				integer		NOT NULL DEFAULT 0,
	proof_type			text		NOT NULL DEFAULT '',
	owner				name		NOT NULL,
	server				name		NOT NULL,
	args				jsonb,
	state				text		NOT NULL DEFAULT 'pending'
									CHECK (state IN ('pending', 'sending', 'unknown', 'dead')),
	run_at				timestamptz	NOT NULL DEFAULT now(),
	attempts			integer		NOT NULL DEFAULT 0,
	waits				integer		NOT NULL DEFAULT 0,
	looks				integer		NOT NULL DEFAULT 0,
	again				boolean		NOT NULL DEFAULT false,
	claimed_at			timestamptz,
	http_status			integer,
	code				text,
	last_error			text,
	created_at			timestamptz	NOT NULL DEFAULT now(),
	PRIMARY KEY (request, id)
);

/* Due rows, account by account. */
CREATE INDEX call_due ON ignisign.call (server, owner, run_at, id)
	WHERE state = 'pending';

CREATE INDEX call_unsettled ON ignisign.call (state, server, owner, run_at)
	WHERE state <> 'pending';

CREATE INDEX call_id ON ignisign.call (id);

/* No step of a request is queued twice. */
CREATE UNIQUE INDEX call_once ON ignisign.call (request, operation, document, signer, proof_type);

/* The answer to each call that belongs to no request. */
CREATE TABLE ignisign.result
(
	request				uuid		NOT NULL,
	call				bigint		NOT NULL,
	operation			text		NOT NULL,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	http_status			integer		NOT NULL,
	answer				jsonb,
	content				bytea,
	mime_type			text,
	answered_at			timestamptz	NOT NULL DEFAULT now(),
	PRIMARY KEY (request, call)
);

ALTER TABLE ignisign.result ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE INDEX result_call ON ignisign.result (call);

/* Webhook messages that came in, and events read from a delivery log. */
CREATE TABLE ignisign.webhook
(
	id					uuid		PRIMARY KEY,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	source				text		NOT NULL
									CHECK (source IN ('message', 'log')),
	token_sha256		bytea,
	event_id			text,
	topic				text		NOT NULL,
	action				text		NOT NULL,
	nature				text,
	content				jsonb,
	error				jsonb,
	state				text		NOT NULL DEFAULT 'unverified'
									CHECK (state IN ('unverified', 'applied', 'ignored', 'rejected')),
	reason				text,
	request				uuid,
	received_at			timestamptz	NOT NULL DEFAULT now(),
	settled_at			timestamptz
);

/* No message and no event twice. */
CREATE UNIQUE INDEX webhook_token ON ignisign.webhook (server, token_sha256);
CREATE UNIQUE INDEX webhook_event_id ON ignisign.webhook (server, event_id);

CREATE INDEX webhook_received ON ignisign.webhook (received_at);

/* Where the listener takes webhook messages. */
CREATE TABLE ignisign.endpoint
(
	token_sha256		bytea		PRIMARY KEY,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	created_at			timestamptz	NOT NULL DEFAULT now()
);

/* Every HTTP attempt and what came of it; of several requests at once under the nil uuid. */
CREATE TABLE ignisign.attempt
(
	request				uuid		NOT NULL,
	started_at			timestamptz	NOT NULL,
	id					bigint		GENERATED ALWAYS AS IDENTITY,
	call				bigint,
	operation			text		NOT NULL,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	attempt				integer		NOT NULL,
	outcome				text		NOT NULL,
	http_status			integer,
	code				text,
	error				text,
	duration			interval,
	bytes_sent			bigint,
	bytes_received		bigint,
	PRIMARY KEY (request, started_at, id)
);

/* What changed in a request, when, and by whom. */
CREATE TABLE ignisign.event
(
	request				uuid		NOT NULL,
	at					timestamptz	NOT NULL DEFAULT clock_timestamp(),
	id					bigint		GENERATED ALWAYS AS IDENTITY,
	source				text		NOT NULL
									CHECK (source IN ('api', 'poll', 'reconcile', 'webhook', 'user')),
	kind				text		NOT NULL,
	previous			text,
	value				text,
	detail				text,
	PRIMARY KEY (request, at, id)
);

/* Accounts whose calls are held back, and why. */
CREATE TABLE ignisign.parked
(
	server				name		NOT NULL,
	owner				name		NOT NULL,
	reason				text		NOT NULL,
	since				timestamptz	NOT NULL DEFAULT now(),
	next_try			timestamptz	NOT NULL,
	tries				integer		NOT NULL DEFAULT 1,
	PRIMARY KEY (server, owner)
);

COMMENT ON TABLE ignisign.origin IS 'the cluster and database that own the queue';
COMMENT ON TABLE ignisign.request IS 'signature requests; status is the API''s word, NULL until it is known';
COMMENT ON TABLE ignisign.signer IS 'signers of each request, numbered from 1';
COMMENT ON TABLE ignisign.signer_profile IS 'what signer profiles need to know of a signer, as the API last told';
COMMENT ON COLUMN ignisign.signer.checked_at IS 'when this signer was found to have what the profile needs; NULL: not yet, or there is no profile';
COMMENT ON TABLE ignisign.session IS 'what a page of one''s own needs to let a signer sign; see ignisign_session()';
COMMENT ON COLUMN ignisign.session.signer_id IS 'Ignisign''s id of the signer, which may be known before it is known whose it is';
COMMENT ON COLUMN ignisign.request.delivery IS 'one-call; staged: as a draft that is published when all is there; imported: made elsewhere';
COMMENT ON COLUMN ignisign.request.external_id IS 'the caller''s reference; a staged request without one is sent its id';
COMMENT ON COLUMN ignisign.request.statements IS 'what signers have to tick, in Markdown';
COMMENT ON COLUMN ignisign.request.prepared_at IS 'when a draft had all but its publication';
COMMENT ON COLUMN ignisign.request.sent_at IS 'when it was known that signers are asked';
COMMENT ON COLUMN ignisign.signer.inputs IS 'what else the API is told of the signer, in its field names';
COMMENT ON COLUMN ignisign.signer.approver IS 'approves before the others sign, and does not sign';
COMMENT ON COLUMN ignisign.document.kind IS 'file; json: data; private: only the SHA-256 leaves the database; uploaded: was at Ignisign before';
COMMENT ON COLUMN ignisign.document.uploaded_at IS 'when a draft''s document had its content';
COMMENT ON TABLE ignisign.document IS 'documents of each request, numbered from 1';
COMMENT ON TABLE ignisign.proof IS 'proofs retrieved, by document, proof type and signer';
COMMENT ON COLUMN ignisign.proof.signer IS 'the signer whose signature it is; 0: it is of the whole document';
COMMENT ON TABLE ignisign.call IS 'queue of the API calls still to be made or looked at';
COMMENT ON TABLE ignisign.result IS 'answers to calls that belong to no request, for who asked';
COMMENT ON TABLE ignisign.webhook IS 'webhook messages and events of a delivery log, and what became of them';
COMMENT ON COLUMN ignisign.webhook.source IS 'message: sent to ignisign_webhook(); log: read by ignisign_read_webhook_log()';
COMMENT ON COLUMN ignisign.webhook.token_sha256 IS 'SHA-256 of the message''s verification token, which is not kept';
COMMENT ON COLUMN ignisign.webhook.state IS 'unverified: the API has not confirmed it yet; applied: its request is read anew; ignored: it concerns nothing here; rejected: it is not genuine';
COMMENT ON COLUMN ignisign.webhook.request IS 'the request here that it is about';
COMMENT ON TABLE ignisign.endpoint IS 'paths at which the listener takes webhook messages, made by ignisign_listen()';
COMMENT ON COLUMN ignisign.endpoint.token_sha256 IS 'SHA-256 of the token in the path, which is not kept';
COMMENT ON COLUMN ignisign.endpoint.owner IS 'role that receives';
COMMENT ON COLUMN ignisign.call.again IS 'to be made again when it is done, because something changed meanwhile';
COMMENT ON TABLE ignisign.attempt IS 'append-only log of every HTTP attempt';
COMMENT ON TABLE ignisign.event IS 'append-only history of each request';
COMMENT ON TABLE ignisign.parked IS 'accounts whose calls are held back, and why';
COMMENT ON COLUMN ignisign.origin.system_identifier IS 'system identifier of the cluster, as in pg_control_system()';
COMMENT ON COLUMN ignisign.origin.database IS 'OID of the database';
COMMENT ON COLUMN ignisign.origin.timeline IS 'timeline of the server when its worker last started; another one since: it was promoted or restored';
COMMENT ON COLUMN ignisign.origin.database_name IS 'name of the database when the row was made';
COMMENT ON COLUMN ignisign.request.id IS 'uuid version 7, made by ignisign_sign()';
COMMENT ON COLUMN ignisign.request.owner IS 'role that asked; its members see the row';
COMMENT ON COLUMN ignisign.request.signature_request_id IS 'Ignisign''s id; NULL until the request, or its draft, is there';
COMMENT ON COLUMN ignisign.request.status IS 'status in the API''s words; NULL until it is known';
COMMENT ON COLUMN ignisign.request.proof_status IS 'the API''s signatureProofStatus';
COMMENT ON COLUMN ignisign.request.signed_count IS 'signers who have signed';
COMMENT ON COLUMN ignisign.request.context_at IS 'when the context was last read';
COMMENT ON COLUMN ignisign.request.closed_at IS 'when a status was seen that never changes again';
COMMENT ON COLUMN ignisign.signer.signer_id IS 'Ignisign''s id; NULL until the context was read';
COMMENT ON COLUMN ignisign.signer.signed_at IS 'when this signer''s signature was first seen';
COMMENT ON COLUMN ignisign.document.document_id IS 'Ignisign''s id; NULL until the context was read';
COMMENT ON COLUMN ignisign.document.sha256 IS 'SHA-256 of content; NULL for a document given by url';
COMMENT ON COLUMN ignisign.document.size IS 'bytes of content; NULL for a document given by url';
COMMENT ON COLUMN ignisign.call.request IS 'the request that the call is for; else a uuid of the call''s own';
COMMENT ON COLUMN ignisign.call.operation IS 'operation of the API, by the name that docs/reference.md gives it';
COMMENT ON COLUMN ignisign.call.args IS 'fields of a call that belongs to no request; NULL for the others';
COMMENT ON COLUMN ignisign.result.answer IS 'the API''s answer; NULL where it said nothing or sent bytes';
COMMENT ON COLUMN ignisign.result.content IS 'the bytes that the API sent, of the type mime_type';
COMMENT ON COLUMN ignisign.call.state IS 'pending: to be sent at run_at; sending: claimed by the worker; unknown: sent without a known outcome, being looked for; dead: refused or given up';
COMMENT ON COLUMN ignisign.call.run_at IS 'not before this time';
COMMENT ON COLUMN ignisign.call.attempts IS 'attempts that count toward the server option max_attempts';
COMMENT ON COLUMN ignisign.call.waits IS 'times the API answered that it is not ready yet';
COMMENT ON COLUMN ignisign.call.looks IS 'times an unknown call was looked for in vain';
COMMENT ON COLUMN ignisign.attempt.outcome IS 'done, retry, wait, reconcile, park, dead, or lost (the worker ended first)';
COMMENT ON COLUMN ignisign.attempt.call IS 'id of the call; NULL for a refresh of several requests';

SELECT pg_catalog.pg_extension_config_dump('ignisign.origin', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.request', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.signer', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.signer_profile', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.session', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.document', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.proof', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.call', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.call_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.result', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.webhook', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.endpoint', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.attempt', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.attempt_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.event', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.parked', '');

/* A restored queue has its worker say whose it is. */
CREATE FUNCTION ignisign.origin_changed()
RETURNS trigger
AS 'MODULE_PATHNAME', 'ignisign_origin_changed' LANGUAGE C;

COMMENT ON FUNCTION ignisign.origin_changed() IS 'trigger: wake the worker at COMMIT';

CREATE TRIGGER changed AFTER INSERT ON ignisign.origin
	FOR EACH STATEMENT EXECUTE FUNCTION ignisign.origin_changed();

/* ---- Who sees what: the owning role and its members ---- */

CREATE FUNCTION ignisign.may_see(owner name)
RETURNS boolean
AS 'MODULE_PATHNAME', 'ignisign_may_see'
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF;

COMMENT ON FUNCTION ignisign.may_see(name) IS 'whether the current role has the privileges of the role of that name; false when there is none';

ALTER TABLE ignisign.origin ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.request ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.signer ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.signer_profile ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.session ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.document ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.proof ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.call ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.result ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.endpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.parked ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON ignisign.request FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.call FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.result FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.webhook FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.endpoint FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.attempt FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.signer_profile FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.parked FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.signer FOR SELECT
	USING (EXISTS (SELECT FROM ignisign.request r WHERE r.id = request));
CREATE POLICY own ON ignisign.document FOR SELECT
	USING (EXISTS (SELECT FROM ignisign.request r WHERE r.id = request));
CREATE POLICY own ON ignisign.proof FOR SELECT
	USING (EXISTS (SELECT FROM ignisign.request r WHERE r.id = request));
CREATE POLICY own ON ignisign.event FOR SELECT
	USING (EXISTS (SELECT FROM ignisign.request r WHERE r.id = request));

/* ---- Connecting ---- */

CREATE FUNCTION ignisign_connect(api_key text,
								 base_url text DEFAULT NULL,
								 server name DEFAULT 'ignisign',
								 for_role name DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_connect(text, text, name, name) IS
'create or change a server and the API key that a role (NULL: the current one; public: everybody) uses for it; returns what the key stands for';

CREATE FUNCTION ignisign_grant(role name, server name DEFAULT 'ignisign')
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_grant(name, name) IS
'let a role sign: USAGE on the server, EXECUTE on the functions, SELECT on its own rows';

/* ---- Signing ---- */

CREATE TYPE ignisign.new_signer AS
(
	email				text,
	first_name			text,
	last_name			text,
	signer_profile_id	text,
	phone_number		text,
	external_id			text,
	approver			boolean,
	nationality			text,
	birth_date			date,
	birth_place			text,
	birth_country		text
);

CREATE TYPE ignisign.new_document AS
(
	content				bytea,
	file_name			text,
	mime_type			text,
	url					text,
	label				text,
	description			text,
	external_id			text,
	private				boolean,
	data				jsonb,
	document_id			text
);

CREATE FUNCTION ignisign_signer(email text,
								first_name text DEFAULT NULL,
								last_name text DEFAULT NULL,
								signer_profile_id text DEFAULT NULL,
								phone_number text DEFAULT NULL,
								external_id text DEFAULT NULL,
								approver boolean DEFAULT false,
								nationality text DEFAULT NULL,
								birth_date date DEFAULT NULL,
								birth_place text DEFAULT NULL,
								birth_country text DEFAULT NULL)
RETURNS ignisign.new_signer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(email, first_name, last_name, signer_profile_id, phone_number, external_id, approver,
		   nationality, birth_date, birth_place, birth_country)::ignisign.new_signer;

COMMENT ON FUNCTION ignisign_signer(text, text, text, text, text, text, boolean, text, date, text, text) IS
'a signer for ignisign_sign(), or somebody who approves before the others sign';

CREATE FUNCTION ignisign_document(content bytea DEFAULT NULL,
								  file_name text DEFAULT NULL,
								  mime_type text DEFAULT NULL,
								  url text DEFAULT NULL,
								  label text DEFAULT NULL,
								  description text DEFAULT NULL,
								  external_id text DEFAULT NULL,
								  private boolean DEFAULT false,
								  data jsonb DEFAULT NULL,
								  document_id text DEFAULT NULL)
RETURNS ignisign.new_document
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(content, file_name, mime_type, url, label, description, external_id, private,
		   data, document_id)::ignisign.new_document;

COMMENT ON FUNCTION ignisign_document(bytea, text, text, text, text, text, text, boolean, jsonb, text) IS
'a document for ignisign_sign(): its content, a URL that the API downloads, data in JSON, or the id of one that was uploaded; of a private one only the SHA-256 leaves the database';

CREATE FUNCTION ignisign_id()
RETURNS uuid
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL SAFE;

COMMENT ON FUNCTION ignisign_id() IS
'a new uuid (version 7), for the default of the column that ignisign_sign_trigger() fills';

CREATE FUNCTION ignisign_sign(title text,
							  document bytea,
							  signers ignisign.new_signer[],
							  file_name text DEFAULT NULL,
							  mime_type text DEFAULT NULL,
							  signature_method text DEFAULT 'SIMPLE_STD',
							  server name DEFAULT 'ignisign',
							  description text DEFAULT NULL,
							  language text DEFAULT NULL,
							  expires_at timestamptz DEFAULT NULL,
							  recipients text[] DEFAULT NULL,
							  external_id text DEFAULT NULL,
							  statements text[] DEFAULT NULL,
							  delivery text DEFAULT NULL)
RETURNS uuid
AS 'MODULE_PATHNAME', 'ignisign_sign_document' LANGUAGE C VOLATILE;

CREATE FUNCTION ignisign_sign(title text,
							  document bytea,
							  signers jsonb,
							  file_name text DEFAULT NULL,
							  mime_type text DEFAULT NULL,
							  signature_method text DEFAULT 'SIMPLE_STD',
							  server name DEFAULT 'ignisign',
							  description text DEFAULT NULL,
							  language text DEFAULT NULL,
							  expires_at timestamptz DEFAULT NULL,
							  recipients text[] DEFAULT NULL,
							  external_id text DEFAULT NULL,
							  statements text[] DEFAULT NULL,
							  delivery text DEFAULT NULL)
RETURNS uuid
AS 'MODULE_PATHNAME', 'ignisign_sign_document' LANGUAGE C VOLATILE;

CREATE FUNCTION ignisign_sign(title text,
							  documents ignisign.new_document[],
							  signers ignisign.new_signer[],
							  signature_method text DEFAULT 'SIMPLE_STD',
							  server name DEFAULT 'ignisign',
							  description text DEFAULT NULL,
							  language text DEFAULT NULL,
							  expires_at timestamptz DEFAULT NULL,
							  recipients text[] DEFAULT NULL,
							  external_id text DEFAULT NULL,
							  statements text[] DEFAULT NULL,
							  delivery text DEFAULT NULL)
RETURNS uuid
AS 'MODULE_PATHNAME', 'ignisign_sign_documents' LANGUAGE C VOLATILE;

CREATE FUNCTION ignisign_sign(title text,
							  documents ignisign.new_document[],
							  signers jsonb,
							  signature_method text DEFAULT 'SIMPLE_STD',
							  server name DEFAULT 'ignisign',
							  description text DEFAULT NULL,
							  language text DEFAULT NULL,
							  expires_at timestamptz DEFAULT NULL,
							  recipients text[] DEFAULT NULL,
							  external_id text DEFAULT NULL,
							  statements text[] DEFAULT NULL,
							  delivery text DEFAULT NULL)
RETURNS uuid
AS 'MODULE_PATHNAME', 'ignisign_sign_documents' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_sign(text, bytea, ignisign.new_signer[], text, text, text, name, text, text, timestamptz, text[], text, text[], text) IS
'queue a signature request for one document; it is sent after COMMIT; returns its id';
COMMENT ON FUNCTION ignisign_sign(text, bytea, jsonb, text, text, text, name, text, text, timestamptz, text[], text, text[], text) IS
'queue a signature request for one document, signers in the API''s field names; it is sent after COMMIT; returns its id';
COMMENT ON FUNCTION ignisign_sign(text, ignisign.new_document[], ignisign.new_signer[], text, name, text, text, timestamptz, text[], text, text[], text) IS
'queue a signature request for several documents; it is sent after COMMIT; returns its id';
COMMENT ON FUNCTION ignisign_sign(text, ignisign.new_document[], jsonb, text, name, text, text, timestamptz, text[], text, text[], text) IS
'queue a signature request for several documents, signers in the API''s field names; it is sent after COMMIT; returns its id';

CREATE FUNCTION ignisign_sign_trigger()
RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION ignisign_sign_trigger() IS
'AFTER INSERT OR UPDATE row trigger that signs the row; arguments: the columns of title, document, signers and id, then options such as file_name=column, expires_at=column, method=NAME, server=NAME';

/* ---- Looking ---- */

CREATE VIEW ignisign.requests WITH (security_invoker = true) AS
SELECT r.id,
	   r.title,
	   r.owner,
	   r.server,
	   CASE WHEN r.closed_at IS NOT NULL THEN 'closed'
			WHEN r.sent_at IS NOT NULL THEN 'open'
			WHEN c.state = 'pending' THEN 'queued'
			ELSE coalesce(c.state, 'discarded')
	   END AS state,
	   r.status,
	   r.signed_count AS signed,
	   r.signer_count AS signers,
	   r.proof_status,
	   (SELECT pg_catalog.count(*)::integer FROM ignisign.proof p WHERE p.request = r.id) AS proofs,
	   r.signature_request_id,
	   coalesce(CASE WHEN c.state = 'pending' OR r.closed_at IS NULL AND r.sent_at IS NOT NULL
					 THEN (SELECT k.reason FROM ignisign.parked k
						   WHERE k.server = r.server AND k.owner = r.owner)
				END,
				(SELECT pg_catalog.concat_ws(': ', e.code, e.last_error)
				 FROM ignisign.call e
				 WHERE e.request = r.id AND e.last_error IS NOT NULL
				 ORDER BY e.state = 'dead' DESC, e.id LIMIT 1)) AS last_error,
	   r.created_at,
	   r.sent_at,
	   r.closed_at
FROM ignisign.request r
LEFT JOIN LATERAL
	(SELECT d.state
	 FROM ignisign.call d
	 WHERE d.request = r.id AND d.operation NOT IN ('context', 'proof', 'signer-proof', 'close', 'resend-email')
	 ORDER BY d.state = 'dead' DESC, d.state = 'unknown' DESC, d.state = 'sending' DESC
	 LIMIT 1) c ON r.sent_at IS NULL;

COMMENT ON VIEW ignisign.requests IS 'signature requests for people: what the extension does with them (state) and what the API says (status)';

CREATE FUNCTION ignisign_status(request uuid,
								OUT id uuid,
								OUT state text,
								OUT status text,
								OUT signed integer,
								OUT signers integer,
								OUT proof_status text,
								OUT proofs integer,
								OUT signature_request_id text,
								OUT last_error text,
								OUT created_at timestamptz,
								OUT sent_at timestamptz,
								OUT closed_at timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT ROWS 1
BEGIN ATOMIC
SELECT v.id, v.state, v.status, v.signed, v.signers, v.proof_status, v.proofs,
	   v.signature_request_id, v.last_error, v.created_at, v.sent_at, v.closed_at
FROM ignisign.requests v
WHERE v.id = ignisign_status.request;
END;

COMMENT ON FUNCTION ignisign_status(uuid) IS
'one row on a request: state is the extension''s, status the API''s; no row when there is no such request or it is not the caller''s';

CREATE FUNCTION ignisign_proof(request uuid,
							   proof_type text DEFAULT 'PDF_WITH_SIGNATURES',
							   document integer DEFAULT 1,
							   signer integer DEFAULT 0)
RETURNS bytea
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
SELECT p.content
FROM ignisign.proof p
WHERE p.request = ignisign_proof.request
  AND p.proof_type = ignisign_proof.proof_type
  AND p.document = ignisign_proof.document
  AND p.signer = ignisign_proof.signer;
END;

COMMENT ON FUNCTION ignisign_proof(uuid, text, integer, integer) IS
'a proof''s bytes, NULL while it is not there; documents and signers are numbered from 1, and signer 0 is for a proof of the whole document';

CREATE FUNCTION ignisign_fetch_proof(request uuid,
									 proof_type text DEFAULT 'PDF_WITH_SIGNATURES',
									 document integer DEFAULT 1,
									 signer integer DEFAULT 0)
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_fetch_proof(uuid, text, integer, integer) IS
'queue the retrieval of a proof, of any type; false: it is here already';

CREATE FUNCTION ignisign_wait(request uuid,
							  until text DEFAULT 'COMPLETED',
							  timeout interval DEFAULT '1 minute')
RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_wait(uuid, text, interval) IS
'wait until a request is SENT, COMPLETED, CLOSED or has its PROOF; false when the time is over or it can no longer come to that';

CREATE FUNCTION ignisign_stats(OUT server name,
							   OUT pending bigint,
							   OUT sending bigint,
							   OUT unknown bigint,
							   OUT dead bigint,
							   OUT oldest_pending timestamptz,
							   OUT open_requests bigint,
							   OUT worker_pid integer,
							   OUT worker_state text,
							   OUT listener text,
							   OUT hint text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

COMMENT ON FUNCTION ignisign_stats() IS
'the queue by server as far as the caller may see it, and the state of this database''s worker and listener; one row with a NULL server when there is none';

/* ---- Deciding ---- */

CREATE FUNCTION ignisign_refresh(request uuid)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_refresh(uuid) IS
'queue a read of the request''s context now';

CREATE FUNCTION ignisign_sync(server name DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_sync(name) IS
'queue a read of each open request that the caller may see, and of each whose proof could not be had; returns how many';

CREATE FUNCTION ignisign_import(signature_request_id text, server name DEFAULT 'ignisign')
RETURNS uuid
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_import(text, name) IS
'adopt a request that was made elsewhere; returns its id here';

CREATE FUNCTION ignisign_purge(what text, older_than interval)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_purge(text, interval) IS
'forget what is older: attempts, calls, deliveries, documents, events, proofs, requests, results, signers or webhooks; returns how many';

CREATE FUNCTION ignisign_retry(call bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION ignisign_retry_request(request uuid)
RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION ignisign_discard(call bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION ignisign_discard_request(request uuid)
RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_retry(bigint) IS 'make a dead call pending again, with all its attempts';
COMMENT ON FUNCTION ignisign_retry_request(uuid) IS 'make the dead calls of a request pending again; returns how many';
COMMENT ON FUNCTION ignisign_discard(bigint) IS 'drop a call that is dead or not yet being sent';
COMMENT ON FUNCTION ignisign_discard_request(uuid) IS 'drop the calls of a request that are dead or not yet being sent; returns how many';

CREATE FUNCTION ignisign_resolve(request uuid, signature_request_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_resolve(uuid, text) IS
'decide a call whose outcome is unknown: the request has this id at Ignisign, or (NULL) it is not there and is to be sent again';

CREATE FUNCTION ignisign_cancel(request uuid)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_cancel(uuid) IS
'have a request closed at Ignisign: CANCELLED, or COMPLETED if somebody has signed; one that was not sent is discarded';

CREATE FUNCTION ignisign_resend_email(request uuid, signer integer)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_resend_email(uuid, integer) IS
'have the invitation sent again to a signer who has not signed; signers are numbered from 1';

CREATE FUNCTION ignisign_session(request uuid,
								 OUT signer integer,
								 OUT signature_request_id text,
								 OUT signer_id text,
								 OUT token text,
								 OUT auth_secret text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

COMMENT ON FUNCTION ignisign_session(uuid) IS
'what a page of one''s own needs to let the embedded signers of a request sign; token and auth_secret are credentials';

CREATE FUNCTION ignisign_adopt()
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_adopt() IS
'make this database the owner of a queue that was copied here from another one';

/* A time as the API writes it. */
CREATE FUNCTION ignisign.wire_time(at timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

COMMENT ON FUNCTION ignisign.wire_time(timestamptz) IS 'a time as the API writes it';

/* ---- Calls that belong to no request: any operation, and its answer ---- */

CREATE FUNCTION ignisign.ask(operation text, args jsonb, server name)
RETURNS bigint
AS 'MODULE_PATHNAME', 'ignisign_ask' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign.ask(text, jsonb, name) IS
'queue a call of an operation of the API, its fields in args; returns the call''s id; what the functions below are made of';

CREATE FUNCTION ignisign.ask_with_file(operation text, args jsonb, content bytea,
									   file_name text, mime_type text, server name)
RETURNS bigint
AS 'MODULE_PATHNAME', 'ignisign_ask_with_file' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign.ask_with_file(text, jsonb, bytea, text, text, name) IS
'queue a call that carries a file';

CREATE FUNCTION ignisign_result(call bigint, timeout interval DEFAULT '0')
RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_result(bigint, interval) IS
'what the API answered to a call; NULL while it has not, for which timeout waits; an error when the call failed';

CREATE FUNCTION ignisign_content(call bigint, timeout interval DEFAULT '0')
RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_content(bigint, interval) IS
'the bytes that the API answered to a call; NULL while it has not, for which timeout waits; an error when the call failed';

CREATE FUNCTION ignisign_call(
	method text,
	path text,
	body jsonb DEFAULT NULL,
	server name DEFAULT 'ignisign',
	repeatable boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask(
	CASE WHEN coalesce(repeatable, method IN ('GET', 'PUT', 'DELETE')) THEN 'repeatable-call' ELSE 'call' END,
	pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('method', method, 'path', path, 'body', body::text)),
	server);

COMMENT ON FUNCTION ignisign_call(text, text, jsonb, name, boolean) IS
'queue any call of the API; {appId} and {appEnv} in the path stand for the account''s; repeatable: it may be sent again when its answer was lost (NULL: as HTTP says of the method)';

CREATE FUNCTION ignisign_application(server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('application', '{}', server);

COMMENT ON FUNCTION ignisign_application(name) IS
'queue a read of the application''s context: a way to try an account';

/* ---- Requests, step by step or made elsewhere ---- */

CREATE FUNCTION ignisign_list_requests(
	page integer DEFAULT 1,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('list', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('page', page)), server);

COMMENT ON FUNCTION ignisign_list_requests(integer, name) IS
'queue a read of a page of the application''s requests, counted from 1';

CREATE FUNCTION ignisign_request_context(
	signature_request_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('context', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id)), server);

COMMENT ON FUNCTION ignisign_request_context(text, name) IS
'queue a read of all that the API tells of a request, by Ignisign''s id';

CREATE FUNCTION ignisign_create_draft(
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('create-request', '{}', server);

COMMENT ON FUNCTION ignisign_create_draft(name) IS
'queue the creation of an empty request, a draft';

CREATE FUNCTION ignisign_update_draft(
	signature_request_id text,
	title text DEFAULT NULL,
	description text DEFAULT NULL,
	language text DEFAULT NULL,
	document_ids text[] DEFAULT NULL,
	signer_ids text[] DEFAULT NULL,
	approver_ids text[] DEFAULT NULL,
	recipients text[] DEFAULT NULL,
	external_id text DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL,
	signature_method text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('update-request', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id, 'title', title, 'description', description, 'language', language, 'documentIds', document_ids, 'signerIds', signer_ids, 'signerIdsAsApprover', approver_ids, 'recipients', recipients, 'externalId', external_id, 'expirationDate', ignisign.wire_time(expires_at), 'expirationDateIsActivated', CASE WHEN expires_at IS NOT NULL THEN true END, 'defaultSignatureMethod', signature_method)), server);

COMMENT ON FUNCTION ignisign_update_draft(text, text, text, text, text[], text[], text[], text[], text, timestamptz, text, name) IS
'queue a change of a draft; what is NULL stays as it is';

CREATE FUNCTION ignisign_publish(
	signature_request_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('publish', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id)), server);

COMMENT ON FUNCTION ignisign_publish(text, name) IS
'queue the publication of a draft: its signers are asked to sign';

CREATE FUNCTION ignisign_close(
	signature_request_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('close', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id)), server);

COMMENT ON FUNCTION ignisign_close(text, name) IS
'queue the closing of a request, by Ignisign''s id; for one of ignisign_sign() there is ignisign_cancel()';

CREATE FUNCTION ignisign_check_signers(
	signature_request_id text,
	emails text[],
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('check-signers', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id, 'emails', emails)), server);

CREATE FUNCTION ignisign_check_signers(request uuid, emails text[])
RETURNS bigint
AS 'MODULE_PATHNAME', 'ignisign_check_request_signers' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_check_signers(uuid, text[]) IS
'queue the question whether these signers can be added to a request of ignisign_sign()';

COMMENT ON FUNCTION ignisign_check_signers(text, text[], name) IS
'queue the question whether signers with these addresses can be added to a request';

CREATE FUNCTION ignisign_signer_setup(
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer-setup', '{}', server);

COMMENT ON FUNCTION ignisign_signer_setup(name) IS
'queue the creation of a request by which a signer registers a means of authentication';

CREATE FUNCTION ignisign_log_capsule(
	sha256 bytea,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('log-capsule', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('hashSha256_b64', pg_catalog.encode(sha256, 'base64'))), server);

COMMENT ON FUNCTION ignisign_log_capsule(bytea, name) IS
'queue the time stamp of a SHA-256, such as that of a page of a log; for applications of the type LOG_CAPSULE';

CREATE FUNCTION ignisign_import_all(server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('import', '{"page": 1}', server);

COMMENT ON FUNCTION ignisign_import_all(name) IS
'queue the adoption of all of the application''s requests that are not here, but drafts';

/* ---- Documents ---- */

CREATE FUNCTION ignisign_upload_document(
	content bytea,
	file_name text DEFAULT NULL,
	mime_type text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask_with_file('upload-document', '{}', content, file_name, mime_type, server);

COMMENT ON FUNCTION ignisign_upload_document(bytea, text, text, name) IS
'queue the upload of a document in one step; the answer has its documentId';

CREATE FUNCTION ignisign_upload_file(
	document_id text,
	content bytea,
	file_name text DEFAULT NULL,
	mime_type text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask_with_file('upload-file', pg_catalog.jsonb_build_object('documentId', document_id),
							  content, file_name, mime_type, server);

COMMENT ON FUNCTION ignisign_upload_file(text, bytea, text, text, name) IS
'queue the upload of the content of a document that was initialized';

CREATE FUNCTION ignisign_check_authenticity(
	document_id text,
	content bytea,
	file_name text DEFAULT NULL,
	mime_type text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask_with_file('check-authenticity', pg_catalog.jsonb_build_object('documentId', document_id),
							  content, file_name, mime_type, server);

COMMENT ON FUNCTION ignisign_check_authenticity(text, bytea, text, text, name) IS
'queue the question whether a file is the document that was signed';

CREATE FUNCTION ignisign_init_document(
	signature_request_id text,
	external_id text DEFAULT NULL,
	label text DEFAULT NULL,
	description text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('init-document', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signatureRequestId', signature_request_id, 'externalId', external_id, 'label', label, 'description', description)), server);

COMMENT ON FUNCTION ignisign_init_document(text, text, text, text, name) IS
'queue the creation of a document of a draft, without content';

CREATE FUNCTION ignisign_upload_json(
	document_id text,
	content jsonb,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('upload-json',
					pg_catalog.jsonb_build_object('documentId', document_id, 'jsonContent', content::text), server);

COMMENT ON FUNCTION ignisign_upload_json(text, jsonb, name) IS
'queue the content of a document that is data in JSON';

CREATE FUNCTION ignisign_upload_hash(
	document_id text,
	sha256 bytea,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('upload-hash',
					pg_catalog.jsonb_build_object('documentId', document_id, 'documentHash', pg_catalog.encode(sha256, 'base64')), server);

COMMENT ON FUNCTION ignisign_upload_hash(text, bytea, name) IS
'queue the SHA-256 of a document whose content stays here';

CREATE FUNCTION ignisign_get_document(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('document', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_get_document(text, name) IS
'queue a read of a document''s metadata';

CREATE FUNCTION ignisign_update_document(
	document_id text,
	external_id text DEFAULT NULL,
	label text DEFAULT NULL,
	description text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('update-document', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id, 'externalId', external_id, 'label', label, 'description', description)), server);

COMMENT ON FUNCTION ignisign_update_document(text, text, text, text, name) IS
'queue a change of a document''s metadata; what is NULL stays as it is';

CREATE FUNCTION ignisign_delete_document(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('delete-document', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_delete_document(text, name) IS
'queue the removal of a document of a draft';

CREATE FUNCTION ignisign_delete_content(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('delete-content', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_delete_content(text, name) IS
'queue the removal of the content of a document of a draft';

CREATE FUNCTION ignisign_document_context(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('document-context', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_document_context(text, name) IS
'queue a read of a document and of who has signed it';

CREATE FUNCTION ignisign_original(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('original', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_original(text, name) IS
'queue the download of the original file: see ignisign_content()';

CREATE FUNCTION ignisign_signatures(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signatures', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_signatures(text, name) IS
'queue a read of the signatures of a document';

CREATE FUNCTION ignisign_signature(
	document_id text,
	signature_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signature', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id, 'signatureId', signature_id)), server);

COMMENT ON FUNCTION ignisign_signature(text, text, name) IS
'queue a read of one signature of a document';

CREATE FUNCTION ignisign_signature_images(
	document_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signature-images', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id)), server);

COMMENT ON FUNCTION ignisign_signature_images(text, name) IS
'queue a read of the handwritten signatures of a document';

CREATE FUNCTION ignisign_get_proof(
	document_id text,
	proof_type text DEFAULT 'PDF_WITH_SIGNATURES',
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('proof', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id, 'signatureType', proof_type)), server);

COMMENT ON FUNCTION ignisign_get_proof(text, text, name) IS
'queue the download of a proof, by Ignisign''s id of the document: see ignisign_content()';

CREATE FUNCTION ignisign_signer_proof(
	document_id text,
	signer_id text,
	proof_type text DEFAULT 'CADES',
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer-proof', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('documentId', document_id, 'signerId', signer_id, 'signatureType', proof_type)), server);

COMMENT ON FUNCTION ignisign_signer_proof(text, text, text, name) IS
'queue the download of the technical signature of one signer: see ignisign_content()';

/* ---- Signers and their profiles ---- */

CREATE FUNCTION ignisign_create_signer(
	email text DEFAULT NULL,
	first_name text DEFAULT NULL,
	last_name text DEFAULT NULL,
	signer_profile_id text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	external_id text DEFAULT NULL,
	nationality text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	birth_place text DEFAULT NULL,
	birth_country text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('create-signer', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('email', email, 'firstName', first_name, 'lastName', last_name, 'signerProfileId', signer_profile_id, 'phoneNumber', phone_number, 'externalId', external_id, 'nationality', nationality, 'birthDate', birth_date, 'birthPlace', birth_place, 'birthCountry', birth_country)), server);

COMMENT ON FUNCTION ignisign_create_signer(text, text, text, text, text, text, text, date, text, text, name) IS
'queue the creation of a signer, or the completion of one who is there; the answer has the signerId';

CREATE FUNCTION ignisign_update_signer(
	signer_id text,
	email text DEFAULT NULL,
	first_name text DEFAULT NULL,
	last_name text DEFAULT NULL,
	signer_profile_id text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	external_id text DEFAULT NULL,
	nationality text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	birth_place text DEFAULT NULL,
	birth_country text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('update-signer', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerId', signer_id, 'email', email, 'firstName', first_name, 'lastName', last_name, 'signerProfileId', signer_profile_id, 'phoneNumber', phone_number, 'externalId', external_id, 'nationality', nationality, 'birthDate', birth_date, 'birthPlace', birth_place, 'birthCountry', birth_country)), server);

COMMENT ON FUNCTION ignisign_update_signer(text, text, text, text, text, text, text, text, date, text, text, name) IS
'queue what is to be added to a signer; what is NULL stays as it is';

CREATE FUNCTION ignisign_get_signer(
	signer_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerId', signer_id)), server);

COMMENT ON FUNCTION ignisign_get_signer(text, name) IS
'queue a read of a signer';

CREATE FUNCTION ignisign_signer_details(
	signer_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer-details', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerId', signer_id)), server);

COMMENT ON FUNCTION ignisign_signer_details(text, name) IS
'queue a read of a signer with claims and latest requests';

CREATE FUNCTION ignisign_revoke_signer(
	signer_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('revoke-signer', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerId', signer_id)), server);

COMMENT ON FUNCTION ignisign_revoke_signer(text, name) IS
'queue the revocation of a signer';

CREATE FUNCTION ignisign_regenerate_auth_secret(
	signer_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('regenerate-auth-secret', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerId', signer_id)), server);

COMMENT ON FUNCTION ignisign_regenerate_auth_secret(text, name) IS
'queue a new secret for a signer''s embedded signing; the answer has it';

CREATE FUNCTION ignisign_list_signers(
	page integer DEFAULT 1,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('list-signers', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('page', page)), server);

COMMENT ON FUNCTION ignisign_list_signers(integer, name) IS
'queue a read of a page of the application''s signers';

CREATE FUNCTION ignisign_search_signers(
	filter text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('search-signers', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('filter', filter)), server);

COMMENT ON FUNCTION ignisign_search_signers(text, name) IS
'queue a search for signers';

CREATE FUNCTION ignisign_signer_profiles(
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer-profiles', '{}', server);

COMMENT ON FUNCTION ignisign_signer_profiles(name) IS
'queue a read of the application''s signer profiles';

CREATE FUNCTION ignisign_signer_profile(
	signer_profile_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('signer-profile', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerProfileId', signer_profile_id)), server);

COMMENT ON FUNCTION ignisign_signer_profile(text, name) IS
'queue a read of a signer profile';

CREATE FUNCTION ignisign_inputs_needed(
	signer_profile_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('inputs-needed', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('signerProfileId', signer_profile_id)), server);

COMMENT ON FUNCTION ignisign_inputs_needed(text, name) IS
'queue the question what a signer profile needs to know of a signer';

/* ---- Webhooks ---- */

CREATE FUNCTION ignisign_create_webhook(
	url text,
	description text DEFAULT NULL,
	topics text[] DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask(
	CASE WHEN topics IS NULL THEN 'create-webhook' ELSE 'create-webhook-for-topics' END,
	pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('url', url, 'description', description, 'topics', topics)),
	server);

COMMENT ON FUNCTION ignisign_create_webhook(text, text, text[], name) IS
'queue the registration of a webhook endpoint, for these topics only if they are not NULL';

CREATE FUNCTION ignisign_list_webhooks(
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('list-webhooks', '{}', server);

COMMENT ON FUNCTION ignisign_list_webhooks(name) IS
'queue a read of the webhook endpoints';

CREATE FUNCTION ignisign_update_webhook(
	webhook_id text,
	url text,
	description text DEFAULT NULL,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('update-webhook', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id, 'url', url, 'description', description)), server);

COMMENT ON FUNCTION ignisign_update_webhook(text, text, text, name) IS
'queue a change of a webhook endpoint';

CREATE FUNCTION ignisign_delete_webhook(
	webhook_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('delete-webhook', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id)), server);

COMMENT ON FUNCTION ignisign_delete_webhook(text, name) IS
'queue the removal of a webhook endpoint';

CREATE FUNCTION ignisign_mute_webhook(
	webhook_id text,
	topics jsonb,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('mute-webhook', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id, 'topics', topics::text)), server);

COMMENT ON FUNCTION ignisign_mute_webhook(text, jsonb, name) IS
'queue which topics a webhook endpoint is not to get, as in {"SIGNATURE": true}';

CREATE FUNCTION ignisign_webhook_events(
	webhook_id text,
	filter text DEFAULT 'ALL',
	page integer DEFAULT 1,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('webhook-events', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id, 'filter', filter, 'page', page)), server);

COMMENT ON FUNCTION ignisign_webhook_events(text, text, integer, name) IS
'queue a read of the delivery log of a webhook endpoint: ALL, SUCCESS or FAILED';

CREATE FUNCTION ignisign_webhook_event(
	webhook_id text,
	event_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('webhook-event', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id, 'eventId', event_id)), server);

COMMENT ON FUNCTION ignisign_webhook_event(text, text, name) IS
'queue a read of one event of the delivery log';

CREATE FUNCTION ignisign_resend_webhook_event(
	webhook_id text,
	event_id text,
	server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('resend-webhook-event', pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('webhookId', webhook_id, 'eventId', event_id)), server);

COMMENT ON FUNCTION ignisign_resend_webhook_event(text, text, name) IS
'queue the repeated delivery of an event';

/* ---- Being told: webhooks ---- */

CREATE FUNCTION ignisign_webhook(payload jsonb, server name)
RETURNS uuid
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_webhook(jsonb, name) IS
'take a webhook message: it is stored, confirmed with the API, then applied; returns its id, the same for the same message';

/* Without a name, so that PostgREST hands over the body as it is. */
CREATE FUNCTION ignisign_webhook(jsonb)
RETURNS uuid
LANGUAGE sql VOLATILE STRICT
RETURN @extschema@.ignisign_webhook($1, 'ignisign'::pg_catalog.name);

COMMENT ON FUNCTION ignisign_webhook(jsonb) IS
'take a webhook message for the server ignisign';

CREATE FUNCTION ignisign_listen(server name DEFAULT 'ignisign')
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_listen(name) IS
'make an endpoint at which ignisign.webhook_listen takes messages for the current role; returns its path, which is told only once';

CREATE FUNCTION ignisign_unlisten(server name DEFAULT 'ignisign', path text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign_unlisten(name, text) IS
'remove the current role''s endpoint of this path or, if it is NULL, all for the server; returns how many';

CREATE FUNCTION ignisign_read_webhook_log(webhook_id text, server name DEFAULT 'ignisign')
RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ignisign.ask('webhook-log', pg_catalog.jsonb_build_object('webhookId', webhook_id, 'filter', 'ALL', 'page', 1), server);

COMMENT ON FUNCTION ignisign_read_webhook_log(text, name) IS
'queue the reading of what is new in the delivery log of a webhook endpoint, where no message can reach this database';

/* ---- Being told: functions that are called ---- */

/* A function of somebody's, and what it is called for. */
CREATE TABLE ignisign.callback
(
	id					bigint		GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	function			text		NOT NULL UNIQUE,
	owner				name		NOT NULL,
	events				text[]		NOT NULL,
	problem				text,
	created_at			timestamptz	NOT NULL DEFAULT now()
);

/* The calls of these functions that are still to be made. */
CREATE TABLE ignisign.delivery
(
	request				uuid		NOT NULL,
	id					bigint		GENERATED ALWAYS AS IDENTITY,
	callback			bigint		NOT NULL,
	event				bigint		NOT NULL,
	event_at			timestamptz	NOT NULL,
	state				text		NOT NULL DEFAULT 'pending'
									CHECK (state IN ('pending', 'running', 'dead')),
	run_at				timestamptz	NOT NULL,
	attempts			integer		NOT NULL DEFAULT 0,
	claimed_at			timestamptz,
	code				text,
	last_error			text,
	created_at			timestamptz	NOT NULL DEFAULT now(),
	PRIMARY KEY (request, id)
);

/* What is due, callback by callback. */
CREATE INDEX delivery_due ON ignisign.delivery (callback, run_at, id)
	WHERE state <> 'dead';

/* What comes before what. */
CREATE INDEX delivery_order ON ignisign.delivery (callback, request, id);

CREATE INDEX delivery_id ON ignisign.delivery (id);

COMMENT ON TABLE ignisign.callback IS 'functions that are called when something happened; see ignisign_on()';
COMMENT ON TABLE ignisign.delivery IS 'queue of the calls of these functions that are still to be made or looked at';
COMMENT ON COLUMN ignisign.callback.function IS 'qualified name; it is looked up when it is called';
COMMENT ON COLUMN ignisign.callback.owner IS 'owner of the function, as whom it is called';
COMMENT ON COLUMN ignisign.callback.events IS 'kinds of ignisign.event, statuses, or *';
COMMENT ON COLUMN ignisign.callback.problem IS 'why it is not called at present; NULL: nothing is in the way';
COMMENT ON COLUMN ignisign.delivery.event IS 'id of the row in ignisign.event, which has event_at as its time';
COMMENT ON COLUMN ignisign.delivery.state IS 'pending: to be made at run_at; running: under way; dead: given up';
COMMENT ON COLUMN ignisign.delivery.run_at IS 'not before this time, nor before earlier ones of the same callback and request';
COMMENT ON COLUMN ignisign.delivery.attempts IS 'attempts that count toward ignisign.callback_max_attempts';
COMMENT ON COLUMN ignisign.delivery.code IS 'SQLSTATE of the last failure';

SELECT pg_catalog.pg_extension_config_dump('ignisign.callback', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.callback_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.delivery', '');
SELECT pg_catalog.pg_extension_config_dump('ignisign.delivery_id_seq', '');

ALTER TABLE ignisign.callback ENABLE ROW LEVEL SECURITY;
ALTER TABLE ignisign.delivery ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON ignisign.callback FOR SELECT
	USING (ignisign.may_see(owner));
CREATE POLICY own ON ignisign.delivery FOR SELECT
	USING (EXISTS (SELECT FROM ignisign.callback c WHERE c.id = callback));

CREATE FUNCTION ignisign.may_be_told(role name, owner name)
RETURNS boolean
AS 'MODULE_PATHNAME', 'ignisign_may_be_told'
LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION ignisign.may_be_told(name, name) IS
'whether a role has the privileges of another one; true also when there is no such role, of which its call will tell';

CREATE FUNCTION ignisign.event_added()
RETURNS trigger
AS 'MODULE_PATHNAME', 'ignisign_event_added' LANGUAGE C;

COMMENT ON FUNCTION ignisign.event_added() IS 'trigger of ignisign.event that queues the calls of callbacks';

CREATE TRIGGER deliver AFTER INSERT ON ignisign.event
	REFERENCING NEW TABLE AS added FOR EACH STATEMENT
	EXECUTE FUNCTION ignisign.event_added();

CREATE FUNCTION ignisign_on(event text, function regprocedure)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_on(text, regprocedure) IS
'have function(request uuid, event jsonb) called as its owner after each such event: a kind of ignisign.event, a status, or *; returns the callback''s id';

CREATE FUNCTION ignisign_off(event text, function regprocedure)
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_off_event' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION ignisign_off(callback bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_off_callback' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_off(text, regprocedure) IS 'no longer have a function called for an event';
COMMENT ON FUNCTION ignisign_off(bigint) IS 'no longer have a callback''s function called at all';

CREATE FUNCTION ignisign_retry_delivery(delivery bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

CREATE FUNCTION ignisign_discard_delivery(delivery bigint)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

COMMENT ON FUNCTION ignisign_retry_delivery(bigint) IS 'make a dead delivery pending again, with all its attempts';
COMMENT ON FUNCTION ignisign_discard_delivery(bigint) IS 'drop a delivery that is dead or pending';

/* ---- Last: have the worker started at COMMIT ---- */


CREATE FUNCTION ignisign.installed()
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_installed' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION ignisign.installed() IS 'the install script''s last step: start the worker at COMMIT';

/* ---- Nothing for PUBLIC ---- */

REVOKE ALL ON ALL TABLES IN SCHEMA ignisign FROM PUBLIC;
REVOKE ALL ON TYPE ignisign.new_signer, ignisign.new_document FROM PUBLIC;

/* Run as a superuser while the schema of the functions may be open to all: no operator of theirs is to be meant. */
DO $$
DECLARE
	list text;
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::text, ', ') INTO list
	FROM pg_catalog.pg_proc p
	JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
		AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
		AND e.oid = d.refobjid AND e.extname = 'ignisign';
	EXECUTE 'REVOKE ALL ON FUNCTION ' || list || ' FROM PUBLIC';
END
$$;

SELECT ignisign.installed();
