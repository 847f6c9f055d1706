/*-------------------------------------------------------------------------
 *
 * listen_watch.c
 *	  The part of a database's worker that looks after the listener.
 *
 * Whether there is anything to listen on is for the listener to say, in whose
 * session the settings of the database are fresh.  It is started when the
 * worker's own session knows of an address, and whenever a command has changed
 * the database's settings; one that finds none ends, and is not started again
 * before the next such occasion.
 *
 * It ends with the worker, so that whoever keeps the worker away from a
 * database need not know of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "launcher/slots.h"
#include "webhook/listen.h"

/* Pause before a failed listener is started again: doubles up to the second. */
#define FIRST_PAUSE 1000
#define LAST_PAUSE	60000

/* A listener that lived this long is healthy: its next failure is a first one. */
#define HEALTHY_AFTER 60000

static BackgroundWorkerHandle *handle = NULL;
static TimestampTz started_at;
static TimestampTz next_start = 0;	/* 0: none is wanted */
static int	failures = 0;		/* in a row */
static bool ending = false;		/* it was told to */

/* before_shmem_exit: take the listener along. */
static void
end_listener(int code, Datum arg)
{
	if (handle == NULL)
		return;
	TerminateBackgroundWorker(handle);
	(void) WaitForBackgroundWorkerShutdown(handle);
}

/* Start the listener, or try again later. */
static void
start_listener(TimestampTz now)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
	{
		before_shmem_exit(end_listener, (Datum) 0);
		registered = true;
	}

	started_at = now;
	next_start = 0;
	ending = false;
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (!ig_register_worker("listener", MyDatabaseId, &handle))
	{
		handle = NULL;
		next_start = TimestampTzPlusMilliseconds(now, LAST_PAUSE);
		ig_slots_set_listener("cannot start: no background worker slot is free");
		if (failures++ == 0)
			ereport(LOG,
					(errmsg("could not start the ignisign listener: no background worker slot is free"),
					 errhint("You might need to increase max_worker_processes.")));
	}
	MemoryContextSwitchTo(old);
}

/* The listener has ended: what follows. */
static void
listener_ended(TimestampTz now)
{
	IgListenerEnd end = ig_slots_listener_end();
	int			pause = LAST_PAUSE;

	pfree(handle);
	handle = NULL;
	ig_slots_set_listener("");
	if (ending || end == IG_LISTENER_AGAIN)
	{
		failures = 0;
		next_start = now;
	}
	else if (end == IG_LISTENER_IDLE)
		failures = 0;
	else
	{
		if (TimestampDifferenceExceeds(started_at, now, HEALTHY_AFTER))
			failures = 0;
		if (failures < 6)
			pause = FIRST_PAUSE << failures;
		failures++;
		next_start = TimestampTzPlusMilliseconds(now, pause);
		ig_slots_set_listener("failed: the server log tells why");
	}
	ending = false;
}

/* Start, watch and end the listener. */
TimestampTz
ig_listen_watch(bool allowed, bool reloaded)
{
	static bool first = true;
	bool		changed = ig_slots_take_listener_check();
	bool		look = changed || ((first || reloaded) && ig_webhook_listen[0] != '\0');
	TimestampTz now;
	pid_t		pid;

	first = false;
	if (handle == NULL && next_start == 0 && !look)
		return 0;

	now = GetCurrentTimestamp();
	if (handle != NULL && GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
		listener_ended(now);
	if (handle != NULL)
	{
		/* A reload it hears of by itself. */
		if (changed || !allowed)
		{
			TerminateBackgroundWorker(handle);
			ending = true;
		}
		return 0;
	}
	if (look)
		next_start = now;
	if (next_start == 0)
		return 0;
	if (next_start <= now && allowed)
		start_listener(now);
	return handle == NULL && allowed ? next_start : 0;
}
