/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  What a response of the API changes in the tables.
 *
 * Responses may come in any order and more than once; each leads to the same
 * rows.  A request that has reached a final status never leaves it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/apply.h"
#include "queue/credentials.h"
#include "queue/insert.h"
#include "queue/response_datum.h"
#include "util/spi.h"

/* Tell listeners of an event; status and previous may be NULL. */
static void
notify(const char *request, const char *event, const char *status, const char *previous)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"request\":\"%s\",\"event\":\"%s\",\"status\":", request, event);
	if (status)
		escape_json(&payload, status);
	else
		appendStringInfoString(&payload, "null");
	appendStringInfoString(&payload, ",\"previous\":");
	if (previous)
		escape_json(&payload, previous);
	else
		appendStringInfoString(&payload, "null");
	appendStringInfoChar(&payload, '}');

	/* A payload has a bound of the server's; what is too long is left out. */
	if (payload.len >= 7900)
	{
		resetStringInfo(&payload);
		appendStringInfo(&payload, "{\"request\":\"%s\",\"event\":\"%s\"}", request, event);
	}
	Async_Notify(IG_CHANNEL, payload.data);
}

/*
 * Requests at Ignisign turn out to be ours, and other rows have their ids.  A row
 * that was imported while that was in doubt gives way, if it is of the same account.
 * Any other one stays: an id is what some API says, and belongs to one row.  The
 * error is that of the unique index, which older versions of the tables lack.
 */
void
ig_apply_claim_ids(const Datum *values)
{
	static IgStatement find = {
		.sql = "SELECT o.id, o.signature_request_id, o.server::text, o.owner::text, r.server::text, r.owner::text, "
		"o.delivery = 'imported' "
		"FROM unnest($1, $2) AS u (id, signature_request_id) JOIN ignisign.request r ON r.id = u.id "
		"JOIN ignisign.request o ON o.signature_request_id = u.signature_request_id AND o.id <> u.id",
		.types = {UUIDARRAYOID, TEXTARRAYOID}
	};
	static IgStatement drop = {
		.sql = "WITH gone AS (DELETE FROM ignisign.request i WHERE i.id = ANY ($1) AND i.delivery = 'imported' RETURNING i.id), "
		"calls AS (DELETE FROM ignisign.call c USING gone WHERE c.request = gone.id), "
		"signers AS (DELETE FROM ignisign.signer s USING gone WHERE s.request = gone.id), "
		"sessions AS (DELETE FROM ignisign.session s USING gone WHERE s.request = gone.id), "
		"documents AS (DELETE FROM ignisign.document d USING gone WHERE d.request = gone.id), "
		"proofs AS (DELETE FROM ignisign.proof p USING gone WHERE p.request = gone.id) "
		"DELETE FROM ignisign.event e USING gone WHERE e.request = gone.id",
		.types = {UUIDARRAYOID}
	};
	uint64		n = ig_spi_execute(&find, values, NULL);
	Datum	   *rows = palloc((n + 1) * sizeof(Datum));
	Datum		value;
	bool		isnull;

	if (n == 0)
		return;
	for (uint64 i = 0; i < n; i++)
	{
		pg_uuid_t  *other = palloc(sizeof(pg_uuid_t));

		*other = *DatumGetUUIDP(ig_spi_datum(i, 1, &isnull));
		rows[i] = UUIDPGetDatum(other);
		if (!DatumGetBool(ig_spi_datum(i, 7, &isnull)) ||
			ig_accounts_compare(ig_spi_text(i, 5, CurrentMemoryContext), ig_spi_text(i, 6, CurrentMemoryContext),
								ig_spi_text(i, 3, CurrentMemoryContext),
								ig_spi_text(i, 4, CurrentMemoryContext)) != IG_ACCOUNT_SAME)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("signature request %s belongs to another request already",
							ig_spi_text(i, 2, CurrentMemoryContext)),
					 errdetail("It is that of request %s.", DatumGetCString(DirectFunctionCall1(uuid_out, rows[i]))),
					 err_generic_string(PG_DIAG_CONSTRAINT_NAME, IG_ID_INDEX)));
	}
	value = ig_array(UUIDOID, rows, NULL, n);
	ig_spi_execute(&drop, &value, NULL);
}

