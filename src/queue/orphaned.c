/*-------------------------------------------------------------------------
 *
 * orphaned.c
 *	  Calls whose worker has ended, and calls that another server may have sent.
 *
 * A call in the state "sending" whose worker has ended is orphaned: nobody knows whether
 * it was sent.  A call in the state "pending" is unverified if this server is a copy or
 * was restored: the other server may have sent it.  In both cases the worker looks for
 * the request at the API before it sends the call again, if sending twice would matter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "queue/queue.h"
#include "util/spi.h"

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
	Datum	   *ids = ig_new_datums(orphaned->n);
	Datum	   *times = ig_new_datums(orphaned->n);
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
