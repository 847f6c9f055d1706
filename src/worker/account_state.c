/*-------------------------------------------------------------------------
 *
 * account_state.c
 *	  The accounts of one worker.
 *
 * An account state is a server as a role uses it.  What happens to one account must not
 * delay another: each account state has its own limit, and is held back alone; what all
 * account states of a server share is its limiter (limiter.c).  An account state whose
 * account is refused (or has no usable credentials) is suspended: its calls stay
 * pending, none of their attempts is used up, and from time to time, or when
 * a server or mapping changes, one call goes to see whether it works again.
 *
 * An account state that the API asks to wait (429) waits as a whole, and so do others with
 * the same credentials; then one call goes first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "queue/suspended.h"
#include "util/session.h"
#include "worker/account_state.h"

/* Pause before a suspended account state is tried again, in ms: doubles up to the second. */
#define FIRST_PARK_PAUSE	30000
#define LAST_PARK_PAUSE		600000

/* What is over sooner is not written down. */
#define SHORTEST_NOTE			1000

static HTAB *accounts = NULL;
static int64 calls_started = 0;
static bool reload_pending = false;
static bool recount_pending = true;

/* Servers, mappings or roles changed; they are looked at in a transaction. */
static void
catalog_changed(Datum arg, int cache_id, uint32 hash_value)
{
	reload_pending = true;
	recount_pending = recount_pending || cache_id == FOREIGNSERVEROID;
}

/* Set up; once a process, in a transaction. */
void
ig_account_states_init(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = 2 * sizeof(NameData);
	ctl.entrysize = sizeof(IgAccountState);
	ctl.hcxt = TopMemoryContext;
	accounts = hash_create("ignisign account states", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	ig_limiters_init();

	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);
}

/* Find or make the account state of an account. */
IgAccountState *
ig_account_state(const char *server, const char *owner)
{
	NameData	key[2];
	IgAccountState *state;
	bool		found;

	memset(key, 0, sizeof(key));
	namestrcpy(&key[0], server);
	namestrcpy(&key[1], owner);
	state = hash_search(accounts, key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) state + sizeof(key), 0, sizeof(IgAccountState) - sizeof(key));
		state->context = AllocSetContextCreate(TopMemoryContext, "ignisign account",
											   ALLOCSET_SMALL_SIZES);
		state->limiter = ig_limiter(server);
		state->stale = true;
	}
	return state;
}

/* Have all accounts loaded again, and what is held back tried. */
void
ig_accounts_reload(void)
{
	HASH_SEQ_STATUS scan;
	IgAccountState *state;

	reload_pending = false;
	ig_limiters_reload();
	hash_seq_init(&scan, accounts);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		state->stale = true;
		state->next_try = 0;
		state->throttled_until = 0;
	}
}

/* Load the account state's account; false: there is none, and the account state is suspended. */
static bool
load_account(IgAccountState *state, TimestampTz now)
{
	char	   *problem = NULL;
	MemoryContext old;

	state->account = NULL;
	state->stale = false;
	MemoryContextReset(state->context);
	old = MemoryContextSwitchTo(state->context);
	if (ig_account_allowed(NameStr(state->server), NameStr(state->owner), &problem))
		state->account = ig_account_load(NameStr(state->server), NameStr(state->owner), &problem);
	MemoryContextSwitchTo(old);

	if (state->account == NULL)
	{
		ig_account_suspend(state, problem, now);
		state->stale = true;
		return false;
	}
	ig_limiter_configure(state->limiter, state->account);
	return true;
}

/* The account states that want a token. */
List *
ig_accounts_to_log_in(void)
{
	HASH_SEQ_STATUS scan;
	IgAccountState *state;
	List	   *result = NIL;

	hash_seq_init(&scan, accounts);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (state->wants_token && !state->logging_in && state->account != NULL)
		{
			state->logging_in = true;
			result = lappend(result, state);
		}
		state->wants_token = false;
	}
	return result;
}

/* After how many attempts a call is dead. */
int
ig_account_max_attempts(const IgAccountState *state)
{
	return state->account ? state->account->max_attempts : PG_INT32_MAX;
}

/* Whether it has an account that is not held back for itself; *again as below. */
static bool
is_usable(IgAccountState *state, TimestampTz now, TimestampTz *again)
{
	int			used = state->in_flight + state->granted;

	*again = 0;
	if (reload_pending)
		ig_accounts_reload();
	if (state->suspended && used > 0)
		return false;
	if (state->suspended && state->next_try > now)
	{
		*again = state->next_try;
		return false;
	}
	if (state->stale && !load_account(state, now))
	{
		*again = state->next_try;
		return false;
	}
	if (state->throttled_until > now)
	{
		*again = state->throttled_until;
		return false;
	}
	return state->throttled == 0 || (!state->trying && state->granted == 0);
}

