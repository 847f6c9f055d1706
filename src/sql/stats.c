/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  ignisign_stats(): the queue by server, what the worker counted, and how it
 *	  is; ignisign_latency_stats(): how long responses took.
 *
 * The queue is counted in the tables, as far as the caller may see it.  What the
 * worker counts (counters.c) is of all roles that use a server, and for those who
 * may use it; the text of an error is for who may see the call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "guc.h"
#include "launcher/slots.h"
#include "queue/access.h"
#include "queue/queue.h"
#include "sql/health.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_stats);
PG_FUNCTION_INFO_V1(ignisign_latency_stats);

/* Those of version 1.0 are the first 11, and all that its function returns. */
#define STATS_COLUMNS 38

/* States of a call, in the order of the columns. */
static const char *const states[] = {"pending", "sending", "unknown", "dead"};

/* What there is to tell of one server. */
typedef struct ServerStats
{
	NameData	server;			/* empty: those that are counted together */
	bool		usable;			/* the caller may use it */
	int64		count[lengthof(states)];
	int64		due;
	int64		retried;
	int64		open;
	TimestampTz oldest;			/* 0: none */
	char	   *suspended;		/* reasons, or NULL */
	int64		held_back;		/* accounts */
	TimestampTz held_back_since;
	bool		counted;		/* there are counters */
	IgCounters	counters;
} ServerStats;

/* Find or add a server. */
static ServerStats *
find_server(List **servers, const char *name)
{
	ServerStats *stats;
	ListCell   *lc;

	foreach(lc, *servers)
	{
		stats = lfirst(lc);
		if (strcmp(NameStr(stats->server), name) == 0)
			return stats;
	}
	stats = palloc0(sizeof(ServerStats));
	namestrcpy(&stats->server, name);
	*servers = lappend(*servers, stats);
	return stats;
}

