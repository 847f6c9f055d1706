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

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "queue/queue.h"
#include "util/spi.h"

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
		column[i] = ig_new_datums(n);
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

/* The same of these accounts, and of each from its place on. */
IgDue *
ig_queue_due_from(const IgDue *places, int nplaces, int *n)
{
	static IgStatement due = {
		.sql = "SELECT a.server, a.owner, c.run_at, c.id FROM unnest($1, $2, $3, $4) AS a (server, owner, run_at, id) "
		"CROSS JOIN LATERAL (SELECT q.run_at, q.id FROM ignisign.call q "
		"WHERE q.state = 'pending' AND q.server = a.server AND q.owner = a.owner "
		"AND (q.run_at, q.id) >= (a.run_at, a.id) ORDER BY q.run_at, q.id LIMIT 1) c",
		.types = {NAMEARRAYOID, NAMEARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[4];
	IgDue	   *result;

	SPI_connect();
	set_accounts(values, places, nplaces);
	*n = (int) ig_spi_execute(&due, values, NULL);
	result = copy_due(*n, context);
	SPI_finish();
	return result;
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
	Datum	   *limits = ig_new_datums(ndue);

	for (int i = 0; i < ndue; i++)
		limits[i] = Int32GetDatum(due[i].limit);
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
ig_queue_claim_one(const IgCallKey *key, TimestampTz now)
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
ig_queue_refuse(const IgCallKey *key, const char *code, const char *error)
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
	Datum	   *requests = ig_new_datums(n);
	Datum	   *ids = ig_new_datums(n);

	for (int i = 0; i < n; i++)
	{
		requests[i] = UUIDPGetDatum(&calls[i]->request);
		ids[i] = Int64GetDatum(calls[i]->id);
	}
	values[0] = ig_array(UUIDOID, requests, NULL, n);
	values[1] = ig_array(INT8OID, ids, NULL, n);
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
		column[i] = ig_new_datums(n);
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
