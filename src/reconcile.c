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
 * knows.  They are compared by title, signers, file names and the documents'
 * hashes.
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
 * the decision is put off.
 *
 * The scan itself is in memory.  If it fails half-way, it begins anew later.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "apply.h"
#include "reconcile.h"
#include "spi.h"

/* How far clocks may be apart: requests are looked for from so long before. */
#define CLOCK_SKEW			(15 * 60 * 1000)

/* More pages than this are not read in one scan. */
#define MAX_PAGES			20000

/* Contexts that are read side by side. */
#define SIDE_BY_SIDE		8

/* How long an undecidable call waits for the next look. */
#define UNDECIDED_PAUSE		(3600 * 1000)

/* A request at Ignisign that may be one of ours. */
typedef struct IgCandidate
{
	char	   *id;
	char	   *likeness;		/* title, signers, file names */
	char	   *documents;		/* file names with hashes */
	bool		read;
	bool		vague;			/* signers or file names are not told */
	bool		gone;			/* claimed by a row, or no longer there */
	bool		taken;
} IgCandidate;

struct IgScan
{
	MemoryContext context;
	IgLane	   *lane;
	TimestampTz begun_at;
	TimestampTz since;
	char	  **titles;			/* in order, each once */
	int			ntitles;
	int64	   *due;			/* ids of the calls that were due */
	int			ndue;
	bool		listed;			/* all pages have been read */
	bool		failed;
	int			outstanding;
	int			page;			/* to be read next */
	int			pages_read;
	int			step;			/* 1: newest first; -1: backwards; 0: not known */
	List	   *candidates;
	int			next;			/* candidate to be read */
};

/* One of ours, in the form in which candidates are compared. */
typedef struct IgOurs
{
	IgCall	   *call;
	char	   *likeness;
	char	   *documents;
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
	scan->due = palloc(n * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		scan->due[scan->ndue++] = calls[i].id;
		scan->titles[i] = pstrdup(calls[i].title);
		if (calls[i].claimed_at != 0)
			scan->since = Min(scan->since, calls[i].claimed_at);
	}
	scan->since = TimestampTzPlusMilliseconds(scan->since, -CLOCK_SKEW);
	qsort(scan->titles, n, sizeof(char *), compare_strings);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || strcmp(scan->titles[i], scan->titles[scan->ntitles - 1]) != 0)
			scan->titles[scan->ntitles++] = scan->titles[i];
	}
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

/* A page of the list has come. */
static void
take_page(IgScan *scan, const IgApiAnswer *answer)
{
	TimestampTz first = 0;
	TimestampTz last = 0;
	bool		dated = false;
	int64		page_size = answer->page_size > 0 ? answer->page_size : answer->nitems;
	int64		pages = answer->total >= 0 && page_size > 0 ?
		(answer->total + page_size - 1) / page_size : -1;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	for (int i = 0; i < answer->nitems; i++)
	{
		const IgApiListItem *item = &answer->items[i];
		TimestampTz created;

		if (read_time(item->created_at, &created))
		{
			if (!dated)
				first = created;
			last = created;
			dated = true;
			if (created < scan->since)
				continue;
		}
		if (item->title != NULL && item->signature_request_id != NULL &&
			bsearch(&item->title, scan->titles, scan->ntitles, sizeof(char *), compare_strings))
		{
			IgCandidate *candidate = palloc0(sizeof(IgCandidate));

			candidate->id = pstrdup(item->signature_request_id);
			scan->candidates = lappend(scan->candidates, candidate);
		}
	}
	MemoryContextSwitchTo(old);

	/* The order is not documented: the first page that has one shows it. */
	if (++scan->pages_read == 1 && dated && first < last && pages > 1)
	{
		scan->step = -1;
		scan->page = (int) Min(pages, MAX_PAGES);
		return;
	}
	if (scan->step == 0 && dated && first > last)
		scan->step = 1;

	if (scan->pages_read >= MAX_PAGES)
		scan->listed = true;
	else if (scan->step < 0)
	{
		scan->page--;
		scan->listed = scan->page <= 1 || (dated && first < scan->since);
	}
	else
	{
		scan->page++;
		scan->listed = answer->nitems == 0 || (pages >= 0 && scan->page > pages) ||
			(scan->step > 0 && dated && last < scan->since);
	}
}

