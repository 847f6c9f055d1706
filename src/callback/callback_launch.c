/*-------------------------------------------------------------------------
 *
 * callback_launch.c
 *	  The worker's part in callbacks: a process for each that has something to
 *	  do.
 *
 * The worker calls no user's function, because its session is a superuser's.
 * Each callback has a process of its own, connected as the function's owner,
 * which is started when a delivery is due and ends when none is left: so a slow
 * or failing function delays no other one.  As processes are few, those of one
 * owner may take half of them at most, and each gives way after a while
 * (callback_worker.c).
 *
 * What is known here of processes is lost with the worker, which ends them when
 * it ends itself.  That there are never two for one callback is seen to by a
 * lock that they take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "callback/callbacks.h"
#include "guc.h"
#include "util/spi.h"
#include "util/wait_event.h"

/* Pause after a process that ended without calling anything, in ms; it doubles. */
#define FIRST_PAUSE		100
#define LAST_PAUSE		60000

/* From how many such processes in a row on that is told. */
#define TELL_AFTER		4

/* From the end of a process until one is started to try something again, in ms. */
#define RETRY_PAUSE		250

/* How long the end of processes is waited for, in ms. */
#define END_PATIENCE	5000

/* A callback that has, or had lately, something to do. */
typedef struct Runner
{
	int64		callback;
	Oid			role;
	BackgroundWorkerHandle *handle; /* its process, or NULL */
	bool		ended;			/* a process has, and what it did is to be seen */
	bool		due;			/* wants a process */
	bool		seen;			/* by this look */
	TimestampTz ended_at;
	TimestampTz not_before;
	int			failures;		/* processes that did nothing, in a row */
	int64		head;			/* what the last process found as its first delivery */
	int			attempts;
} Runner;

static List *runners = NIL;		/* in TopMemoryContext */
static bool no_slot_told = false;

/* Find or add what is known of a callback. */
static Runner *
find_runner(int64 callback)
{
	MemoryContext old;
	Runner	   *runner;
	ListCell   *lc;

	foreach(lc, runners)
	{
		runner = lfirst(lc);
		if (runner->callback == callback)
			return runner;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	runner = palloc0(sizeof(Runner));
	runner->callback = callback;
	runners = lappend(runners, runner);
	MemoryContextSwitchTo(old);
	return runner;
}

/* Take note of processes that ended. */
static void
reap(TimestampTz now)
{
	ListCell   *lc;
	pid_t		pid;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		runner->due = runner->seen = false;
		if (runner->handle == NULL || GetBackgroundWorkerPid(runner->handle, &pid) != BGWH_STOPPED)
			continue;
		pfree(runner->handle);
		runner->handle = NULL;
		runner->ended = true;
		runner->ended_at = now;
	}
}

/* Whether one has ended that was not noted. */
bool
ig_callbacks_have_ended(void)
{
	ListCell   *lc;
	pid_t		pid;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		if (runner->handle != NULL && GetBackgroundWorkerPid(runner->handle, &pid) == BGWH_STOPPED)
			return true;
	}
	return false;
}

/* Forget those that have nothing to do any more. */
static void
forget_idle(void)
{
	ListCell   *lc;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		if (runner->seen || runner->handle != NULL)
			continue;
		runners = foreach_delete_current(runners, lc);
		pfree(runner);
	}
}

/* Show why a callback is not called; NULL: it is.  Nobody's lock is waited for. */
static void
tell_problem(int64 callback, const char *function, const char *problem, const char *hint)
{
	static IgStatement tell = {
		.sql = "UPDATE ignisign.callback SET problem = $2 WHERE id = (SELECT c.id FROM ignisign.callback c "
		"WHERE c.id = $1 AND c.problem IS DISTINCT FROM $2 FOR UPDATE SKIP LOCKED)",
		.types = {INT8OID, TEXTOID}
	};
	Datum		values[2];

	values[0] = Int64GetDatum(callback);
	values[1] = problem ? CStringGetTextDatum(problem) : (Datum) 0;
	if (ig_spi_execute(&tell, values, problem ? NULL : " n") == 1 && problem != NULL)
		ereport(WARNING,
				(errmsg("ignisign: callback %s is held back: %s", function, problem),
				 hint ? errhint("%s", hint) : 0));
}

/* The callbacks that have a process, as an array. */
static Datum
callbacks_at_work(void)
{
	Datum	   *ids = palloc(Max(list_length(runners), 1) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		if (runner->handle != NULL)
			ids[n++] = Int64GetDatum(runner->callback);
	}
	return ig_array(INT8OID, ids, NULL, n);
}

