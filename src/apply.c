/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  What an answer of the API changes in the tables.
 *
 * Answers may come in any order and more than once; each leads to the same
 * rows.  A request that has reached a final status never leaves it.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "apply.h"
#include "content.h"
#include "import.h"
#include "insert.h"
#include "proofs.h"
#include "spi.h"

/* How long a proof is waited for after a request is completed, in days. */
#define PROOF_PATIENCE "7 days"

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
 * Requests at Ignisign turn out to be ours that were imported while that was in
 * doubt: those rows give way.  Not those of other servers, which may belong to
 * others: an id is what some API says.
 */
static void
drop_imported(const Datum *values)
{
	static IgStatement find = {
		.sql = "SELECT FROM unnest($2) AS u (signature_request_id) JOIN ignisign.request i USING (signature_request_id) "
		"WHERE i.delivery = 'imported' LIMIT 1",
		.types = {UUIDARRAYOID, TEXTARRAYOID}
	};
	static IgStatement drop = {
		.sql = "WITH gone AS (DELETE FROM ignisign.request i USING unnest($1, $2) AS u (id, signature_request_id) "
		"JOIN ignisign.request r ON r.id = u.id "
		"WHERE i.signature_request_id = u.signature_request_id AND i.server = r.server "
		"AND i.delivery = 'imported' RETURNING i.id), "
		"calls AS (DELETE FROM ignisign.call c USING gone WHERE c.request = gone.id), "
		"signers AS (DELETE FROM ignisign.signer s USING gone WHERE s.request = gone.id), "
		"sessions AS (DELETE FROM ignisign.session s USING gone WHERE s.request = gone.id), "
		"documents AS (DELETE FROM ignisign.document d USING gone WHERE d.request = gone.id), "
		"proofs AS (DELETE FROM ignisign.proof p USING gone WHERE p.request = gone.id) "
		"DELETE FROM ignisign.event e USING gone WHERE e.request = gone.id",
		.types = {UUIDARRAYOID, TEXTARRAYOID}
	};

	if (ig_spi_execute(&find, values, NULL) > 0)
		ig_spi_execute(&drop, values, NULL);
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
	drop_imported(values);
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
 * more if it is being read at this moment, because that answer may be older.
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
		"SET run_at = CASE c.state WHEN 'sending' THEN c.run_at ELSE least(c.run_at, excluded.run_at) END, "
		"state = CASE c.state WHEN 'sending' THEN c.state ELSE 'pending' END, "
		"again = c.state = 'sending', waits = 0 "
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

/* A document of ours that is to get its id. */
typedef struct LocalDocument
{
	int			n;
	char	   *file_name;
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	bool		has_sha256;
	const char *document_id;
} LocalDocument;

/* Whether the context's document looks like this one of ours. */
static bool
same_document(const LocalDocument *local, const IgApiContextDocument *remote, bool by_hash)
{
	if (by_hash)
		return local->has_sha256 && remote->document_hash != NULL &&
			ig_api_same_sha256(remote->document_hash, local->sha256);
	return remote->file_name != NULL && strcmp(local->file_name, remote->file_name) == 0;
}

/*
 * Give our documents their ids: by content, else by file name, else by order,
 * each of the API's documents once.
 */
static void
match_documents(LocalDocument *local, int nlocal, const IgApiContextDocument *remote, int nremote)
{
	bool	   *taken = palloc0(Max(nremote, 1) * sizeof(bool));

	for (int pass = 0; pass < 3; pass++)
	{
		for (int i = 0; i < nlocal; i++)
		{
			for (int k = 0; k < nremote && local[i].document_id == NULL; k++)
			{
				/* Equal ones are told apart by their order. */
				int			j = (i + k) % nremote;

				if (taken[j] || remote[j].document_id == NULL)
					continue;
				if (pass < 2 && !same_document(&local[i], &remote[j], pass == 0))
					continue;
				local[i].document_id = remote[j].document_id;
				taken[j] = true;
			}
		}
	}
}

/* Store the ids of the request's documents. */
static void
apply_documents(const IgCall *call, const IgApiAnswer *answer)
{
	static IgStatement missing = {
		.sql = "SELECT n, file_name, sha256, document_id FROM ignisign.document "
		"WHERE request = $1 ORDER BY n",
		.types = {UUIDOID}
	};
	static IgStatement store = {
		.sql = "UPDATE ignisign.document d SET document_id = u.document_id "
		"FROM unnest($2, $3) AS u (n, document_id) "
		"WHERE d.request = $1 AND d.n = u.n AND d.document_id IS NULL AND u.document_id IS NOT NULL",
		.types = {UUIDOID, INT4ARRAYOID, TEXTARRAYOID}
	};
	Datum		values[3];
	LocalDocument *local;
	Datum	   *numbers;
	const char **ids;
	bool		complete = true;
	int			n;

	values[0] = UUIDPGetDatum(&call->request);
	n = (int) ig_spi_execute(&missing, values, NULL);
	local = palloc0(Max(n, 1) * sizeof(LocalDocument));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		sha256 = ig_spi_datum(i, 3, &isnull);

		local[i].n = (int) ig_spi_int64(i, 1, 0);
		local[i].file_name = ig_spi_text(i, 2, CurrentMemoryContext);
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(sha256);

			if (VARSIZE_ANY_EXHDR(bytes) == PG_SHA256_DIGEST_LENGTH)
			{
				memcpy(local[i].sha256, VARDATA_ANY(bytes), PG_SHA256_DIGEST_LENGTH);
				local[i].has_sha256 = true;
			}
		}
		local[i].document_id = ig_spi_text(i, 4, CurrentMemoryContext);
		complete = complete && local[i].document_id != NULL;
	}
	if (complete)
		return;

	match_documents(local, n, answer->documents, answer->ndocuments);
	numbers = palloc(n * sizeof(Datum));
	ids = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		numbers[i] = Int32GetDatum(local[i].n);
		ids[i] = local[i].document_id;
	}
	values[1] = ig_array(INT4OID, numbers, NULL, n);
	values[2] = ig_text_array(ids, n);
	ig_spi_execute(&store, values, NULL);
}

