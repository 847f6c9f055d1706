/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The loop of one database: wait, apply, claim, commit, send.
 *
 * Processes.  The launcher starts one worker for each database that has the extension
 * (launcher/).  The worker is one process without threads.  libcurl sends the calls from
 * within the worker's wait (http/).  Callbacks of users run in processes of their own
 * (callback/), and so does the listener for webhooks (webhook/).
 *
 * The cycle.  The main function repeats these steps:
 *
 * 1. Collect the responses that have come, and decide what each means.
 * 2. In one transaction: apply the responses, claim the calls that are due and have a
 *    slot, build their requests, and read the slices of documents that bodies need.
 * 3. Commit.  Only now may a byte of a claimed call leave: a call that has left is always
 *    committed as "sending".
 * 4. Start the transfers.
 * 5. Wait for the latch, for the sockets, or until something is due.
 *
 * The worker begins no cycle without a response, a call or a slice to work on.  While it
 * waits, it has no transaction, no snapshot and no lock.
 *
 * The latch.  A session that has queued a call sets the latch when its transaction
 * commits (launcher/commit_actions.c), and notes in shared memory that it has done so.
 * A wait within the worker's own transaction, as for a synchronous standby, may reset
 * the latch.  So is_called() asks shared memory, and not the latch, before each wait.
 *
 * Signals.  SIGHUP reloads the settings and all accounts.  SIGTERM ends the worker at the
 * next cycle, or within a transaction at once, because that may wait for a lock.  A
 * command that needs the database for itself asks the worker to stop: the worker claims
 * nothing more, waits for the calls in flight, and ends.
 *
 * Errors.  An error of one response or of one call harms only that call (responses.c,
 * trouble.c).  Any other error ends the worker, and the launcher starts another one.  Its
 * successor finds the calls that were in flight in the state "sending", and recovers them
 * (queue/orphaned.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "callback/callbacks.h"
#include "compat.h"
#include "guc.h"
#include "launcher/slots.h"
#include "queue/queue.h"
#include "queue/suspended.h"
#include "util/guard.h"
#include "util/session.h"
#include "webhook/listen.h"
#include "worker/account_state.h"
#include "worker/claim.h"
#include "worker/execution.h"
#include "worker/guard_wait.h"
#include "worker/outcome.h"
#include "worker/reconcile.h"
#include "worker/recovery.h"
#include "worker/refresh.h"
#include "worker/responses.h"
#include "worker/trouble.h"

/* Responses that are applied in one transaction, by number and by memory. */
#define MAX_RESPONSES			500
#define MAX_RESPONSE_MEMORY	(32 * 1024 * 1024)

/*
 * Where calls take so many times as long as it takes to apply the responses of all that are
 * under way, no more are applied together than that, so that their slots are taken
 * again soon.
 */
#define LONG_CALLS			2
#define FEW_RESPONSES			50

/* After so many bytes of answers and bodies it is worth the time to give memory back. */
#define GIVE_BACK_AFTER		(8 * 1024 * 1024)

/*
 * What malloc may keep meanwhile: to give it back cycle by cycle, or slice by slice of
 * documents, has it made anew, page by page.
 */
#define KEPT_MEMORY			(4 * 1024 * 1024)

extern PGDLLEXPORT void ignisign_worker_main(Datum arg);

static MemoryContext cycle_context; /* reset after each cycle */
static List *running = NIL;		/* executions with a transfer, in running_context */
static MemoryContext running_context;
static List *responded = NIL;	/* of these, those to be applied, in running_context */
static int64 response_memory = 0;	/* that they take */
static int64 memory_taken = 0;	/* since some was given back */
static List *held = NIL;		/* executions to be applied again, in running_context */
static TimestampTz next_cycle = 0;	/* something is due then; 0: nothing */
static int64 response_cost = 0; /* of one, in the last cycle, in microseconds */
static int64 call_took = 0;		/* the last one of these */
static bool suspended = false;	/* the queue is not this database's */
static bool warned = false;		/* and that has been said */
static bool stopping = false;	/* a command wants the database for itself */
static Oid	my_extension = InvalidOid;	/* as it was at the start */

/*
 * Put executions aside whose response waits; returns the others.  A refresh is not
 * kept: the next one tells the same.
 */
static List *
put_aside(List *finished)
{
	MemoryContext old = MemoryContextSwitchTo(running_context);
	ListCell   *lc;

	foreach(lc, finished)
	{
		IgExecution *execution = lfirst(lc);

		if (!execution->held || execution->batch)
			continue;
		running = list_delete_ptr(running, execution);
		held = lappend(held, execution);
		finished = foreach_delete_current(finished, lc);
	}
	MemoryContextSwitchTo(old);
	foreach(lc, held)
		ig_look_again(&next_cycle, ((IgExecution *) lfirst(lc))->next_try);
	return finished;
}

/* Take those up again whose time has come, at most so many that a cycle stays short. */
static List *
take_up(List *finished)
{
	TimestampTz now = GetCurrentTimestamp();
	int			n = 0;
	ListCell   *lc;

	foreach(lc, held)
	{
		IgExecution *execution = lfirst(lc);

		if (execution->next_try > now || n++ >= FEW_RESPONSES)
			continue;
		held = foreach_delete_current(held, lc);
		finished = lappend(finished, execution);
	}
	return finished;
}

/* Whether the extension is (still) there. */
static bool
extension_exists(void)
{
	Oid			extension = ig_session_extension();

	if (!OidIsValid(extension))
		return false;

	/* One that was dropped and made anew has nothing to do with our calls. */
	if (!OidIsValid(my_extension))
		my_extension = extension;
	return extension == my_extension;
}

/* Look whose queue it is, and say so when that changes. */
static void
read_origin(void *arg)
{
	char	   *other;

	suspended = !ig_queue_is_ours(&other);
	if (other != NULL && !warned)
		ereport(WARNING,
				(errmsg("ignisign: the queue was copied here from database \"%s\": nothing is sent", other),
				 errhint("If this database is to make those calls from now on, run SELECT ignisign_adopt().")));
	else if (!suspended && warned)
		ereport(LOG, (errmsg("ignisign: the queue belongs to this database now")));
	warned = (other != NULL);
}

/* The same.  While that cannot be read, nothing is sent. */
static void
check_origin(TimestampTz now)
{
	if (ig_session_unless_locked(read_origin, NULL))
		return;
	suspended = true;
	ig_look_again(&next_cycle, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
}

/* Callbacks that have something to do. */
typedef struct Callbacks
{
	TimestampTz now;
	TimestampTz next;
} Callbacks;

/* Find them. */
static void
find_callbacks(void *arg)
{
	Callbacks  *callbacks = arg;

	callbacks->next = ig_callbacks_collect(callbacks->now);
}

/* Find callbacks that have something to do, unless a lock is in the way. */
static void
collect_callbacks(TimestampTz now)
{
	Callbacks	callbacks = {.now = now};

	if (ig_session_unless_locked(find_callbacks, &callbacks))
		ig_look_again(&next_cycle, callbacks.next);
	else
		ig_look_again(&next_cycle, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
}

/* Read the slices that bodies wait for. */
static void
load_chunks(void)
{
	IgExecution **needs_data = palloc(Max(list_length(running), 1) * sizeof(IgExecution *));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, running)
	{
		IgExecution *execution = lfirst(lc);

		if (ig_execution_needs_data(execution))
			needs_data[n++] = execution;
	}
	ig_executions_load_chunks(needs_data, n);
}

/* Whether any body waits for a slice. */
static bool
any_needs_data(void)
{
	ListCell   *lc;

	foreach(lc, running)
	{
		if (ig_execution_needs_data(lfirst(lc)))
			return true;
	}
	return false;
}

/* Forget an execution that is over. */
static void
end_execution(IgExecution *execution)
{
	running = list_delete_ptr(running, execution);
	if (execution->transfer)
		memory_taken += execution->transfer->bytes_sent;
	ig_execution_free(execution);
}

/*
 * Hand a response to the refresh or scan that asked for it.  Each execution comes here
 * once, when it is over: one that was put aside still belongs to the worker, and
 * its scan waits for it.
 */
static void
hand_over(IgExecution *execution)
{
	if (execution->batch && execution->decision.verdict == IG_DEAD && !execution->failed)
		ig_refresh_refused(execution->batch);
	if (execution->scan)
		ig_scan_apply_response(execution->scan, execution);
}

/* Start an execution. */
static void
start_execution(IgExecution *execution)
{
	MemoryContext old = MemoryContextSwitchTo(running_context);

	ig_execution_start(execution);
	ig_counters_started(execution->account_state->limiter->counters);
	running = lappend(running, execution);
	MemoryContextSwitchTo(old);
}

/*
 * Start the executions that were claimed.  Returns those that cannot be started.
 */
static List *
start_executions(List *executions)
{
	List	   *failed = NIL;
	ListCell   *lc;

	foreach(lc, executions)
	{
		IgExecution *execution = lfirst(lc);

		if (!execution->built || execution->account_state->account == NULL)
			failed = lappend(failed, execution);
		else
			start_execution(execution);
	}
	return failed;
}

/*
 * Apply the outcomes of executions, and end these executions; returns how many.  An
 * execution whose response waits is put aside.  Needs a transaction.
 */
static int
apply_finished(List *finished, TimestampTz now)
{
	int			n = list_length(finished);
	IgExecution **array = palloc(Max(n, 1) * sizeof(IgExecution *));
	ListCell   *lc;

	for (int i = 0; i < n; i++)
		array[i] = list_nth(finished, i);
	ig_responses_apply(array, n);
	if (n > 0)
		IG_INJECTION_POINT("ignisign-applied");
	for (int i = 0; i < n; i++)
		ig_record_outcome(array[i], now);
	finished = put_aside(finished);
	foreach(lc, finished)
		hand_over(lfirst(lc));

	/* Slots are counted without what is over. */
	foreach(lc, finished)
		end_execution(lfirst(lc));
	return list_length(finished);
}

/* Claim the calls that are due, and build their requests.  Needs a transaction. */
static List *
claim_due(void)
{
	/* The clock goes on, and a call queued just now is due. */
	TimestampTz now = GetCurrentTimestamp();
	List	   *executions = ig_claim(now, &next_cycle);
	int			n = list_length(executions);
	IgExecution **array = palloc(Max(n, 1) * sizeof(IgExecution *));

	collect_callbacks(now);
	for (int i = 0; i < n; i++)
		array[i] = list_nth(executions, i);
	ig_executions_build(array, n);
	return executions;
}

/*
 * One cycle: apply these executions' outcomes, claim what fits, commit, send.
 * Returns the executions that could not be sent, whose outcome is to be applied
 * in the next cycle; *gone is set when the extension is no longer there.
 */
static List *
cycle(List *finished, bool *gone)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *executions = NIL;
	int			applied;

	next_cycle = 0;
	ig_session_begin("working on the queue");
	if (!extension_exists())
	{
		*gone = true;
		ig_session_commit();
		return NIL;
	}

	/* If something was attached to the tables, the worker ends, and its successor waits. */
	ig_guard_check();
	applied = apply_finished(finished, now);
	ig_accounts_clear_status(now);
	check_origin(now);
	if (!suspended)
	{
		ig_recovery_continue(now);
		ig_look_again(&next_cycle, ig_recovery_next());
	}
	if (ig_enabled && !suspended && !stopping && ig_recovery_lets_claim())
		executions = claim_due();
	load_chunks();
	ig_session_commit();

	if (executions != NIL)
		IG_INJECTION_POINT("ignisign-claimed");
	if (applied > 0)
		ig_slots_broadcast();
	if (ig_enabled && !suspended && !stopping)
		ig_callbacks_start();
	return start_executions(executions);
}

/*
 * Leave for ignisign_stats() since when locks are in the worker's way.  That ends with a
 * cycle that has met no lock, some time after the last lock, when no response is held.
 */
static void
note_locks(TimestampTz began)
{
	static TimestampTz since = 0;
	static TimestampTz over_at = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (ig_session_met_lock())
	{
		if (since == 0)
			since = began;
		over_at = TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);
	}
	else if (now >= over_at && held == NIL && ig_recovery_next() == 0)
		since = 0;
	if (since != 0 && now < over_at)
		ig_look_again(&next_cycle, over_at);
	ig_slots_set_locked(since);
}

