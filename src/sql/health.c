/*-------------------------------------------------------------------------
 *
 * health.c
 *	  What this database's worker is at, and what to do about it.
 *
 * An idle worker is not woken to say that it is alive.  It is stuck when it was
 * woken, or was to wake up by itself, and has not begun a cycle since; when it
 * is in a cycle for long; or when locks are in its way for long.  The worker does not
 * wait for a lock, but tries again and again, so the session with the lock is looked for here.
 *
 * Who asks must not be stuck in the same way: a lock on the queue is not waited
 * for, but told of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "queue/queue.h"
#include "sql/health.h"
#include "util/guard.h"
#include "util/spi.h"

/* What is read to tell how the queue stands. */
static const char *const tables[] = {"origin", "call", "request", "parked"};

/* Who has, or waits for, a lock that keeps readers away; 0: nobody (any more). */
static int
find_locker(Oid relation)
{
	static IgStatement find = {
		.sql = "SELECT l.pid::bigint FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' "
		"AND l.database = $1 AND l.relation = $2 AND l.mode = 'AccessExclusiveLock' "
		"ORDER BY l.granted DESC LIMIT 1",
		.types = {OIDOID, OIDOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(MyDatabaseId), ObjectIdGetDatum(relation)};
	int			pid = 0;

	SPI_connect();
	if (ig_spi_execute(&find, values, NULL) == 1)
		pid = (int) ig_spi_int64(0, 1, 0);
	SPI_finish();
	return pid;
}

/* Lock a relation and its indexes for reading, if that can be had at once. */
static Oid
lock_relation(Oid oid)
{
	Relation	relation;
	List	   *indexes;
	ListCell   *lc;
	Oid			refused = InvalidOid;

	if (!ConditionalLockRelationOid(oid, AccessShareLock))
		return oid;
	relation = try_relation_open(oid, NoLock);
	if (relation == NULL)
		return InvalidOid;
	indexes = RelationGetIndexList(relation);
	relation_close(relation, NoLock);
	foreach(lc, indexes)
	{
		if (!OidIsValid(refused) && !ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			refused = lfirst_oid(lc);
	}
	return refused;
}

/* Lock what is to be read; else tell who is in the way. */
static bool
lock_tables(char **hint)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			namespace = get_namespace_oid("ignisign", false);

	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		Oid			refused = lock_relation(get_relname_relid(tables[i], namespace));
		int			pid;

		if (!OidIsValid(refused))
			continue;
		pid = find_locker(refused);
		MemoryContextSwitchTo(context);
		*hint = psprintf("ignisign.%s is locked by the session with PID %d: nothing is counted or sent until it ends.",
						 get_rel_name(refused), pid);
		return false;
	}
	return true;
}