/* The requests are at Ignisign; their contexts are read before long. */
void
ig_apply_sent(const IgSent *sent, int n, const char *source)
{
	static IgStatement apply = {
		.sql = "UPDATE ignisign.request r SET signature_request_id = u.signature_request_id, sent_at = $3 "
		"FROM unnest($1, $2) AS u (id, signature_request_id) WHERE r.id = u.id AND r.sent_at IS NULL "
		"RETURNING r.id, r.signature_request_id, r.owner, r.server, EXISTS (SELECT FROM ignisign.call c "
		"WHERE c.request = r.id AND c.operation = 'context' AND c.document = 0 AND c.signer = 0 AND c.proof_type = '')",
		.types = {UUIDARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
	};
	static IgInsert event = {
		.table = "event",
		.columns = {"request", "value", "source", "kind"}
	};
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz run_at = TimestampTzPlusMilliseconds(now, ig_refresh_interval);
	Datum	   *requests = palloc(Max(n, 1) * sizeof(Datum));
	const char **ids = palloc(Max(n, 1) * sizeof(char *));
	Datum		values[5];
	IgRows		events;
	IgRows		calls;
	uint64		changed;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(sent[i].request);
		ids[i] = sent[i].signature_request_id;
	}
	SPI_connect();
	values[0] = ig_array(UUIDOID, requests, NULL, n);
	values[1] = ig_text_array(ids, n);
	values[2] = TimestampTzGetDatum(now);
	ig_apply_claim_ids(values);
	changed = ig_spi_execute(&apply, values, NULL);

	ig_rows_init(&events, &event);
	ig_queue_calls_init(&calls);
	values[2] = CStringGetTextDatum(source);
	values[3] = CStringGetTextDatum("sent");
	for (uint64 i = 0; i < changed; i++)
	{
		bool		isnull;

		values[0] = ig_spi_datum(i, 1, &isnull);
		values[1] = ig_spi_datum(i, 2, &isnull);
		ig_rows_add(&events, values, NULL);
		if (!DatumGetBool(ig_spi_datum(i, 5, &isnull)))
			ig_queue_calls_add(&calls, DatumGetUUIDP(values[0]), IG_OP_CONTEXT,
							   DatumGetName(ig_spi_datum(i, 3, &isnull)), DatumGetName(ig_spi_datum(i, 4, &isnull)), run_at);
	}
	ig_insert_rows(&events);
	ig_insert_rows(&calls);
	SPI_finish();
}

/*
 * Requests were seen in these statuses.  Only rows that change are written; one
 * whose status was not known to be final by an older version is closed.
 * Who changed has its context read, unless it is the context that told us; once
 * more if it is being read at this moment, because that response may be older.
 */
static void
apply_statuses(const IgSeen *seen, int n, const char *source, bool read_context)
{
	static IgStatement apply = {
		.sql = "WITH changed AS ("
		"UPDATE ignisign.request r SET status = u.status, "
		"closed_at = CASE WHEN u.final THEN now() END "
		"FROM unnest($1, $2, $3) AS u (id, status, final) JOIN ignisign.request o ON o.id = u.id "
		"WHERE r.id = u.id AND r.closed_at IS NULL AND (r.status IS DISTINCT FROM u.status OR u.final) "
		"RETURNING r.id, r.owner, r.server, r.status, o.status AS previous), "
		"event AS ("
		"INSERT INTO ignisign.event (request, source, kind, previous, value) "
		"SELECT id, $4, 'status', previous, status FROM changed WHERE status IS DISTINCT FROM previous), "
		"context AS ("
		"INSERT INTO ignisign.call AS c (request, operation, owner, server) "
		"SELECT id, 'context', owner, server FROM changed WHERE $5 "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO UPDATE "
		"SET run_at = CASE c.state WHEN 'sending' THEN c.run_at WHEN 'dead' THEN excluded.run_at "
		"ELSE least(c.run_at, excluded.run_at) END, "
		"state = CASE c.state WHEN 'sending' THEN c.state ELSE 'pending' END, "
		"again = c.state = 'sending', attempts = CASE c.state WHEN 'dead' THEN 0 ELSE c.attempts END, waits = 0 "
		"WHERE c.state IN ('pending', 'dead', 'sending')) "
		"SELECT id::text, status, previous FROM changed WHERE status IS DISTINCT FROM previous",
		.types = {UUIDARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTOID, BOOLOID}
	};
	Datum	   *requests = palloc(Max(n, 1) * sizeof(Datum));
	Datum	   *finals = palloc(Max(n, 1) * sizeof(Datum));
	const char **statuses = palloc(Max(n, 1) * sizeof(char *));
	Datum		values[5];
	uint64		changed;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(seen[i].request);
		statuses[i] = seen[i].status;
		finals[i] = BoolGetDatum(ig_api_status_is_final(seen[i].status));
	}
	SPI_connect();
	values[0] = ig_array(UUIDOID, requests, NULL, n);
	values[1] = ig_text_array(statuses, n);
	values[2] = ig_array(BOOLOID, finals, NULL, n);
	values[3] = CStringGetTextDatum(source);
	values[4] = BoolGetDatum(read_context);
	changed = ig_spi_execute(&apply, values, NULL);
	for (uint64 i = 0; i < changed; i++)
		notify(ig_spi_text(i, 1, CurrentMemoryContext), "status",
			   ig_spi_text(i, 2, CurrentMemoryContext),
			   ig_spi_text(i, 3, CurrentMemoryContext));
	SPI_finish();
}

