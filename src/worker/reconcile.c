/*-------------------------------------------------------------------------
 *
 * reconcile.c
 *	  Finding out what became of requests whose outcome is unknown.
 *
 * A request was sent in one call and no response came back.  Ignisign may have
 * it or not.  Sending it again can ask people twice.  There is no idempotency key
 * and no look-up by an id of ours, but there is a list.  The scan reads the list
 * back to the time when the first of them was sent, leaves out what a row of ours
 * knows, reads the contexts of the others, and compares them with ours
 * (fingerprint.c).
 *
 * Requests that are equal in all fields are interchangeable, so it is a matching
 * of multisets: at most one of ours takes each of Ignisign's.  All calls of the
 * account take part, by whatever role or server, also those that are being sent.
 * Accounts are equal unless it is certain that they differ.  If two scans do not
 * find one of ours, because a server may be slow, it is sent again.
 *
 * It fails closed.  Nothing is sent again, and a person decides with
 * ignisign_resolve(), if a request at Ignisign is alike but not equal, if it lacks
 * a field that could show a difference, if the list has an entry without an id, or
 * if list or candidates are longer than their bounds.  While an equal request is
 * being sent, whose response may name the very request that was found, the scan
 * decides nothing.
 *
 * One response proves little: it may be cut, or lack a field that the next one has.
 * The scan reads incomplete candidates in several rounds before a field counts as
 * missing, and the next scan reads all of them again.
 *
 * Nothing that is not documented is relied on: neither the order of the list,
 * nor the size of its pages, nor that the clocks agree.  A request that was
 * imported while ours was in doubt, and turns out to be ours, gives way to it.
 *
 * The scan itself is in memory.  A read that fails is repeated; if it fails for
 * good, or too often, the scan begins again later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "queue/apply.h"
#include "util/session.h"
#include "util/spi.h"
#include "worker/reconcile_internal.h"
#include "worker/trouble.h"

/* How far clocks may be apart: requests are looked for from so long before. */
#define CLOCK_SKEW			(15 * 60 * 1000)

/* At most this many reads may fail one after another. */
#define MAX_FAILURES		20

/* Rounds in which contexts are read whose responses cannot be used, or lack a field. */
#define MAX_ROUNDS			5

/* Contexts that are read side by side. */
#define SIDE_BY_SIDE		8

/* Pause before a scan that a bound ended is repeated, in ms. */
#define BOUND_PAUSE			(3600 * 1000)

/* A lock that keeps calls in doubt is logged when it has done so this many times. */
#define QUIET_FAILURES		4

/* qsort comparator of ids. */
static int
compare_ids(const void *a, const void *b)
{
	int64		first = *(const int64 *) a;
	int64		second = *(const int64 *) b;

	return first < second ? -1 : first > second ? 1 : 0;
}