/* Find the callbacks that have something to do, and no process. */
TimestampTz
ig_callbacks_collect(TimestampTz now)
{
	/* Of each the first delivery that nothing earlier is in the way of. */
	static IgStatement due = {
		.sql = "SELECT c.id, c.function, c.owner::text, c.problem, h.id, h.attempts, h.run_at "
		"FROM ignisign.callback c CROSS JOIN LATERAL "
		"(SELECT d.id, d.attempts, d.run_at FROM ignisign.delivery d "
		"WHERE d.callback = c.id AND d.state <> 'dead' AND NOT EXISTS ("
		"SELECT FROM ignisign.delivery p WHERE p.callback = d.callback AND p.request = d.request "
		"AND p.id < d.id AND p.state <> 'dead') "
		"ORDER BY d.run_at, d.id LIMIT 1) h WHERE c.id <> ALL ($1)",
		.types = {INT8ARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	TimestampTz next = 0;
	SPITupleTable *rows;
	Datum		busy;
	uint64		n;

	reap(now);
	SPI_connect();
	busy = callbacks_at_work();
	n = ig_callback_workers > 0 ? ig_spi_execute(&due, &busy, NULL) : 0;
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		Runner	   *runner;
		bool		isnull;
		char	   *function;
		char	   *old_problem;
		char	   *problem;
		char	   *hint;
		int64		head;
		int			attempts;
		TimestampTz at;

		SPI_tuptable = rows;
		runner = find_runner(ig_spi_int64(i, 1, 0));
		function = ig_spi_text(i, 2, context);
		problem = ig_callback_problem(ig_spi_text(i, 3, context), &runner->role, &hint);
		old_problem = ig_spi_text(i, 4, context);
		head = ig_spi_int64(i, 5, 0);
		attempts = (int) ig_spi_int64(i, 6, 0);
		at = DatumGetTimestampTz(ig_spi_datum(i, 7, &isnull));

		runner->seen = true;
		if (runner->ended)
		{
			runner->ended = false;
			if (head == runner->head && attempts == runner->attempts && at <= now)
			{
				int			pause = FIRST_PAUSE << Min(runner->failures, 10);

				runner->failures++;
				runner->not_before = TimestampTzPlusMilliseconds(now, Min(pause, LAST_PAUSE));
			}
			else
				runner->failures = 0;
		}
		if (problem != NULL)
			runner->not_before = TimestampTzPlusMilliseconds(now, Min(ig_max_retry_delay, LAST_PAUSE));
		else if (runner->failures >= TELL_AFTER)
			problem = no_slot_told ? "no background worker slot is free" :
				"its process ends before it calls anything: the server log may tell why";
		if (problem != NULL || old_problem != NULL)
			tell_problem(runner->callback, function, problem, hint);

		/* Many that fail are tried again by one process, not by one each. */
		at = Max(at, runner->not_before);
		if (attempts > 0 && runner->ended_at != 0)
			at = Max(at, TimestampTzPlusMilliseconds(runner->ended_at, RETRY_PAUSE));
		if (at <= now)
		{
			runner->due = true;
			runner->head = head;
			runner->attempts = attempts;
		}
		else if (next == 0 || at < next)
			next = at;
	}
	SPI_finish();
	MemoryContextSwitchTo(context);
	forget_idle();
	return next;
}

/* How many processes there are, of a role or (InvalidOid) in all. */
static int
count_processes(Oid role)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		if (runner->handle != NULL && (role == InvalidOid || runner->role == role))
			n++;
	}
	return n;
}

/*
 * Who is next to have a process: of those whose owner has the fewest, who has
 * waited longest.  NULL: nobody, or there is no room.
 */
static Runner *
choose(void)
{
	Runner	   *chosen = NULL;
	int			least = (ig_callback_workers + 1) / 2;
	ListCell   *lc;

	if (count_processes(InvalidOid) >= ig_callback_workers)
		return NULL;
	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);
		int			n;

		if (!runner->due || runner->handle != NULL)
			continue;
		n = count_processes(runner->role);
		if (n < least || (n == least && chosen != NULL && runner->ended_at < chosen->ended_at))
		{
			chosen = runner;
			least = n;
		}
	}
	return chosen;
}

/* Start a process; false: there is no room in the server. */
static bool
start(Runner *runner)
{
	BackgroundWorker worker;
	IgCallbackStart extra;
	MemoryContext old;
	bool		started;

	memset(&extra, 0, sizeof(extra));
	extra.role = runner->role;
	extra.callback = runner->callback;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &extra, sizeof(extra));
	strlcpy(worker.bgw_library_name, "ignisign", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ignisign_callback_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "ignisign callback %lld in database %u",
			 (long long) runner->callback, MyDatabaseId);
	strlcpy(worker.bgw_type, "ignisign callback", sizeof(worker.bgw_type));

	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &runner->handle);
	MemoryContextSwitchTo(old);
	if (!started)
		runner->handle = NULL;
	return started;
}

/* The worker ends, for whatever reason: so do its processes. */
static void
terminate_all(int code, Datum arg)
{
	ListCell   *lc;

	foreach(lc, runners)
	{
		Runner	   *runner = lfirst(lc);

		if (runner->handle != NULL)
			TerminateBackgroundWorker(runner->handle);
	}
}

/* Start processes, as far as there is room. */
void
ig_callbacks_start(void)
{
	static bool registered = false;
	Runner	   *runner;

	while ((runner = choose()) != NULL)
	{
		if (!registered)
			before_shmem_exit(terminate_all, (Datum) 0);
		registered = true;
		runner->due = false;
		if (start(runner))
			no_slot_told = false;
		else
		{
			/* As if one had ended at once; the next cycle sees that. */
			runner->ended = true;
			if (!no_slot_told)
				ereport(LOG,
						(errmsg("could not start a process for an ignisign callback: no background worker slot is free"),
						 errhint("What is to be delivered is kept and the start is tried again. You might need to increase max_worker_processes.")));
			no_slot_told = true;
			SetLatch(MyLatch);
		}
	}
}

/* End all processes, and wait for that: they must be in nobody's way. */
void
ig_callbacks_end(void)
{
	TimestampTz start_time = GetCurrentTimestamp();

	terminate_all(0, (Datum) 0);
	for (;;)
	{
		reap(GetCurrentTimestamp());
		if (count_processes(InvalidOid) == 0 ||
			TimestampDifferenceExceeds(start_time, GetCurrentTimestamp(), END_PATIENCE))
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 100, ig_wait_event(IG_WAIT_CALLBACK));
		ResetLatch(MyLatch);
	}
}
