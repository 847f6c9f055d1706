/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  ignisign_stats(): the queue by server, and the state of the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "functions.h"
#include "queue.h"
#include "slots.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(ignisign_stats);

#define STATS_COLUMNS 11

/* The state of this database's worker in words, and what to do about it. */
static const char *
worker_state(IgSlotView *view, char **hint)
{
	char	   *other;

	*hint = NULL;
	(void) ig_slots_view(MyDatabaseId, view);
	if (!ig_slots_available())
	{
		*hint = "No worker can run: set shared_preload_libraries = 'ignisign' in postgresql.conf, beside what is there already, and restart the server.";
		return "not preloaded";
	}
	if (RecoveryInProgress())
		return "standby";
	if (!ig_enabled)
	{
		*hint = "ignisign.enabled is off: calls are queued, but not sent.";
		return "disabled";
	}
	if (view->state == IG_SLOT_RUNNING && !ig_queue_is_ours(&other) && other != NULL)
	{
		*hint = "If this database is to make these calls from now on, run SELECT ignisign_adopt().";
		return psprintf("parked: the queue was copied here from database \"%s\"", other);
	}
	switch (view->state)
	{
		case IG_SLOT_RUNNING:
			return "running";
		case IG_SLOT_STARTING:
			return "starting";
		case IG_SLOT_WANTED:
			if (view->failures == 0)
				return "starting";
			*hint = "The server log tells why. If no background worker slot is free, increase max_worker_processes.";
			return psprintf("failed %d times, next start in %ld s", view->failures,
							TimestampDifferenceMilliseconds(GetCurrentTimestamp(), view->next_start) / 1000 + 1);
		case IG_SLOT_FREE:
			break;
	}
	*hint = ig_slots_launcher_running() ?
		"It is started when something is queued." :
		"The launcher is not running: the server log tells why.";
	return "none";
}

/* Counts of one server. */
typedef struct ServerCounts
{
	NameData	server;
	int64		count[4];		/* pending, sending, unknown, dead */
	int64		open;
	TimestampTz oldest;			/* 0: none */
	char	   *parked;			/* reasons, or NULL */
} ServerCounts;

/* Find or add a server. */
static ServerCounts *
find_server(List **servers, const char *name)
{
	ServerCounts *counts;
	ListCell   *lc;

	foreach(lc, *servers)
	{
		counts = lfirst(lc);
		if (strcmp(NameStr(counts->server), name) == 0)
			return counts;
	}
	counts = palloc0(sizeof(ServerCounts));
	namestrcpy(&counts->server, name);
	*servers = lappend(*servers, counts);
	return counts;
}

/* Count what the caller may see; the counting itself is the owner's. */
static List *
count_by_server(Oid caller)
{
	static IgStatement servers_of_wrapper = {
		.sql = "SELECT s.srvname::text FROM pg_catalog.pg_foreign_server s "
		"JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw "
		"WHERE w.fdwname = 'ignisign' AND pg_catalog.has_server_privilege($1, s.oid, 'USAGE') ORDER BY 1",
		.types = {OIDOID}
	};
	static IgStatement calls = {
		.sql = "SELECT server::text, owner::text, state, pg_catalog.count(*), "
		"pg_catalog.min(run_at) FROM ignisign.call GROUP BY server, owner, state"
	};
	static IgStatement open = {
		.sql = "SELECT server::text, owner::text, pg_catalog.count(*) FROM ignisign.request "
		"WHERE closed_at IS NULL AND sent_at IS NOT NULL GROUP BY server, owner"
	};
	static IgStatement parked = {
		.sql = "SELECT server::text, owner::text, reason FROM ignisign.parked"
	};
	static const char *const states[] = {"pending", "sending", "unknown", "dead"};
	bool		sees_all = has_privs_of_role(caller, ROLE_PG_MONITOR);
	MemoryContext context = CurrentMemoryContext;
	List	   *servers = NIL;
	Datum		role = ObjectIdGetDatum(caller);
	uint64		n;

	SPI_connect();
#define VISIBLE(row) (sees_all || ig_may_see(caller, ig_spi_text(row, 2, CurrentMemoryContext)))
#define SERVER(row) find_server(&servers, ig_spi_text(row, 1, context))
	MemoryContextSwitchTo(context);
	n = ig_spi_execute(&servers_of_wrapper, &role, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
		(void) SERVER(i);
	n = ig_spi_execute(&calls, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		ServerCounts *counts;
		char	   *state = ig_spi_text(i, 3, context);
		bool		isnull;
		TimestampTz oldest = DatumGetTimestampTz(ig_spi_datum(i, 5, &isnull));

		if (!VISIBLE(i))
			continue;
		counts = SERVER(i);
		for (int s = 0; s < (int) lengthof(states); s++)
			counts->count[s] += strcmp(states[s], state) == 0 ? ig_spi_int64(i, 4, 0) : 0;
		if (strcmp(state, "pending") == 0 && (counts->oldest == 0 || oldest < counts->oldest))
			counts->oldest = oldest;
	}
	n = ig_spi_execute(&open, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		if (VISIBLE(i))
			SERVER(i)->open += ig_spi_int64(i, 3, 0);
	}
	n = ig_spi_execute(&parked, NULL, NULL);
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < n; i++)
	{
		ServerCounts *counts;
		char	   *reason = ig_spi_text(i, 3, context);

		if (!VISIBLE(i))
			continue;
		counts = SERVER(i);
		counts->parked = psprintf("%s%scalls of \"%s\" are held back: %s",
								  counts->parked ? counts->parked : "", counts->parked ? "; " : "",
								  ig_spi_text(i, 2, context), reason);
	}
	SPI_finish();
	return servers;
#undef VISIBLE
#undef SERVER
}

/*
 * ignisign_stats() returns setof record
 *
 * One row for each server that the caller may use or has calls on; one with a
 * NULL server when there is none.  Members of pg_monitor see all calls.
 */
Datum
ignisign_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	IgOwnerState state;
	IgSlotView	view;
	const char *worker;
	char	   *hint;
	List	   *servers;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);

	ig_owner_enter(&state);
	worker = worker_state(&view, &hint);
	servers = count_by_server(caller);
	ig_owner_leave(&state);

	if (servers == NIL)
		servers = list_make1(NULL);
	foreach(lc, servers)
	{
		ServerCounts *counts = lfirst(lc);
		Datum		values[STATS_COLUMNS] = {0};
		bool		nulls[STATS_COLUMNS] = {0};

		nulls[0] = (counts == NULL);
		if (counts != NULL)
			values[0] = NameGetDatum(&counts->server);
		for (int s = 0; s < 4; s++)
			values[1 + s] = Int64GetDatum(counts ? counts->count[s] : 0);
		nulls[5] = (counts == NULL || counts->oldest == 0);
		if (!nulls[5])
			values[5] = TimestampTzGetDatum(counts->oldest);
		values[6] = Int64GetDatum(counts ? counts->open : 0);
		nulls[7] = (view.pid == 0);
		values[7] = Int32GetDatum(view.pid);
		values[8] = CStringGetTextDatum(worker);
		nulls[9] = (view.listener[0] == '\0');
		if (!nulls[9])
			values[9] = CStringGetTextDatum(view.listener);
		nulls[10] = (hint == NULL && (counts == NULL || counts->parked == NULL));
		if (!nulls[10])
			values[10] = CStringGetTextDatum(hint ? hint : counts->parked);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
