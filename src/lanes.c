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
	static IgStatement forget = {.sql = "DELETE FROM ignisign.parked"};
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = 2 * sizeof(NameData);
	ctl.entrysize = sizeof(IgLane);
	ctl.hcxt = TopMemoryContext;
	lanes = hash_create("ignisign lanes", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, catalog_changed, (Datum) 0);

	/* What was parked by a predecessor is tried anew. */
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

	if (!lane->parked)
	{
		lane->parked = true;
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

/* The account works again. */
void
ig_lane_unpark(IgLane *lane)
{
	static IgStatement unpark = {
		.sql = "DELETE FROM ignisign.parked WHERE server = $1 AND owner = $2",
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2];

	if (!lane->parked)
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
