/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  The only SQL on the queue.
 *
 * A call is claimed, with its attempt counted, in a transaction that commits
 * before its first byte leaves; what came of it is recorded in another one.
 * In between only the row's state tells that it may be under way.  Statements
 * take arrays, so that hundreds of calls cost one statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/insert.h"
#include "queue/queue.h"
#include "util/spi.h"
#include "util/uuid.h"

/* Room for the longest text that is kept of an error. */
#define MAX_ERROR_LENGTH 1000

/* A new Datum array for n rows. */
#define new_datums(n) ((Datum *) palloc(Max(n, 1) * sizeof(Datum)))

/* Add a call, or bring it forward if it is there. */
void
ig_queue_add(const pg_uuid_t *request, IgOperation operation, int document,
			 int signer, const char *proof_type, const char *owner, const char *server,
			 TimestampTz run_at)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.call AS c (request, operation, document, proof_type, owner, server, run_at, signer) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO UPDATE "
		"SET run_at = CASE c.state WHEN 'sending' THEN c.run_at WHEN 'dead' THEN excluded.run_at "
		"ELSE least(c.run_at, excluded.run_at) END, "
		"state = CASE c.state WHEN 'dead' THEN 'pending' ELSE c.state END, "
		"again = c.state = 'sending', "
		"attempts = CASE c.state WHEN 'dead' THEN 0 ELSE c.attempts END, waits = 0 "
		"WHERE c.state IN ('pending', 'dead', 'sending')",
		.types = {UUIDOID, TEXTOID, INT4OID, TEXTOID, NAMEOID, NAMEOID, TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[8];

	SPI_connect();
	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(ig_api_operation_name(operation));
	values[2] = Int32GetDatum(document);
	values[3] = CStringGetTextDatum(proof_type);
	values[4] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	values[5] = DirectFunctionCall1(namein, CStringGetDatum(server));
	values[6] = TimestampTzGetDatum(run_at);
	values[7] = Int32GetDatum(signer);
	ig_spi_execute(&add, values, NULL);
	SPI_finish();
}

/* No calls yet. */
void
ig_queue_calls_init(IgRows *rows)
{
	static IgInsert insert = {
		.table = "call",
		.columns = {"request", "operation", "owner", "server", "run_at"}
	};

	ig_rows_init(rows, &insert);
}

/* Add a call of a request's that is not there yet. */
void
ig_queue_calls_add(IgRows *rows, const pg_uuid_t *request, IgOperation operation, Name owner, Name server,
				   TimestampTz run_at)
{
	Datum		values[5];

	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(ig_api_operation_name(operation));
	values[2] = NameGetDatum(owner);
	values[3] = NameGetDatum(server);
	values[4] = TimestampTzGetDatum(run_at);
	ig_rows_add(rows, values, NULL);
}

/* Add a call that belongs to no request. */
int64
ig_queue_add_alone(const pg_uuid_t *id, IgOperation operation, int document,
				   const char *args, const char *owner, const char *server)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.call (request, operation, args, owner, server, document) "
		"VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
		.types = {UUIDOID, TEXTOID, JSONBOID, NAMEOID, NAMEOID, INT4OID}
	};
	Datum		values[6];
	int64		call;

	SPI_connect();
	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(ig_api_operation_name(operation));
	values[2] = DirectFunctionCall1(jsonb_in, CStringGetDatum(args));
	values[3] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	values[4] = DirectFunctionCall1(namein, CStringGetDatum(server));
	values[5] = Int32GetDatum(document);
	ig_spi_execute(&add, values, NULL);
	call = ig_spi_int64(0, 1, 0);
	SPI_finish();
	return call;
}

/* ---- The worker's part ---- */

/* The names of the operations of which something holds. */
static Datum
operations_that_are(bool (*is) (IgOperation op))
{
	int			count = ig_api_operation_count();
	const char **names = palloc(count * sizeof(char *));
	int			n = 0;

	for (int op = 0; op < count; op++)
	{
		if (is(op))
			names[n++] = ig_api_operation_name(op);
	}
	return ig_text_array(names, n);
}