/* How many responses are applied together. */
static int
most_responses(void)
{
	return call_took > LONG_CALLS * response_cost * list_length(running) ? FEW_RESPONSES : MAX_RESPONSES;
}

/* Read the responses that have come. */
static void
read_responses(void)
{
	IgTransfer *transfer;
	MemoryContext old = MemoryContextSwitchTo(running_context);

	while (response_memory < MAX_RESPONSE_MEMORY && (transfer = ig_http_next_finished()) != NULL)
	{
		IgExecution *execution = transfer->user;

		ig_execution_digest(execution);
		call_took = transfer->duration;
		response_memory += transfer->body_length + execution->response.memory;
		responded = lappend(responded, execution);
	}
	MemoryContextSwitchTo(old);
}

/* Executions that are to be applied in this cycle. */
static List *
collect_finished(List *finished)
{
	int			most = most_responses();

	read_responses();
	while (list_length(finished) < most && responded != NIL)
	{
		IgExecution *execution = linitial(responded);
		int64		memory = execution->transfer->body_length + execution->response.memory;

		responded = list_delete_first(responded);
		response_memory -= memory;
		memory_taken += memory;
		finished = lappend(finished, execution);
	}
	return finished;
}

/* How long to wait until a time, in ms; -1: until something happens. */
static long
time_to(TimestampTz at)
{
	if (at == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at);
}