/* What a worker that is in a cycle waits for. */
static char *
explain_cycle(int worker, TimestampTz since, TimestampTz now)
{
	static IgStatement find = {
		.sql = "SELECT (pg_catalog.pg_blocking_pids($1))[1]::bigint, "
		"(SELECT pg_catalog.concat_ws(': ', a.wait_event_type, a.wait_event) "
		"FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1)",
		.types = {INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int32GetDatum(worker);
	double		seconds = (now - since) / 1000000.0;
	int64		blocker;
	char	   *wait;
	char	   *hint;

	SPI_connect();
	ig_spi_execute(&find, &value, NULL);
	blocker = ig_spi_int64(0, 1, -1);
	wait = ig_spi_text(0, 2, context);
	SPI_finish();
	MemoryContextSwitchTo(context);
	if (blocker > 0)
		hint = psprintf("The worker waits for a lock of the session with PID %lld, for %.1f s now.",
						(long long) blocker, seconds);
	else if (blocker == 0)
		hint = psprintf("The worker waits for a lock of a prepared transaction, for %.1f s now: see pg_prepared_xacts.",
						seconds);
	else
		hint = psprintf("The worker, with PID %d, is at one transaction for %.1f s now (%s): it may be stopped, or the server overloaded.",
						worker, seconds, wait && wait[0] ? wait : "running");
	return hint;
}

/*
 * Which session has a lock on a table of ours that is in the worker's way; NULL: none.
 * It may be the lock of a row, which concerns only the calls that need that row.
 */
static char *
explain_locked(const IgSlotView *slot, TimestampTz now)
{
	static IgStatement find = {
		.sql = "SELECT l.pid::bigint, c.oid::regclass::text "
		"FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation "
		"WHERE l.locktype = 'relation' AND l.database = $1 AND l.pid IS DISTINCT FROM $3 "
		"AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') "
		"AND (c.relnamespace = $2 OR EXISTS (SELECT FROM pg_catalog.pg_inherits i "
		"JOIN pg_catalog.pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid AND p.relnamespace = $2)) "
		"ORDER BY l.granted DESC, c.relkind = 'i', l.mode = 'AccessExclusiveLock' DESC LIMIT 1",
		.types = {OIDOID, OIDOID, INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];
	double		seconds = (now - slot->locked_since) / 1000000.0;
	int64		blocker;
	char	   *table;
	char	   *hint = NULL;

	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = ObjectIdGetDatum(get_namespace_oid(IG_EXTENSION, false));
	values[2] = Int32GetDatum(slot->pid);
	SPI_connect();
	if (ig_spi_execute(&find, values, NULL) == 1)
	{
		blocker = ig_spi_int64(0, 1, 0);
		table = ig_spi_text(0, 2, context);
		MemoryContextSwitchTo(context);
		hint = blocker > 0 ?
			psprintf("The worker waits for a lock of the session with PID %lld on %s, for %.1f s now.",
					 (long long) blocker, table, seconds) :
			psprintf("The worker waits for a lock of a prepared transaction on %s, for %.1f s now: see pg_prepared_xacts.",
					 table, seconds);
	}
	SPI_finish();
	MemoryContextSwitchTo(context);
	return hint;
}

/* Whether, and why, a worker does not do what it ought to; NULL: it does. */
static char *
find_stuck(const IgSlotView *slot)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz limit = TimestampTzPlusMilliseconds(now, -IG_STUCK_AFTER);
	TimestampTz due = 0;
	char	   *hint;

	if (slot->locked_since != 0 && slot->locked_since < limit &&
		(hint = explain_locked(slot, now)) != NULL)
		return hint;
	if (slot->cycle_since != 0)
		return slot->cycle_since < limit ? explain_cycle(slot->pid, slot->cycle_since, now) : NULL;
	if (slot->wait_until != 0)
		due = slot->wait_until;
	if (slot->woken_at != 0 && (due == 0 || slot->woken_at < due))
		due = slot->woken_at;
	if (due == 0 || due >= limit)
		return NULL;
	return psprintf("The worker, with PID %d, was to wake up %.1f s ago and does not run: it may be stopped, or the server overloaded.",
					slot->pid, (now - due) / 1000000.0);
}

/* Look at the worker's slot. */
static void
view_slot(IgHealthView *view)
{
	IgSlotView *slot = &view->slot;

	switch (slot->state)
	{
		case IG_SLOT_RUNNING:
			view->state = "running";
			view->hint = find_stuck(slot);
			view->stuck = (view->hint != NULL);
			return;
		case IG_SLOT_STARTING:
			view->state = "starting";
			return;
		case IG_SLOT_WANTED:
			if (slot->failures == 0)
			{
				view->state = "starting";
				return;
			}
			view->state = psprintf("failed %d times, next start in %ld s", slot->failures,
								   TimestampDifferenceMilliseconds(GetCurrentTimestamp(), slot->next_start) / 1000 + 1);
			view->hint = "The server log tells why. If no background worker slot is free, increase max_worker_processes.";
			return;
		case IG_SLOT_FREE:
			break;
	}
	view->state = "none";
	view->hint = ig_slots_launcher_running() ?
		"It is started when something is queued." :
		"The launcher is not running: the server log tells why.";
}

/* Look. */
void
ig_health_view(IgHealthView *view)
{
	char	   *other;
	char	   *lock_hint = NULL;
	const IgGuardProblem *problem;

	memset(view, 0, sizeof(*view));
	(void) ig_slots_view(MyDatabaseId, &view->slot);
	view->counting = lock_tables(&lock_hint);
	if (!ig_slots_available())
	{
		view->state = "not preloaded";
		view->hint = "No worker can run: set shared_preload_libraries = 'ignisign' in postgresql.conf, beside what is there already, and restart the server.";
	}
	else if (RecoveryInProgress())
		view->state = "standby";
	else if (!ig_enabled)
	{
		view->state = "disabled";
		view->hint = "ignisign.enabled is off: calls are queued, but not sent.";
	}
	else if ((problem = ig_guard_problem()) != NULL)
	{
		view->state = psprintf("held: %s", problem->message);
		view->hint = problem->hint;
	}
	else if (view->counting && view->slot.state == IG_SLOT_RUNNING &&
			 !ig_queue_is_ours(&other) && other != NULL)
	{
		view->state = psprintf("parked: the queue was copied here from database \"%s\"", other);
		view->hint = "If this database is to make these calls from now on, run SELECT ignisign_adopt().";
	}
	else
	{
		view->sending = true;
		view_slot(view);
	}
	if (lock_hint != NULL && view->hint == NULL)
		view->hint = lock_hint;
}
