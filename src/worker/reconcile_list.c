/*-------------------------------------------------------------------------
 *
 * reconcile_list.c
 *	  Looking for requests in the list that Ignisign has: which way it is
 *	  sorted, and how far back it is to be read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "worker/fingerprint.h"
#include "worker/reconcile_internal.h"

/* Read a time as the API writes it. */
bool
ig_scan_read_time(const char *text, TimestampTz *result)
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
next_page(IgScan *scan, const IgOrder *order, const IgApiResponse *response)
{
	int64		pages = response->total > response->nitems && response->nitems > 0 ?
		(response->total + response->nitems - 1) / response->nitems : 1;

	scan->seen += response->nitems;
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
		scan->listed = response->nitems == 0 || (response->total >= 0 && scan->seen >= response->total) ||
			(!scan->disordered && order->falls && order->last < scan->since);
	}

	if (response->nitems == 0 && scan->seen < response->total)
		scan->gap = "the list ends before its total";
	if (!scan->listed && scan->pages_read >= ig_max_response_pages)
		scan->bound = "ignisign.max_response_pages";
}

/*
 * Look so much further back as the API's clock is behind ours; its response tells
 * what time it has.
 */
void
ig_scan_heed_clock(IgScan *scan, const IgTransfer *transfer)
{
	int64		theirs = transfer->date[0] ? ig_policy_http_date(transfer->date) : -1;
	int64		ours = (transfer->started_at - SetEpochTimestamp()) / USECS_PER_SEC;

	if (theirs >= 0 && theirs < ours)
		scan->since -= (ours - theirs) * USECS_PER_SEC;
}

/* Take an entry of the list that may be one of ours. */
static void
add_candidate(IgScan *scan, const IgApiListItem *item, TimestampTz created)
{
	char		id[IG_OBJECT_ID_SIZE];
	IgCandidate *candidate;
	bool		found;

	if (item->signature_request_id == NULL || !ig_api_valid_object_id(item->signature_request_id))
	{
		scan->gap = "an entry of the list has no id";
		return;
	}
	strlcpy(id, item->signature_request_id, sizeof(id));

	/* One may be listed twice, because a page moved on between two reads. */
	candidate = hash_search(scan->candidates, id, HASH_ENTER, &found);
	if (found)
		return;
	candidate->created = created;
	candidate->taker = NULL;
	ig_fingerprint_of_entry(&candidate->fingerprint, item->title);
	candidate->fingerprint.undated = created == 0;
	scan->fresh = lappend(scan->fresh, candidate);
}

/* A page of the list has come. */
void
ig_scan_take_page(IgScan *scan, const IgApiResponse *response)
{
	IgOrder		order;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	memset(&order, 0, sizeof(order));
	for (int i = 0; i < response->nitems; i++)
	{
		const IgApiListItem *item = &response->items[i];
		TimestampTz created = 0;

		CHECK_FOR_INTERRUPTS();
		if (ig_scan_read_time(item->created_at, &created))
		{
			follow_order(&order, created);
			if (created < scan->since)
				continue;
		}
		add_candidate(scan, item, created);
	}
	MemoryContextSwitchTo(old);
	next_page(scan, &order, response);
}
