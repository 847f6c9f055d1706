/*-------------------------------------------------------------------------
 *
 * ahead.c
 *	  Calls that are claimed before there is a place for them.
 *
 * When a call is answered, its place would be empty until the worker has applied the
 * answer, claimed another call and committed that.  So where an account has all of
 * its places taken, some calls more are claimed and built, as many as places are
 * expected to become free during a turn; and such a call starts the moment that a place is free.
 * How many calls are under way at a time does not change.
 *
 * A place that a call leaves that did not go well stays empty until that was judged:
 * perhaps the server or the account does not work.  What was claimed ahead and may
 * not start then, or has no place soon, is given back: nothing of it has left.
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

/* So long one waits for a place, in ms. */
#define PATIENCE	1000

static List *kept = NIL;		/* oldest first; in TopMemoryContext */

/* Until when a flight waits for a place. */
static TimestampTz
patience_ends(const IgFlight *flight)
{
	return TimestampTzPlusMilliseconds(flight->call.claimed_at, PATIENCE);
}

/* Keep flights. */
TimestampTz
ig_ahead_keep(List *flights)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	kept = list_concat(kept, flights);
	MemoryContextSwitchTo(old);
	return flights == NIL ? 0 : patience_ends(linitial(flights));
}

/* Whether there are any. */
bool
ig_ahead_any(void)
{
	return kept != NIL;
}

/* Have a flight take the place of one that has ended well. */
IgFlight *
ig_ahead_relieve(IgFlight *ended, TimestampTz now)
{
	IgLane	   *lane = ended->lane;
	ListCell   *lc;

	if (lane->ahead == 0 || !ig_flight_leave_place(ended))
		return NULL;
	if (!ig_lane_may_go_on(lane, now))
		return NULL;
	foreach(lc, kept)
	{
		IgFlight   *flight = lfirst(lc);

		if (flight->lane != lane || !ig_flight_is_current(flight))
			continue;
		kept = foreach_delete_current(kept, lc);
		ig_flight_take_place(flight);
		return flight;
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
		IgFlight   *flight = lfirst(lc);

		if (!ig_lane_may_send(flight->lane, now, &again) || !ig_flight_is_current(flight))
			continue;
		kept = foreach_delete_current(kept, lc);
		ig_flight_take_place(flight);
		result = lappend(result, flight);
	}
	return result;
}

/* Whether a flight is to wait no longer. */
static bool
is_over(const IgFlight *flight, TimestampTz now)
{
	return !ig_lane_goes_on(flight->lane, now) || !ig_flight_is_current(flight) ||
		now >= patience_ends(flight);
}

/* What is to be given back. */
typedef struct GivenBack
{
	const IgCall **calls;
	int			n;
} GivenBack;

/* Give it back, unless it is locked; leaves in the list what is. */
static void
give_back(void *arg)
{
	GivenBack  *some = arg;

	some->n = ig_queue_give_back(some->calls, some->n);
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
		IgFlight   *flight = lfirst(lc);

		if (all || is_over(flight, now))
			some.calls[some.n++] = &flight->call;
		else
			ig_look_again(&next, patience_ends(flight));
	}
	if (some.n == 0)
		return next;

	if (!ig_session_unless_locked(give_back, &some) || some.n > 0)
		ig_look_again(&next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	foreach(lc, kept)
	{
		IgFlight   *flight = lfirst(lc);
		bool		locked = false;

		if (!all && !is_over(flight, now))
			continue;
		for (int i = 0; i < some.n && !locked; i++)
			locked = some.calls[i] == &flight->call;
		if (locked)
			continue;
		kept = foreach_delete_current(kept, lc);
		flight->lane->took = 0;
		ig_flight_free(flight);
	}
	return next;
}