/* Store the ids of the request's signers, and who has signed. */
static void
apply_signers(const IgCall *call, const IgApiAnswer *answer)
{
	static IgStatement apply = {
		.sql = "WITH changed AS ("
		"UPDATE ignisign.signer s SET signer_id = coalesce(u.signer_id, s.signer_id), "
		"signed_at = coalesce(s.signed_at, CASE WHEN u.signed THEN now() END) "
		"FROM unnest($2, $3, $4) AS u (email, signer_id, signed) "
		"JOIN ignisign.signer o ON o.request = $1 AND lower(o.email COLLATE \"C\") = lower(u.email COLLATE \"C\") "
		"WHERE s.request = $1 AND s.n = o.n "
		"AND (s.signer_id IS DISTINCT FROM u.signer_id OR u.signed AND s.signed_at IS NULL) "
		"RETURNING s.request, s.email, s.signed_at IS NOT NULL AND o.signed_at IS NULL AS new) "
		"INSERT INTO ignisign.event (request, source, kind, value) "
		"SELECT request, 'api', 'signed', email FROM changed WHERE new",
		.types = {UUIDOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID}
	};
	int			n = answer->nsigners;
	const char **emails = palloc(Max(n, 1) * sizeof(char *));
	const char **ids = palloc(Max(n, 1) * sizeof(char *));
	Datum	   *has_signed = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[4];

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		emails[i] = answer->signers[i].email;
		ids[i] = answer->signers[i].signer_id;
		has_signed[i] = BoolGetDatum(answer->signers[i].signed_);
	}
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = ig_text_array(emails, n);
	values[2] = ig_text_array(ids, n);
	values[3] = ig_array(BOOLOID, has_signed, NULL, n);
	ig_spi_execute(&apply, values, NULL);
}

/* Whether a proof in this status is still to be expected. */
static bool
proof_is_due(const char *proof_status)
{
	return proof_status != NULL &&
		(strcmp(proof_status, "NOT_INITIALIZED") == 0 ||
		 strcmp(proof_status, "IN_PROGRESS") == 0 ||
		 strcmp(proof_status, "WAITING_IMAGES") == 0);
}

/*
 * Apply a request's context.  That it is completed, who has signed, and
 * whether there is a proof, are three facts that come in any order.
 */
bool
ig_apply_context(const IgCall *call, const IgApiAnswer *answer, const IgAccount *account)
{
	static IgStatement apply = {
		.sql = "WITH old AS (SELECT id, proof_status, signed_count FROM ignisign.request WHERE id = $1), "
		"changed AS ("
		"UPDATE ignisign.request r SET context_at = now(), "
		"proof_status = coalesce($2, r.proof_status), signed_count = greatest(r.signed_count, $3) "
		"FROM old WHERE r.id = old.id "
		"RETURNING r.id, r.status, r.proof_status, old.proof_status AS previous, "
		"r.closed_at < now() - interval '" PROOF_PATIENCE "' AS late), "
		"event AS ("
		"INSERT INTO ignisign.event (request, source, kind, previous, value) "
		"SELECT id, 'api', 'proof status', previous, proof_status FROM changed "
		"WHERE proof_status IS DISTINCT FROM previous) "
		"SELECT status, proof_status, late FROM changed",
		.types = {UUIDOID, TEXTOID, INT4OID}
	};
	IgSeen		seen = {&call->request, answer->status};
	Datum		values[3];
	char		nulls[4] = "   ";
	bool		again = false;

	apply_statuses(&seen, 1, "api", false);

	SPI_connect();
	ig_import_apply_context(call, answer);
	apply_documents(call, answer);
	apply_signers(call, answer);

	values[0] = UUIDPGetDatum(&call->request);
	values[1] = answer->proof_status ? CStringGetTextDatum(answer->proof_status) : (Datum) 0;
	if (answer->proof_status == NULL)
		nulls[1] = 'n';
	values[2] = Int32GetDatum(answer->nsigned);
	if (ig_spi_execute(&apply, values, nulls) == 1)
	{
		char	   *status = ig_spi_text(0, 1, CurrentMemoryContext);
		char	   *proof_status = ig_spi_text(0, 2, CurrentMemoryContext);
		bool		isnull;
		bool		late = DatumGetBool(ig_spi_datum(0, 3, &isnull)) && !isnull;

		if (status != NULL && strcmp(status, "COMPLETED") == 0)
		{
			/* Where the API tells nothing, asking for the proof will. */
			if (proof_status == NULL || strcmp(proof_status, "CREATED") == 0)
			{
				/* Which ones are wanted is not known while the server is gone. */
				if (account != NULL)
					ig_proofs_queue(call, account);
				else
					again = true;
			}
			else if (proof_is_due(proof_status))
				again = !late;
		}
	}
	SPI_finish();
	return again;
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
ig_apply_dead(const IgCall *const *calls, const char *const *errors, int n)
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
	Datum		values[3];
	uint64		rows;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(&calls[i]->request);
		operations[i] = ig_api_operation_name(calls[i]->operation);
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
