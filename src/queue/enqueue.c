/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  Adding calls to the queue.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/insert.h"
#include "queue/queue.h"
#include "util/spi.h"
#include "util/uuid.h"

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