/* Make the table of candidates. */
static HTAB *
create_candidates(MemoryContext context)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = IG_OBJECT_ID_SIZE;
	ctl.entrysize = sizeof(IgCandidate);
	ctl.hcxt = context;
	return hash_create("ignisign candidates", 256, &ctl, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* Begin a scan. */
IgScan *
ig_scan_begin(IgAccountState *state, TimestampTz now)
{
	MemoryContext context;
	MemoryContext old;
	IgScan	   *scan;
	IgCall	   *calls;
	int			n;

	calls = ig_queue_in_state("unknown", false, NameStr(state->server), NameStr(state->owner), now, &n);
	if (n == 0)
		return NULL;

	context = AllocSetContextCreate(TopMemoryContext, "ignisign scan", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	scan = palloc0(sizeof(IgScan));
	scan->context = context;
	scan->account_state = state;
	scan->begun_at = now;
	scan->since = now;
	scan->page = 1;
	scan->round = 1;
	scan->candidates = create_candidates(context);
	scan->due = palloc(n * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		scan->due[scan->ndue++] = calls[i].id;
		if (calls[i].claimed_at != 0)
			scan->since = Min(scan->since, calls[i].claimed_at);
	}
	qsort(scan->due, n, sizeof(int64), compare_ids);
	scan->sent_since = scan->since;
	scan->since = TimestampTzPlusMilliseconds(scan->since, -CLOCK_SKEW);
	MemoryContextSwitchTo(old);

	state->scanning = true;
	return scan;
}

/* Make an execution of the scan's own. */
static IgExecution *
scan_execution(IgScan *scan, IgOperation operation, char *id)
{
	IgExecution *execution;
	IgCall		call;

	memset(&call, 0, sizeof(call));
	call.operation = operation;
	call.server = scan->account_state->server;
	call.owner = scan->account_state->owner;
	call.attempts = 1;
	call.signature_request_id = id;
	execution = ig_execution_create(&call, scan->account_state);
	execution->scan = scan;
	execution->page = scan->page;
	scan->outstanding++;
	return execution;
}

/* Whether a response has come that cannot be used: the API refuses the call, or garbles it. */
static bool
is_useless(const IgExecution *execution)
{
	return execution->decision.verdict == IG_DEAD ||
		(execution->decision.verdict == IG_RETRY && execution->transfer != NULL &&
		 execution->transfer->http_status / 100 == 2);
}

/* A read failed: it is repeated, unless that is of no use. */
static void
take_failure(IgScan *scan, const IgExecution *execution, IgCandidate *candidate)
{
	int64		delay;

	if (execution->decision.verdict != IG_RETRY || ++scan->failures > MAX_FAILURES)
	{
		scan->failed = true;
		if (execution->decision.verdict == IG_DEAD)
			scan->problem = psprintf("the list at Ignisign cannot be read: %s",
									 execution->error ? execution->error : "it is refused");
		return;
	}
	delay = Max(execution->decision.delay,
				ig_policy_backoff(scan->failures, ig_retry_delay, ig_max_retry_delay,
								  pg_prng_uint64(&pg_global_prng_state)));
	scan->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
	if (candidate)
		scan->again = lappend(scan->again, candidate);
}

/*
 * A candidate's context has come.  A draft that has nothing in it asks nobody to
 * sign: the staged delivery leaves such drafts behind.  Any draft may lack fields; of
 * another request, a response that lacks one is no better than one that cannot be
 * used.
 */
static void
take_context(IgScan *scan, IgCandidate *candidate, const IgApiResponse *response)
{
	bool		draft = strcmp(response->status, "DRAFT") == 0;

	if (draft && response->nsigners == 0 && response->ndocuments == 0)
	{
		(void) hash_search(scan->candidates, candidate->id, HASH_REMOVE, NULL);
		return;
	}
	if (draft)
		candidate->fingerprint.doubt = "it is a draft";
	ig_fingerprint_of_context(&candidate->fingerprint, response);
	if (candidate->created == 0 && ig_scan_read_time(response->created_at, &candidate->created))
		candidate->fingerprint.undated = false;
	if (!draft && !ig_fingerprint_complete(&candidate->fingerprint))
		scan->incomplete = lappend(scan->incomplete, candidate);
}

/* A call of the scan has come back. */
void
ig_scan_apply_response(IgScan *scan, IgExecution *execution)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool		list = execution->call.operation == IG_OP_LIST;
	IgCandidate *candidate = list ? NULL :
		hash_search(scan->candidates, execution->call.signature_request_id, HASH_FIND, NULL);
	bool		done = execution->decision.verdict == IG_DONE;

	Assert(scan->outstanding > 0);
	scan->outstanding--;
	if (done)
		scan->failures = 0;
	if (done && list)
	{
		if (scan->pages_read == 0)
			ig_scan_heed_clock(scan, execution->transfer);
		ig_scan_take_page(scan, &execution->response);
	}
	else if (candidate && done)
		take_context(scan, candidate, &execution->response);
	else if (candidate && is_useless(execution))
		scan->incomplete = lappend(scan->incomplete, candidate);
	else if (!done)
		take_failure(scan, execution, candidate);
	MemoryContextSwitchTo(old);
}

/* The scan came to nothing: the calls are looked for again later. */
static void
put_off(void *arg)
{
	const IgScan *scan = arg;
	static IgStatement later = {
		.sql = "UPDATE ignisign.call SET run_at = $3, last_error = coalesce($5, last_error) "
		"WHERE state = 'unknown' AND server = $1 AND owner = $2 AND run_at <= $4",
		.types = {NAMEOID, NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
	};
	Datum		values[5];
	const char *problem = scan->problem;
	int64		pause = scan->bound ? BOUND_PAUSE : Max(ig_reconcile_delay, 10);

	SPI_connect();
	values[0] = NameGetDatum(&scan->account_state->server);
	values[1] = NameGetDatum(&scan->account_state->owner);
	values[2] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause));
	values[3] = TimestampTzGetDatum(scan->begun_at);
	if (scan->bound)
		problem = psprintf("the list at Ignisign has more than %s allows", scan->bound);
	values[4] = problem ? CStringGetTextDatum(psprintf("sent, but no response came, and %s: decide with ignisign_resolve()",
													   problem)) : (Datum) 0;
	ig_spi_execute(&later, values, problem ? NULL : "    n");
	SPI_finish();
	if (scan->bound)
		ereport(WARNING,
				(errmsg("ignisign: calls with unknown outcome on server \"%s\" cannot be looked for: the list of requests has more than \"%s\" allows",
						NameStr(scan->account_state->server), scan->bound),
				 errdetail("The scan has read %d pages and has %ld requests to compare.",
						   scan->pages_read, hash_get_num_entries(scan->candidates)),
				 errhint("Look for the requests in the Ignisign console, and decide with ignisign_resolve(). Raise \"%s\" if the list is as long as it should be.",
						 scan->bound)));
}

