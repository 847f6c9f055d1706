/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The loop of one database: wait, apply, claim, commit, send.
 *
 * Each turn has at most one transaction.  It applies what has come back,
 * claims what fits, and reads what bodies wait for; only when it has
 * committed are the claimed calls sent.  While the network is waited for there
 * is no transaction, no snapshot and no lock.  With nothing under way and
 * nothing due, the worker sleeps until its latch is set.
 *
 * Should the worker itself fail, its successor finds the calls that were under
 * way in the state "sending" (queue.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"
#include "guc.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "commands/extension.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "worker/ahead.h"
#include "worker/responses.h"
#include "callback/callbacks.h"
#include "worker/claim.h"
#include "compat.h"
#include "worker/execution.h"
#include "util/guard.h"
#include "worker/guard_wait.h"
#include "worker/outcome.h"
#include "worker/account_state.h"
#include "webhook/listen.h"
#include "queue/queue.h"
#include "worker/reconcile.h"
#include "worker/refresh.h"
#include "util/session.h"
#include "launcher/slots.h"
#include "worker/trouble.h"

/* Answers that are applied in one transaction, by number and by memory. */
#define MAX_ANSWERS			500
#define MAX_ANSWER_MEMORY	(32 * 1024 * 1024)

/*
 * Where calls take so many times as long as it takes to apply the answers of all that are
 * under way, no more are applied together than that, so that their places are taken
 * again soon.
 */
#define LONG_CALLS			2
#define FEW_ANSWERS			50

/* After so many bytes of answers and bodies it is worth the time to give memory back. */
#define GIVE_BACK_AFTER		(8 * 1024 * 1024)

/*
 * What malloc may keep meanwhile: to give it back turn by turn, or slice by slice of
 * documents, has it made anew, page by page.
 */
#define KEPT_MEMORY			(4 * 1024 * 1024)

extern PGDLLEXPORT void ignisign_worker_main(Datum arg);

static MemoryContext turn_context;	/* reset after each turn */
static List *flying = NIL;		/* flights with a transfer, in flying_context */
static MemoryContext flying_context;
static List *answered = NIL;	/* of these, those to be applied, in flying_context */
static int64 answered_memory = 0;	/* that they take */
static int64 memory_taken = 0;	/* since some was given back */
static List *held = NIL;		/* flights to be applied again, in flying_context */
static TimestampTz next_turn = 0;	/* something is due then; 0: nothing */
static int64 answer_cost = 0;	/* of one, in the last turn, in microseconds */
static int64 call_took = 0;		/* the last one of these */
static bool parked = false;		/* the queue is not this database's */
static bool warned = false;		/* and that has been said */
static IgLost lost;				/* calls of a predecessor */
static TimestampTz catch_up_at = 0; /* these are seen to then; 0: they are */
static bool timeline_checked = true;	/* the server is not another one, or that is noted */
static bool stopping = false;	/* somebody wants the database for himself */
static Oid	my_extension = InvalidOid;	/* as it was at the start */

/*
 * Put flights aside whose response waits; returns the others.  A refresh is not
 * kept: the next one tells the same.
 */
static List *
put_aside(List *finished)
{
	MemoryContext old = MemoryContextSwitchTo(flying_context);
	ListCell   *lc;

	foreach(lc, finished)
	{
		IgFlight   *flight = lfirst(lc);

		if (!flight->held || flight->batch)
			continue;
		flying = list_delete_ptr(flying, flight);
		held = lappend(held, flight);
		finished = foreach_delete_current(finished, lc);
	}
	MemoryContextSwitchTo(old);
	foreach(lc, held)
		ig_look_again(&next_turn, ((IgFlight *) lfirst(lc))->next_try);
	return finished;
}

/* Take those up again whose time has come, at most so many that a turn stays short. */
static List *
take_up(List *finished)
{
	TimestampTz now = GetCurrentTimestamp();
	int			n = 0;
	ListCell   *lc;

	foreach(lc, held)
	{
		IgFlight   *flight = lfirst(lc);

		if (flight->next_try > now || n++ >= FEW_ANSWERS)
			continue;
		held = foreach_delete_current(held, lc);
		finished = lappend(finished, flight);
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
check_origin(void)
{
	char	   *other;

	parked = !ig_queue_is_ours(&other);
	if (other != NULL && !warned)
		ereport(WARNING,
				(errmsg("ignisign: the queue was copied here from database \"%s\": nothing is sent", other),
				 errhint("If this database is to make those calls from now on, run SELECT ignisign_adopt().")));
	else if (!parked && warned)
		ereport(LOG, (errmsg("ignisign: the queue belongs to this database now")));
	warned = (other != NULL);
}

/* The server may be another one than the one that the queue was left by. */
static void
check_timeline(void *look_at)
{
	ig_queue_check_timeline(*(TimestampTz *) look_at);
}

/* Calls of a predecessor, and what becomes of them. */
typedef struct Recovery
{
	IgLost		lost;
	TimestampTz look_at;
	bool		log_attempts;
} Recovery;

/* Have it become of them. */
static void
recover(void *arg)
{
	Recovery   *recovery = arg;

	ig_queue_sort_out(&recovery->lost, recovery->look_at, recovery->log_attempts);
}

/* The same of one; false: it stays in the list. */
static bool
recover_one(int64 *id, TimestampTz *claimed_at, TimestampTz look_at)
{
	Recovery	one = {{1, id, claimed_at}, look_at, true};
	IgTrouble	trouble;

	if (ig_try(recover, &one, IG_SHORT_PATIENCE, &trouble))
		return one.lost.n == 0;
	one.log_attempts = false;
	return !trouble.passes && ig_session_unless_locked(recover, &one) && one.lost.n == 0;
}

/* Recover what a predecessor had under way; each call fails alone. */
static void
recover_lost(TimestampTz look_at)
{
	Recovery	all = {lost, look_at, true};
	IgTrouble	trouble;
	int			left = 0;

	if (lost.n == 0)
		return;
	if (ig_try(recover, &all, IG_LOCK_PATIENCE, &trouble))
	{
		lost = all.lost;
		return;
	}
	for (int i = 0; i < lost.n; i++)
	{
		int64		id = lost.ids[i];
		TimestampTz claimed_at = lost.claimed_at[i];

		if (recover_one(&id, &claimed_at, look_at))
			continue;
		lost.ids[left] = id;
		lost.claimed_at[left++] = claimed_at;
	}
	lost.n = left;
}

/*
 * Recover what a predecessor left.  Where somebody has a row locked, or a row refuses
 * that, the worker tries again later.
 */
static void
catch_up(TimestampTz now)
{
	TimestampTz look_at = TimestampTzPlusMilliseconds(now, ig_reconcile_delay);

	if (catch_up_at == 0 || catch_up_at > now)
		return;
	if (!timeline_checked)
		timeline_checked = ig_session_unless_locked(check_timeline, &look_at);
	recover_lost(look_at);
	catch_up_at = timeline_checked && lost.n == 0 ? 0 :
		TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);
}

/* Read the slices that bodies wait for. */
static void
feed_bodies(void)
{
	IgFlight  **hungry = palloc(Max(list_length(flying), 1) * sizeof(IgFlight *));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, flying)
	{
		IgFlight   *flight = lfirst(lc);

		if (ig_flight_hungry(flight))
			hungry[n++] = flight;
	}
	ig_flights_feed(hungry, n);
}

/* Whether any body waits for a slice. */
static bool
any_hungry(void)
{
	ListCell   *lc;

	foreach(lc, flying)
	{
		if (ig_flight_hungry(lfirst(lc)))
			return true;
	}
	return false;
}

/* Forget a flight that is over. */
static void
end_flight(IgFlight *flight)
{
	flying = list_delete_ptr(flying, flight);
	if (flight->transfer)
		memory_taken += flight->transfer->bytes_sent;
	ig_flight_free(flight);
}

/*
 * Hand a response to the refresh or scan that asked for it.  Each flight comes here
 * once, when it is over: one that was put aside still belongs to the worker, and
 * its scan waits for it.
 */
static void
hand_over(IgFlight *flight)
{
	if (flight->batch && flight->decision.verdict == IG_DEAD && !flight->failed)
		ig_refresh_refused(flight->batch);
	if (flight->scan)
		ig_scan_answered(flight->scan, flight);
}

/* Start a flight. */
static void
start_flight(IgFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(flying_context);

	ig_flight_start(flight);
	ig_counters_started(flight->lane->gate->counters);
	flying = lappend(flying, flight);
	MemoryContextSwitchTo(old);
}

/*
 * Start the flights that were claimed, and keep those that have no place; those that
 * cannot be started are returned.
 */
static List *
start_flights(List *flights)
{
	List	   *failed = NIL;
	List	   *ahead = NIL;
	ListCell   *lc;

	foreach(lc, flights)
	{
		IgFlight   *flight = lfirst(lc);

		if (!flight->built || flight->lane->account == NULL)
		{
			if (flight->ahead)
				ig_flight_take_place(flight);
			failed = lappend(failed, flight);
		}
		else if (flight->ahead)
			ahead = lappend(ahead, flight);
		else
			start_flight(flight);
	}
	ig_look_again(&next_turn, ig_ahead_keep(ahead));
	return failed;
}

/* Start the flights that have a place now. */
static List *
board(TimestampTz now, bool may_send)
{
	List	   *boarded = NIL;

	if (ig_ahead_any())
	{
		if (may_send)
			boarded = ig_ahead_board(now);
		ig_look_again(&next_turn, ig_ahead_give_back(!may_send, now));
	}
	return boarded;
}

/*
 * One turn: apply these flights' outcomes, claim what fits, commit, send.
 * Returns the flights that could not be sent, whose outcome is to be applied
 * in the next turn; *gone is set when the extension is no longer there.
 */
static List *
turn(List *finished, bool *gone)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *boarded;
	List	   *flights = NIL;
	bool		may_send;
	IgFlight  **array = palloc(Max(list_length(finished), 1) * sizeof(IgFlight *));
	ListCell   *lc;
	int			n = 0;

	next_turn = 0;
	ig_session_begin("working on the queue");
	if (!extension_exists())
	{
		*gone = true;
		ig_session_commit();
		return NIL;
	}

	/* Should something have been attached to the tables, the worker ends, and its successor waits. */
	ig_guard_check();

	foreach(lc, finished)
		array[n++] = lfirst(lc);
	ig_answers_apply(array, n);
	if (n > 0)
		IG_INJECTION_POINT("ignisign-applied");
	for (int i = 0; i < n; i++)
		ig_judge(array[i], now);
	finished = put_aside(finished);
	foreach(lc, finished)
		hand_over(lfirst(lc));

	/* Room is counted without what is over. */
	foreach(lc, finished)
		end_flight(lfirst(lc));

	ig_lanes_settle(now);
	check_origin();
	if (!parked)
	{
		catch_up(now);
		ig_look_again(&next_turn, catch_up_at);
	}

	/* What may have been sent by another server is not to be claimed before that is noted. */
	may_send = ig_enabled && !parked && !stopping && timeline_checked;
	boarded = board(now, may_send);
	if (may_send)
	{
		/* The clock goes on, and a call queued just now is due. */
		now = GetCurrentTimestamp();
		flights = ig_claim(now, &next_turn);
		ig_look_again(&next_turn, ig_callbacks_collect(now));
		n = 0;
		array = palloc(Max(list_length(flights), 1) * sizeof(IgFlight *));
		foreach(lc, flights)
			array[n++] = lfirst(lc);
		ig_flights_build(array, n);
	}
	feed_bodies();
	ig_session_commit();

	if (flights != NIL)
		IG_INJECTION_POINT("ignisign-claimed");
	if (finished != NIL)
		ig_slots_broadcast();
	if (ig_enabled && !parked && !stopping)
		ig_callbacks_start();
	return start_flights(list_concat(boarded, flights));
}

