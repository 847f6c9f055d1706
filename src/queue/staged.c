/*-------------------------------------------------------------------------
 *
 * staged.c
 *	  Staged delivery: a draft that is published when all is there.
 *
 * The steps are calls of the queue: create the draft; then, side by side, make
 * each document and give it its content, and make or find each signer; when all
 * of that is there, complete the draft; publish it.  How far a request has come
 * stands in its rows: signature_request_id, document_id and uploaded_at,
 * signer_id, prepared_at, sent_at.  Each step's response sets one of them and
 * queues what can be done next, in one transaction, so that a request resumes
 * where it stopped.
 *
 * Every step may be repeated.  A draft, document or signer whose response was lost
 * stays behind unused and unpublished; a second publication is refused by the
 * API, which is taken for success.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "errors.h"
#include "queue/queue.h"
#include "queue/signing_session.h"
#include "queue/staged.h"
#include "util/spi.h"

/* Queue the steps of a request that can be taken now. */
void
ig_staged_advance(const pg_uuid_t *request)
{
	static IgStatement advance = {
		.sql = "INSERT INTO ignisign.call (request, operation, document, signer, owner, server) "
		"SELECT r.id, s.operation, s.document, s.signer, r.owner, r.server "
		"FROM ignisign.request r CROSS JOIN LATERAL ("
		"SELECT 'create-request' AS operation, 0 AS document, 0 AS signer WHERE r.signature_request_id IS NULL "
		"UNION ALL "
		"SELECT CASE WHEN d.document_id IS NULL THEN 'init-document' WHEN d.kind = 'json' THEN 'upload-json' "
		"WHEN d.kind = 'private' THEN 'upload-hash' ELSE 'upload-file' END, d.n, 0 "
		"FROM ignisign.document d WHERE d.request = r.id AND d.uploaded_at IS NULL "
		"AND r.signature_request_id IS NOT NULL "
		"UNION ALL "
		"SELECT 'create-signer', 0, g.n FROM ignisign.signer g WHERE g.request = r.id AND g.signer_id IS NULL "
		"AND r.signature_request_id IS NOT NULL "
		"UNION ALL "
		"SELECT 'update-request', 0, 0 WHERE r.signature_request_id IS NOT NULL AND r.prepared_at IS NULL "
		"AND NOT EXISTS (SELECT FROM ignisign.document d WHERE d.request = r.id AND d.uploaded_at IS NULL) "
		"AND NOT EXISTS (SELECT FROM ignisign.signer g WHERE g.request = r.id AND g.signer_id IS NULL) "
		"UNION ALL "
		"SELECT 'publish', 0, 0 WHERE r.prepared_at IS NOT NULL) s "
		"WHERE r.id = $1 AND r.delivery = 'staged' AND r.sent_at IS NULL AND r.closed_at IS NULL "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO NOTHING",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(request);

	ig_spi_execute(&advance, &value, NULL);
}

/* The statement that makes the fields of a step; NULL: it has none. */
static IgStatement *
values_of(IgOperation step)
{
	static IgStatement init_document = {
		.sql = "SELECT jsonb_strip_nulls(jsonb_build_object('signatureRequestId', r.signature_request_id, "
		"'externalId', coalesce(d.external_id, r.id || '/' || d.n), 'label', d.label, "
		"'description', d.description))::text "
		"FROM ignisign.document d JOIN ignisign.request r ON r.id = d.request "
		"WHERE d.request = $1 AND d.n = $2",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};
	static IgStatement upload_json = {
		.sql = "SELECT jsonb_build_object('jsonContent', convert_from(content, 'UTF8'))::text "
		"FROM ignisign.document WHERE request = $1 AND n = $2",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};
	static IgStatement upload_hash = {
		.sql = "SELECT jsonb_build_object('documentHash', encode(sha256, 'base64'))::text "
		"FROM ignisign.document WHERE request = $1 AND n = $2",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};
	static IgStatement create_signer = {
		.sql = "SELECT (coalesce(inputs, '{}') || jsonb_strip_nulls(jsonb_build_object('email', email, "
		"'firstName', first_name, 'lastName', last_name, 'signerProfileId', signer_profile_id, "
		"'externalId', external_id)))::text "
		"FROM ignisign.signer WHERE request = $1 AND n = $3",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};
	static IgStatement inputs_needed = {
		.sql = "SELECT jsonb_build_object('signerProfileId', signer_profile_id)::text "
		"FROM ignisign.signer WHERE request = $1 AND n = $3",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};
	static IgStatement update_request = {
		.sql = "SELECT jsonb_strip_nulls(jsonb_build_object('title', r.title, 'description', r.description, "
		"'language', r.language, 'externalId', coalesce(r.external_id, r.id::text), "
		"'recipients', to_jsonb(r.recipients), 'expirationDate', ignisign.wire_time(r.expires_at), "
		"'expirationDateIsActivated', CASE WHEN r.expires_at IS NOT NULL THEN true END, "
		"'defaultSignatureMethod', r.signature_method, "
		"'documentIds', (SELECT jsonb_agg(d.document_id ORDER BY d.n) FROM ignisign.document d "
		"WHERE d.request = r.id AND d.document_id IS NOT NULL), "
		"'signerIds', (SELECT jsonb_agg(s.signer_id ORDER BY s.n) FROM ignisign.signer s "
		"WHERE s.request = r.id AND NOT s.approver AND s.signer_id IS NOT NULL), "
		"'signerIdsAsApprover', (SELECT jsonb_agg(s.signer_id ORDER BY s.n) FROM ignisign.signer s "
		"WHERE s.request = r.id AND s.approver AND s.signer_id IS NOT NULL), "
		"'statements', (SELECT jsonb_agg(jsonb_build_object('appId', $4, 'appEnv', $5, "
		"'signatureRequestId', r.signature_request_id, 'labelMd', t.label) ORDER BY t.n)::text "
		"FROM unnest(r.statements) WITH ORDINALITY AS t (label, n))))::text "
		"FROM ignisign.request r WHERE r.id = $1",
		.types = {UUIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID}
	};

	switch (step)
	{
		case IG_OP_INIT_DOCUMENT:
			return &init_document;
		case IG_OP_UPLOAD_JSON:
			return &upload_json;
		case IG_OP_UPLOAD_HASH:
			return &upload_hash;
		case IG_OP_CREATE_SIGNER:
			return &create_signer;
		case IG_OP_INPUTS_NEEDED:
			return &inputs_needed;
		case IG_OP_UPDATE_REQUEST:
			return &update_request;
		default:
			return NULL;
	}
}

/* The fields of a step. */
char *
ig_staged_values(const pg_uuid_t *request, IgOperation step, int document, int signer,
				 const IgApiKey *key, MemoryContext context)
{
	IgStatement *statement = values_of(step);
	Datum		values[5];

	if (statement == NULL)
		return NULL;
	values[0] = UUIDPGetDatum(request);
	values[1] = Int32GetDatum(document);
	values[2] = Int32GetDatum(signer);
	values[3] = CStringGetTextDatum(key->app_id);
	values[4] = CStringGetTextDatum(key->app_env);
	return ig_spi_execute(statement, values, NULL) == 1 ? ig_spi_text(0, 1, context) : NULL;
}

/* Check the fields of one step, as far as they are known now. */
static void
check_step(const pg_uuid_t *request, IgOperation step, int document, int signer)
{
	static const IgApiKey no_key;
	char		error[IG_API_ERROR_SIZE];
	char	   *values = ig_staged_values(request, step, document, signer, &no_key, CurrentMemoryContext);

	if (ig_api_check_known(step, pg_server_to_any(values, strlen(values), PG_UTF8), error))
		return;
	if (signer)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_SIGNER),
				 errmsg("signer %d is not valid: %s", signer, error)));
	if (document)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("document %d is not valid: %s", document, error)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the request is not valid: %s", error)));
}

