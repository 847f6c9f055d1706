/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  What a cycle of the worker takes up: scans, calls, refreshes, log-ins.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/apply.h"
#include "queue/queue.h"
#include "util/session.h"
#include "worker/account_state.h"
#include "worker/claim.h"
#include "worker/execution.h"
#include "worker/reconcile.h"
#include "worker/refresh.h"
#include "worker/trouble.h"

/* A lock that keeps calls from being taken is logged when it has done so this many times. */
#define QUIET_FAILURES		4

/*
 * A look at the whole queue is cheap if it reads at most this many blocks for each account.
 * After two others, of which the first may have been planned, there is none for this many
 * times its duration, or, if nobody has woken the worker, for this long, in ms.
 */
#define CHEAP_LOOK			50
#define LOOK_SHARE			20
#define LOOK_INTERVAL		1000

static List *scans = NIL;		/* in TopMemoryContext */
static IgDue *places = NULL;	/* where parts of the queue begin; in TopMemoryContext */
static int	nplaces = 0;
static bool look_wanted = true; /* at the whole queue */
static TimestampTz soonest_look = 0;	/* if it is wanted */
static TimestampTz latest_look = 0; /* if it is not */

/* Have *next be this time, unless it is sooner. */
void
ig_look_again(TimestampTz *next, TimestampTz at)
{
	if (at != 0 && (*next == 0 || at < *next))
		*next = at;
}