/* How many answers are applied together. */
static int
most_answers(void)
{
	return call_took > LONG_CALLS * answer_cost * list_length(flying) ? FEW_ANSWERS : MAX_ANSWERS;
}

/*
 * Read the answers that have come.  Flights that were claimed ahead take the places of
 * those that went well, before anything else is done.
 */
static void
read_answers(void)
{
	IgTransfer *transfer;
	MemoryContext old = MemoryContextSwitchTo(flying_context);
	TimestampTz now;
	ListCell   *lc;

	while (answered_memory < MAX_ANSWER_MEMORY && (transfer = ig_http_next_finished()) != NULL)
	{
		IgFlight   *flight = transfer->user;

		ig_flight_digest(flight);
		call_took = transfer->duration;
		if (flight->decision.verdict == IG_DONE)
			flight->lane->took = Max(transfer->duration, 1);
		answered_memory += transfer->body_length + flight->answer.memory;
		answered = lappend(answered, flight);
	}
	MemoryContextSwitchTo(old);

	if (!ig_ahead_any() || !ig_enabled || stopping)
		return;
	now = GetCurrentTimestamp();
	foreach(lc, answered)
	{
		IgFlight   *next = ig_ahead_relieve(lfirst(lc), now);

		if (next != NULL)
			start_flight(next);
	}
	ig_http_push();
}