/* The servers that the caller may use; whoever sees all calls may look at each. */
static void
list_servers(List **servers, Oid caller, bool sees_all)
{
	static IgStatement list = {
		.sql = "SELECT s.srvname::text FROM pg_catalog.pg_foreign_server s "
		"JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw "
		"WHERE w.fdwname = 'ignisign' AND ($2 OR pg_catalog.has_server_privilege($1, s.oid, 'USAGE')) ORDER BY 1",
		.types = {OIDOID, BOOLOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {ObjectIdGetDatum(caller), BoolGetDatum(sees_all)};
	uint64		n;

	SPI_connect();
	n = ig_spi_execute(&list, values, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
		find_server(servers, ig_spi_text(i, 1, context))->usable = true;
	SPI_finish();
}

/* Count what the caller may see of the queue; the counting itself is the owner's. */
static void
count_queue(List **servers, Oid caller, bool sees_all)
{
	static IgStatement calls = {
		.sql = "SELECT server::text, owner::text, state, pg_catalog.count(*), pg_catalog.min(run_at), "
		"pg_catalog.count(*) FILTER (WHERE run_at <= pg_catalog.clock_timestamp()), "
		"pg_catalog.count(*) FILTER (WHERE attempts > 0) "
		"FROM ignisign.call GROUP BY server, owner, state"
	};
	static IgStatement open = {
		.sql = "SELECT server::text, owner::text, pg_catalog.count(*) FROM ignisign.request "
		"WHERE closed_at IS NULL AND sent_at IS NOT NULL GROUP BY server, owner"
	};
	static IgStatement suspended = {
		.sql = "SELECT server::text, owner::text, reason, since FROM ignisign.parked"
	};
	MemoryContext context = CurrentMemoryContext;
	uint64		n;

#define VISIBLE(row) (sees_all || ig_may_see(caller, ig_spi_text(row, 2, context)))
#define SERVER(row) find_server(servers, ig_spi_text(row, 1, context))
	SPI_connect();
	n = ig_spi_execute(&calls, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		ServerStats *stats;
		char	   *state = ig_spi_text(i, 3, context);
		bool		isnull;
		TimestampTz oldest = DatumGetTimestampTz(ig_spi_datum(i, 5, &isnull));

		if (!VISIBLE(i))
			continue;
		stats = SERVER(i);
		for (int s = 0; s < (int) lengthof(states); s++)
			stats->count[s] += strcmp(states[s], state) == 0 ? ig_spi_int64(i, 4, 0) : 0;
		if (strcmp(state, "pending") != 0)
			continue;
		if (stats->oldest == 0 || oldest < stats->oldest)
			stats->oldest = oldest;
		stats->due += ig_spi_int64(i, 6, 0);
		stats->retried += ig_spi_int64(i, 7, 0);
	}
	n = ig_spi_execute(&open, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		if (VISIBLE(i))
			SERVER(i)->open += ig_spi_int64(i, 3, 0);
	}
	n = ig_spi_execute(&suspended, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		ServerStats *stats;
		char	   *reason = ig_spi_text(i, 3, context);
		bool		isnull;
		TimestampTz since = DatumGetTimestampTz(ig_spi_datum(i, 4, &isnull));

		if (!VISIBLE(i))
			continue;
		stats = SERVER(i);
		stats->held_back++;
		if (stats->held_back_since == 0 || since < stats->held_back_since)
			stats->held_back_since = since;
		stats->suspended = psprintf("%s%scalls of \"%s\" are held back: %s",
									stats->suspended ? stats->suspended : "", stats->suspended ? "; " : "",
									ig_spi_text(i, 2, context), reason);
	}
	SPI_finish();
#undef VISIBLE
#undef SERVER
}

/* Add what the worker has counted. */
static void
read_counters(List **servers, Oid caller, bool sees_all)
{
	IgCounters	counters;

	for (int i = 0; i <= IG_COUNTED_SERVERS; i++)
	{
		ServerStats *stats = NULL;
		ListCell   *lc;

		if (!ig_slots_counters(MyDatabaseId, i, &counters))
			continue;

		/* Of a server that was dropped nothing is told. */
		foreach(lc, *servers)
		{
			ServerStats *entry = lfirst(lc);

			if (strcmp(NameStr(entry->server), NameStr(counters.server)) == 0 && entry->usable)
				stats = entry;
		}
		if (i == IG_COUNTED_SERVERS && sees_all)
			stats = find_server(servers, "");
		if (stats == NULL)
			continue;
		if (!sees_all && counters.error_at != 0 && !ig_may_see(caller, NameStr(counters.error_owner)))
		{
			counters.error[0] = '\0';
			counters.error_at = 0;
		}
		stats->counters = counters;
		stats->counted = true;
	}
}

/* A row, filled column by column. */
typedef struct Row
{
	Datum		values[STATS_COLUMNS];
	bool		nulls[STATS_COLUMNS];
	int			n;
} Row;

/* Add a column, which is NULL unless there is something. */
static void
put(Row *row, bool there, Datum value)
{
	row->values[row->n] = value;
	row->nulls[row->n++] = !there;
}

static void
put_int64(Row *row, bool there, int64 value)
{
	put(row, there, Int64GetDatum(value));
}

static void
put_int32(Row *row, bool there, int32 value)
{
	put(row, there, Int32GetDatum(value));
}

/* Microseconds, told in ms. */
static void
put_duration(Row *row, bool there, double value)
{
	put(row, there, Float8GetDatum(value / 1000));
}

/* A time, or 0. */
static void
put_time(Row *row, TimestampTz value)
{
	put(row, value != 0, TimestampTzGetDatum(value));
}

/* A text, or NULL, or empty. */
static void
put_text(Row *row, const char *value)
{
	bool		there = value != NULL && value[0] != '\0';

	put(row, there, there ? CStringGetTextDatum(value) : (Datum) 0);
}

/* How many calls the rate of a server leaves now; -1: there is no limit. */
static int
rate_tokens(const IgCounters *counters)
{
	IgTokenBucket bucket = counters->bucket;

	return counters->rate > 0 ? ig_bucket_tokens(&bucket, counters->rate, GetCurrentTimestamp()) : -1;
}

/* Whether something is due for longer than it takes to begin with it. */
static bool
is_overdue(const ServerStats *stats)
{
	return stats->due > 0 && TimestampDifferenceExceeds(stats->oldest, GetCurrentTimestamp(), IG_STUCK_AFTER);
}

/* What is to be said of a server, where the worker is well; or NULL. */
static const char *
server_hint(const ServerStats *stats)
{
	const IgCounters *counters = &stats->counters;

	if (stats->suspended != NULL)
		return stats->suspended;
	if (stats->counted && counters->breaker.state != IG_BREAKER_CLOSED)
		return psprintf("The server does not work: one call is tried from time to time, the others are held back. %s",
						counters->error);
	if (stats->counted && counters->failing > 0)
		return psprintf("The last calls have failed (%d in a row) and are tried again. %s",
						counters->failing, counters->error);
	if (stats->counted && is_overdue(stats) && rate_tokens(counters) == 0)
		return "Calls are due, and wait for max_calls_per_second.";
	if (stats->counted && is_overdue(stats) && counters->in_flight == 0)
		return "Calls are due, and not taken: another session may have locked their rows in ignisign.call.";
	return NULL;
}

/* Make a server's row. */
static void
fill_row(Row *row, ServerStats *stats, const IgHealthView *health)
{
	const IgCounters *counters = &stats->counters;
	const IgHistogram *latency = &counters->latency;
	bool		counting = health->counting;
	bool		counted = stats->counted;
	bool		measured = counted && latency->n > 0;
	bool		named = NameStr(stats->server)[0] != '\0';
	static const char *const breaker[] = {
		[IG_BREAKER_CLOSED] = "closed",
		[IG_BREAKER_OPEN] = "open",
		[IG_BREAKER_HALF_OPEN] = "half-open"
	};

	put(row, named, NameGetDatum(&stats->server));
	for (int s = 0; s < (int) lengthof(states); s++)
		put_int64(row, counting, stats->count[s]);
	put_time(row, stats->oldest);
	put_int64(row, counting, stats->open);
	put_int32(row, health->slot.pid != 0, health->slot.pid);
	put_text(row, health->state);
	put_text(row, health->slot.listener);
	put_text(row, health->hint ? health->hint : server_hint(stats));

	put_int64(row, counting, stats->due);
	put_int64(row, counting, stats->retried);
	put_int32(row, counted && named, counters->in_flight);
	put_int64(row, counted, counters->calls);
	for (int i = 0; i < IG_COUNTED_OUTCOMES; i++)
		put_int64(row, counted, counters->ended[i]);
	put_int64(row, counted, counters->bytes_sent);
	put_int64(row, counted, counters->bytes_received);
	put_duration(row, measured, measured ? (double) latency->sum / (double) latency->n : 0);
	put_duration(row, measured, (double) latency->max);
	put_duration(row, measured, ig_histogram_quantile(latency, 0.5));
	put_duration(row, measured, ig_histogram_quantile(latency, 0.95));
	put_duration(row, measured, ig_histogram_quantile(latency, 0.99));
	put_text(row, counted && named ? breaker[counters->breaker.state] : NULL);
	put_time(row, counters->breaker.state == IG_BREAKER_OPEN ? counters->breaker.until : 0);
	put_int32(row, counted && counters->rate > 0, rate_tokens(counters));
	put_int32(row, counted && named, counters->failing);
	put_text(row, counters->error);
	put_time(row, counters->error_at);
	put_time(row, counters->since);
	put_time(row, health->slot.started_at);
	put_time(row, health->slot.heartbeat);

	/* Where no worker runs that ought to, what is due is stuck as well. */
	put(row, true, BoolGetDatum(health->stuck ||
								(health->sending && health->slot.pid == 0 && is_overdue(stats))));
	put_int64(row, counting, stats->held_back);
	put_time(row, stats->held_back_since);
	Assert(row->n == STATS_COLUMNS);
}

/*
 * ignisign_stats() returns setof record
 *
 * One row for each server that the caller may use or has calls on; one with a
 * NULL server when there is none, or for those that are counted together.
 * Members of pg_monitor see all calls.  Waits for no lock: what cannot be counted
 * is NULL.  The function of version 1.0 returns the first columns only.
 */
Datum
ignisign_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	bool		sees_all = has_privs_of_role(caller, ROLE_PG_MONITOR);
	IgOwnerState state;
	IgHealthView health;
	List	   *servers = NIL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (result->setDesc->natts > STATS_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library of the extension \"%s\" is older than the extension", IG_EXTENSION),
				 errhint("Restart the server.")));

	ig_owner_enter(&state);
	ig_health_view(&health);
	list_servers(&servers, caller, sees_all);
	if (health.counting)
		count_queue(&servers, caller, sees_all);
	read_counters(&servers, caller, sees_all);
	ig_owner_leave(&state);

	if (servers == NIL)
		(void) find_server(&servers, "");
	foreach(lc, servers)
	{
		Row			row = {0};

		fill_row(&row, lfirst(lc), &health);
		tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
	}
	return (Datum) 0;
}

