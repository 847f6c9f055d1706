/* ignisign 1.1: from 1.0, by ALTER EXTENSION UPDATE, or after it by CREATE EXTENSION */

\echo Use "ALTER EXTENSION ignisign UPDATE" to load this file. \quit

/* ---- A function that is made anew keeps the roles that may call it ---- */

CREATE FUNCTION ignisign.grant_again(function regprocedure, acl aclitem[])
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_grant_again' LANGUAGE C VOLATILE STRICT;

REVOKE ALL ON FUNCTION ignisign.grant_again(regprocedure, aclitem[]) FROM PUBLIC;

COMMENT ON FUNCTION ignisign.grant_again(regprocedure, aclitem[]) IS
'for update scripts: let the roles call a function that could call the one in whose place it is';

/* ---- ignisign_stats() tells what the worker counts, and how it is ---- */

DO $$
DECLARE
	before aclitem[];
BEGIN
	SELECT p.proacl INTO before FROM pg_catalog.pg_proc p
	WHERE p.oid OPERATOR(pg_catalog.=) 'ignisign_stats()'::pg_catalog.regprocedure;

	DROP FUNCTION ignisign_stats();

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
								   OUT hint text,
								   OUT due bigint,
								   OUT retried bigint,
								   OUT in_flight integer,
								   OUT calls bigint,
								   OUT succeeded bigint,
								   OUT failed bigint,
								   OUT refused bigint,
								   OUT lost bigint,
								   OUT bytes_sent bigint,
								   OUT bytes_received bigint,
								   OUT latency_avg double precision,
								   OUT latency_max double precision,
								   OUT latency_p50 double precision,
								   OUT latency_p95 double precision,
								   OUT latency_p99 double precision,
								   OUT breaker text,
								   OUT breaker_until timestamptz,
								   OUT rate_room integer,
								   OUT failing integer,
								   OUT last_error text,
								   OUT last_error_at timestamptz,
								   OUT counted_since timestamptz,
								   OUT worker_since timestamptz,
								   OUT heartbeat timestamptz,
								   OUT stuck boolean,
								   OUT held_back bigint,
								   OUT held_back_since timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

	REVOKE ALL ON FUNCTION ignisign_stats() FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION ignisign_stats() TO pg_monitor;

	/* NULL is the default, which is for PUBLIC, too. */
	PERFORM ignisign.grant_again('ignisign_stats()',
		coalesce(before, pg_catalog.acldefault('f', (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user))));
END
$$;

COMMENT ON FUNCTION ignisign_stats() IS
'the queue by server as far as the caller may see it, what was counted of each server''s calls, and the state of this database''s worker and listener; one row with a NULL server when there is none';

/* ---- What is one role's, or one server's, is given to another ---- */

CREATE FUNCTION ignisign_reassign(old_role name, new_role name)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

REVOKE ALL ON FUNCTION ignisign_reassign(name, name) FROM PUBLIC;

COMMENT ON FUNCTION ignisign_reassign(name, name) IS
'give requests, and all else that is a role''s, to another, such as the same after ALTER ROLE ... RENAME; returns how many requests';

CREATE FUNCTION ignisign_reassign_server(old_server name, new_server name)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

REVOKE ALL ON FUNCTION ignisign_reassign_server(name, name) FROM PUBLIC;

COMMENT ON FUNCTION ignisign_reassign_server(name, name) IS
'give requests, and all else that is of a server that was renamed or dropped, to another, such as the same after ALTER SERVER ... RENAME; returns how many requests';

/* ---- Figures for monitors: without a right to the rows ---- */

CREATE FUNCTION ignisign_latency_stats(OUT server name,
									   OUT calls bigint,
									   OUT total double precision,
									   OUT up_to double precision[],
									   OUT calls_within bigint[])
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

COMMENT ON FUNCTION ignisign_latency_stats() IS
'by server, calls that were answered since the counting began, milliseconds that they took in total, and how many took up to so many of them';

