/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  What a turn of the worker takes up: scans, calls, refreshes, log-ins.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "utils/memutils.h"

#include "claim.h"
#include "flight.h"
#include "lanes.h"
#include "queue.h"
#include "reconcile.h"
#include "refresh.h"
#include "session.h"

static List *scans = NIL;		/* in TopMemoryContext */

/* Have *next be this time, unless it is sooner. */
void
ig_look_again(TimestampTz *next, TimestampTz at)
{
	if (at != 0 && (*next == 0 || at < *next))
		*next = at;
}

/* Take what is next of the scans, and begin new ones where it is time. */
static void
claim_scans(List **flights, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	TimestampTz again;
	int			ndue;
	ListCell   *lc;

	due = ig_queue_due("unknown", &ndue);
	for (int i = 0; i < ndue; i++)
	{
		IgLane	   *lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));
		IgScan	   *scan;

		if (lane->scanning)
			continue;
		if (due[i].run_at > now)
		{
			/* One that only a person settles is never due. */
			if (!TIMESTAMP_IS_NOEND(due[i].run_at))
				ig_look_again(next, due[i].run_at);
			continue;
		}
		if (!ig_lane_may_send(lane, now, &again))
		{
			ig_lane_note(lane, now);
			ig_look_again(next, again);
			continue;
		}
		scan = ig_scan_begin(lane, now);
		if (scan != NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			scans = lappend(scans, scan);
			MemoryContextSwitchTo(old);
		}
	}

	foreach(lc, scans)
	{
		bool		over;
		TimestampTz when;
		List	   *calls = ig_scan_next(lfirst(lc), now, &when, &over);

		ig_look_again(next, when);
		*flights = list_concat(*flights, calls);
		if (over)
		{
			scans = foreach_delete_current(scans, lc);

			/* It changed when calls are due. */
			*next = now;
		}
	}
}

/*
 * Whether an account's first call was not claimed: somebody has locked its row,
 * and letting go of it wakes nobody.  Others that were passed over are first the
 * next time.
 */
static bool
passed_over(const IgDue *due, int ndue, const IgCall *calls, int ncalls)
{
	for (int i = 0; i < ndue; i++)
	{
		int			k = 0;

		while (k < ncalls && calls[k].id != due[i].id)
			k++;
		if (k == ncalls)
			return true;
	}
	return false;
}

/* A flight for a call that was claimed: with a place, as long as its account's last. */
static IgFlight *
create_flight(const IgCall *call, IgDue *due, int ndue)
{
	IgLane	   *lane = ig_lane(NameStr(call->server), NameStr(call->owner));
	int			i = 0;

	while (i < ndue - 1 && (strcmp(NameStr(due[i].owner), NameStr(call->owner)) != 0 ||
							strcmp(NameStr(due[i].server), NameStr(call->server)) != 0))
		i++;
	return due[i].limit-- > 0 ? ig_flight_create(call, lane) : ig_flight_create_ahead(call, lane);
}

/* Claim calls of the queue. */
static void
claim_calls(List **flights, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	IgCall	   *calls;
	TimestampTz again;
	int			ndue;
	int			nready = 0;
	int			n;

	due = ig_queue_due("pending", &ndue);
	for (int i = 0; i < ndue; i++)
	{
		if (due[i].run_at > now)
			ig_look_again(next, due[i].run_at);
		else
			due[nready++] = due[i];
	}
	ndue = nready;
	nready = 0;
	ig_lanes_share(due, ndue, now);
	for (int i = 0; i < ndue; i++)
	{
		IgLane	   *lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));

		if (due[i].limit + due[i].ahead > 0)
			due[nready++] = due[i];
		else if (!ig_lane_may_send(lane, now, &again))
		{
			ig_lane_note(lane, now);
			ig_look_again(next, again);
		}
	}
	if (nready == 0)
		return;

	calls = ig_queue_claim(due, nready, now, &n);
	if (passed_over(due, nready, calls, n))
		ig_look_again(next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	for (int i = 0; i < n; i++)
		*flights = lappend(*flights, create_flight(&calls[i], due, nready));

	/* Where fewer were there than fit, the next one's time is to be seen. */
	for (int i = 0; n > 0 && i < ndue; i++)
	{
		if (ig_lane_may_send(ig_lane(NameStr(due[i].server), NameStr(due[i].owner)), now, &again))
			again = now;
		ig_look_again(next, again);
	}
}

/* Ask for the status of open requests. */
static void
claim_refreshes(List **flights, TimestampTz now, TimestampTz *next)
{
	TimestampTz next_look;
	List	   *servers = ig_refresh_servers(now, &next_look);
	ListCell   *lc;
	ListCell   *lb;

	ig_look_again(next, next_look);
	foreach(lc, servers)
	{
		IgRounds   *rounds = lfirst(lc);
		IgGate	   *gate = ig_gate(ig_refresh_server(rounds));
		TimestampTz at = ig_refresh_due(rounds);
		TimestampTz again;
		int			room;

		if (at > now)
		{
			ig_look_again(next, at);
			continue;
		}
		room = ig_gate_refresh_room(gate, now, &again);
		if (room == 0)
		{
			ig_look_again(next, again);
			continue;
		}
		foreach(lb, ig_refresh_collect(rounds, now, room))
		{
			IgBatch    *batch = lfirst(lb);
			IgLane	   *lane = ig_lane(NameStr(batch->server), NameStr(batch->owner));

			/* An account that is held back misses this round. */
			if (ig_lane_may_refresh(lane, now))
				*flights = lappend(*flights, ig_flight_create_refresh(batch, lane));
		}
		at = ig_refresh_due(rounds);
		if (at > now || ig_gate_refresh_room(gate, now, &again) > 0)
			ig_look_again(next, at);
		else
			ig_look_again(next, again);
	}
}

/* Log in where a token is wanted; the lane's other calls wait for that. */
static void
claim_logins(List **flights, TimestampTz now, TimestampTz *next)
{
	TimestampTz again;
	ListCell   *lc;

	foreach(lc, ig_lanes_to_log_in())
	{
		IgLane	   *lane = lfirst(lc);

		if (ig_gate_open(lane->gate, now, &again))
			*flights = lappend(*flights, ig_flight_create_login(lane));
		else
		{
			lane->logging_in = false;
			ig_look_again(next, again);
		}
	}
}

/* Take up what is due. */
List *
ig_claim(TimestampTz now, TimestampTz *next)
{
	List	   *flights = NIL;

	claim_scans(&flights, now, next);
	claim_calls(&flights, now, next);
	claim_refreshes(&flights, now, next);
	claim_logins(&flights, now, next);
	return flights;
}