/* The hash of a document in hex, or "?" when it cannot be read as a SHA-256. */
static char *
readable_hash(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	uint8		hash[PG_SHA256_DIGEST_LENGTH];
	char	   *hex;

	if (text == NULL || !ig_api_read_sha256(text, hash))
		return "?";
	hex = palloc(2 * sizeof(hash) + 1);
	for (int i = 0; i < (int) sizeof(hash); i++)
	{
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[2 * sizeof(hash)] = '\0';
	return hex;
}

/* Join strings in order. */
static char *
join_sorted(char **strings, int n)
{
	StringInfoData joined;

	qsort(strings, n, sizeof(char *), compare_strings);
	initStringInfo(&joined);
	for (int i = 0; i < n; i++)
		appendStringInfo(&joined, "%s\n", strings[i]);
	return joined.data;
}

/* The parts that are compared at first, in one string. */
static char *
make_likeness(const char *title, const char *emails, const char *names)
{
	return psprintf("%s\001%s\001%s", title, emails, names);
}

/* A candidate's context has come. */
static void
take_context(IgCandidate *candidate, const IgApiAnswer *answer)
{
	char	  **emails = palloc0(Max(answer->nsigners, 1) * sizeof(char *));
	char	  **names = palloc0(Max(answer->ndocuments, 1) * sizeof(char *));
	char	  **documents = palloc0(Max(answer->ndocuments, 1) * sizeof(char *));

	candidate->read = true;
	candidate->vague = answer->nsigners == 0 || answer->ndocuments == 0 || answer->title == NULL;
	for (int i = 0; i < answer->nsigners; i++)
	{
		const char *email = answer->signers[i].email;

		candidate->vague = candidate->vague || email == NULL;
		emails[i] = email ? asc_tolower(email, strlen(email)) : pstrdup("");
	}
	for (int i = 0; i < answer->ndocuments; i++)
	{
		const char *name = answer->documents[i].file_name;

		candidate->vague = candidate->vague || name == NULL;
		names[i] = pstrdup(name ? name : "");
		documents[i] = psprintf("%s\t%s", names[i], readable_hash(answer->documents[i].document_hash));
	}
	candidate->likeness = make_likeness(answer->title ? answer->title : "",
										join_sorted(emails, answer->nsigners),
										join_sorted(names, answer->ndocuments));
	candidate->documents = join_sorted(documents, answer->ndocuments);
}

/* A call of the scan has come back. */
void
ig_scan_answered(IgScan *scan, IgFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	scan->outstanding--;
	if (flight->call.operation == IG_OP_LIST)
	{
		if (flight->decision.verdict == IG_DONE)
			take_page(scan, &flight->answer);
		else
			scan->failed = true;
	}
	else
	{
		ListCell   *lc;

		foreach(lc, scan->candidates)
		{
			IgCandidate *candidate = lfirst(lc);

			if (strcmp(candidate->id, flight->call.signature_request_id) != 0)
				continue;
			if (flight->decision.verdict == IG_DONE)
				take_context(candidate, &flight->answer);
			else if (flight->transfer && flight->transfer->http_status == 404)
				candidate->gone = true;
			else
				scan->failed = true;
		}
	}
	MemoryContextSwitchTo(old);
}

/* Leave out what a row of ours knows already. */
static void
drop_known(IgScan *scan)
{
	static IgStatement known = {
		.sql = "SELECT signature_request_id FROM ignisign.request WHERE signature_request_id = ANY ($1)",
		.types = {TEXTARRAYOID}
	};
	int			n = list_length(scan->candidates);
	const char **ids = palloc(Max(n, 1) * sizeof(char *));
	ListCell   *lc;
	Datum		value;
	int			i = 0;

	if (n == 0)
		return;
	foreach(lc, scan->candidates)
		ids[i++] = ((IgCandidate *) lfirst(lc))->id;
	qsort(ids, n, sizeof(char *), compare_strings);

	SPI_connect();
	value = ig_text_array(ids, n);
	n = (int) ig_spi_execute(&known, &value, NULL);
	ids = palloc(Max(n, 1) * sizeof(char *));
	for (i = 0; i < n; i++)
		ids[i] = ig_spi_text(i, 1, CurrentMemoryContext);
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

/* Our calls in a state, in the form in which candidates are compared. */
static List *
read_ours(IgScan *scan, const char *state, List *ours)
{
	static IgStatement read = {
		.sql = "SELECT (SELECT string_agg(lower(s.email COLLATE \"C\") || E'\\n', '' ORDER BY lower(s.email COLLATE \"C\")) "
		"FROM ignisign.signer s WHERE s.request = q.id), "
		"(SELECT string_agg(d.file_name || E'\\n', '' ORDER BY d.file_name COLLATE \"C\") "
		"FROM ignisign.document d WHERE d.request = q.id), "
		"(SELECT string_agg(x.t || E'\\n', '' ORDER BY x.t COLLATE \"C\") FROM "
		"(SELECT d.file_name || E'\\t' || coalesce(encode(d.sha256, 'hex'), '?') AS t "
		"FROM ignisign.document d WHERE d.request = q.id) x) "
		"FROM unnest($1) WITH ORDINALITY AS q (id, n) ORDER BY q.n",
		.types = {UUIDARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	int			n;
	IgCall	   *calls = ig_queue_in_state(state, NameStr(scan->lane->server), NameStr(scan->lane->owner),
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
		char	   *emails = ig_spi_text(i, 1, context);
		char	   *names = ig_spi_text(i, 2, context);
		char	   *documents = ig_spi_text(i, 3, context);

		our->call = &calls[i];
		our->likeness = make_likeness(calls[i].title, emails ? emails : "", names ? names : "");
		our->documents = documents ? documents : "";
		our->under_way = strcmp(state, "sending") == 0;
		ours = lappend(ours, our);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return ours;
}

/* Whether two lists of documents have the same content, as far as is known. */
static bool
same_documents(const char *a, const char *b, bool exactly)
{
	if (strcmp(a, b) == 0)
		return true;

	/* The file names are equal, or it would not have come to this. */
	return !exactly && (strstr(a, "\t?\n") != NULL || strstr(b, "\t?\n") != NULL);
}

/* The candidate that is this one of ours, or NULL. */
static IgCandidate *
find_candidate(IgScan *scan, const IgOurs *our, bool exactly)
{
	ListCell   *lc;

	foreach(lc, scan->candidates)
	{
		IgCandidate *candidate = lfirst(lc);

		if (!candidate->gone && !candidate->taken && candidate->read && !candidate->vague &&
			strcmp(candidate->likeness, our->likeness) == 0 &&
			same_documents(candidate->documents, our->documents, exactly))
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

		if (other->under_way && strcmp(other->likeness, our->likeness) == 0 &&
			same_documents(other->documents, our->documents, false))
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

		if (candidate->gone || candidate->taken || !candidate->read)
			continue;
		if (candidate->vague || strcmp(candidate->likeness, our->likeness) == 0)
			return true;
	}
	return false;
}

/* Whether the call was due when the scan began. */
static bool
was_due(IgScan *scan, const IgCall *call)
{
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
	int			max_attempts = scan->lane->account ? scan->lane->account->max_attempts : 1;
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
decide(IgScan *scan)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *ours = read_ours(scan, "unknown", NIL);
	int			nours = list_length(ours);
	IgSent	   *sent = palloc(Max(nours, 1) * sizeof(IgSent));
	const IgCall **found = palloc(Max(nours, 1) * sizeof(IgCall *));
	IgReschedule *left = palloc(Max(nours, 1) * sizeof(IgReschedule));
	bool	   *settled = palloc0(Max(nours, 1) * sizeof(bool));
	int			nsent = 0;
	int			nleft = 0;

	ours = read_ours(scan, "sending", ours);
	drop_known(scan);

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
put_off(IgScan *scan)
{
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

/* The next calls to make for the scan. */
List *
ig_scan_next(IgScan *scan, bool *over)
{
	List	   *flights = NIL;

	*over = false;
	if (scan->failed)
	{
		if (scan->outstanding == 0)
		{
			put_off(scan);
			end_scan(scan);
			*over = true;
		}
		return NIL;
	}
	if (!scan->listed)
	{
		if (scan->outstanding == 0)
			flights = lappend(flights, scan_flight(scan, IG_OP_LIST, NULL));
		return flights;
	}

	if (scan->next == 0 && scan->outstanding == 0)
	{
		drop_repeated(scan);
		drop_known(scan);
	}
	while (scan->outstanding < SIDE_BY_SIDE && scan->next < list_length(scan->candidates))
	{
		IgCandidate *candidate = list_nth(scan->candidates, scan->next++);

		if (!candidate->gone)
			flights = lappend(flights, scan_flight(scan, IG_OP_CONTEXT, candidate->id));
	}
	if (flights == NIL && scan->outstanding == 0)
	{
		decide(scan);
		end_scan(scan);
		*over = true;
	}
	return flights;
}
