/*-------------------------------------------------------------------------
 *
 * account_state.c
 *	  The accounts of one worker.
 *
 * A lane is a server as a role uses it.  What happens to one account must not
 * delay another: each lane has its own limit, and is held back alone; what all
 * lanes of a server share is its gate (limiter.c).  A lane whose
 * account is refused (or has no usable credentials) is parked: its calls stay
 * pending, none of their attempts is used up, and from time to time, or when
 * a server or mapping changes, one call goes to see whether it works again.
 *
 * A lane that the API asks to wait (429) waits as a whole, and so do others with
 * the same credentials; then one call goes first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "util/session.h"
#include "util/spi.h"
#include "worker/account_state.h"

/* Pause before a parked lane is tried again, in ms: doubles up to the second. */
#define FIRST_PARK_PAUSE	30000
#define LAST_PARK_PAUSE		600000

/* Failures of a login, one after the other, before the lane is parked. */
#define MAX_LOGIN_TRIES			5

/* A token that does not tell lives so long; one is renewed so long before its end. */
#define DEFAULT_TOKEN_LIFETIME	(5 * 60 * 1000)
#define TOKEN_MARGIN			(60 * 1000)

/* Tokens that work for a while and are then refused, one soon after the other, before the lane is parked. */
#define MAX_REVOCATIONS			5

/* What is over sooner is not written down. */
#define SHORTEST_NOTE			1000

/*
 * As many calls are claimed ahead as are expected to end within so many microseconds, but
 * no more than this part of those under way.
 */
#define AHEAD_TIME				100000
#define AHEAD_SHARE				4

static HTAB *lanes = NULL;
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
ig_lanes_init(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = 2 * sizeof(NameData);
	ctl.entrysize = sizeof(IgLane);
	ctl.hcxt = TopMemoryContext;
	lanes = hash_create("ignisign lanes", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	ig_load_init();

	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);
}

/* What was parked by a predecessor is tried anew. */
void
ig_lanes_forget_parked(void)
{
	static IgStatement forget = {.sql = "DELETE FROM ignisign.parked"};

	SPI_connect();
	ig_spi_execute(&forget, NULL, NULL);
	SPI_finish();
}

/* Find or make the lane of an account. */
IgLane *
ig_lane(const char *server, const char *owner)
{
	NameData	key[2];
	IgLane	   *lane;
	bool		found;

	memset(key, 0, sizeof(key));
	namestrcpy(&key[0], server);
	namestrcpy(&key[1], owner);
	lane = hash_search(lanes, key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) lane + sizeof(key), 0, sizeof(IgLane) - sizeof(key));
		lane->context = AllocSetContextCreate(TopMemoryContext, "ignisign account",
											  ALLOCSET_SMALL_SIZES);
		lane->gate = ig_gate(server);
		lane->stale = true;
	}
	return lane;
}

/* Have all accounts loaded again, and what is held back tried. */
void
ig_lanes_reload(void)
{
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;

	reload_pending = false;
	ig_gates_reload();
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		lane->stale = true;
		lane->next_try = 0;
		lane->held_until = 0;
	}
}

/* Load the lane's account; false: there is none, and the lane is parked. */
static bool
load_account(IgLane *lane, TimestampTz now)
{
	char	   *problem = NULL;
	MemoryContext old;

	lane->account = NULL;
	lane->stale = false;
	lane->loads++;
	MemoryContextReset(lane->context);
	old = MemoryContextSwitchTo(lane->context);
	if (ig_account_allowed(NameStr(lane->server), NameStr(lane->owner), &problem))
		lane->account = ig_account_load(NameStr(lane->server), NameStr(lane->owner), &problem);
	MemoryContextSwitchTo(old);

	if (lane->account == NULL)
	{
		ig_lane_park(lane, problem, now);
		lane->stale = true;
		return false;
	}
	ig_gate_configure(lane->gate, lane->account);
	return true;
}