/* Queue the reading of the page after the one that the call asked for. */
void
ig_queue_add_next_page(const IgCall *call)
{
	static IgStatement next = {
		.sql = "SELECT ($1::jsonb ->> 'page')::integer, "
		"jsonb_set($1::jsonb, '{page}', to_jsonb(($1::jsonb ->> 'page')::integer + 1))::text",
		.types = {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(call->args);
	pg_uuid_t	id;
	char	   *args;

	ig_spi_execute(&next, &value, NULL);
	if (ig_spi_int64(0, 1, 0) >= ig_max_response_pages)
	{
		ereport(WARNING,
				(errmsg("ignisign: no page after page %d is read by the call %lld, %s, on server \"%s\"",
						ig_max_response_pages, (long long) call->id, ig_api_operation_name(call->operation),
						NameStr(call->server)),
				 errhint("The bound is ignisign.max_response_pages.")));
		return;
	}
	args = ig_spi_text(0, 2, CurrentMemoryContext);
	ig_uuid_v7(&id);
	(void) ig_queue_add_alone(&id, call->operation, 0, args, NameStr(call->owner), NameStr(call->server));
}

/*
 * What is "pending" here may have been sent, by a server that this one, a copy,
 * has not heard of: where sending it again would matter, it is looked for first,
 * from look_at on.  Returns how many calls that are.
 */
uint64
ig_queue_mark_unverified(TimestampTz look_at)
{
	static IgStatement look = {
		.sql = "UPDATE ignisign.call SET state = 'unknown', run_at = $2, looks = 0, "
		"claimed_at = coalesce(claimed_at, created_at) WHERE state = 'pending' AND operation = ANY ($1)",
		.types = {TEXTARRAYOID, TIMESTAMPTZOID}
	};
	Datum		values[2] = {operations_that_are(ig_api_traceable), TimestampTzGetDatum(look_at)};
	uint64		n;

	SPI_connect();
	n = ig_spi_execute(&look, values, NULL);
	SPI_finish();
	return n;
}

/*
 * At the worker's start: on another timeline than last time, the server is a
 * standby that was promoted, or was restored from a backup, and may have missed
 * what was done last.
 */
void
ig_queue_check_timeline(TimestampTz look_at)
{
	static IgStatement move = {
		.sql = "UPDATE ignisign.origin SET timeline = $1 WHERE timeline <> $1",
		.types = {INT8OID}
	};
	Datum		value = Int64GetDatum((int64) GetWALInsertionTimeLine());

	SPI_connect();
	if (ig_spi_execute(&move, &value, NULL) > 0)
		ereport(LOG,
				(errmsg("ignisign: the server was promoted or restored: %llu calls are looked for before they are sent",
						(unsigned long long) ig_queue_mark_unverified(look_at))));
	SPI_finish();
}

/* What is "sending" now: at the worker's start, its predecessor's. */
void
ig_queue_find_orphaned(IgOrphaned *orphaned, bool wait)
{
	static IgStatement find = {
		.sql = "SELECT id, coalesce(claimed_at, created_at) FROM ignisign.call WHERE state = 'sending'"
	};
	static IgStatement lock = {
		.sql = "SELECT id, coalesce(claimed_at, created_at) FROM ignisign.call WHERE state = 'sending' FOR UPDATE"
	};
	MemoryContext context = CurrentMemoryContext;
	bool		isnull;

	SPI_connect();
	orphaned->n = (int) ig_spi_execute(wait ? &lock : &find, NULL, NULL);
	orphaned->ids = MemoryContextAlloc(context, Max(orphaned->n, 1) * sizeof(int64));
	orphaned->claimed_at = MemoryContextAlloc(context, Max(orphaned->n, 1) * sizeof(TimestampTz));
	for (int i = 0; i < orphaned->n; i++)
	{
		orphaned->ids[i] = ig_spi_int64(i, 1, 0);
		orphaned->claimed_at[i] = DatumGetTimestampTz(ig_spi_datum(i, 2, &isnull));
	}
	SPI_finish();
}

/*
 * What may be repeated is sent again; what can be looked for is, from look_at
 * on; of the rest a person has to decide.  Whose row somebody has locked stays in
 * the list; one that is under way anew was claimed at another time.
 */
void
ig_queue_recover_orphaned(IgOrphaned *orphaned, TimestampTz look_at, bool log_attempts)
{
#define SORT_OUT \
	"WITH free AS (" \
	"SELECT c.request, c.id FROM unnest($6, $7) AS u (id, claimed_at) CROSS JOIN LATERAL " \
	"(SELECT q.request, q.id FROM ignisign.call q WHERE q.id = u.id AND q.state = 'sending' " \
	"AND coalesce(q.claimed_at, q.created_at) = u.claimed_at FOR UPDATE SKIP LOCKED) c), " \
	"lost AS (" \
	"UPDATE ignisign.call c SET " \
	"state = CASE WHEN operation = ANY ($1) THEN 'pending' WHEN operation = ANY ($5) THEN 'unknown' ELSE 'dead' END, " \
	"run_at = CASE WHEN operation = ANY ($1) THEN $3 ELSE $2 END, looks = 0, " \
	"http_status = NULL, code = NULL, last_error = $4 " \
	"FROM free f WHERE c.request = f.request AND c.id = f.id RETURNING c.*) "
	static IgStatement sort_out = {
		.sql = SORT_OUT
		"INSERT INTO ignisign.attempt (request, started_at, call, operation, owner, server, attempt, outcome, error) "
		"SELECT request, coalesce(claimed_at, created_at), id, operation, owner, server, attempts, 'lost', last_error FROM lost",
		.types = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}
	};
	static IgStatement without_attempts = {
		.sql = SORT_OUT "SELECT id FROM lost",
		.types = {TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID}
	};
	static IgStatement left = {
		.sql = "SELECT u.n FROM unnest($1, $2) WITH ORDINALITY AS u (id, claimed_at, n) WHERE EXISTS "
		"(SELECT FROM ignisign.call q WHERE q.id = u.id AND q.state = 'sending' "
		"AND coalesce(q.claimed_at, q.created_at) = u.claimed_at) ORDER BY u.n",
		.types = {INT8ARRAYOID, TIMESTAMPTZARRAYOID}
	};
	Datum	   *ids = new_datums(orphaned->n);
	Datum	   *times = new_datums(orphaned->n);
	Datum		values[7];

	if (orphaned->n == 0)
		return;
	for (int i = 0; i < orphaned->n; i++)
	{
		ids[i] = Int64GetDatum(orphaned->ids[i]);
		times[i] = TimestampTzGetDatum(orphaned->claimed_at[i]);
	}
	SPI_connect();
	values[0] = operations_that_are(ig_api_repeatable);
	values[1] = TimestampTzGetDatum(look_at);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = CStringGetTextDatum("the worker ended while the call was under way");
	values[4] = operations_that_are(ig_api_traceable);
	values[5] = ig_array(INT8OID, ids, NULL, orphaned->n);
	values[6] = ig_array(TIMESTAMPTZOID, times, NULL, orphaned->n);
	if (ig_spi_execute(log_attempts ? &sort_out : &without_attempts, values, NULL) > 0)
		ereport(LOG,
				(errmsg("ignisign: %llu calls were under way when the last worker ended",
						(unsigned long long) SPI_processed),
				 errdetail("What may be repeated is sent again, what can be looked for is looked for, and the rest is dead, for a person to decide.")));

	/* Numbers rise, so none is overwritten that is still to be moved. */
	orphaned->n = (int) ig_spi_execute(&left, &values[5], NULL);
	for (int i = 0; i < orphaned->n; i++)
	{
		int64		from = ig_spi_int64(i, 1, 0) - 1;

		orphaned->ids[i] = orphaned->ids[from];
		orphaned->claimed_at[i] = orphaned->claimed_at[from];
	}
	SPI_finish();
}

/* Copy the rows of the current result: server, owner, run_at, id. */
static IgDue *
copy_due(int n, MemoryContext context)
{
	IgDue	   *result = MemoryContextAllocZero(context, Max(n, 1) * sizeof(IgDue));

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		namestrcpy(&result[i].server, NameStr(*DatumGetName(ig_spi_datum(i, 1, &isnull))));
		namestrcpy(&result[i].owner, NameStr(*DatumGetName(ig_spi_datum(i, 2, &isnull))));
		result[i].run_at = DatumGetTimestampTz(ig_spi_datum(i, 3, &isnull));
		result[i].id = ig_spi_int64(i, 4, 0);
	}
	return result;
}

