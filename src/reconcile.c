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
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "apply.h"
#include "likeness.h"
#include "reconcile.h"
#include "session.h"
#include "spi.h"

/* How far clocks may be apart: requests are looked for from so long before. */
#define CLOCK_SKEW			(15 * 60 * 1000)

/* More pages than this are not read in one scan. */
#define MAX_PAGES			20000

/* So many reads may fail one after another. */
#define MAX_FAILURES		20

/* Contexts that are read side by side. */
#define SIDE_BY_SIDE		8

/* How long an undecidable call waits for the next look. */
#define UNDECIDED_PAUSE		(3600 * 1000)

/* From when a row was locked that is to be decided until that is tried again, in ms. */
#define LOCKED_PAUSE		1000

/* A request at Ignisign that may be one of ours. */
typedef struct IgCandidate
{
	char	   *id;
	IgLikeness	likeness;		/* the title as listed, the rest once it is read */
	bool		read;
	bool		gone;			/* claimed by a row */
	bool		taken;
} IgCandidate;

struct IgScan
{
	MemoryContext context;
	IgLane	   *lane;
	TimestampTz begun_at;
	TimestampTz sent_since;		/* when the first of them was sent */
	TimestampTz since;			/* the same by the API's clock, and some more */
	char	  **titles;			/* as they are in the rows */
	char	  **likely_titles;	/* as they are compared, in order */
	int			ntitles;
	int64	   *due;			/* ids of the calls that were due */
	int			ndue;
	bool		listed;			/* all pages have been read */
	bool		failed;
	int			failures;		/* reads that failed, one after another */
	TimestampTz not_before;		/* of the next read; 0: at once */
	int			outstanding;
	int			page;			/* to be read next */
	int			pages_read;
	int64		seen;			/* requests on them */
	int			step;			/* 1: newest first; -1: backwards; 0: not known */
	bool		disordered;		/* the list is in no order of time */
	TimestampTz edge;			/* time next to the page to be read; 0: not known */
	List	   *candidates;
	int			next;			/* candidate to be read */
	List	   *again;			/* candidates whose read failed */
};

/* One of ours, in the form in which candidates are compared. */
typedef struct IgOurs
{
	IgCall	   *call;
	IgLikeness	likeness;
	bool		under_way;
} IgOurs;

/* qsort comparator of strings. */
static int
compare_strings(const void *a, const void *b)
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
	qsort(scan->likely_titles, n, sizeof(char *), compare_strings);
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