/* Whether there is a token that will do, or none is needed. */
static bool
has_token(IgLane *lane, TimestampTz now)
{
	const IgAccount *account = lane->account;
	char	   *name;
	bool		same;

	if (account->secret == NULL)
		return true;
	name = psprintf("%s %s %s %s", account->base_url, account->key.app_id, account->key.app_env, account->secret);
	same = lane->token_account != NULL && strcmp(lane->token_account, name) == 0;
	explicit_bzero(name, strlen(name));
	pfree(name);
	if (same && lane->token != NULL && lane->renew_at > now)
		return true;
	lane->wants_token = lane->next_login <= now;
	return false;
}

/* What the lane's calls are sent with. */
const char *
ig_lane_bearer(const IgLane *lane)
{
	return lane->account->secret ? lane->token : lane->account->bearer;
}

/* The lanes that want a token. */
List *
ig_lanes_to_log_in(void)
{
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;
	List	   *result = NIL;

	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		if (lane->wants_token && !lane->logging_in && lane->account != NULL)
		{
			lane->logging_in = true;
			result = lappend(result, lane);
		}
		lane->wants_token = false;
	}
	return result;
}

/* Keep a text beyond the account; the old one is overwritten. */
static void
replace_secret(char **kept, const char *text)
{
	if (*kept)
	{
		explicit_bzero(*kept, strlen(*kept));
		pfree(*kept);
	}
	*kept = text ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
}

/* A login failed. */
bool
ig_lane_login_failed(IgLane *lane, bool for_good, TimestampTz now)
{
	int64		delay;

	lane->logging_in = false;
	if (for_good || ++lane->login_tries > MAX_LOGIN_TRIES)
	{
		lane->login_tries = 0;
		return false;
	}
	delay = Min((int64) Max(ig_retry_delay, 10) << lane->login_tries, (int64) ig_max_retry_delay);
	lane->next_login = TimestampTzPlusMilliseconds(now, delay);
	return true;
}

/* A login has given a token. */
void
ig_lane_logged_in(IgLane *lane, const char *token)
{
	const IgAccount *account = lane->account;
	int64_t		expiry;
	int64		lifetime;
	char	   *name;

	lane->logging_in = false;
	lane->login_tries = 0;
	if (account == NULL || account->secret == NULL)
		return;
	name = psprintf("%s %s %s %s", account->base_url, account->key.app_id, account->key.app_env, account->secret);
	replace_secret(&lane->token_account, name);
	explicit_bzero(name, strlen(name));
	pfree(name);
	replace_secret(&lane->token, token);
	lane->generation++;
	lane->token_since = GetCurrentTimestamp();

	/* Renewed a minute early, or after half of a short life. */
	expiry = ig_api_jwt_expiry(token);
	lifetime = expiry < 0 ? DEFAULT_TOKEN_LIFETIME : (expiry - (int64_t) time(NULL)) * 1000;
	lifetime = Max(lifetime, 1000);
	lane->renew_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												 lifetime > 2 * TOKEN_MARGIN ? lifetime - TOKEN_MARGIN : lifetime / 2);
}

/* A call with a token was refused. */
bool
ig_lane_token_refused(IgLane *lane, int generation)
{
	if (lane->account == NULL || lane->account->secret == NULL)
		return false;
	if (generation != lane->generation)
		return true;			/* there is a newer one already */

	if (generation == lane->refused)
		return true;			/* the new one is on its way */

	/*
	 * One that is new in place of a refused one was to help.  It did not where it
	 * was never of use, or where that goes on and on.
	 */
	if (lane->refused == generation - 1 && lane->refused > 0 &&
		GetCurrentTimestamp() < TimestampTzPlusMilliseconds(lane->token_since, TOKEN_MARGIN))
		lane->refusals++;
	else
		lane->refusals = 0;
	if (lane->refusals > (lane->accepted == generation ? MAX_REVOCATIONS : 0))
		return false;
	lane->refused = generation;
	lane->renew_at = 0;
	return true;
}