/* All accounts; costs one index look-up an account, however long the queue is. */
IgDue *
ig_queue_due(const char *state, int *n)
{
	static IgStatement pending = {
		.sql = "WITH RECURSIVE account AS ("
		"(SELECT server, owner, run_at, id FROM ignisign.call WHERE state = 'pending' "
		"ORDER BY server, owner, run_at, id LIMIT 1) "
		"UNION ALL "
		"SELECT n.server, n.owner, n.run_at, n.id FROM account a CROSS JOIN LATERAL "
		"(SELECT c.server, c.owner, c.run_at, c.id FROM ignisign.call c "
		"WHERE c.state = 'pending' AND (c.server, c.owner) > (a.server, a.owner) "
		"ORDER BY c.server, c.owner, c.run_at, c.id LIMIT 1) n) "
		"SELECT server, owner, run_at, id FROM account"
	};
	static IgStatement unknown = {
		.sql = "SELECT server, owner, min(run_at), 0::bigint FROM ignisign.call WHERE state = 'unknown' GROUP BY server, owner"
	};
	MemoryContext context = CurrentMemoryContext;
	IgDue	   *result;

	SPI_connect();
	*n = (int) ig_spi_execute(strcmp(state, "pending") == 0 ? &pending : &unknown, NULL, NULL);
	result = copy_due(*n, context);
	SPI_finish();
	return result;
}

