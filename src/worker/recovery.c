/*-------------------------------------------------------------------------
 *
 * recovery.c
 *	  Recovering the calls that a predecessor left.
 *
 * A worker that ended while calls were in flight leaves them in the state "sending".  Its
 * successor recovers them (queue/orphaned.c): all together, or if that fails, one by one,
 * so that a call that cannot be recovered now does not keep the others waiting.  A lock
 * that is in the way is waited for by trying again.
 *
 * A server that was promoted or restored may have missed calls that were sent.  No call is
 * claimed before that is checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "queue/queue.h"
#include "util/session.h"
#include "worker/recovery.h"
#include "worker/trouble.h"

static IgOrphaned orphaned;		/* not recovered yet; in TopMemoryContext */
static TimestampTz next_try = 0;	/* 0: nothing is left to do */
static bool timeline_checked = true;	/* no other server may have sent what is pending here */

/* The server may be another one than the one that the queue was left by. */
static void
check_timeline(void *look_at)
{
	ig_queue_check_timeline(*(TimestampTz *) look_at);
}

/* Orphaned calls, and how they are recovered. */
typedef struct Recovery
{
	IgOrphaned	orphaned;
	TimestampTz look_at;
	bool		log_attempts;
} Recovery;

/* Recover them. */
static void
recover(void *arg)
{
	Recovery   *recovery = arg;

	ig_queue_recover_orphaned(&recovery->orphaned, recovery->look_at, recovery->log_attempts);
}

/* The same of one; false: it stays in the list. */
static bool
recover_one(int64 *id, TimestampTz *claimed_at, TimestampTz look_at)
{
	Recovery	one = {{1, id, claimed_at}, look_at, true};
	IgTrouble	trouble;

	if (ig_try(recover, &one, IG_SHORT_PATIENCE, &trouble))
		return one.orphaned.n == 0;
	one.log_attempts = false;
	return !trouble.passes && ig_session_unless_locked(recover, &one) && one.orphaned.n == 0;
}

/* Recover what a predecessor had under way; each call fails alone. */
static void
recover_all(TimestampTz look_at)
{
	Recovery	all = {orphaned, look_at, true};
	IgTrouble	trouble;
	int			left = 0;

	if (orphaned.n == 0)
		return;
	if (ig_try(recover, &all, IG_LOCK_PATIENCE, &trouble))
	{
		orphaned = all.orphaned;
		return;
	}
	for (int i = 0; i < orphaned.n; i++)
	{
		int64		id = orphaned.ids[i];
		TimestampTz claimed_at = orphaned.claimed_at[i];

		if (recover_one(&id, &claimed_at, look_at))
			continue;
		orphaned.ids[left] = id;
		orphaned.claimed_at[left++] = claimed_at;
	}
	orphaned.n = left;
}

/*
 * Recover what a predecessor left.  Where somebody has a row locked, or a row refuses
 * that, the worker tries again later.
 */
void
ig_recovery_continue(TimestampTz now)
{
	TimestampTz look_at = TimestampTzPlusMilliseconds(now, ig_reconcile_delay);

	if (next_try == 0 || next_try > now)
		return;
	if (!timeline_checked)
		timeline_checked = ig_session_unless_locked(check_timeline, &look_at);
	recover_all(look_at);
	next_try = timeline_checked && orphaned.n == 0 ? 0 :
		TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);
}

/* Begin: find what a predecessor left, and recover what is possible now. */
void
ig_recovery_begin(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	ig_queue_find_orphaned(&orphaned, false);
	MemoryContextSwitchTo(old);
	timeline_checked = false;
	next_try = GetCurrentTimestamp();
	ig_recovery_continue(next_try);
}

/* When to continue, or 0: nothing is left. */
TimestampTz
ig_recovery_next(void)
{
	return next_try;
}

/* Whether calls may be claimed. */
bool
ig_recovery_lets_claim(void)
{
	return timeline_checked;
}