/* A call with the token of that generation was done. */
void
ig_lane_token_accepted(IgLane *lane, int generation)
{
	lane->accepted = Max(lane->accepted, generation);
}

/* After how many attempts a call is dead. */
int
ig_lane_max_attempts(const IgLane *lane)
{
	return lane->account ? lane->account->max_attempts : PG_INT32_MAX;
}

/* Whether it has an account that is not held back for itself; *again as below. */
static bool
is_usable(IgLane *lane, TimestampTz now, TimestampTz *again)
{
	int			used = lane->in_flight + lane->granted;

	*again = 0;
	if (reload_pending)
		ig_lanes_reload();
	if (lane->parked && used > 0)
		return false;
	if (lane->parked && lane->next_try > now)
	{
		*again = lane->next_try;
		return false;
	}
	if (lane->stale && !load_account(lane, now))
	{
		*again = lane->next_try;
		return false;
	}
	if (lane->held_until > now)
	{
		*again = lane->held_until;
		return false;
	}
	return lane->throttled == 0 || (!lane->trying && lane->granted == 0);
}

/* Whether there is a token; *again as below. */
static bool
is_logged_in(IgLane *lane, TimestampTz now, TimestampTz *again)
{
	if (has_token(lane, now))
		return true;
	if (lane->next_login > now)
		*again = lane->next_login;
	return false;
}

/* Whether one more call may be started. */
bool
ig_lane_may_send(IgLane *lane, TimestampTz now, TimestampTz *again)
{
	IgGate	   *gate = lane->gate;
	int			used = lane->in_flight + lane->granted;

	if (!is_usable(lane, now, again))
		return false;
	if (used >= lane->account->max_in_flight || !ig_gate_has_place(gate, used))
		return false;
	return ig_gate_open(gate, now, again) && is_logged_in(lane, now, again);
}

/* Whether nothing but its limits holds its calls back. */
bool
ig_lane_goes_on(const IgLane *lane, TimestampTz now)
{
	return lane->account != NULL && !lane->stale && !reload_pending && !lane->parked &&
		lane->held_until <= now && lane->throttled == 0 && !ig_gate_broken(lane->gate);
}

/* Whether one more call may be started without a look at the catalog. */
bool
ig_lane_may_go_on(IgLane *lane, TimestampTz now)
{
	TimestampTz again;

	return ig_lane_goes_on(lane, now) && ig_lane_may_send(lane, now, &again);
}

/*
 * How many calls may be claimed ahead: where all places are taken, and there is no rate,
 * which is another bound.
 */
static int
room_ahead(const IgLane *lane, TimestampTz now)
{
	int			used = lane->in_flight + lane->granted;
	int64		room;

	if (!ig_lane_goes_on(lane, now) || lane->gate->rate > 0 || lane->took == 0 ||
		(used < lane->account->max_in_flight && ig_gate_has_place(lane->gate, used)))
		return 0;
	room = Min(used / AHEAD_SHARE, used * (int64) AHEAD_TIME / lane->took);
	return (int) Max(room - lane->ahead - lane->relieved, 0);
}

/* Whether a refresh may be started. */
bool
ig_lane_may_refresh(IgLane *lane, TimestampTz now)
{
	TimestampTz again;

	/* One that is to show whether the account works again is a call of the queue. */
	return is_usable(lane, now, &again) && !lane->parked && is_logged_in(lane, now, &again);
}

/* An account that has calls due. */
typedef struct Claimant
{
	IgDue	   *due;
	IgLane	   *lane;
} Claimant;

/* qsort comparator: who was served longest ago. */
static int
compare_claimants(const void *a, const void *b)
{
	int64		first = ((const Claimant *) a)->lane->served;
	int64		second = ((const Claimant *) b)->lane->served;

	return first < second ? -1 : first > second ? 1 : 0;
}

