/*-------------------------------------------------------------------------
 *
 * reconcile_decide.c
 *	  Which of the requests that were found is which of ours, and what becomes
 *	  of those that are none.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "apply.h"
#include "likeness.h"
#include "reconcile_internal.h"
#include "spi.h"

/* How long an undecidable call waits for the next look. */
#define UNDECIDED_PAUSE		(3600 * 1000)

/* One of ours, in the form in which candidates are compared. */
typedef struct IgOurs
{
	IgCall	   *call;
	IgLikeness	likeness;
	bool		under_way;
} IgOurs;

/*
 * Leave out what a row of ours knows already.  What was imported since the first
 * of them was sent may be one of them: see ig_apply_sent.  What rows know of
 * another end point is no concern of this one.
 */
void
ig_scan_drop_known(IgScan *scan)
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
	qsort(ids, n, sizeof(char *), ig_scan_compare_strings);

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
	qsort(ids, n, sizeof(char *), ig_scan_compare_strings);
	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (bsearch(&candidate->id, ids, n, sizeof(char *), ig_scan_compare_strings))
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
void
ig_scan_drop_repeated(IgScan *scan)
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
void
ig_scan_decide(void *arg)
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
	ig_scan_drop_known(scan);
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