/* Calls could not be found or claimed, and are to be tried again; NULL: they could. */
static void
note_claim(const IgTrouble *trouble, TimestampTz now, TimestampTz *next)
{
	static int	failures = 0;
	TimestampTz again;

	if (trouble == NULL)
	{
		failures = 0;
		return;
	}
	if (++failures == (trouble->locked ? QUIET_FAILURES : 1))
		ereport(LOG,
				(errmsg("ignisign: no call could be taken: %s", trouble->text)));
	again = ig_trouble_next_try(failures, now);
	if (trouble->locked)
		again = Min(again, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	ig_look_again(next, again);
}

/* Somebody may have queued calls: look at the whole queue, as soon as that may be. */
void
ig_claim_look(void)
{
	look_wanted = true;
}

/* Keep where each account's part of the queue begins; a call that is queued from now on lies there, too. */
static void
keep_places(const IgDue *due, int n, TimestampTz now)
{
	if (places != NULL)
		pfree(places);
	places = MemoryContextAlloc(TopMemoryContext, Max(n, 1) * sizeof(IgDue));
	nplaces = n;
	memcpy(places, due, n * sizeof(IgDue));
	for (int i = 0; i < n; i++)
	{
		if (places[i].run_at <= now)
			continue;
		places[i].run_at = now;
		places[i].id = 0;
	}
}

/* Blocks that this process has read. */
static int64
blocks_read(void)
{
	return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read;
}

/*
 * The first pending call of each account.
 *
 * Dead rows that VACUUM cannot remove because of somebody's old snapshot lie where the
 * queue begins, and a look at the whole queue reads them all.  Such a look is not made
 * in each cycle: accounts that had a call at the last one are looked at from where that call
 * was.  A call that lies before, or is another account's, is found by the next look at
 * the whole queue: within a second, and sooner if the worker was woken.
 */
static IgDue *
look_at_queue(TimestampTz *next, int *n)
{
	static bool was_cheap = true;
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz at = look_wanted ? soonest_look : latest_look;
	int64		blocks = blocks_read();
	bool		is_cheap;
	IgDue	   *due;
	TimestampTz now;

	/* Should the clock have been set back, the time means nothing. */
	if (begun < at && at <= TimestampTzPlusMilliseconds(begun, LOOK_INTERVAL))
	{
		ig_look_again(next, at);
		return ig_queue_due_from(places, nplaces, n);
	}
	due = ig_queue_due("pending", n);
	keep_places(due, *n, begun);
	look_wanted = false;
	soonest_look = latest_look = 0;
	is_cheap = blocks_read() - blocks <= CHEAP_LOOK * (*n + 1);
	if (!is_cheap && !was_cheap)
	{
		now = GetCurrentTimestamp();
		latest_look = TimestampTzPlusMilliseconds(now, LOOK_INTERVAL);
		soonest_look = Min(now + LOOK_SHARE * (now - begun), latest_look);
	}
	was_cheap = is_cheap;
	return due;
}

/* The first call of each account in a state. */
typedef struct Due
{
	const char *state;
	TimestampTz next;
	IgDue	   *due;
	int			n;
} Due;

/* Find them. */
static void
find_due(void *arg)
{
	Due		   *due = arg;

	due->due = strcmp(due->state, "pending") == 0 ? look_at_queue(&due->next, &due->n) :
		ig_queue_due(due->state, &due->n);
}

/* Find them, unless that is not possible now: NULL. */
static IgDue *
try_due(const char *state, TimestampTz now, TimestampTz *next, int *n)
{
	Due			due = {.state = state};
	IgTrouble	trouble;

	if (!ig_try(find_due, &due, IG_LOCK_PATIENCE, &trouble))
	{
		note_claim(&trouble, now, next);
		return NULL;
	}
	ig_look_again(next, due.next);
	*n = due.n;
	return due.due;
}

/* What a scan is to do. */
typedef struct ScanStep
{
	IgAccountState *account_state;
	IgScan	   *scan;
	TimestampTz now;
	TimestampTz when;
	bool		over;
	List	   *calls;
} ScanStep;

/* Settle an account's calls whose id is known. */
static void
settle_identified(void *arg)
{
	const ScanStep *step = arg;

	ig_scan_settle_identified(step->account_state, step->now);
}

/* Begin a scan. */
static void
begin_scan(void *arg)
{
	ScanStep   *step = arg;

	step->scan = ig_scan_begin(step->account_state, step->now);
}

/* Go on with a scan. */
static void
go_on_with_scan(void *arg)
{
	ScanStep   *step = arg;

	step->calls = ig_scan_next(step->scan, step->now, &step->when, &step->over);
}

/* Begin to look for the calls of an account that are in doubt, and due. */
static void
look_for_account(IgAccountState *state, TimestampTz now, TimestampTz *next)
{
	ScanStep	step = {.account_state = state, .now = now};
	IgTrouble	trouble;
	TimestampTz again;

	if (!ig_try(settle_identified, &step, IG_SHORT_PATIENCE, &trouble))
		ig_scan_put_off_account(state, &trouble, now);
	else if (!ig_account_may_send(state, now, &again))
	{
		ig_account_record_status(state, now);
		ig_look_again(next, again);
	}
	else if (!ig_try(begin_scan, &step, IG_SHORT_PATIENCE, &trouble))
		ig_scan_put_off_account(state, &trouble, now);
	else if (step.scan != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		scans = lappend(scans, step.scan);
		MemoryContextSwitchTo(old);
	}
}

/* Take what is next of the scans, and begin new ones where it is time. */
static void
claim_scans(List **executions, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	int			ndue;
	ListCell   *lc;

	due = try_due("unknown", now, next, &ndue);
	if (due == NULL)
		return;
	for (int i = 0; i < ndue; i++)
	{
		IgAccountState *state = ig_account_state(NameStr(due[i].server), NameStr(due[i].owner));

		if (state->scanning)
			continue;
		/* A call that only a person settles is never due. */
		if (TIMESTAMP_IS_NOEND(due[i].run_at))
			continue;
		if (due[i].run_at <= now && state->scan_at <= now)
			look_for_account(state, now, next);
		if (!state->scanning && (due[i].run_at > now || state->scan_at > now))
			ig_look_again(next, Max(due[i].run_at, state->scan_at));
	}

	foreach(lc, scans)
	{
		ScanStep	step = {.scan = lfirst(lc), .now = now};
		IgTrouble	trouble;

		if (!ig_try(go_on_with_scan, &step, IG_LOCK_PATIENCE, &trouble))
		{
			ig_scan_fail(step.scan, &trouble);
			ig_look_again(next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
			continue;
		}
		ig_look_again(next, step.when);
		*executions = list_concat(*executions, step.calls);
		if (step.over)
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

/* What is to be claimed. */
typedef struct Claim
{
	const IgDue *due;
	int			ndue;
	TimestampTz now;
	const IgCallKey *key;		/* of one call */
	const IgTrouble *trouble;	/* why it cannot be claimed */
	IgCall	   *calls;
	int			n;
} Claim;

/* Claim all. */
static void
claim_all(void *arg)
{
	Claim	   *claim = arg;

	claim->calls = ig_queue_claim(claim->due, claim->ndue, claim->now, &claim->n);
}

/* Claim one call. */
static void
claim_one(void *arg)
{
	Claim	   *claim = arg;

	claim->calls = ig_queue_claim_one(claim->key, claim->now);
}

/* Have a call that cannot be claimed be dead. */
static void
refuse_call(void *arg)
{
	const Claim *claim = arg;
	char	   *operation = ig_queue_refuse(claim->key, claim->trouble->sqlstate, claim->trouble->text);
	IgDead		dead = {&claim->key->request, operation, claim->trouble->text};

	if (operation != NULL)
		ig_apply_dead(&dead, 1);
}

/* A call cannot be claimed. */
static void
refuse_claim(Claim *claim, const IgTrouble *trouble)
{
	static int64 warned = 0;	/* that the row cannot be changed */
	IgTrouble	other;
	bool		done;

	claim->trouble = trouble;
	done = ig_try(refuse_call, claim, IG_SHORT_PATIENCE, &other);
	if (!done && warned == claim->key->id)
		return;
	warned = done ? 0 : claim->key->id;
	ereport(WARNING,
			(errmsg("ignisign: the call %lld of request %s could not be taken: %s", (long long) claim->key->id,
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&claim->key->request))), trouble->text),
			 done ? errdetail("It is dead. Nothing of it has been sent.") :
			 errdetail("That could not be recorded with the call: %s", other.text)));
}

/*
 * Claim what is due.  Where one call is in the way, such as a damaged row, all are
 * claimed one by one, and that call is dead.
 */
static IgCall *
try_claim(const IgDue *due, int ndue, TimestampTz now, TimestampTz *next, int *n)
{
	Claim		claim = {.due = due, .ndue = ndue, .now = now};
	IgTrouble	trouble;
	IgCallKey  *keys;
	IgCall	   *calls;
	int			nkeys;

	*n = 0;
	if (ig_try(claim_all, &claim, IG_LOCK_PATIENCE, &trouble))
	{
		note_claim(NULL, now, next);
		*n = claim.n;
		return claim.calls;
	}
	if (trouble.passes)
	{
		note_claim(&trouble, now, next);
		return NULL;
	}

	keys = ig_queue_due_keys(due, ndue, now, &nkeys);
	calls = palloc(Max(nkeys, 1) * sizeof(IgCall));
	for (int i = 0; i < nkeys; i++)
	{
		claim.key = &keys[i];
		if (ig_try(claim_one, &claim, IG_SHORT_PATIENCE, &trouble))
		{
			if (claim.calls != NULL)
				calls[(*n)++] = *claim.calls;
		}
		else if (!trouble.passes)
			refuse_claim(&claim, &trouble);
	}
	ig_look_again(next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	return calls;
}

/* Claim calls of the queue. */
static void
claim_calls(List **executions, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	IgCall	   *calls;
	TimestampTz again;
	int			ndue;
	int			nready = 0;
	int			n;

	due = try_due("pending", now, next, &ndue);
	if (due == NULL)
		return;
	for (int i = 0; i < ndue; i++)
	{
		if (due[i].run_at > now)
			ig_look_again(next, due[i].run_at);
		else
			due[nready++] = due[i];
	}
	ndue = nready;
	nready = 0;
	ig_accounts_share_slots(due, ndue, now);
	for (int i = 0; i < ndue; i++)
	{
		IgAccountState *state = ig_account_state(NameStr(due[i].server), NameStr(due[i].owner));

		if (due[i].limit > 0)
			due[nready++] = due[i];
		else if (!ig_account_may_send(state, now, &again))
		{
			ig_account_record_status(state, now);
			ig_look_again(next, again);
		}
	}
	if (nready == 0)
	{
		note_claim(NULL, now, next);
		return;
	}

	calls = try_claim(due, nready, now, next, &n);
	if (calls == NULL)
		return;
	if (passed_over(due, nready, calls, n))
		ig_look_again(next, TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE));
	for (int i = 0; i < n; i++)
	{
		IgAccountState *state = ig_account_state(NameStr(calls[i].server), NameStr(calls[i].owner));

		*executions = lappend(*executions, ig_execution_create(&calls[i], state));
	}

	/* Where fewer were there than fit, the next one's time is to be seen. */
	for (int i = 0; n > 0 && i < ndue; i++)
	{
		if (ig_account_may_send(ig_account_state(NameStr(due[i].server), NameStr(due[i].owner)), now, &again))
			again = now;
		ig_look_again(next, again);
	}
}

/* What is to be refreshed. */
typedef struct Refresh
{
	TimestampTz now;
	TimestampTz next_look;
	List	   *servers;
	IgRounds   *rounds;
	int			slots;
	List	   *batches;
} Refresh;

/* Find the servers that have open requests. */
static void
find_servers(void *arg)
{
	Refresh    *refresh = arg;

	refresh->servers = ig_refresh_servers(refresh->now, &refresh->next_look);
}

/* Collect a server's requests. */
static void
collect_requests(void *arg)
{
	Refresh    *refresh = arg;

	refresh->batches = ig_refresh_collect(refresh->rounds, refresh->now, refresh->slots);
}

/* Ask for the status of open requests. */
static void
claim_refreshes(List **executions, TimestampTz now, TimestampTz *next)
{
	Refresh		refresh = {.now = now};
	TimestampTz later = TimestampTzPlusMilliseconds(now, IG_LOCKED_PAUSE);
	ListCell   *lc;
	ListCell   *lb;

	if (!ig_session_unless_locked(find_servers, &refresh))
	{
		ig_look_again(next, later);
		return;
	}
	ig_look_again(next, refresh.next_look);
	foreach(lc, refresh.servers)
	{
		IgRounds   *rounds = lfirst(lc);
		IgServerLimiter *limiter = ig_limiter(ig_refresh_server(rounds));
		TimestampTz at = ig_refresh_due(rounds);
		TimestampTz again;
		int			slots;

		if (at > now)
		{
			ig_look_again(next, at);
			continue;
		}
		slots = ig_limiter_refresh_slots(limiter, now, &again);
		if (slots == 0)
		{
			ig_look_again(next, again);
			continue;
		}
		refresh.rounds = rounds;
		refresh.slots = slots;
		if (!ig_session_unless_locked(collect_requests, &refresh))
		{
			ig_look_again(next, later);
			continue;
		}
		foreach(lb, refresh.batches)
		{
			IgBatch    *batch = lfirst(lb);
			IgAccountState *state = ig_account_state(NameStr(batch->server), NameStr(batch->owner));

			/* An account that is held back misses this round. */
			if (ig_account_may_refresh(state, now))
				*executions = lappend(*executions, ig_execution_create_refresh(batch, state));
		}
		at = ig_refresh_due(rounds);
		if (at > now || ig_limiter_refresh_slots(limiter, now, &again) > 0)
			ig_look_again(next, at);
		else
			ig_look_again(next, again);
	}
}

/* Log in where a token is wanted; the account state's other calls wait for that. */
static void
claim_logins(List **executions, TimestampTz now, TimestampTz *next)
{
	TimestampTz again;
	ListCell   *lc;

	foreach(lc, ig_accounts_to_log_in())
	{
		IgAccountState *state = lfirst(lc);

		if (ig_limiter_allows(state->limiter, now, &again))
			*executions = lappend(*executions, ig_execution_create_login(state));
		else
		{
			state->logging_in = false;
			ig_look_again(next, again);
		}
	}
}

/* Take up what is due. */
List *
ig_claim(TimestampTz now, TimestampTz *next)
{
	List	   *executions = NIL;

	claim_scans(&executions, now, next);
	claim_calls(&executions, now, next);
	claim_refreshes(&executions, now, next);
	claim_logins(&executions, now, next);
	return executions;
}