/* Share out what may be started. */
void
ig_lanes_share(IgDue *due, int n, TimestampTz now)
{
	Claimant   *claimants = palloc(Max(n, 1) * sizeof(Claimant));
	TimestampTz again;
	bool		any = true;

	for (int i = 0; i < n; i++)
	{
		claimants[i].due = &due[i];
		claimants[i].lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));
		due[i].limit = 0;
		due[i].ahead = 0;
	}
	qsort(claimants, n, sizeof(Claimant), compare_claimants);

	while (any)
	{
		any = false;
		for (int i = 0; i < n; i++)
		{
			IgLane	   *lane = claimants[i].lane;

			/* Who got nothing in a round gets nothing in the next. */
			if (claimants[i].due == NULL)
				continue;
			if (!ig_lane_may_send(lane, now, &again))
			{
				claimants[i].due = NULL;
				continue;
			}
			claimants[i].due->limit++;
			lane->granted++;
			ig_gate_grant(lane->gate, 1);
			any = true;
		}
	}
	for (int i = 0; i < n; i++)
		due[i].ahead = room_ahead(ig_lane(NameStr(due[i].server), NameStr(due[i].owner)), now);
	for (int i = 0; i < n; i++)
	{
		IgLane	   *lane = claimants[i].lane;

		ig_gate_grant(lane->gate, -lane->granted);
		lane->granted = 0;
	}
	pfree(claimants);
}

/* A call starts. */
IgTicket
ig_lane_start(IgLane *lane, bool refresh)
{
	IgTicket	ticket = ig_gate_start(lane->gate, refresh);

	ticket.trial = lane->throttled > 0;
	lane->trying = lane->trying || ticket.trial;
	lane->in_flight++;
	lane->served = ++calls_started;
	return ticket;
}

/* It has ended. */
void
ig_lane_end(IgLane *lane, const IgTicket *ticket)
{
	if (ticket->trial)
		lane->trying = false;
	lane->in_flight--;
	ig_gate_end(lane->gate, ticket);
}

/* Whether two lanes of a server have the same credentials. */
static bool
same_account(const IgLane *a, const IgLane *b)
{
	const char *first = a->account == NULL ? NULL : a->account->secret ? a->account->secret : a->account->bearer;
	const char *second = b->account == NULL ? NULL : b->account->secret ? b->account->secret : b->account->bearer;

	return first != NULL && second != NULL && strcmp(first, second) == 0;
}

/* Have the lane wait, and others that it concerns. */
void
ig_lane_hold(IgLane *lane, IgHold hold, int64 delay, const char *reason, TimestampTz now)
{
	TimestampTz until = TimestampTzPlusMilliseconds(now, delay);
	HASH_SEQ_STATUS scan;
	IgLane	   *other;

	hash_seq_init(&scan, lanes);
	while ((other = hash_seq_search(&scan)) != NULL)
	{
		if (other->gate != lane->gate ||
			(other != lane && hold == IG_HOLD_ACCOUNT && !same_account(other, lane)))
			continue;
		if (until <= other->held_until)
			continue;

		/* Answers to calls that were made before are not one more refusal. */
		if (other->held_until <= now)
			other->throttled++;
		other->held_until = until;
		strlcpy(other->held_reason, reason, sizeof(other->held_reason));
	}
}

/* The API takes its calls again. */
void
ig_lane_release(IgLane *lane)
{
	if (lane->held_until <= GetCurrentTimestamp())
		lane->throttled = 0;
}

/* Why a lane's calls do not go. */
typedef struct Note
{
	IgLane	   *lane;
	const char *reason;
	TimestampTz next_try;
} Note;