/* Flights that are to be applied in this turn. */
static List *
collect_finished(List *finished)
{
	int			most = most_answers();

	read_answers();
	while (list_length(finished) < most && answered != NIL)
	{
		IgFlight   *flight = linitial(answered);
		int64		memory = flight->transfer->body_length + flight->answer.memory;

		answered = list_delete_first(answered);
		answered_memory -= memory;
		memory_taken += memory;
		finished = lappend(finished, flight);
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
	if (flying != NIL || memory_taken < GIVE_BACK_AFTER)
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
		(ig_enabled && !parked && !stopping && ig_callbacks_have_ended());
}

/*
 * Wait for the latch, which makes it true, the network, or what is due, such as
 * a look at the listener.
 */
static bool
wait_for_work(TimestampTz watch_at)
{
	TimestampTz until = next_turn;
	TimestampTz rest;
	bool		called = is_called();

	if (answered != NIL)
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
	turn_context = AllocSetContextCreate(TopMemoryContext, "ignisign turn", ALLOCSET_DEFAULT_SIZES);
	flying_context = AllocSetContextCreate(TopMemoryContext, "ignisign flying", ALLOCSET_SMALL_SIZES);
	ig_session_init();

	MemoryContextSwitchTo(turn_context);
	ig_guard_wait();
	ig_session_begin("working on the queue");
	exists = extension_exists();
	if (exists)
	{
		char	   *other;

		ig_lanes_init();

		/* In a copy, "sending" is another worker's, and stays as it is. */
		if (ig_queue_is_ours(&other))
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			ig_queue_find_lost(&lost, false);
			MemoryContextSwitchTo(old);
			ig_lanes_forget_parked();
			timeline_checked = false;
			catch_up_at = GetCurrentTimestamp();
			catch_up(catch_up_at);
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

/*
 * The server, or the worker, is shut down: give back what was claimed ahead.  That
 * waits for nobody: what it does not come to is found by the successor.
 */
static void
give_back_ahead(void)
{
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	ig_session_begin("working on the queue");
	(void) ig_ahead_give_back(true, GetCurrentTimestamp());
	ig_session_commit();
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
	ig_slots_turn_ends();
	ereport(DEBUG1, (errmsg_internal("ignisign worker started")));

	while (!ShutdownRequestPending && !gone)
	{
		List	   *finished;

		MemoryContextSwitchTo(turn_context);

		/* What is under way is waited for; who cannot wait sends SIGTERM. */
		stopping = ig_slots_stop_requested();
		if (stopping && flying == NIL && held == NIL && unsent == NIL && !ig_ahead_any())
			break;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			ig_lanes_reload();
			woken = reloaded = true;
		}

		finished = take_up(collect_finished(unsent));
		unsent = NIL;
		if (finished != NIL || woken || any_hungry() || time_to(next_turn) == 0)
		{
			TimestampTz began = GetCurrentTimestamp();
			int			n = list_length(finished);

			ig_slots_turn_begins();
			unsent = turn(finished, &gone);
			if (n > 0)
				answer_cost = (GetCurrentTimestamp() - began) / n;
			ig_gates_publish();
			ig_slots_turn_ends();
			for (int i = 0; i < list_length(unsent); i++)
				ig_flight_digest(list_nth(unsent, i));
		}

		if (unsent == NIL)
		{
			TimestampTz watch_at = ig_listen_watch(!warned && !stopping, reloaded);

			MemoryContextReset(turn_context);
			woken = gone || wait_for_work(watch_at);
			reloaded = false;
		}
		else
			woken = true;
	}

	if (!gone && ig_ahead_any())
		give_back_ahead();
	ig_callbacks_end();
	if (gone)
		leave();
	proc_exit(0);
}
