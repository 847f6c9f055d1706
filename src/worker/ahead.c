/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  Calls that are claimed before there is a slot for them.
 *
 * When a call is answered, its slot would be empty until the worker has applied the
 * response, claimed another call and committed that.  So where an account has all of
 * its slots taken, some calls more are claimed and built, as many as slots are
 * expected to become free during a cycle; and such a call starts the moment that a slot is free.
 * How many calls are under way at a time does not change.
 *
 * A slot that a call leaves that did not go well stays empty until that was judged:
 * perhaps the server or the account does not work.  What was claimed ahead and may
 * not start then, or has no slot soon, is given back: nothing of it has left.
 * Should the worker end, it cannot be told from what was sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "queue/queue.h"
#include "util/session.h"
#include "worker/account_state.h"
#include "worker/ahead.h"
#include "worker/claim.h"

/* So long one waits for a slot, in ms. */
#define PATIENCE	1000

static List *kept = NIL;		/* oldest first; in TopMemoryContext */

/* Until when an execution waits for a slot. */
static TimestampTz
patience_ends(const IgExecution *execution)
{
	return TimestampTzPlusMilliseconds(execution->call.claimed_at, PATIENCE);
}

/* Keep executions. */
TimestampTz
ig_ahead_keep(List *executions)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	kept = list_concat(kept, executions);
	MemoryContextSwitchTo(old);
	return executions == NIL ? 0 : patience_ends(linitial(executions));
}

/* Whether there are any. */
bool
ig_ahead_any(void)
{
	return kept != NIL;
}

/* Have an execution take the slot of one that has ended well. */
IgExecution *
ig_ahead_relieve(IgExecution *ended, TimestampTz now)
{
	IgAccountState *state = ended->account_state;
	ListCell   *lc;

	if (state->ahead == 0 || !ig_execution_leave_slot(ended))
		return NULL;
	if (!ig_account_may_continue(state, now))
		return NULL;
	foreach(lc, kept)
	{
		IgExecution *execution = lfirst(lc);

		if (execution->account_state != state || !ig_execution_is_current(execution))
			continue;
		kept = foreach_delete_current(kept, lc);
		ig_execution_take_slot(execution);
		return execution;
	}
	return NULL;
}

/* Those that may start now. */
List *
ig_ahead_board(TimestampTz now)
{
	List	   *result = NIL;
	TimestampTz again;
	ListCell   *lc;

	foreach(lc, kept)
	{
		IgExecution *execution = lfirst(lc);

		if (!ig_account_may_send(execution->account_state, now, &again) || !ig_execution_is_current(execution))
			continue;
		kept = foreach_delete_current(kept, lc);
		ig_execution_take_slot(execution);
		result = lappend(result, execution);
	}
	return result;
}

/* Whether an execution is to wait no longer. */
static bool
is_over(const IgExecution *execution, TimestampTz now)
{
	return !ig_account_continues(execution->account_state, now) || !ig_execution_is_current(execution) ||
		now >= patience_ends(execution);
}

/* What is to be given back. */
typedef struct GivenBack
{
	const IgCall **calls;
	int			n;
}			GivenBack;

/* Give it back, unless it is locked; leaves in the list what is. */
static void
give_back(void *arg)
{
	GivenBack  *some = arg;

	some->n = ig_queue_release(some->calls, some->n);
}

/* Give back those that may not start. */
TimestampTz
ig_ahead_give_back(bool all, TimestampTz now)
{
	GivenBack	some = {palloc(Max(list_length(kept), 1) * sizeof(IgCall *)), 0};
	TimestampTz next = 0;
	ListCell   *lc;

	foreach(lc, kept)
	{
		IgExecution *execution = lfirst(lc);

		if (all || is_over(execution, now))
			some.calls[some.n++] = &execution->call;
		else
			ig_look_again(&next, patience_ends(execution));
	}
	if (some.n == 0)
		return next;

	if (!ig_session_unless_locked(give_back, &some) || some.n > 0)
		ig_look_again(&next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	foreach(lc, kept)
	{
		IgExecution *execution = lfirst(lc);
		bool		locked = false;

		if (!all && !is_over(execution, now))
			continue;
		for (int i = 0; i < some.n && !locked; i++)
			locked = some.calls[i] == &execution->call;
		if (locked)
			continue;
		kept = foreach_delete_current(kept, lc);
		execution->account_state->took = 0;
		ig_execution_free(execution);
	}
	return next;
}