/* Accounts, and the first call of each, as parameters. */
static void
set_accounts(Datum *values, const IgDue *due, int n)
{
	Datum	   *column[4];

	for (int i = 0; i < (int) lengthof(column); i++)
		column[i] = new_datums(n);
	for (int i = 0; i < n; i++)
	{
		column[0][i] = NameGetDatum(&due[i].server);
		column[1][i] = NameGetDatum(&due[i].owner);
		column[2][i] = TimestampTzGetDatum(due[i].run_at);
		column[3][i] = Int64GetDatum(due[i].id);
	}
	values[0] = ig_array(NAMEOID, column[0], NULL, n);
	values[1] = ig_array(NAMEOID, column[1], NULL, n);
	values[2] = ig_array(TIMESTAMPTZOID, column[2], NULL, n);
	values[3] = ig_array(INT8OID, column[3], NULL, n);
}

/* Copy a row of the columns that both statements below return. */
static void
copy_call(IgCall *call, uint64 row, MemoryContext context)
{
	bool		isnull;
	char	   *operation = ig_spi_text(row, 3, context);

	memcpy(&call->request, DatumGetUUIDP(ig_spi_datum(row, 1, &isnull)), sizeof(pg_uuid_t));
	call->id = ig_spi_int64(row, 2, 0);
	if (!ig_api_operation_by_name(operation, &call->operation))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unrecognized operation \"%s\"", operation)));
	namestrcpy(&call->server, NameStr(*DatumGetName(ig_spi_datum(row, 4, &isnull))));
	namestrcpy(&call->owner, NameStr(*DatumGetName(ig_spi_datum(row, 5, &isnull))));
	call->document = (int) ig_spi_int64(row, 6, 0);
	call->proof_type = ig_spi_text(row, 7, context);
	call->attempts = (int) ig_spi_int64(row, 8, 0);
	call->waits = (int) ig_spi_int64(row, 9, 0);
	call->looks = (int) ig_spi_int64(row, 10, 0);
	call->claimed_at = DatumGetTimestampTz(ig_spi_datum(row, 11, &isnull));
	if (isnull)
		call->claimed_at = 0;
	call->title = ig_spi_text(row, 12, context);
	call->signature_method = ig_spi_text(row, 13, context);
	call->signature_request_id = ig_spi_text(row, 14, context);
	call->document_id = ig_spi_text(row, 15, context);
	call->signer = (int) ig_spi_int64(row, 16, 0);
	call->signer_id = ig_spi_text(row, 17, context);
	call->args = ig_spi_text(row, 18, context);
	call->http_status = (int) ig_spi_int64(row, 19, 0);
	call->code = ig_spi_text(row, 20, context);
}

