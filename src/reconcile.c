/*-------------------------------------------------------------------------
 *
 * reconcile.c
 *	  Finding out what became of requests whose outcome is unknown.
 *
 * A request was sent in one call and no answer came back.  Ignisign may have
 * it or not; sending it again might have people asked twice.  There is no
 * idempotency key and no look-up by an id of ours, but there is a list: it is
 * read back to the time when the first of them was sent, and the contexts of
 * those are read that have the title of one of ours and that no row of ours
 * knows, and compared with ours (likeness.c).
 *
 * Requests that are equal in all of these are interchangeable, so it is a
 * matching of multisets: each of Ignisign's is taken by one of ours at most.
 * Ours that are left over are not there; after a second look, because a
 * server may be slow, they are sent again.
 *
 * When it cannot be told, nothing is done: where a request at Ignisign looks
 * like one of ours in all but the hashes, or does not tell enough, a person
 * decides with ignisign_resolve().  And as long as an equal request is under
 * way at this moment, whose answer may name the very request that was found,
 * the decision is put off; by whatever role, because roles can share an account.
 *
 * Nothing that is not documented is relied on: neither the order of the list,
 * nor the size of its pages, nor that the clocks agree.  A request that was
 * imported while ours was in doubt, and turns out to be ours, gives way to it.
 *
 * The scan itself is in memory.  A read that fails is repeated; if it fails for
 * good, or too often, the scan begins anew later.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "reconcile_internal.h"
#include "session.h"
#include "spi.h"

/* How far clocks may be apart: requests are looked for from so long before. */
#define CLOCK_SKEW			(15 * 60 * 1000)

/* So many reads may fail one after another. */
#define MAX_FAILURES		20

/* Contexts that are read side by side. */
#define SIDE_BY_SIDE		8

/* qsort comparator of strings. */
int
ig_scan_compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Begin a scan. */
IgScan *
ig_scan_begin(IgLane *lane, TimestampTz now)
{
	MemoryContext context;
	MemoryContext old;
	IgScan	   *scan;
	IgCall	   *calls;
	int			n;

	calls = ig_queue_in_state("unknown", NameStr(lane->server), NameStr(lane->owner),
							  NULL, 0, now, &n);
	if (n == 0)
		return NULL;

	context = AllocSetContextCreate(TopMemoryContext, "ignisign scan", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	scan = palloc0(sizeof(IgScan));
	scan->context = context;
	scan->lane = lane;
	scan->begun_at = now;
	scan->since = now;
	scan->page = 1;
	scan->titles = palloc(n * sizeof(char *));
	scan->likely_titles = palloc(n * sizeof(char *));
	scan->ntitles = n;
	scan->due = palloc(n * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		scan->due[scan->ndue++] = calls[i].id;
		scan->titles[i] = pstrdup(calls[i].title);
		scan->likely_titles[i] = ig_likeness_title(ig_likeness_text(calls[i].title));
		if (calls[i].claimed_at != 0)
			scan->since = Min(scan->since, calls[i].claimed_at);
	}
	scan->sent_since = scan->since;
	scan->since = TimestampTzPlusMilliseconds(scan->since, -CLOCK_SKEW);
	qsort(scan->likely_titles, n, sizeof(char *), ig_scan_compare_strings);
	MemoryContextSwitchTo(old);

	lane->scanning = true;
	return scan;
}

/* Make a flight of the scan's own. */
static IgFlight *
scan_flight(IgScan *scan, IgOperation operation, char *id)
{
	IgFlight   *flight;
	IgCall		call;

	memset(&call, 0, sizeof(call));
	call.operation = operation;
	call.server = scan->lane->server;
	call.owner = scan->lane->owner;
	call.attempts = 1;
	call.signature_request_id = id;
	flight = ig_flight_create(&call, scan->lane);
	flight->scan = scan;
	flight->page = scan->page;
	scan->outstanding++;
	return flight;
}

/* A read failed: it is repeated, unless that is of no use. */
static void
take_failure(IgScan *scan, const IgFlight *flight, IgCandidate *candidate)
{
	int64		delay;

	if (flight->decision.verdict != IG_RETRY || ++scan->failures > MAX_FAILURES)
	{
		scan->failed = true;
		return;
	}
	delay = Max(flight->decision.delay,
				ig_policy_backoff(scan->failures, ig_retry_delay, ig_max_retry_delay,
								  pg_prng_uint64(&pg_global_prng_state)));
	scan->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
	if (candidate)
		scan->again = lappend(scan->again, candidate);
}

/* The candidate that a flight reads. */
static IgCandidate *
candidate_of(IgScan *scan, const IgFlight *flight)
{
	ListCell   *lc;

	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (!candidate->gone && strcmp(candidate->id, flight->call.signature_request_id) == 0)
			return candidate;
	}
	return NULL;
}