/* Forget the scan. */
static void
end_scan(IgScan *scan)
{
	scan->account_state->scanning = false;
	MemoryContextDelete(scan->context);
}

/* qsort comparator of candidates by id. */
static int
compare_candidates(const void *a, const void *b)
{
	return strcmp((*(IgCandidate *const *) a)->id, (*(IgCandidate *const *) b)->id);
}

/* All are listed: their contexts are read next, in the order of their ids. */
static void
queue_candidates(IgScan *scan)
{
	HASH_SEQ_STATUS status;
	IgCandidate *candidate;

	scan->queue = MemoryContextAlloc(scan->context,
									 Max(hash_get_num_entries(scan->candidates), 1) * sizeof(IgCandidate *));
	hash_seq_init(&status, scan->candidates);
	while ((candidate = hash_seq_search(&status)) != NULL)
		scan->queue[scan->nqueue++] = candidate;
	qsort(scan->queue, scan->nqueue, sizeof(IgCandidate *), compare_candidates);
}

/* Whether a candidate is left to be read. */
static bool
any_candidate(const IgScan *scan)
{
	return scan->again != NIL || scan->next < scan->nqueue;
}

/* The next one, of which there must be any. */
static IgCandidate *
next_candidate(IgScan *scan)
{
	IgCandidate *candidate;

	if (scan->again == NIL)
		return scan->queue[scan->next++];
	candidate = linitial(scan->again);
	scan->again = list_delete_first(scan->again);
	return candidate;
}

/*
 * All have been read: those that are incomplete are read again after a pause, in a few
 * rounds.  What they lack then is missing, until the next scan.
 */
static void
begin_round(IgScan *scan, TimestampTz now)
{
	if (scan->incomplete == NIL || any_candidate(scan) || scan->outstanding > 0 || scan->round >= MAX_ROUNDS)
		return;
	scan->again = scan->incomplete;
	scan->incomplete = NIL;
	scan->not_before = TimestampTzPlusMilliseconds(now,
												   ig_policy_local_pause(scan->round, ig_retry_delay, ig_max_retry_delay,
																		 pg_prng_uint64(&pg_global_prng_state)));
	scan->round++;
}

