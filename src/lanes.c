/*-------------------------------------------------------------------------
 *
 * lanes.c
 *	  The accounts of one worker.
 *
 * A lane is a server as a role uses it.  What happens to one account must not
 * delay another: each lane has its own limit, and its own gate.  A lane whose
 * account is refused (or has no usable credentials) is parked: its calls stay
 * pending, none of their attempts is used up, and from time to time, or when
 * a server or mapping changes, one call goes to see whether it works again.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "lanes.h"
#include "spi.h"

/* Pause before a parked lane is tried again, in ms: doubles up to the second. */
#define FIRST_PARK_PAUSE	30000
#define LAST_PARK_PAUSE		600000

/* Failures of a login, one after the other, before the lane is parked. */
#define MAX_LOGIN_TRIES			5

/* A token that does not tell lives so long; one is renewed so long before its end. */
#define DEFAULT_TOKEN_LIFETIME	(5 * 60 * 1000)
#define TOKEN_MARGIN			(60 * 1000)

static HTAB *lanes = NULL;
static bool reload_pending = false;

/* Servers, mappings or roles changed; they are looked at in a transaction. */
static void
catalog_changed(Datum arg, int cache_id, uint32 hash_value)
{
	reload_pending = true;
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
		lane->stale = true;
	}
	return lane;
}

/* Keep where each account's part of the queue begins. */
void
ig_lanes_set_fronts(const IgDue *due, int n)
{
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;

	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
		lane->front = DT_NOEND;
	for (int i = 0; i < n; i++)
	{
		lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));
		lane->front = due[i].run_at;
		lane->front_id = due[i].id;
	}
}

/* Where the accounts' parts of the queue begin. */
IgDue *
ig_lanes_fronts(TimestampTz latest, int *n)
{
	IgDue	   *result = palloc0(Max(hash_get_num_entries(lanes), 1) * sizeof(IgDue));
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;

	*n = 0;
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		IgDue	   *front = &result[(*n)++];

		front->server = lane->server;
		front->owner = lane->owner;
		front->run_at = Min(lane->front, latest);
		front->id = lane->front < latest ? lane->front_id : 0;
	}
	return result;
}

/* Have all accounts loaded again, and parked lanes tried. */
void
ig_lanes_reload(void)
{
	HASH_SEQ_STATUS scan;
	IgLane	   *lane;

	reload_pending = false;
	hash_seq_init(&scan, lanes);
	while ((lane = hash_seq_search(&scan)) != NULL)
	{
		lane->stale = true;
		lane->next_try = 0;
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

/* When a lane that has no room is to be looked at again. */
TimestampTz
ig_lane_next(const IgLane *lane, TimestampTz now)
{
	if (lane->parked && lane->in_flight == 0)
		return Max(lane->next_try, lane->next_login);
	return !lane->parked && lane->next_login > now ? lane->next_login : 0;
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

	/* One that is new in place of a refused one was to help, and did not. */
	if (lane->refused == generation - 1 && lane->refused > 0 &&
		GetCurrentTimestamp() < TimestampTzPlusMilliseconds(lane->token_since, TOKEN_MARGIN))
		return false;
	lane->refused = generation;
	lane->renew_at = 0;
	return true;
}

/* Whether the lane's calls can be made, be there room for more or not. */
bool
ig_lane_open(IgLane *lane, TimestampTz now)
{
	(void) ig_lane_room(lane, now);
	return !lane->parked && lane->account != NULL && has_token(lane, now);
}

/* After how many attempts a call is dead. */
int
ig_lane_max_attempts(const IgLane *lane)
{
	return lane->account ? lane->account->max_attempts : PG_INT32_MAX;
}

/* How many calls may be started now. */
int
ig_lane_room(IgLane *lane, TimestampTz now)
{
	if (reload_pending)
		ig_lanes_reload();
	if (lane->parked && (lane->in_flight > 0 || lane->next_try > now))
		return 0;
	if (lane->stale && !load_account(lane, now))
		return 0;
	if (!has_token(lane, now))
		return 0;
	if (lane->parked)
		return 1;
	return Max(lane->account->max_in_flight - lane->in_flight, 0);
}

/* Hold the lane's calls back, and say why. */
void
ig_lane_park(IgLane *lane, const char *reason, TimestampTz now)
{
	static IgStatement park = {
		.sql = "INSERT INTO ignisign.parked AS p (server, owner, reason, next_try) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (server, owner) DO UPDATE SET reason = excluded.reason, "
		"next_try = excluded.next_try, tries = p.tries + 1",
		.types = {NAMEOID, NAMEOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[4];

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

	SPI_connect();
	values[0] = NameGetDatum(&lane->server);
	values[1] = NameGetDatum(&lane->owner);
	values[2] = CStringGetTextDatum(reason);
	values[3] = TimestampTzGetDatum(lane->next_try);
	ig_spi_execute(&park, values, NULL);
	SPI_finish();
}

/*
 * A call was answered: the account works again, unless the call was under way
 * before the account was refused.
 */
void
ig_lane_answered(IgLane *lane, TimestampTz started_at)
{
	static IgStatement unpark = {
		.sql = "DELETE FROM ignisign.parked WHERE server = $1 AND owner = $2",
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2];

	if (!lane->parked || started_at < lane->parked_at)
		return;
	lane->parked = false;
	ereport(LOG,
			(errmsg("ignisign: calls of role \"%s\" on server \"%s\" are made again",
					NameStr(lane->owner), NameStr(lane->server))));
	SPI_connect();
	values[0] = NameGetDatum(&lane->server);
	values[1] = NameGetDatum(&lane->owner);
	ig_spi_execute(&unpark, values, NULL);
	SPI_finish();
}