/* A call of the scan has come back. */
void
ig_scan_answered(IgScan *scan, IgFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool		list = flight->call.operation == IG_OP_LIST;
	IgCandidate *candidate = list ? NULL : candidate_of(scan, flight);
	bool		done = flight->decision.verdict == IG_DONE;

	Assert(scan->outstanding > 0);
	scan->outstanding--;
	if (done)
		scan->failures = 0;
	if (done && list)
	{
		if (scan->pages_read == 0)
			ig_scan_heed_clock(scan, flight->transfer);
		ig_scan_take_page(scan, &flight->answer);
	}
	else if (candidate && done)
	{
		ig_likeness_of_context(&candidate->likeness, &flight->answer);
		candidate->read = true;
	}
	else if (candidate && flight->transfer && flight->transfer->http_status == 404)
	{
		/* It is listed, and cannot be read: it may be any of that title. */
		candidate->likeness.vague = true;
		candidate->read = true;
	}
	else if (!done)
		take_failure(scan, flight, candidate);
	MemoryContextSwitchTo(old);
}

/* The scan came to nothing: the calls are looked for again later. */
static void
put_off(void *arg)
{
	const IgScan *scan = arg;
	static IgStatement later = {
		.sql = "UPDATE ignisign.call SET run_at = $3 WHERE state = 'unknown' AND server = $1 AND owner = $2 AND run_at <= $4",
		.types = {NAMEOID, NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};
	Datum		values[4];

	SPI_connect();
	values[0] = NameGetDatum(&scan->lane->server);
	values[1] = NameGetDatum(&scan->lane->owner);
	values[2] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
																Max(ig_reconcile_delay, 10)));
	values[3] = TimestampTzGetDatum(scan->begun_at);
	ig_spi_execute(&later, values, NULL);
	SPI_finish();
}

/* Forget the scan. */
static void
end_scan(IgScan *scan)
{
	scan->lane->scanning = false;
	MemoryContextDelete(scan->context);
}

/* Whether a candidate is left to be read. */
static bool
any_candidate(IgScan *scan)
{
	while (scan->next < list_length(scan->candidates) &&
		   ((IgCandidate *) list_nth(scan->candidates, scan->next))->gone)
		scan->next++;
	return scan->again != NIL || scan->next < list_length(scan->candidates);
}

/* The next one, of which there must be any. */
static IgCandidate *
next_candidate(IgScan *scan)
{
	IgCandidate *candidate;

	if (scan->again == NIL)
		return list_nth(scan->candidates, scan->next++);
	candidate = linitial(scan->again);
	scan->again = list_delete_first(scan->again);
	return candidate;
}

/*
 * End with this.  Where somebody has locked one of the rows, it is tried again
 * later: false.
 */
static bool
finish_scan(IgScan *scan, void (*how) (void *scan), TimestampTz now, TimestampTz *when)
{
	if (!ig_session_unless_locked(how, scan))
	{
		*when = TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);
		return false;
	}
	end_scan(scan);
	return true;
}

/* The next calls to make for the scan. */
List *
ig_scan_next(IgScan *scan, TimestampTz now, TimestampTz *when, bool *over)
{
	List	   *flights = NIL;
	TimestampTz again;
	bool		allowed = ig_lane_may_send(scan->lane, now, &again);

	*over = false;
	*when = 0;

	/* An account that is refused is tried by the first page at the most. */
	if (scan->failed || (scan->lane->parked && !(allowed && scan->pages_read == 0)))
	{
		if (scan->outstanding == 0)
			*over = finish_scan(scan, put_off, now, when);
		return NIL;
	}
	if (scan->listed && scan->next == 0 && scan->outstanding == 0 && scan->again == NIL)
	{
		ig_scan_drop_repeated(scan);
		ig_scan_drop_known(scan);
	}
	if (scan->not_before > now)
	{
		*when = scan->not_before;
		return NIL;
	}
	*when = again;
	if (!scan->listed)
	{
		if (scan->outstanding == 0 && allowed)
			flights = lappend(flights, scan_flight(scan, IG_OP_LIST, NULL));
		return flights;
	}
	while (scan->outstanding < SIDE_BY_SIDE && any_candidate(scan) && ig_lane_may_send(scan->lane, now, when))
		flights = lappend(flights, scan_flight(scan, IG_OP_CONTEXT, next_candidate(scan)->id));
	if (!any_candidate(scan) && scan->outstanding == 0)
		*over = finish_scan(scan, ig_scan_decide, now, when);
	return flights;
}