/* Local trouble: the account's calls in doubt are not looked for before some time has passed. */
void
ig_scan_put_off_account(IgAccountState *state, const IgTrouble *trouble, TimestampTz now)
{
	TimestampTz soonest = TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);

	state->scan_failures++;
	state->scan_at = trouble->passes ? ig_trouble_next_try(state->scan_failures, now) :
		TimestampTzPlusMilliseconds(now, ig_refused_delay(state->scan_failures - 1));
	state->scan_at = Max(state->scan_at, soonest);
	if (state->scan_failures == (trouble->locked ? QUIET_FAILURES : 1))
		ereport(LOG,
				(errmsg("ignisign: calls of role \"%s\" on server \"%s\" with unknown outcome could not be settled: %s",
						NameStr(state->owner), NameStr(state->server), trouble->text)));
}

/* What is decided, and is to be written. */
typedef struct Settlement
{
	const IgSent *sent;
	const IgCall *const *found;
	int			nsent;
	const IgReschedule *left;
	int			nleft;
} Settlement;

/* Write it. */
static void
write_settlement(void *arg)
{
	const Settlement *all = arg;

	ig_apply_sent(all->sent, all->nsent, "reconcile");
	ig_queue_finish(all->found, all->nsent);
	ig_queue_reschedule(all->left, all->nleft);
}

/* Store the API's id. */
static void
store_id(void *arg)
{
	const IgSent *sent = arg;

	ig_apply_id(sent->request, sent->signature_request_id);
}

/*
 * One that was found, and that cannot be recorded.  It stays in doubt, with its id if
 * that can be stored, and is never sent again.  False: that cannot be written either.
 */
static bool
refuse_found(const IgSent *sent, const IgCall *call, const IgTrouble *trouble)
{
	IgReschedule item;
	Settlement	one = {.left = &item, .nleft = 1};
	IgTrouble	ignored;

	memset(&item, 0, sizeof(item));
	item.call = call;
	item.state = "unknown";
	item.looks = call->looks;
	item.waited = true;
	item.run_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ig_refused_delay(call->waits));
	item.http_status = 200;
	item.code = trouble->sqlstate;
	item.error = psprintf("it is at Ignisign as signature request %s, but that cannot be recorded here: %s",
						  sent->signature_request_id, trouble->text);
	ereport(WARNING,
			(errmsg("ignisign: %s could not be settled: %s", ig_call_name(call), trouble->text),
			 errdetail("It is at Ignisign as signature request %s.", sent->signature_request_id)));
	(void) ig_try(store_id, unconstify(IgSent *, sent), IG_SHORT_PATIENCE, &ignored);
	return ig_try(write_settlement, &one, IG_SHORT_PATIENCE, &ignored);
}

/*
 * Write what was decided; each call fails alone.  Where that is not possible now, the
 * account's calls are looked for again later.
 */
static void
settle(IgAccountState *state, Settlement *all)
{
	IgTrouble	trouble;
	IgTrouble	last;
	bool		undone = false;

	if (ig_try(write_settlement, all, IG_SHORT_PATIENCE, &trouble))
	{
		state->scan_failures = 0;
		return;
	}
	for (int i = 0; i < all->nsent; i++)
	{
		Settlement	one = {.sent = &all->sent[i], .found = &all->found[i], .nsent = 1};

		if (ig_try(write_settlement, &one, IG_SHORT_PATIENCE, &trouble) ||
			(!trouble.passes && refuse_found(&all->sent[i], all->found[i], &trouble)))
			continue;
		undone = true;
		last = trouble;
	}
	for (int i = 0; i < all->nleft; i++)
	{
		Settlement	one = {.left = &all->left[i], .nleft = 1};

		if (ig_try(write_settlement, &one, IG_SHORT_PATIENCE, &trouble))
			continue;
		undone = true;
		last = trouble;
	}
	if (undone)
		ig_scan_put_off_account(state, &last, GetCurrentTimestamp());
}