CREATE FUNCTION ignisign_queue_stats(OUT server name,
									 OUT operation text,
									 OUT state text,
									 OUT calls bigint,
									 OUT queued_since timestamptz,
									 OUT claimed_since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 20;

COMMENT ON FUNCTION ignisign_queue_stats() IS
'the calls in the queue by server, operation and state, and since when the oldest is there, and was claimed, as far as the caller may see them';

CREATE FUNCTION ignisign_callback_stats(OUT callback bigint,
										OUT function text,
										OUT owner name,
										OUT problem text,
										OUT pending bigint,
										OUT running bigint,
										OUT dead bigint,
										OUT retried bigint,
										OUT oldest_pending timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 10;

COMMENT ON FUNCTION ignisign_callback_stats() IS
'by callback, its calls by state, those that have failed before, and when the first is or was due, as far as the caller may see them';

REVOKE ALL ON FUNCTION ignisign_latency_stats(), ignisign_queue_stats(), ignisign_callback_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ignisign_latency_stats(), ignisign_queue_stats(), ignisign_callback_stats() TO pg_monitor;

/* ---- One index less for each row of a queue ---- */

/*
 * Keys begin with the id: they serve who looks for it, too, and still have the request,
 * by which a table can be partitioned.
 */
ALTER TABLE ignisign.call DROP CONSTRAINT call_pkey, ADD CONSTRAINT call_pkey PRIMARY KEY (id, request);
DROP INDEX ignisign.call_id;

ALTER TABLE ignisign.result DROP CONSTRAINT result_pkey, ADD CONSTRAINT result_pkey PRIMARY KEY (call, request);
DROP INDEX ignisign.result_call;

ALTER TABLE ignisign.delivery DROP CONSTRAINT delivery_pkey, ADD CONSTRAINT delivery_pkey PRIMARY KEY (id, request);
DROP INDEX ignisign.delivery_id;

/* ---- An id that has or had a request gets no other one ---- */

ALTER TABLE ignisign.request ADD COLUMN fingerprint bytea;

CREATE TABLE ignisign.tombstone
(
	id					uuid		PRIMARY KEY,
	owner				name		NOT NULL,
	server				name		NOT NULL,
	fingerprint			bytea,
	purged_at			timestamptz	NOT NULL DEFAULT now()
);

COMMENT ON TABLE ignisign.tombstone IS 'ids of requests that were deleted; ignisign_sign_trigger() signs no row with such an id';
COMMENT ON COLUMN ignisign.tombstone.id IS 'id of the request';
COMMENT ON COLUMN ignisign.tombstone.owner IS 'role that asked';
COMMENT ON COLUMN ignisign.tombstone.server IS 'foreign server through which it was sent';
COMMENT ON COLUMN ignisign.tombstone.fingerprint IS 'fingerprint of the request';
COMMENT ON COLUMN ignisign.tombstone.purged_at IS 'when the request was deleted';
COMMENT ON COLUMN ignisign.request.fingerprint IS 'SHA-256 of the id and all that was given to be signed; NULL: imported, or queued by version 1.0';

SELECT pg_catalog.pg_extension_config_dump('ignisign.tombstone', '');

ALTER TABLE ignisign.tombstone ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON ignisign.tombstone FOR SELECT
	USING (ignisign.may_see(owner));

REVOKE ALL ON ignisign.tombstone FROM PUBLIC;

CREATE FUNCTION ignisign.request_deleted()
RETURNS trigger
AS 'MODULE_PATHNAME', 'ignisign_request_deleted' LANGUAGE C;

REVOKE ALL ON FUNCTION ignisign.request_deleted() FROM PUBLIC;

COMMENT ON FUNCTION ignisign.request_deleted() IS 'trigger of ignisign.request that remembers the ids of deleted requests in ignisign.tombstone';

CREATE TRIGGER deleted AFTER DELETE ON ignisign.request
	FOR EACH ROW EXECUTE FUNCTION ignisign.request_deleted();
CREATE TRIGGER truncated BEFORE TRUNCATE ON ignisign.request
	FOR EACH STATEMENT EXECUTE FUNCTION ignisign.request_deleted();

/* ---- An id at Ignisign belongs to one request of the database ---- */

DROP INDEX ignisign.request_signature_request_id;

/*
 * In version 1.0 requests of two servers could have one id.  The request keeps it
 * whose own response had it, or that was sent first.  An imported request that loses
 * its id is closed.  Of any other it is not known whether it is at Ignisign: a person
 * decides with ignisign_resolve().
 */
WITH ranked AS (
	SELECT r.id, r.owner, r.server, r.delivery, r.sent_at, r.signature_request_id,
		   pg_catalog.row_number() OVER (PARTITION BY r.signature_request_id ORDER BY r.delivery = 'imported',
			   (SELECT pg_catalog.min(CASE e.source WHEN 'api' THEN 1 WHEN 'user' THEN 2 ELSE 3 END) FROM ignisign.event e
				WHERE e.request = r.id AND e.kind IN ('sent', 'draft', 'resolved')), r.sent_at, r.id) AS rank
	FROM ignisign.request r
	WHERE r.signature_request_id IN (SELECT d.signature_request_id FROM ignisign.request d
									 WHERE d.signature_request_id IS NOT NULL
									 GROUP BY d.signature_request_id HAVING pg_catalog.count(*) > 1)
), loser AS (
	SELECT * FROM ranked WHERE rank > 1
), request AS (
	UPDATE ignisign.request r
	SET signature_request_id = NULL, status = NULL, proof_status = NULL, signed_count = 0, context_at = NULL,
		sent_at = CASE WHEN l.delivery = 'imported' THEN r.sent_at END,
		closed_at = CASE WHEN l.delivery = 'imported' THEN coalesce(r.closed_at, pg_catalog.now()) END
	FROM loser l WHERE r.id = l.id
), signer AS (
	UPDATE ignisign.signer s SET signer_id = NULL, signed_at = NULL
	FROM loser l WHERE s.request = l.id AND l.delivery <> 'imported'
), document AS (
	UPDATE ignisign.document d SET document_id = NULL
	FROM loser l WHERE d.request = l.id AND l.delivery <> 'imported'
), session AS (
	DELETE FROM ignisign.session s USING loser l WHERE s.request = l.id
), proof AS (
	DELETE FROM ignisign.proof p USING loser l WHERE p.request = l.id AND l.delivery <> 'imported'
), call AS (
	DELETE FROM ignisign.call c USING loser l WHERE c.request = l.id AND c.operation <> 'one-call-sign'
)
INSERT INTO ignisign.call (request, operation, owner, server, state, run_at, attempts, claimed_at, last_error)
SELECT l.id, 'one-call-sign', l.owner, l.server, 'unknown', 'infinity', 1, l.sent_at,
	   'sent, but signature request ' || l.signature_request_id || ' belongs to another request: decide with ignisign_resolve()'
FROM loser l WHERE l.delivery <> 'imported'
ON CONFLICT DO NOTHING;

CREATE UNIQUE INDEX request_signature_request_id
	ON ignisign.request (signature_request_id)
	WHERE signature_request_id IS NOT NULL;

COMMENT ON COLUMN ignisign.call.run_at IS 'not before this time; infinity: a person decides with ignisign_resolve()';

/* ---- Comments: all that was without one ---- */

COMMENT ON FUNCTION ignisign_fdw_validator(text[], oid) IS
'check the options of servers and user mappings';

COMMENT ON TYPE ignisign.new_signer IS 'a signer for ignisign_sign(), made by ignisign_signer()';
COMMENT ON TYPE ignisign.new_document IS 'a document for ignisign_sign(), made by ignisign_document()';

COMMENT ON SEQUENCE ignisign.call_id_seq IS 'ids of ignisign.call';
COMMENT ON SEQUENCE ignisign.attempt_id_seq IS 'ids of ignisign.attempt';
COMMENT ON SEQUENCE ignisign.event_id_seq IS 'ids of ignisign.event';
COMMENT ON SEQUENCE ignisign.callback_id_seq IS 'ids of ignisign.callback';
COMMENT ON SEQUENCE ignisign.delivery_id_seq IS 'ids of ignisign.delivery';

COMMENT ON COLUMN ignisign.origin.since IS 'when the row was made, or this database adopted the queue';

COMMENT ON COLUMN ignisign.request.server IS 'foreign server through which it is sent';
COMMENT ON COLUMN ignisign.request.title IS 'what the signers see as its name';
COMMENT ON COLUMN ignisign.request.signature_method IS 'method by which all sign, such as SIMPLE_STD';
COMMENT ON COLUMN ignisign.request.signer_count IS 'signers, approvers aside';
COMMENT ON COLUMN ignisign.request.description IS 'for the signers';
COMMENT ON COLUMN ignisign.request.language IS 'of what the signers see; NULL: the application''s';
COMMENT ON COLUMN ignisign.request.expires_at IS 'until when can be signed; NULL: as the application says';
COMMENT ON COLUMN ignisign.request.recipients IS 'e-mail addresses that get the result, too';
COMMENT ON COLUMN ignisign.request.created_at IS 'when it was queued or imported';

COMMENT ON COLUMN ignisign.signer.request IS 'the request';
COMMENT ON COLUMN ignisign.signer.n IS 'number of the signer in the request, from 1';
COMMENT ON COLUMN ignisign.signer.email IS 'e-mail address that is asked; purged: forgotten by ignisign_purge()';
COMMENT ON COLUMN ignisign.signer.first_name IS 'first name, as it is sent';
COMMENT ON COLUMN ignisign.signer.last_name IS 'last name, as it is sent';
COMMENT ON COLUMN ignisign.signer.signer_profile_id IS 'Ignisign''s id of the profile by which this signer signs; NULL: the application''s default';
COMMENT ON COLUMN ignisign.signer.external_id IS 'the caller''s reference to the signer';

COMMENT ON COLUMN ignisign.signer_profile.server IS 'foreign server through which it was asked';
COMMENT ON COLUMN ignisign.signer_profile.owner IS 'role whose account it was asked with';
COMMENT ON COLUMN ignisign.signer_profile.signer_profile_id IS 'Ignisign''s id of the profile';
COMMENT ON COLUMN ignisign.signer_profile.inputs_needed IS 'inputs that a signer must have, in the API''s words';
COMMENT ON COLUMN ignisign.signer_profile.optional_inputs IS 'inputs that a signer may have, in the API''s words';
COMMENT ON COLUMN ignisign.signer_profile.read_at IS 'when the API told it; it is asked again after a day';

COMMENT ON COLUMN ignisign.session.request IS 'the request';
COMMENT ON COLUMN ignisign.session.token IS 'token by which a page lets the signer sign: a credential';
COMMENT ON COLUMN ignisign.session.auth_secret IS 'secret of the signer, where the API told it: a credential';

COMMENT ON COLUMN ignisign.document.request IS 'the request';
COMMENT ON COLUMN ignisign.document.n IS 'number of the document in the request, from 1';
COMMENT ON COLUMN ignisign.document.file_name IS 'name of the file, as the signers see it';
COMMENT ON COLUMN ignisign.document.mime_type IS 'type of the content';
COMMENT ON COLUMN ignisign.document.content IS 'the document; NULL where it is elsewhere, or was forgotten by ignisign_purge()';
COMMENT ON COLUMN ignisign.document.url IS 'where Ignisign downloads it from, in place of content';
COMMENT ON COLUMN ignisign.document.sha256 IS 'SHA-256 of content; NULL for a document given by url';
COMMENT ON COLUMN ignisign.document.size IS 'bytes of content; NULL for a document given by url';
COMMENT ON COLUMN ignisign.document.label IS 'name for the signers of a document whose content they do not see';
COMMENT ON COLUMN ignisign.document.description IS 'for the signers';
COMMENT ON COLUMN ignisign.document.external_id IS 'the caller''s reference to the document';

COMMENT ON COLUMN ignisign.proof.request IS 'the request';
COMMENT ON COLUMN ignisign.proof.document IS 'number of the document in the request';
COMMENT ON COLUMN ignisign.proof.proof_type IS 'type of the proof, such as PDF_WITH_SIGNATURES';
COMMENT ON COLUMN ignisign.proof.content IS 'the proof';
COMMENT ON COLUMN ignisign.proof.mime_type IS 'type of the content, as the API said';
COMMENT ON COLUMN ignisign.proof.sha256 IS 'SHA-256 of content when it was fetched';
COMMENT ON COLUMN ignisign.proof.size IS 'bytes of content';
COMMENT ON COLUMN ignisign.proof.fetched_at IS 'when it was fetched';

COMMENT ON COLUMN ignisign.call.id IS 'id of the call, as returned by the functions that queue one';
COMMENT ON COLUMN ignisign.call.document IS 'number of the document that the call is for; 0: none';
COMMENT ON COLUMN ignisign.call.signer IS 'number of the signer that the call is for; 0: none';
COMMENT ON COLUMN ignisign.call.proof_type IS 'type of the proof that is fetched; empty: none';
COMMENT ON COLUMN ignisign.call.owner IS 'role that asked, with whose account it is made';
COMMENT ON COLUMN ignisign.call.server IS 'foreign server through which it is made';
COMMENT ON COLUMN ignisign.call.claimed_at IS 'when the worker last took it to send it';
COMMENT ON COLUMN ignisign.call.http_status IS 'HTTP status of the last answer';
COMMENT ON COLUMN ignisign.call.code IS 'the API''s code of the last error';
COMMENT ON COLUMN ignisign.call.last_error IS 'why the last attempt was no success';
COMMENT ON COLUMN ignisign.call.created_at IS 'when it was queued';

COMMENT ON COLUMN ignisign.result.request IS 'the call''s own uuid, as in ignisign.attempt';
COMMENT ON COLUMN ignisign.result.call IS 'id of the call, as returned by the function that queued it';
COMMENT ON COLUMN ignisign.result.operation IS 'operation of the API';
COMMENT ON COLUMN ignisign.result.owner IS 'role that asked';
COMMENT ON COLUMN ignisign.result.server IS 'foreign server through which it was made';
COMMENT ON COLUMN ignisign.result.http_status IS 'HTTP status of the answer';
COMMENT ON COLUMN ignisign.result.mime_type IS 'type of content';
COMMENT ON COLUMN ignisign.result.answered_at IS 'when the answer came';

COMMENT ON COLUMN ignisign.webhook.id IS 'uuid version 7, as returned by ignisign_webhook()';
COMMENT ON COLUMN ignisign.webhook.owner IS 'role that handed it over, or whose endpoint it came to';
COMMENT ON COLUMN ignisign.webhook.server IS 'foreign server whose API confirms it';
COMMENT ON COLUMN ignisign.webhook.event_id IS 'Ignisign''s id of an event of a delivery log';
COMMENT ON COLUMN ignisign.webhook.topic IS 'what it is about, such as SIGNATURE_REQUEST';
COMMENT ON COLUMN ignisign.webhook.action IS 'what happened, such as COMPLETED';
COMMENT ON COLUMN ignisign.webhook.nature IS 'INFO, ERROR and the like, in the API''s words';
COMMENT ON COLUMN ignisign.webhook.content IS 'what the message says: a hint only';
COMMENT ON COLUMN ignisign.webhook.error IS 'what the message says of an error';
COMMENT ON COLUMN ignisign.webhook.reason IS 'why it is ignored or rejected';
COMMENT ON COLUMN ignisign.webhook.received_at IS 'when it came';
COMMENT ON COLUMN ignisign.webhook.settled_at IS 'when it was applied, ignored or rejected';

COMMENT ON COLUMN ignisign.endpoint.server IS 'foreign server whose messages come there';
COMMENT ON COLUMN ignisign.endpoint.created_at IS 'when it was made';

COMMENT ON COLUMN ignisign.attempt.request IS 'the request that the call was for; else a uuid of the call''s own';
COMMENT ON COLUMN ignisign.attempt.started_at IS 'when it was begun';
COMMENT ON COLUMN ignisign.attempt.id IS 'number of the attempt among all';
COMMENT ON COLUMN ignisign.attempt.operation IS 'operation of the API';
COMMENT ON COLUMN ignisign.attempt.owner IS 'role with whose account it was made';
COMMENT ON COLUMN ignisign.attempt.server IS 'foreign server through which it was made';
COMMENT ON COLUMN ignisign.attempt.attempt IS 'which attempt of the call it was, from 1';
COMMENT ON COLUMN ignisign.attempt.http_status IS 'HTTP status; NULL: there was no answer';
COMMENT ON COLUMN ignisign.attempt.code IS 'the API''s code of an error';
COMMENT ON COLUMN ignisign.attempt.error IS 'the API''s message, or what went wrong on the way';
COMMENT ON COLUMN ignisign.attempt.duration IS 'time from the beginning to the end of the answer';
COMMENT ON COLUMN ignisign.attempt.bytes_sent IS 'bytes of the body that were sent';
COMMENT ON COLUMN ignisign.attempt.bytes_received IS 'bytes of the body that were received';

COMMENT ON COLUMN ignisign.event.request IS 'the request';
COMMENT ON COLUMN ignisign.event.at IS 'when it was recorded';
COMMENT ON COLUMN ignisign.event.id IS 'number of the event among all';
COMMENT ON COLUMN ignisign.event.source IS 'who told: api: an answer; poll: a refresh; reconcile: a look for what was in doubt; webhook: a message; user: a person';
COMMENT ON COLUMN ignisign.event.kind IS 'what happened: sent, status, signed, proof, proof status, dead, draft, imported, cancelled, resend, resolved, retried, discarded, webhook';
COMMENT ON COLUMN ignisign.event.previous IS 'what it was before, of a change';
COMMENT ON COLUMN ignisign.event.value IS 'what it is now: a status, an id, an e-mail address';
COMMENT ON COLUMN ignisign.event.detail IS 'more: an error, the document of a proof, the id of a webhook message in ignisign.webhook';

COMMENT ON COLUMN ignisign.parked.server IS 'foreign server of the account';
COMMENT ON COLUMN ignisign.parked.owner IS 'role of the account';
COMMENT ON COLUMN ignisign.parked.reason IS 'why its calls are held back';
COMMENT ON COLUMN ignisign.parked.since IS 'since when';
COMMENT ON COLUMN ignisign.parked.next_try IS 'when a call is tried again';
COMMENT ON COLUMN ignisign.parked.tries IS 'how often it was held back on end';

COMMENT ON COLUMN ignisign.callback.id IS 'id of the callback, as returned by ignisign_on()';
COMMENT ON COLUMN ignisign.callback.created_at IS 'when ignisign_on() was first called for it';

COMMENT ON COLUMN ignisign.delivery.request IS 'the request that the event is about';
COMMENT ON COLUMN ignisign.delivery.id IS 'id of the delivery, for ignisign_retry_delivery() and ignisign_discard_delivery()';
COMMENT ON COLUMN ignisign.delivery.callback IS 'id of the row in ignisign.callback';
COMMENT ON COLUMN ignisign.delivery.event_at IS 'time of that row';
COMMENT ON COLUMN ignisign.delivery.claimed_at IS 'when a process last took it to call the function';
COMMENT ON COLUMN ignisign.delivery.last_error IS 'what the function, or its process, last failed with';
COMMENT ON COLUMN ignisign.delivery.created_at IS 'when it was queued';

COMMENT ON COLUMN ignisign.new_signer.email IS 'e-mail address that is asked';
COMMENT ON COLUMN ignisign.new_signer.first_name IS 'first name';
COMMENT ON COLUMN ignisign.new_signer.last_name IS 'last name';
COMMENT ON COLUMN ignisign.new_signer.signer_profile_id IS 'Ignisign''s id of the profile by which this signer signs';
COMMENT ON COLUMN ignisign.new_signer.phone_number IS 'with the country''s code, such as +352621000000';
COMMENT ON COLUMN ignisign.new_signer.external_id IS 'your reference to the signer';
COMMENT ON COLUMN ignisign.new_signer.approver IS 'approves before the others sign, and does not sign';
COMMENT ON COLUMN ignisign.new_signer.nationality IS 'country''s code';
COMMENT ON COLUMN ignisign.new_signer.birth_date IS 'day of birth';
COMMENT ON COLUMN ignisign.new_signer.birth_place IS 'place of birth';
COMMENT ON COLUMN ignisign.new_signer.birth_country IS 'country''s code';

COMMENT ON COLUMN ignisign.new_document.content IS 'the document';
COMMENT ON COLUMN ignisign.new_document.file_name IS 'name of the file; NULL: made from the document''s number';
COMMENT ON COLUMN ignisign.new_document.mime_type IS 'type of the content; NULL: guessed';
COMMENT ON COLUMN ignisign.new_document.url IS 'where Ignisign downloads it from, in place of content';
COMMENT ON COLUMN ignisign.new_document.label IS 'name for the signers of a document whose content they do not see';
COMMENT ON COLUMN ignisign.new_document.description IS 'for the signers';
COMMENT ON COLUMN ignisign.new_document.external_id IS 'your reference to the document';
COMMENT ON COLUMN ignisign.new_document.private IS 'only the SHA-256 leaves the database';
COMMENT ON COLUMN ignisign.new_document.data IS 'data in JSON, in place of content';
COMMENT ON COLUMN ignisign.new_document.document_id IS 'Ignisign''s id of a document that was uploaded, in place of content';

COMMENT ON COLUMN ignisign.requests.id IS 'the request, as returned by ignisign_sign()';
COMMENT ON COLUMN ignisign.requests.title IS 'what the signers see as its name';
COMMENT ON COLUMN ignisign.requests.owner IS 'role that asked';
COMMENT ON COLUMN ignisign.requests.server IS 'foreign server through which it is sent';
COMMENT ON COLUMN ignisign.requests.state IS 'what the extension does: queued, sending, unknown (sent, outcome being looked for), dead (refused or given up), discarded, open, closed';
COMMENT ON COLUMN ignisign.requests.status IS 'status in the API''s words; NULL until it is known';
COMMENT ON COLUMN ignisign.requests.signed IS 'signers who have signed';
COMMENT ON COLUMN ignisign.requests.signers IS 'signers, approvers aside';
COMMENT ON COLUMN ignisign.requests.proof_status IS 'the API''s signatureProofStatus';
COMMENT ON COLUMN ignisign.requests.proofs IS 'proofs that are stored';
COMMENT ON COLUMN ignisign.requests.signature_request_id IS 'Ignisign''s id; NULL until the request, or its draft, is there';
COMMENT ON COLUMN ignisign.requests.last_error IS 'why it does not go on';
COMMENT ON COLUMN ignisign.requests.created_at IS 'when it was queued or imported';
COMMENT ON COLUMN ignisign.requests.sent_at IS 'when it was known that signers are asked';
COMMENT ON COLUMN ignisign.requests.closed_at IS 'when a status was seen that never changes again';

/* ---- What a webhook message says is no event ---- */

/*
 * The topic of a message was the kind of an event, and its action the value, though
 * nothing vouches for either.  A callback for a topic is called for "webhook": that a
 * message about the request came.
 */
UPDATE ignisign.callback SET events = pg_catalog.array_append(events, 'webhook')
WHERE events && ARRAY['APP', 'APPLICATION', 'DOCUMENT_REQUEST', 'ID_PROOFING', 'SIGNATURE', 'SIGNATURE_IMAGE',
	'SIGNATURE_PROFILE', 'SIGNATURE_PROOF', 'SIGNATURE_REQUEST', 'SIGNATURE_SESSION', 'SIGNATURE_SIGNER_IMAGE',
	'SIGNER', 'SIGNER_AUTH'] AND NOT events @> ARRAY['webhook'];

/* ---- Last: nobody but their owner empties the tables, and nothing of others is attached to them ---- */

CREATE FUNCTION ignisign.check_truncate()
RETURNS trigger
AS 'MODULE_PATHNAME', 'ignisign_check_truncate' LANGUAGE C;

CREATE FUNCTION ignisign.check_tables()
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_check_tables' LANGUAGE C VOLATILE;

REVOKE ALL ON FUNCTION ignisign.check_truncate(), ignisign.check_tables() FROM PUBLIC;

COMMENT ON FUNCTION ignisign.check_truncate() IS
'trigger: only the owner of a table empties it with TRUNCATE, which GRANT ALL grants, too';
COMMENT ON FUNCTION ignisign.check_tables() IS
'raise an error if something is attached to the tables that could run with the rights of their owner';

/* Whatever comes before in this script, all tables get it. */
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN
		SELECT c.relname FROM pg_catalog.pg_class c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'ignisign'::pg_catalog.regnamespace
			AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog."char"[]) AND NOT c.relispartition
		ORDER BY c.oid
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER check_truncate BEFORE TRUNCATE ON ignisign.%I FOR EACH STATEMENT EXECUTE FUNCTION ignisign.check_truncate()', name);
	END LOOP;
END
$$;

SELECT ignisign.check_tables();