/* Write it down. */
static void
insert_note(void *arg)
{
	const Note *what = arg;
	static IgStatement note = {
		.sql = "INSERT INTO ignisign.parked AS p (server, owner, reason, next_try) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (server, owner) DO UPDATE SET reason = excluded.reason, "
		"next_try = excluded.next_try, tries = p.tries + 1",
		.types = {NAMEOID, NAMEOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[4];

	SPI_connect();
	values[0] = NameGetDatum(&what->lane->server);
	values[1] = NameGetDatum(&what->lane->owner);
	values[2] = CStringGetTextDatum(what->reason);
	values[3] = TimestampTzGetDatum(what->next_try);
	ig_spi_execute(&note, values, NULL);
	SPI_finish();
}

/* Write down why a lane's calls do not go, unless that is not possible now. */
static void
write_note(IgLane *lane, const char *reason, TimestampTz next_try)
{
	Note		what = {lane, reason, next_try};

	(void) ig_session_unless_locked(insert_note, &what);
}

/* Delete what was written. */
static void
delete_note(void *arg)
{
	const IgLane *lane = arg;
	static IgStatement erase = {
		.sql = "DELETE FROM ignisign.parked WHERE server = $1 AND owner = $2",
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2];

	SPI_connect();
	values[0] = NameGetDatum(&lane->server);
	values[1] = NameGetDatum(&lane->owner);
	ig_spi_execute(&erase, values, NULL);
	SPI_finish();
}

/* Take back what was written; false: not possible now. */
static bool
erase_note(IgLane *lane)
{
	return ig_session_unless_locked(delete_note, lane);
}

/* Have it said why the lane's calls do not go, if that lasts. */
void
ig_lane_note(IgLane *lane, TimestampTz now)
{
	const IgBreaker *breaker = &lane->gate->breaker;

	if (lane->parked || (lane->noted && lane->noted_until > now))
		return;
	if (lane->held_until > TimestampTzPlusMilliseconds(now, SHORTEST_NOTE))
	{
		lane->noted_until = lane->held_until;
		write_note(lane, lane->held_reason, lane->noted_until);
	}
	else if (breaker->state == IG_BREAKER_OPEN)
	{
		lane->noted_until = breaker->until;
		write_note(lane, lane->gate->reason, lane->noted_until);
	}
	else
		return;
	lane->noted = true;
}

/* Have it no longer said where it is over, and servers counted that are there. */
void
ig_lanes_settle(TimestampTz now)
{
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;

	if (recount_pending)
	{
		recount_pending = false;
		ig_gates_recount();
	}
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		if (!lane->noted || lane->held_until > now || ig_gate_broken(lane->gate))
			continue;
		if (!lane->parked && !erase_note(lane))
			continue;
		lane->noted = false;
	}
}

/* Hold the lane's calls back, and say why. */
void
ig_lane_park(IgLane *lane, const char *reason, TimestampTz now)
{
	/* The next try is made with a new token. */
	lane->renew_at = 0;
	if (!lane->parked)
	{
		lane->parked = true;
		lane->parked_at = now;
		lane->tries = 0;
		ereport(WARNING,
				(errmsg("ignisign: calls of role \"%s\" on server \"%s\" are held back: %s",
						NameStr(lane->owner), NameStr(lane->server), reason),
				 errhint("They are kept. Mend the server or the user mapping; one call is tried from time to time.")));
	}
	lane->next_try = TimestampTzPlusMilliseconds(now,
												 Min((int64) FIRST_PARK_PAUSE << Min(lane->tries, 10),
													 LAST_PARK_PAUSE));
	lane->tries++;

	write_note(lane, reason, lane->next_try);
}

/*
 * A call was answered: the account works again, unless the call was under way
 * before the account was refused.
 */
void
ig_lane_answered(IgLane *lane, TimestampTz started_at)
{
	if (!lane->parked || started_at < lane->parked_at)
		return;
	lane->parked = false;
	ereport(LOG,
			(errmsg("ignisign: calls of role \"%s\" on server \"%s\" are made again",
					NameStr(lane->owner), NameStr(lane->server))));
	lane->noted = !erase_note(lane);
	lane->noted_until = 0;
}