/* Write what a scan has decided. */
void
ig_scan_settle(IgScan *scan, const IgSent *sent, const IgCall *const *found, int nsent,
			   IgReschedule *left, int nleft)
{
	Settlement	all = {sent, found, nsent, left, nleft};

	/* What the API has confirmed is not sent again, whatever its list says now. */
	for (int i = 0; i < nleft; i++)
	{
		IgReschedule *item = &left[i];

		if (!ig_call_confirmed(item->call))
			continue;
		if (strcmp(item->state, "unknown") != 0)
		{
			item->state = "unknown";
			item->run_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ig_refused_delay(item->call->waits));
			item->waited = true;
			item->error = "Ignisign has taken it, but it is not there now: decide with ignisign_resolve()";
		}
		item->http_status = item->call->http_status;
		item->code = item->call->code;
	}
	settle(scan->account_state, &all);
}

/*
 * Settle calls in doubt whose request has the API's id already: only to record it has
 * failed, so nothing is asked for.
 */
void
ig_scan_settle_identified(IgAccountState *state, TimestampTz now)
{
	int			n;
	IgCall	   *calls = ig_queue_in_state("unknown", true, NameStr(state->server), NameStr(state->owner), now, &n);
	IgSent	   *sent = palloc(Max(n, 1) * sizeof(IgSent));
	const IgCall **found = palloc(Max(n, 1) * sizeof(IgCall *));
	Settlement	all = {sent, found, n, NULL, 0};

	for (int i = 0; i < n; i++)
	{
		sent[i].request = &calls[i].request;
		sent[i].signature_request_id = calls[i].signature_request_id;
		found[i] = &calls[i];
	}
	if (n > 0)
		settle(state, &all);
}

/* A step of the scan failed here. */
void
ig_scan_fail(IgScan *scan, const IgTrouble *trouble)
{
	scan->failed = true;
	ig_scan_put_off_account(scan->account_state, trouble, GetCurrentTimestamp());
}

/* End with this.  Where it cannot be written, the account waits. */
static void
finish_scan(IgScan *scan, void (*how) (void *scan), TimestampTz now)
{
	IgTrouble	trouble;

	if (!ig_try(how, scan, IG_SHORT_PATIENCE, &trouble))
		ig_scan_put_off_account(scan->account_state, &trouble, now);
	end_scan(scan);
}

/* The next calls to make for the scan. */
List *
ig_scan_next(IgScan *scan, TimestampTz now, TimestampTz *when, bool *over)
{
	List	   *executions = NIL;
	TimestampTz again;
	bool		allowed = ig_account_may_send(scan->account_state, now, &again);

	*over = false;
	*when = 0;

	/* An account that is refused is tried by the first page at the most. */
	if (scan->failed || scan->bound || (scan->account_state->suspended && !(allowed && scan->pages_read == 0)))
	{
		*over = scan->outstanding == 0;
		if (*over)
			finish_scan(scan, put_off, now);
		return NIL;
	}
	if (scan->fresh != NIL)
	{
		ig_scan_drop_known(scan, false);
		if (hash_get_num_entries(scan->candidates) > ig_max_candidates)
		{
			scan->bound = "ignisign.max_candidates";
			*over = scan->outstanding == 0;
			if (*over)
				finish_scan(scan, put_off, now);
			return NIL;
		}
	}
	if (scan->listed && scan->queue == NULL)
		queue_candidates(scan);
	if (scan->listed)
		begin_round(scan, now);
	if (scan->not_before > now)
	{
		*when = scan->not_before;
		return NIL;
	}
	*when = again;
	if (!scan->listed)
	{
		if (scan->outstanding == 0 && allowed)
			executions = lappend(executions, scan_execution(scan, IG_OP_LIST, NULL));
		return executions;
	}
	while (scan->outstanding < SIDE_BY_SIDE && any_candidate(scan) && ig_account_may_send(scan->account_state, now, when))
		executions = lappend(executions, scan_execution(scan, IG_OP_CONTEXT, next_candidate(scan)->id));
	*over = !any_candidate(scan) && scan->outstanding == 0;
	if (*over)
		finish_scan(scan, ig_scan_decide, now);
	return executions;
}