/* Whether the API has carried a call out. */
bool
ig_call_confirmed(const IgCall *call)
{
	return call->http_status >= 200 && call->http_status <= 299 && call->code != NULL &&
		strlen(call->code) == 5 && strspn(call->code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

/* Claim the calls that the first query finds; the second argument is the time's parameter. */
#define CLAIM(due, at) \
	"WITH due AS (" due "), " \
	"known AS (" \
	"SELECT due.request, due.id, r.title, r.signature_method, r.signature_request_id " \
	"FROM due LEFT JOIN ignisign.request r ON r.id = due.request) " \
	"UPDATE ignisign.call c SET state = 'sending', attempts = c.attempts + 1, claimed_at = " at " " \
	"FROM known k WHERE c.request = k.request AND c.id = k.id " \
	"RETURNING c.request, c.id, c.operation, c.server, c.owner, c.document, c.proof_type, " \
	"c.attempts, c.waits, c.looks, c.claimed_at, k.title, k.signature_method, k.signature_request_id, " \
	"CASE WHEN c.document <> 0 THEN (SELECT d.document_id FROM ignisign.document d WHERE d.request = c.request AND d.n = c.document) END, " \
	"c.signer, CASE WHEN c.signer <> 0 THEN (SELECT s.signer_id FROM ignisign.signer s WHERE s.request = c.request AND s.n = c.signer) END, " \
	"c.args::text, NULL::integer, NULL::text"

/* Execute one of these statements. */
static IgCall *
claim_calls(IgStatement *claim, const Datum *values, int *n, MemoryContext context)
{
	IgCall	   *calls;

	*n = (int) ig_spi_execute(claim, values, NULL);
	calls = MemoryContextAllocZero(context, Max(*n, 1) * sizeof(IgCall));
	for (int i = 0; i < *n; i++)
		copy_call(&calls[i], i, context);
	return calls;
}

/* The limits of accounts, as a parameter. */
static Datum
limits_of(const IgDue *due, int ndue)
{
	Datum	   *limits = new_datums(ndue);

	for (int i = 0; i < ndue; i++)
		limits[i] = Int32GetDatum(due[i].limit + due[i].ahead);
	return ig_array(INT4OID, limits, NULL, ndue);
}

/*
 * Claim what is due: of each account at most its limit, oldest first.  The
 * calls are under way as soon as the transaction commits.
 */
IgCall *
ig_queue_claim(const IgDue *due, int ndue, TimestampTz now, int *n)
{
	static IgStatement claim = {
		.sql = CLAIM("SELECT c.request, c.id FROM unnest($1, $2, $3, $4, $6) AS a (server, owner, run_at, id, n) CROSS JOIN LATERAL "
					 "(SELECT q.request, q.id FROM ignisign.call q "
					 "WHERE q.state = 'pending' AND q.server = a.server AND q.owner = a.owner "
					 "AND (q.run_at, q.id) >= (a.run_at, a.id) AND q.run_at <= $5 "
					 "ORDER BY q.run_at, q.id LIMIT a.n FOR UPDATE SKIP LOCKED) c", "$5"),
		.types = {NAMEARRAYOID, NAMEARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, INT4ARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[6];
	IgCall	   *calls;

	SPI_connect();
	set_accounts(values, due, ndue);
	values[4] = TimestampTzGetDatum(now);
	values[5] = limits_of(due, ndue);
	calls = claim_calls(&claim, values, n, context);
	SPI_finish();
	return calls;
}

/* The calls that a claim would take, by their keys only. */
IgCallKey *
ig_queue_due_keys(const IgDue *due, int ndue, TimestampTz now, int *n)
{
	static IgStatement find = {
		.sql = "SELECT c.request, c.id FROM unnest($1, $2, $3, $4, $6) AS a (server, owner, run_at, id, n) CROSS JOIN LATERAL "
		"(SELECT q.request, q.id FROM ignisign.call q "
		"WHERE q.state = 'pending' AND q.server = a.server AND q.owner = a.owner "
		"AND (q.run_at, q.id) >= (a.run_at, a.id) AND q.run_at <= $5 ORDER BY q.run_at, q.id LIMIT a.n) c",
		.types = {NAMEARRAYOID, NAMEARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, TIMESTAMPTZOID, INT4ARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[6];
	IgCallKey  *keys;
	bool		isnull;

	SPI_connect();
	set_accounts(values, due, ndue);
	values[4] = TimestampTzGetDatum(now);
	values[5] = limits_of(due, ndue);
	*n = (int) ig_spi_execute(&find, values, NULL);
	keys = MemoryContextAlloc(context, Max(*n, 1) * sizeof(IgCallKey));
	for (int i = 0; i < *n; i++)
	{
		keys[i].request = *DatumGetUUIDP(ig_spi_datum(i, 1, &isnull));
		keys[i].id = ig_spi_int64(i, 2, 0);
	}
	SPI_finish();
	return keys;
}

/* Claim one of them; NULL: somebody has locked it, or it is gone. */
IgCall *
ig_queue_claim_one(const IgCallKey * key, TimestampTz now)
{
	static IgStatement claim = {
		.sql = CLAIM("SELECT q.request, q.id FROM ignisign.call q WHERE q.request = $1 AND q.id = $2 AND q.state = 'pending' "
					 "FOR UPDATE SKIP LOCKED", "$3"),
		.types = {UUIDOID, INT8OID, TIMESTAMPTZOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];
	IgCall	   *call;
	int			n;

	values[0] = UUIDPGetDatum(&key->request);
	values[1] = Int64GetDatum(key->id);
	values[2] = TimestampTzGetDatum(now);
	SPI_connect();
	call = claim_calls(&claim, values, &n, context);
	SPI_finish();
	return n == 1 ? call : NULL;
}

/* A call that cannot be claimed is dead: returns its operation, or NULL if it is not pending. */
char *
ig_queue_refuse(const IgCallKey * key, const char *code, const char *error)
{
	static IgStatement refuse = {
		.sql = "UPDATE ignisign.call SET state = 'dead', http_status = NULL, code = $3, last_error = $4 "
		"WHERE request = $1 AND id = $2 AND state = 'pending' RETURNING operation",
		.types = {UUIDOID, INT8OID, TEXTOID, TEXTOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[4];
	char	   *operation = NULL;

	values[0] = UUIDPGetDatum(&key->request);
	values[1] = Int64GetDatum(key->id);
	values[2] = CStringGetTextDatum(code);
	values[3] = CStringGetTextDatum(ig_bounded_text(error));
	SPI_connect();
	if (ig_spi_execute(&refuse, values, NULL) == 1)
		operation = ig_spi_text(0, 1, context);
	SPI_finish();
	return operation;
}

/*
 * The calls of an account, or of all (NULL), that are in the given state, and due
 * at "now" unless that is 0.  "identified": those whose request has an id of the API's,
 * or else the others.
 */
IgCall *
ig_queue_in_state(const char *state, bool identified, const char *server, const char *owner,
				  TimestampTz now, int *n)
{
	static IgStatement select = {
		.sql = "SELECT c.request, c.id, c.operation, c.server, c.owner, c.document, c.proof_type, "
		"c.attempts, c.waits, c.looks, c.claimed_at, r.title, r.signature_method, "
		"r.signature_request_id, NULL::text AS document_id, c.signer, NULL::text AS signer_id, NULL::text AS args, c.http_status, c.code "
		"FROM ignisign.call c JOIN ignisign.request r ON r.id = c.request "
		"WHERE c.state = $1 AND ($2 IS NULL OR c.server = $2) AND ($3 IS NULL OR c.owner = $3) AND c.operation = $4 "
		"AND ($5 IS NULL OR c.run_at <= $5) AND (r.signature_request_id IS NOT NULL) = $6 "
		"ORDER BY c.claimed_at, c.id LIMIT 10000",
		.types = {TEXTOID, NAMEOID, NAMEOID, TEXTOID, TIMESTAMPTZOID, BOOLOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[6];
	char		nulls[7] = "      ";
	IgCall	   *calls;

	SPI_connect();
	values[0] = CStringGetTextDatum(state);
	values[1] = server ? DirectFunctionCall1(namein, CStringGetDatum(server)) : (Datum) 0;
	values[2] = owner ? DirectFunctionCall1(namein, CStringGetDatum(owner)) : (Datum) 0;
	values[3] = CStringGetTextDatum(ig_api_operation_name(IG_OP_ONE_CALL_SIGN));
	values[4] = TimestampTzGetDatum(now);
	values[5] = BoolGetDatum(identified);
	if (server == NULL)
		nulls[1] = 'n';
	if (owner == NULL)
		nulls[2] = 'n';
	if (now == 0)
		nulls[4] = 'n';
	*n = (int) ig_spi_execute(&select, values, nulls);
	calls = MemoryContextAllocZero(context, Max(*n, 1) * sizeof(IgCall));
	for (int i = 0; i < *n; i++)
		copy_call(&calls[i], i, context);
	SPI_finish();
	return calls;
}

/* The keys of calls, as two parameters. */
static void
set_keys(Datum *values, const IgCall *const *calls, int n)
{
	Datum	   *requests = new_datums(n);
	Datum	   *ids = new_datums(n);

	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(&calls[i]->request);
		ids[i] = Int64GetDatum(calls[i]->id);
	}
	values[0] = ig_array(UUIDOID, requests, NULL, n);
	values[1] = ig_array(INT8OID, ids, NULL, n);
}

/* Calls that were claimed are pending as before. */
int
ig_queue_release(const IgCall **calls, int n)
{
	static IgStatement give_back = {
		.sql = "UPDATE ignisign.call c SET state = 'pending', attempts = c.attempts - 1, again = false "
		"FROM unnest($1, $2) AS u (request, id) CROSS JOIN LATERAL "
		"(SELECT q.request, q.id FROM ignisign.call q WHERE q.request = u.request AND q.id = u.id "
		"AND q.state = 'sending' FOR UPDATE SKIP LOCKED) f WHERE c.request = f.request AND c.id = f.id",
		.types = {UUIDARRAYOID, INT8ARRAYOID}
	};
	static IgStatement left = {
		.sql = "SELECT u.n FROM unnest($1, $2) WITH ORDINALITY AS u (request, id, n) WHERE EXISTS "
		"(SELECT FROM ignisign.call q WHERE q.request = u.request AND q.id = u.id AND q.state = 'sending') ORDER BY u.n",
		.types = {UUIDARRAYOID, INT8ARRAYOID}
	};
	Datum		values[2];
	int			nleft = 0;

	SPI_connect();
	set_keys(values, calls, n);
	if (ig_spi_execute(&give_back, values, NULL) < (uint64) n)
		nleft = (int) ig_spi_execute(&left, values, NULL);

	/* Numbers rise, so none is overwritten that is still to be moved. */
	for (int i = 0; i < nleft; i++)
		calls[i] = calls[ig_spi_int64(i, 1, 0) - 1];
	SPI_finish();
	return nleft;
}

/* The calls are done: they leave the queue, or start anew if that was asked for meanwhile. */
void
ig_queue_finish(const IgCall *const *calls, int n)
{
	static IgStatement finish = {
		.sql = "DELETE FROM ignisign.call c USING unnest($1, $2) AS f (request, id) "
		"WHERE c.request = f.request AND c.id = f.id AND NOT c.again",
		.types = {UUIDARRAYOID, INT8ARRAYOID}
	};
	static IgStatement start_anew = {
		.sql = "UPDATE ignisign.call c SET state = 'pending', run_at = now(), attempts = 0, again = false "
		"FROM unnest($1, $2) AS f (request, id) WHERE c.request = f.request AND c.id = f.id AND c.again",
		.types = {UUIDARRAYOID, INT8ARRAYOID}
	};
	Datum		values[2];

	if (n == 0)
		return;
	SPI_connect();
	set_keys(values, calls, n);
	if (ig_spi_execute(&finish, values, NULL) < (uint64) n)
		ig_spi_execute(&start_anew, values, NULL);
	SPI_finish();
}

/* A text of foreign origin, cut to a bound at a character's border. */
char *
ig_bounded_text(const char *text)
{
	int			length;

	if (text == NULL)
		return NULL;
	length = strlen(text);
	if (length > MAX_ERROR_LENGTH)
		length = pg_mbcliplen(text, length, MAX_ERROR_LENGTH);
	return pnstrdup(text, length);
}

/*
 * The calls stay: to be sent later, to be looked for, or dead.  Unless a person
 * has decided meanwhile.
 */
void
ig_queue_reschedule(const IgReschedule *items, int n)
{
	static IgStatement reschedule = {
		.sql = "UPDATE ignisign.call c SET state = u.state, again = false, "
		"run_at = CASE WHEN c.again AND u.waited = 1 THEN now() ELSE u.run_at END, "
		"attempts = c.attempts - u.given_back, waits = c.waits + u.waited, looks = u.looks, "
		"http_status = u.http_status, code = u.code, last_error = u.error "
		"FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS "
		"u (request, id, state, run_at, given_back, waited, looks, http_status, code, error) "
		"WHERE c.request = u.request AND c.id = u.id AND c.state IN ('sending', 'unknown')",
		.types = {UUIDARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT4ARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum	   *column[8];
	const char **states = palloc(Max(n, 1) * sizeof(char *));
	const char **codes = palloc(Max(n, 1) * sizeof(char *));
	const char **errors = palloc(Max(n, 1) * sizeof(char *));
	bool	   *no_status = palloc(Max(n, 1) * sizeof(bool));
	Datum		values[10];

	if (n == 0)
		return;
	for (int i = 0; i < (int) lengthof(column); i++)
		column[i] = new_datums(n);
	for (int i = 0; i < n; i++)
	{
		const IgReschedule *item = &items[i];

		column[0][i] = UUIDPGetDatum(&item->call->request);
		column[1][i] = Int64GetDatum(item->call->id);
		states[i] = item->state;
		column[2][i] = TimestampTzGetDatum(item->run_at);
		column[3][i] = Int32GetDatum(item->give_back ? 1 : 0);
		column[4][i] = Int32GetDatum(item->waited ? 1 : 0);
		column[5][i] = Int32GetDatum(item->looks);
		column[6][i] = Int32GetDatum(item->http_status);
		no_status[i] = (item->http_status == 0);
		codes[i] = ig_bounded_text(item->code);
		errors[i] = ig_bounded_text(item->error);
	}
	SPI_connect();
	values[0] = ig_array(UUIDOID, column[0], NULL, n);
	values[1] = ig_array(INT8OID, column[1], NULL, n);
	values[2] = ig_text_array(states, n);
	values[3] = ig_array(TIMESTAMPTZOID, column[2], NULL, n);
	values[4] = ig_array(INT4OID, column[3], NULL, n);
	values[5] = ig_array(INT4OID, column[4], NULL, n);
	values[6] = ig_array(INT4OID, column[5], NULL, n);
	values[7] = ig_array(INT4OID, column[6], no_status, n);
	values[8] = ig_text_array(codes, n);
	values[9] = ig_text_array(errors, n);
	ig_spi_execute(&reschedule, values, NULL);
	SPI_finish();
}

/* A text of foreign origin as a column's value. */
static void
set_bounded_text(Datum *value, char *null, const char *text)
{
	*null = text ? ' ' : 'n';
	*value = text ? CStringGetTextDatum(ig_bounded_text(text)) : (Datum) 0;
}

/* Log attempts. */
void
ig_queue_log(const IgAttempt *attempts, int n)
{
	static IgInsert insert = {
		.table = "attempt",
		.columns = {"request", "started_at", "call", "operation", "owner", "server", "attempt", "outcome",
		"http_status", "code", "error", "duration", "bytes_sent", "bytes_received"}
	};
	IgRows		rows;

	ig_rows_init(&rows, &insert);
	for (int i = 0; i < n; i++)
	{
		const IgAttempt *attempt = &attempts[i];
		Interval   *duration = palloc0(sizeof(Interval));
		Datum		values[14];
		char		nulls[15] = "              ";

		duration->time = attempt->duration;
		values[0] = UUIDPGetDatum(&attempt->call->request);
		values[1] = TimestampTzGetDatum(attempt->started_at);
		values[2] = Int64GetDatum(attempt->call->id);
		nulls[2] = attempt->call->id != 0 ? ' ' : 'n';
		values[3] = CStringGetTextDatum(ig_api_operation_name(attempt->call->operation));
		values[4] = NameGetDatum(&attempt->call->owner);
		values[5] = NameGetDatum(&attempt->call->server);
		values[6] = Int32GetDatum(attempt->call->attempts);
		values[7] = CStringGetTextDatum(attempt->outcome);
		values[8] = Int32GetDatum(attempt->http_status);
		nulls[8] = attempt->http_status != 0 ? ' ' : 'n';
		set_bounded_text(&values[9], &nulls[9], attempt->code);
		set_bounded_text(&values[10], &nulls[10], attempt->error);
		values[11] = IntervalPGetDatum(duration);
		values[12] = Int64GetDatum(attempt->bytes_sent);
		values[13] = Int64GetDatum(attempt->bytes_received);
		ig_rows_add(&rows, values, nulls);
	}
	ig_insert_rows(&rows);
}

/* Add a dead call that says why something cannot be applied. */
bool
ig_queue_add_refused(const pg_uuid_t *request, IgOperation operation, const char *code, const char *error)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.call (request, operation, owner, server, state, code, last_error) "
		"SELECT id, $2, owner, server, 'dead', $3, $4 FROM ignisign.request WHERE id = $1 "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO NOTHING",
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[4];
	bool		added;

	SPI_connect();
	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(ig_api_operation_name(operation));
	values[2] = CStringGetTextDatum(code);
	values[3] = CStringGetTextDatum(ig_bounded_text(error));
	added = ig_spi_execute(&add, values, NULL) == 1;
	SPI_finish();
	return added;
}