/* Requests were seen in these statuses. */
void
ig_apply_statuses(const IgSeen *seen, int n, const char *source)
{
	apply_statuses(seen, n, source, true);
}

/* The context of a request has this status. */
void
ig_apply_status_of_context(const IgSeen *seen)
{
	apply_statuses(seen, 1, "api", false);
}

/*
 * Store a proof.  Where the table is partitioned by time, a key holds within a
 * partition only: it is this worker, the only one that stores proofs, which sees to
 * it that there is one.
 */
void
ig_apply_proof(const IgCall *call, IgTransfer *transfer)
{
	static IgStatement store = {
		.sql = "WITH proof AS ("
		"INSERT INTO ignisign.proof (request, document, proof_type, content, mime_type, sha256, size, signer) "
		"SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT FROM ignisign.proof p "
		"WHERE p.request = $1 AND p.document = $2 AND p.proof_type = $3 AND p.signer = $8) "
		"ON CONFLICT DO NOTHING RETURNING request) "
		"INSERT INTO ignisign.event (request, source, kind, value, detail) "
		"SELECT request, 'api', 'proof', $3, concat_ws('/', $2, nullif($8, 0)) FROM proof RETURNING request::text",
		.types = {UUIDOID, INT4OID, TEXTOID, BYTEAOID, TEXTOID, BYTEAOID, INT8OID, INT4OID}
	};
	Datum		content = ig_content(transfer);
	Datum		values[8];
	char		nulls[9] = "        ";

	SPI_connect();
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = Int32GetDatum(call->document);
	values[2] = CStringGetTextDatum(call->proof_type);
	values[3] = content;
	values[4] = CStringGetTextDatum(transfer->content_type);
	if (transfer->content_type[0] == '\0')
		nulls[4] = 'n';
	values[5] = PointerGetDatum(ig_content_sha256(transfer));
	values[6] = Int64GetDatum(transfer->body_length);
	values[7] = Int32GetDatum(call->signer);
	if (ig_spi_execute(&store, values, nulls) == 1)
		notify(ig_spi_text(0, 1, CurrentMemoryContext), "proof", NULL, NULL);
	SPI_finish();
	ig_content_free(content);
}

/* Calls were refused for good, or given up. */
void
ig_apply_dead(const IgDead *dead, int n)
{
	static IgStatement apply = {
		.sql = "INSERT INTO ignisign.event (request, source, kind, value, detail) "
		"SELECT u.id, 'api', 'dead', u.operation, u.error "
		"FROM unnest($1, $2, $3) AS u (id, operation, error) JOIN ignisign.request r ON r.id = u.id "
		"RETURNING request::text",
		.types = {UUIDARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum	   *requests = palloc(Max(n, 1) * sizeof(Datum));
	const char **operations = palloc(Max(n, 1) * sizeof(char *));
	const char **errors = palloc(Max(n, 1) * sizeof(char *));
	Datum		values[3];
	uint64		rows;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(dead[i].request);
		operations[i] = dead[i].operation;
		errors[i] = dead[i].error;
	}
	SPI_connect();
	values[0] = ig_array(UUIDOID, requests, NULL, n);
	values[1] = ig_text_array(operations, n);
	values[2] = ig_text_array(errors, n);
	rows = ig_spi_execute(&apply, values, NULL);
	for (uint64 i = 0; i < rows; i++)
		notify(ig_spi_text(i, 1, CurrentMemoryContext), "dead", NULL, NULL);
	SPI_finish();
}

/* Store the API's id of a request. */
void
ig_apply_id(const pg_uuid_t *request, const char *signature_request_id)
{
	static IgStatement store = {
		.sql = "UPDATE ignisign.request SET signature_request_id = $2 WHERE id = $1 AND signature_request_id IS NULL AND sent_at IS NULL",
		.types = {UUIDOID, TEXTOID}
	};
	Datum		values[2];

	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(signature_request_id);
	SPI_connect();
	ig_spi_execute(&store, values, NULL);
	SPI_finish();
}