/*
 * ignisign_latency_stats() returns setof record
 *
 * One row for each server that ignisign_stats() tells the counters of: how many
 * calls were answered, how long that took together, and how many were answered
 * within each of some durations.
 */
Datum
ignisign_latency_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	bool		sees_all = has_privs_of_role(caller, ROLE_PG_MONITOR);
	IgOwnerState state;
	List	   *servers = NIL;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	ig_owner_enter(&state);
	list_servers(&servers, caller, sees_all);
	read_counters(&servers, caller, sees_all);
	ig_owner_leave(&state);

	foreach(lc, servers)
	{
		ServerStats *stats = lfirst(lc);
		const IgHistogram *latency = &stats->counters.latency;
		Datum		ends[IG_HISTOGRAM_CLASSES - 1];
		Datum		within[IG_HISTOGRAM_CLASSES - 1];
		int64		sum = 0;
		Datum		values[5];
		bool		nulls[5] = {0};

		for (int i = 0; i < (int) lengthof(ends); i++)
		{
			sum += latency->count[i];
			ends[i] = Float8GetDatum(ig_histogram_end(i) / 1000);
			within[i] = Int64GetDatum(sum);
		}
		values[0] = NameGetDatum(&stats->server);
		nulls[0] = NameStr(stats->server)[0] == '\0';
		values[1] = Int64GetDatum(latency->n);
		values[2] = Float8GetDatum((double) latency->sum / 1000);
		values[3] = ig_array(FLOAT8OID, ends, NULL, lengthof(ends));
		values[4] = ig_array(INT8OID, within, NULL, lengthof(within));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