/* Whether there is a token; *again as below. */
static bool
is_logged_in(IgAccountState *state, TimestampTz now, TimestampTz *again)
{
	if (ig_account_has_token(state, now))
		return true;
	if (state->next_login > now)
		*again = state->next_login;
	return false;
}

/* Whether one more call may be started. */
bool
ig_account_may_send(IgAccountState *state, TimestampTz now, TimestampTz *again)
{
	IgServerLimiter *limiter = state->limiter;
	int			used = state->in_flight + state->granted;

	if (!is_usable(state, now, again))
		return false;
	if (used >= state->account->max_in_flight || !ig_limiter_has_slot(limiter, used))
		return false;
	return ig_limiter_allows(limiter, now, again) && is_logged_in(state, now, again);
}

/* Whether a refresh may be started. */
bool
ig_account_may_refresh(IgAccountState *state, TimestampTz now)
{
	TimestampTz again;

	/* One that is to show whether the account works again is a call of the queue. */
	return is_usable(state, now, &again) && !state->suspended && is_logged_in(state, now, &again);
}

/* An account that has calls due. */
typedef struct Claimant
{
	IgDue	   *due;
	IgAccountState *account_state;
} Claimant;

/* qsort comparator: who was served longest ago. */
static int
compare_claimants(const void *a, const void *b)
{
	int64		first = ((const Claimant *) a)->account_state->served;
	int64		second = ((const Claimant *) b)->account_state->served;

	return first < second ? -1 : first > second ? 1 : 0;
}

/* Share out what may be started. */
void
ig_accounts_share_slots(IgDue *due, int n, TimestampTz now)
{
	Claimant   *claimants = palloc(Max(n, 1) * sizeof(Claimant));
	TimestampTz again;
	bool		any = true;

	for (int i = 0; i < n; i++)
	{
		claimants[i].due = &due[i];
		claimants[i].account_state = ig_account_state(NameStr(due[i].server), NameStr(due[i].owner));
		due[i].limit = 0;
	}
	qsort(claimants, n, sizeof(Claimant), compare_claimants);

	while (any)
	{
		any = false;
		for (int i = 0; i < n; i++)
		{
			IgAccountState *state = claimants[i].account_state;

			/* Who got nothing in a round gets nothing in the next. */
			if (claimants[i].due == NULL)
				continue;
			if (!ig_account_may_send(state, now, &again))
			{
				claimants[i].due = NULL;
				continue;
			}
			claimants[i].due->limit++;
			state->granted++;
			ig_limiter_grant(state->limiter, 1);
			any = true;
		}
	}
	for (int i = 0; i < n; i++)
	{
		IgAccountState *state = claimants[i].account_state;

		ig_limiter_grant(state->limiter, -state->granted);
		state->granted = 0;
	}
	pfree(claimants);
}

/* A call starts. */
IgTicket
ig_account_start_call(IgAccountState *state, bool refresh)
{
	IgTicket	ticket = ig_limiter_start(state->limiter, refresh);

	ticket.trial = state->throttled > 0;
	state->trying = state->trying || ticket.trial;
	state->in_flight++;
	state->served = ++calls_started;
	return ticket;
}

/* It has ended. */
void
ig_account_end_call(IgAccountState *state, const IgTicket *ticket)
{
	if (ticket->trial)
		state->trying = false;
	state->in_flight--;
	ig_limiter_end(state->limiter, ticket);
}

/* Whether two account states of a server have the same credentials. */
static bool
same_account(const IgAccountState *a, const IgAccountState *b)
{
	const char *first = a->account == NULL ? NULL : a->account->secret ? a->account->secret : a->account->bearer;
	const char *second = b->account == NULL ? NULL : b->account->secret ? b->account->secret : b->account->bearer;

	return first != NULL && second != NULL && strcmp(first, second) == 0;
}