/*
 * With nothing under way, give back what malloc keeps of large answers and slices of
 * documents: pieces between small ones that stay.
 */
static void
give_back_memory(void)
{
	if (running != NIL || memory_taken < GIVE_BACK_AFTER)
		return;
	memory_taken = 0;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/*
 * Whether there is what the latch was set for.  What waits within a transaction,
 * as COMMIT does for a synchronous standby, resets the latch, too: so it alone
 * does not tell.
 */
static bool
is_called(void)
{
	return ConfigReloadPending || ShutdownRequestPending || ig_slots_is_woken() ||
		(!stopping && ig_slots_stop_requested()) ||
		(ig_enabled && !suspended && !stopping && ig_callbacks_have_ended());
}

/*
 * Wait for the latch, which makes it true, the network, or what is due, such as
 * a look at the listener.
 */
static bool
wait_for_work(TimestampTz watch_at)
{
	TimestampTz until = next_cycle;
	TimestampTz rest;
	bool		called = is_called();

	if (responded != NIL)
		until = GetCurrentTimestamp();
	ig_look_again(&until, watch_at);
	ig_look_again(&until, ig_session_report_at());
	give_back_memory();
	rest = until;
	ig_look_again(&rest, ig_http_deadline());
	ig_slots_rests(rest);
	if (ig_http_wait(called ? 0 : time_to(until)))
		called = true;
	ig_session_report();
	return called;
}

/* Begin: false when there is nothing to do in this database. */
static bool
start_up(void)
{
	bool		exists;

#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
	mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
#endif
	cycle_context = AllocSetContextCreate(TopMemoryContext, "ignisign cycle", ALLOCSET_DEFAULT_SIZES);
	running_context = AllocSetContextCreate(TopMemoryContext, "ignisign flying", ALLOCSET_SMALL_SIZES);
	ig_session_init();

	MemoryContextSwitchTo(cycle_context);
	ig_guard_wait();
	ig_session_begin("working on the queue");
	exists = extension_exists();
	if (exists)
	{
		char	   *other;

		ig_account_states_init();

		/* In a copy, "sending" is another worker's, and stays as it is. */
		if (ig_queue_is_ours(&other))
		{
			ig_suspended_clear_all();
			ig_recovery_begin();
		}
	}
	ig_session_commit();
	if (exists)
		ig_http_init();
	return exists;
}

/*
 * End, because the extension is not there.  It may have been made since we
 * looked, by somebody who found a worker here and did not ask for another one.
 */
pg_noreturn static void
leave(void)
{
	bool		exists;

	ig_slots_about_to_leave();
	ig_session_begin("working on the queue");
	exists = OidIsValid(get_extension_oid(IG_EXTENSION, true));
	ig_session_commit();
	ig_slots_leave(exists);
	proc_exit(0);
}

/* A cycle, measured and published for those who look; returns as cycle() does. */
static List *
timed_cycle(List *finished, bool *gone)
{
	TimestampTz began = GetCurrentTimestamp();
	int			n = list_length(finished);
	List	   *unsent;
	ListCell   *lc;

	if (ig_slots_cycle_begins())
		ig_claim_look();
	unsent = cycle(finished, gone);
	if (n > 0)
		response_cost = (GetCurrentTimestamp() - began) / n;
	note_locks(began);
	ig_limiters_publish();
	ig_slots_cycle_ends();
	foreach(lc, unsent)
		ig_execution_digest(lfirst(lc));
	return unsent;
}

/* Entry point of a database's worker; the argument is the database's OID. */
void
ignisign_worker_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	List	   *unsent = NIL;
	bool		gone = false;
	bool		woken = true;
	bool		reloaded = false;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, ig_session_sigterm);
	BackgroundWorkerUnblockSignals();

	if (!ig_slots_attach_worker(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	if (!start_up())
		leave();
	ig_slots_cycle_ends();
	ereport(DEBUG1, (errmsg_internal("ignisign worker started")));

	while (!ShutdownRequestPending && !gone)
	{
		List	   *finished;

		MemoryContextSwitchTo(cycle_context);

		/* What is under way is waited for; who cannot wait sends SIGTERM. */
		stopping = ig_slots_stop_requested();
		if (stopping && running == NIL && held == NIL && unsent == NIL)
			break;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			ig_accounts_reload();
			woken = reloaded = true;
		}

		finished = take_up(collect_finished(unsent));
		unsent = NIL;
		if (finished != NIL || woken || any_needs_data() || time_to(next_cycle) == 0)
		{
			unsent = timed_cycle(finished, &gone);
		}

		if (unsent == NIL)
		{
			TimestampTz watch_at = ig_listen_watch(!warned && !stopping, reloaded);

			MemoryContextReset(cycle_context);
			woken = gone || wait_for_work(watch_at);
			reloaded = false;
		}
		else
			woken = true;
	}

	ig_callbacks_end();
	if (gone)
		leave();
	proc_exit(0);
}