/* Read a time as the API writes it; false: not told apart. */
static bool
read_time(const char *text, TimestampTz *result)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second;
	char		zone;

	if (text == NULL ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6)
		return false;
	zone = text[strlen(text) - 1];
	if (zone != 'Z' || year < 2000 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	*result = (((int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * 24 + hour) * 60 + minute) * 60 + second;
	*result *= USECS_PER_SEC;
	return true;
}

/* How the times on a page of the list go. */
typedef struct IgOrder
{
	bool		dated;			/* any is told */
	bool		rises;			/* between any two */
	bool		falls;
	TimestampTz first;
	TimestampTz last;
} IgOrder;

/* Take note of the next time on a page. */
static void
follow_order(IgOrder *order, TimestampTz created)
{
	if (!order->dated)
		order->first = created;
	else if (created > order->last)
		order->rises = true;
	else if (created < order->last)
		order->falls = true;
	order->last = created;
	order->dated = true;
}

/* Where to go on after a page: the order of the list shows on the way. */
static void
turn_page(IgScan *scan, const IgOrder *order, const IgApiAnswer *answer)
{
	int64		pages = answer->total > answer->nitems && answer->nitems > 0 ?
		(answer->total + answer->nitems - 1) / answer->nitems : 1;

	scan->seen += answer->nitems;
	if (++scan->pages_read == 1)
	{
		/* The newest ones are on the last page, which is as long as this one. */
		if (order->rises && !order->falls && pages > 1)
		{
			scan->step = -1;
			scan->page = (int) Min(pages, INT_MAX);
			return;
		}
		scan->step = 1;
	}

	/* On the way to the older ones no newer one is met, within a page or on the next. */
	if (scan->step > 0 ? order->rises : order->falls)
		scan->disordered = true;
	if (order->dated && scan->edge != 0 && scan->edge < (scan->step > 0 ? order->first : order->last))
		scan->disordered = true;
	if (order->dated)
		scan->edge = scan->step > 0 ? order->last : order->first;

	if (scan->step < 0)
	{
		scan->page--;
		scan->listed = scan->page <= 1 ||
			(!scan->disordered && order->dated && order->first < scan->since);
	}
	else
	{
		scan->page++;
		scan->listed = answer->nitems == 0 || (answer->total >= 0 && scan->seen >= answer->total) ||
			(!scan->disordered && order->falls && order->last < scan->since);
	}
	if (!scan->listed && scan->pages_read >= MAX_PAGES)
	{
		ereport(WARNING,
				(errmsg("ignisign: calls with unknown outcome on server \"%s\" cannot be looked for: the list of requests has more than %d pages",
						NameStr(scan->lane->server), MAX_PAGES),
				 errhint("Look for them in the console, and tell with ignisign_resolve().")));
		scan->failed = true;
	}
}

/*
 * Look so much further back as the API's clock is behind ours; its answer tells
 * what time it has.
 */
static void
heed_clock(IgScan *scan, const IgTransfer *transfer)
{
	int64		theirs = transfer->date[0] ? ig_policy_http_date(transfer->date) : -1;
	int64		ours = (transfer->started_at - SetEpochTimestamp()) / USECS_PER_SEC;

	if (theirs >= 0 && theirs < ours)
		scan->since -= (ours - theirs) * USECS_PER_SEC;
}

/* A page of the list has come. */
static void
take_page(IgScan *scan, const IgApiAnswer *answer)
{
	IgOrder		order;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	memset(&order, 0, sizeof(order));
	for (int i = 0; i < answer->nitems; i++)
	{
		const IgApiListItem *item = &answer->items[i];
		TimestampTz created;
		char	   *title;

		if (read_time(item->created_at, &created))
		{
			follow_order(&order, created);
			if (created < scan->since)
				continue;
		}
		title = item->title ? ig_likeness_title(item->title) : NULL;
		if (title != NULL && item->signature_request_id != NULL &&
			bsearch(&title, scan->likely_titles, scan->ntitles, sizeof(char *), compare_strings))
		{
			IgCandidate *candidate = palloc0(sizeof(IgCandidate));

			candidate->id = pstrdup(item->signature_request_id);
			candidate->likeness.title = title;
			scan->candidates = lappend(scan->candidates, candidate);
		}
	}
	MemoryContextSwitchTo(old);
	turn_page(scan, &order, answer);
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

	scan->outstanding--;
	if (done)
		scan->failures = 0;
	if (done && list)
	{
		if (scan->pages_read == 0)
			heed_clock(scan, flight->transfer);
		take_page(scan, &flight->answer);
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

/*
 * Leave out what a row of ours knows already.  What was imported since the first
 * of them was sent may be one of them: see ig_apply_sent.  What rows know of
 * another end point is no concern of this one.
 */
static void
drop_known(IgScan *scan)
{
	static IgStatement known = {
		.sql = "SELECT signature_request_id, server::text FROM ignisign.request WHERE signature_request_id = ANY ($1) "
		"AND (delivery <> 'imported' OR created_at < $2)",
		.types = {TEXTARRAYOID, TIMESTAMPTZOID}
	};
	int			n = list_length(scan->candidates);
	const char **ids = palloc(Max(n, 1) * sizeof(char *));
	ListCell   *lc;
	Datum		values[2];
	int			nrows;
	int			i = 0;

	if (n == 0)
		return;
	foreach(lc, scan->candidates)
		ids[i++] = ((IgCandidate *) lfirst(lc))->id;
	qsort(ids, n, sizeof(char *), compare_strings);

	SPI_connect();
	values[0] = ig_text_array(ids, n);
	values[1] = TimestampTzGetDatum(scan->sent_since);
	nrows = (int) ig_spi_execute(&known, values, NULL);
	ids = palloc(Max(nrows, 1) * sizeof(char *));
	n = 0;
	for (i = 0; i < nrows; i++)
	{
		if (ig_same_end_point(ig_spi_text(i, 2, CurrentMemoryContext), NameStr(scan->lane->server)))
			ids[n++] = ig_spi_text(i, 1, CurrentMemoryContext);
	}
	qsort(ids, n, sizeof(char *), compare_strings);
	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (bsearch(&candidate->id, ids, n, sizeof(char *), compare_strings))
			candidate->gone = true;
	}
	SPI_finish();
}

/* qsort comparator of candidates by id. */
static int
compare_candidates(const void *a, const void *b)
{
	return strcmp((*(IgCandidate *const *) a)->id, (*(IgCandidate *const *) b)->id);
}

/* Leave out what was listed twice, because a page moved on between two reads. */
static void
drop_repeated(IgScan *scan)
{
	int			n = list_length(scan->candidates);
	IgCandidate **sorted = palloc(Max(n, 1) * sizeof(IgCandidate *));
	ListCell   *lc;
	int			i = 0;

	foreach(lc, scan->candidates)
		sorted[i++] = lfirst(lc);
	qsort(sorted, n, sizeof(IgCandidate *), compare_candidates);
	for (i = 1; i < n; i++)
	{
		if (strcmp(sorted[i]->id, sorted[i - 1]->id) == 0)
			sorted[i - 1]->gone = true;
	}
}

/*
 * Our calls in a state, in the form in which candidates are compared; of all
 * servers and roles where these are NULL.
 */
static List *
read_ours(IgScan *scan, const char *state, const char *server, const char *owner, List *ours)
{
	static IgStatement read = {
		.sql = "SELECT (SELECT string_agg(lower(s.email COLLATE \"C\"), E'\\n') FROM ignisign.signer s WHERE s.request = q.id), "
		"(SELECT string_agg(d.file_name, E'\\n') FROM ignisign.document d WHERE d.request = q.id), "
		"(SELECT string_agg(coalesce(encode(d.sha256, 'hex'), '?'), E'\\n') FROM ignisign.document d WHERE d.request = q.id) "
		"FROM unnest($1) WITH ORDINALITY AS q (id, n) ORDER BY q.n",
		.types = {UUIDARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	int			n;
	IgCall	   *calls = ig_queue_in_state(state, server, owner,
										  (const char *const *) scan->titles, scan->ntitles, 0, &n);
	Datum	   *ids = palloc(Max(n, 1) * sizeof(Datum));
	Datum		value;

	if (n == 0)
		return ours;
	for (int i = 0; i < n; i++)
		ids[i] = UUIDPGetDatum(&calls[i].request);

	SPI_connect();
	value = ig_array(UUIDOID, ids, NULL, n);
	ig_spi_execute(&read, &value, NULL);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		IgOurs	   *our = palloc0(sizeof(IgOurs));

		our->call = &calls[i];
		ig_likeness_of_rows(&our->likeness, calls[i].title, ig_spi_text(i, 1, context),
							ig_spi_text(i, 2, context), ig_spi_text(i, 3, context));
		our->under_way = strcmp(state, "sending") == 0;
		ours = lappend(ours, our);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return ours;
}

/* The candidate that is this one of ours, or NULL. */
static IgCandidate *
find_candidate(IgScan *scan, const IgOurs *our, bool exactly)
{
	ListCell   *lc;

	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (!candidate->gone && !candidate->taken && candidate->read && !candidate->likeness.vague &&
			(exactly ? ig_likeness_equal : ig_likeness_seems_equal) (&candidate->likeness, &our->likeness))
			return candidate;
	}
	return NULL;
}

/* Whether an equal request is under way. */
static bool
equal_under_way(List *ours, const IgOurs *our)
{
	ListCell   *lc;

	foreach(lc, ours)
	{
		IgOurs	   *other = lfirst(lc);

		if (other->under_way && ig_likeness_seems_equal(&other->likeness, &our->likeness))
			return true;
	}
	return false;
}

/* Whether something at Ignisign might be ours, but cannot be told to be. */
static bool
may_be_there(IgScan *scan, const IgOurs *our)
{
	ListCell   *lc;

	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (!candidate->gone && !candidate->taken && candidate->read &&
			ig_likeness_may_be_equal(&candidate->likeness, &our->likeness))
			return true;
	}
	return false;
}

/* Whether the call was due when the scan began, and was not sent since. */
static bool
was_due(IgScan *scan, const IgCall *call)
{
	if (call->claimed_at >= scan->begun_at)
		return false;
	for (int i = 0; i < scan->ndue; i++)
	{
		if (scan->due[i] == call->id)
			return true;
	}
	return false;
}

/* What becomes of a call that was not found. */
static IgReschedule
not_found(IgScan *scan, const IgOurs *our, TimestampTz now)
{
	IgReschedule item;
	int			max_attempts = ig_lane_max_attempts(scan->lane);
	TimestampTz later = TimestampTzPlusMilliseconds(now, Max(ig_reconcile_delay, 10));

	memset(&item, 0, sizeof(item));
	item.call = our->call;
	item.state = "unknown";
	item.run_at = later;
	item.looks = our->call->looks;

	if (may_be_there(scan, our))
	{
		item.run_at = TimestampTzPlusMilliseconds(now, UNDECIDED_PAUSE);
		item.error = "a request at Ignisign looks alike, but whether it is this one cannot be told: decide with ignisign_resolve()";
	}
	else if (our->call->looks == 0)
	{
		item.looks = 1;
		item.error = "sent, but no answer came; not found at Ignisign so far, looking again before it is sent anew";
	}
	else if (our->call->attempts >= max_attempts)
	{
		item.state = "dead";
		item.error = "sent, but no answer came, and it is not at Ignisign; all attempts are used up";
	}
	else
	{
		item.state = "pending";
		item.run_at = now;
		item.looks = 0;
		item.error = "sent, but no answer came, and it is not at Ignisign: to be sent again";
	}
	return item;
}

/* All is known that can be: decide. */
static void
decide(void *arg)
{
	IgScan	   *scan = arg;
	TimestampTz now = GetCurrentTimestamp();
	List	   *ours = read_ours(scan, "unknown", NameStr(scan->lane->server), NameStr(scan->lane->owner), NIL);
	int			nours = list_length(ours);
	IgSent	   *sent = palloc(Max(nours, 1) * sizeof(IgSent));
	const IgCall **found = palloc(Max(nours, 1) * sizeof(IgCall *));
	IgReschedule *left = palloc(Max(nours, 1) * sizeof(IgReschedule));
	bool	   *settled = palloc0(Max(nours, 1) * sizeof(bool));
	int			nsent = 0;
	int			nleft = 0;
	ListCell   *lc;

	ours = read_ours(scan, "sending", NULL, NULL, ours);
	drop_known(scan);
	foreach(lc, scan->candidates)
		((IgCandidate *) lfirst(lc))->taken = false;

	/* Those whose hashes agree go first, so that they are not taken by others. */
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < nours; i++)
		{
			IgOurs	   *our = list_nth(ours, i);
			IgCandidate *candidate;

			if (settled[i] || (candidate = find_candidate(scan, our, pass == 0)) == NULL)
				continue;
			settled[i] = true;
			if (equal_under_way(ours, our))
			{
				IgReschedule *item = &left[nleft++];

				memset(item, 0, sizeof(*item));
				item->call = our->call;
				item->state = "unknown";
				item->looks = our->call->looks;
				item->run_at = TimestampTzPlusMilliseconds(now, Max(ig_reconcile_delay, 10));
				item->error = "sent, but no answer came; an equal request is under way, to be decided after it";
				continue;
			}
			candidate->taken = true;
			sent[nsent].request = &our->call->request;
			sent[nsent].signature_request_id = candidate->id;
			found[nsent++] = our->call;
		}
	}
	for (int i = 0; i < nours; i++)
	{
		IgOurs	   *our = list_nth(ours, i);

		if (!settled[i] && was_due(scan, our->call))
			left[nleft++] = not_found(scan, our, now);
	}

	ig_apply_sent(sent, nsent, "reconcile");
	ig_queue_finish(found, nsent);
	ig_queue_reschedule(left, nleft);
	if (nsent + nleft > 0)
		ereport(LOG,
				(errmsg("ignisign: of %d calls with unknown outcome on server \"%s\", %d were found at Ignisign",
						nours, NameStr(scan->lane->server), nsent)));
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
		*when = TimestampTzPlusMilliseconds(now, LOCKED_PAUSE);
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
		drop_repeated(scan);
		drop_known(scan);
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
		*over = finish_scan(scan, decide, now, when);
	return flights;
}