/* Have the account state wait, and others that it concerns. */
void
ig_account_throttle(IgAccountState *state, IgThrottle hold, int64 delay, const char *reason, TimestampTz now)
{
	TimestampTz until = TimestampTzPlusMilliseconds(now, delay);
	HASH_SEQ_STATUS scan;
	IgAccountState *other;

	hash_seq_init(&scan, accounts);
	while ((other = hash_seq_search(&scan)) != NULL)
	{
		if (other->limiter != state->limiter ||
			(other != state && hold == IG_HOLD_ACCOUNT && !same_account(other, state)))
			continue;
		if (until <= other->throttled_until)
			continue;

		/* Responses to calls that were made before are not one more refusal. */
		if (other->throttled_until <= now)
			other->throttled++;
		other->throttled_until = until;
		strlcpy(other->throttle_reason, reason, sizeof(other->throttle_reason));
	}
}

/* The API takes its calls again. */
void
ig_account_unthrottle(IgAccountState *state)
{
	if (state->throttled_until <= GetCurrentTimestamp())
		state->throttled = 0;
}

/* The row of ignisign.parked that says why an account's calls are held back. */
typedef struct Status
{
	IgAccountState *account_state;
	const char *reason;
	TimestampTz next_try;
} Status;

/* Write it. */
static void
set_suspended(void *arg)
{
	const Status *status = arg;

	ig_suspended_set(&status->account_state->server, &status->account_state->owner, status->reason, status->next_try);
}

/* Delete it. */
static void
clear_suspended(void *arg)
{
	const Status *status = arg;

	ig_suspended_clear(&status->account_state->server, &status->account_state->owner);
}

/* Write why an account's calls are held back, unless a lock is in the way. */
static void
write_status(IgAccountState *state, const char *reason, TimestampTz next_try)
{
	Status		status = {state, reason, next_try};

	(void) ig_session_unless_locked(set_suspended, &status);
}

/* Delete what was written; false: a lock is in the way. */
static bool
clear_status(IgAccountState *state)
{
	Status		status = {.account_state = state};

	return ig_session_unless_locked(clear_suspended, &status);
}

/* Have it said why the account state's calls do not go, if that lasts. */
void
ig_account_record_status(IgAccountState *state, TimestampTz now)
{
	const IgBreaker *breaker = &state->limiter->breaker;

	if (state->suspended || (state->status_recorded && state->status_recorded_until > now))
		return;
	if (state->throttled_until > TimestampTzPlusMilliseconds(now, SHORTEST_NOTE))
	{
		state->status_recorded_until = state->throttled_until;
		write_status(state, state->throttle_reason, state->status_recorded_until);
	}
	else if (breaker->state == IG_BREAKER_OPEN)
	{
		state->status_recorded_until = breaker->until;
		write_status(state, state->limiter->reason, state->status_recorded_until);
	}
	else
		return;
	state->status_recorded = true;
}

/* Have it no longer said where it is over, and servers counted that are there. */
void
ig_accounts_clear_status(TimestampTz now)
{
	HASH_SEQ_STATUS scan;
	IgAccountState *state;

	if (recount_pending)
	{
		recount_pending = false;
		ig_limiters_recount();
	}
	hash_seq_init(&scan, accounts);
	while ((state = hash_seq_search(&scan)) != NULL)
	{
		if (!state->status_recorded || state->throttled_until > now || ig_limiter_breaker_is_open(state->limiter))
			continue;
		if (!state->suspended && !clear_status(state))
			continue;
		state->status_recorded = false;
	}
}

/* Hold the account state's calls back, and say why. */
void
ig_account_suspend(IgAccountState *state, const char *reason, TimestampTz now)
{
	/* The next try is made with a new token. */
	state->renew_at = 0;
	if (!state->suspended)
	{
		state->suspended = true;
		state->suspended_at = now;
		state->tries = 0;
		ereport(WARNING,
				(errmsg("ignisign: calls of role \"%s\" on server \"%s\" are held back: %s",
						NameStr(state->owner), NameStr(state->server), reason),
				 errhint("They are kept. Mend the server or the user mapping; one call is tried from time to time.")));
	}
	state->next_try = TimestampTzPlusMilliseconds(now,
												  Min((int64) FIRST_PARK_PAUSE << Min(state->tries, 10),
													  LAST_PARK_PAUSE));
	state->tries++;

	write_status(state, reason, state->next_try);
}

/*
 * A call was answered: the account works again, unless the call was under way
 * before the account was refused.
 */
void
ig_account_responded(IgAccountState *state, TimestampTz started_at)
{
	if (!state->suspended || started_at < state->suspended_at)
		return;
	state->suspended = false;
	ereport(LOG,
			(errmsg("ignisign: calls of role \"%s\" on server \"%s\" are made again",
					NameStr(state->owner), NameStr(state->server))));
	state->status_recorded = !clear_status(state);
	state->status_recorded_until = 0;
}