/* Check what a request will send. */
void
ig_staged_check(const pg_uuid_t *request)
{
	static IgStatement count = {
		.sql = "SELECT (SELECT count(*) FROM ignisign.document WHERE request = $1), "
		"(SELECT count(*) FROM ignisign.signer WHERE request = $1)",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(request);
	int			ndocuments;
	int			nsigners;

	ig_spi_execute(&count, &value, NULL);
	ndocuments = (int) ig_spi_int64(0, 1, 0);
	nsigners = (int) ig_spi_int64(0, 2, 0);
	check_step(request, IG_OP_UPDATE_REQUEST, 0, 0);
	for (int n = 1; n <= ndocuments; n++)
		check_step(request, IG_OP_INIT_DOCUMENT, n, 0);
	for (int n = 1; n <= nsigners; n++)
		check_step(request, IG_OP_CREATE_SIGNER, 0, n);
}

/* Record that a step was taken, and queue those that follow. */
void
ig_staged_apply(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement created = {
		.sql = "WITH draft AS (UPDATE ignisign.request SET signature_request_id = $2 "
		"WHERE id = $1 AND signature_request_id IS NULL RETURNING id) "
		"INSERT INTO ignisign.event (request, source, kind, value) SELECT id, 'api', 'draft', $2 FROM draft",
		.types = {UUIDOID, TEXTOID}
	};
	static IgStatement document = {
		.sql = "UPDATE ignisign.document SET document_id = $2 WHERE request = $1 AND n = $3 AND document_id IS NULL",
		.types = {UUIDOID, TEXTOID, INT4OID}
	};
	static IgStatement uploaded = {
		.sql = "UPDATE ignisign.document SET uploaded_at = now() WHERE request = $1 AND n = $3",
		.types = {UUIDOID, TEXTOID, INT4OID}
	};
	static IgStatement signer = {
		.sql = "UPDATE ignisign.signer SET signer_id = $2 WHERE request = $1 AND n = $3 AND signer_id IS NULL",
		.types = {UUIDOID, TEXTOID, INT4OID}
	};
	static IgStatement prepared = {
		.sql = "UPDATE ignisign.request SET prepared_at = now() WHERE id = $1",
		.types = {UUIDOID}
	};
	IgStatement *statement = NULL;
	const char *id = "";
	Datum		values[3];

	switch (call->operation)
	{
		case IG_OP_CREATE_REQUEST:
			statement = &created;
			id = response->signature_request_id;
			break;
		case IG_OP_INIT_DOCUMENT:
			statement = &document;
			id = response->document_id;
			break;
		case IG_OP_UPLOAD_FILE:
		case IG_OP_UPLOAD_JSON:
		case IG_OP_UPLOAD_HASH:
			statement = &uploaded;
			break;
		case IG_OP_CREATE_SIGNER:
			statement = &signer;
			id = response->signer_id;
			break;
		case IG_OP_UPDATE_REQUEST:
			statement = &prepared;
			break;
		default:
			break;
	}

	SPI_connect();
	if (statement)
	{
		values[0] = UUIDPGetDatum(&call->request);
		values[1] = CStringGetTextDatum(id);
		values[2] = Int32GetDatum(call->signer ? call->signer : call->document);
		ig_spi_execute(statement, values, NULL);
	}
	ig_signing_session_keep(call, response);
	ig_staged_advance(&call->request);
	SPI_finish();
}
