/*-------------------------------------------------------------------------
 *
 * limiter.c
 *	  Load control: how much a server, and the worker, is given to do.
 *
 * Each server has a limiter: a breaker, a rate, and a limit of calls under way
 * over all roles.  The worker has a limit over all servers, because each call
 * costs it memory and a descriptor.
 *
 * So that a server that is slow cannot take all of the worker's slots, one may
 * have three times as many calls under way as slots are free: one slow server
 * gets three quarters of them, two get three sevenths each, and there is always
 * room for the next.  In the same way the roles of a server share its slots.  A
 * role that has nothing under way gets one slot, as long as there is any.
 *
 * All of it is in memory: a worker that starts finds every limiter open, and a
 * server that does not work closes its limiter again soon.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http/http.h"
#include "launcher/slots.h"
#include "worker/limiter.h"

/* How many times the free slots one may take. */
#define SHARE			3

/* Refreshes of a server under way side by side. */
#define MAX_REFRESHES	8

static HTAB *limiters = NULL;
static int	total_in_flight = 0;
static int	total_granted = 0;

/* Set up. */
void
ig_limiters_init(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(NameData);
	ctl.entrysize = sizeof(IgServerLimiter);
	ctl.hcxt = TopMemoryContext;
	limiters = hash_create("ignisign servers", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Whether there is such a server (any more). */
static bool
server_exists(const char *server)
{
	return OidIsValid(get_foreign_server_oid(server, true));
}

/* The counters of a server; of its own only if it exists. */
static IgCounters *
find_counters(const char *server)
{
	return ig_counters_of(ig_slots_my_counters(), server_exists(server) ? server : NULL);
}

/* Find or make the limiter of a server. */
IgServerLimiter *
ig_limiter(const char *server)
{
	NameData	key;
	IgServerLimiter *limiter;
	bool		found;

	memset(&key, 0, sizeof(key));
	namestrcpy(&key, server);
	limiter = hash_search(limiters, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) limiter + sizeof(key), 0, sizeof(IgServerLimiter) - sizeof(key));
		limiter->max_total_in_flight = 1;
		limiter->counters = find_counters(server);
	}
	return limiter;
}

/* Take over the server's options. */
void
ig_limiter_configure(IgServerLimiter *limiter, const IgAccount *account)
{
	limiter->max_total_in_flight = account->max_total_in_flight;
	limiter->breaker_failures = account->breaker_failures;
	limiter->breaker_pause = account->breaker_pause;
	limiter->rate = account->rate;

	/* One that is turned off is closed. */
	if (limiter->breaker_failures == 0)
		memset(&limiter->breaker, 0, sizeof(limiter->breaker));
}

/* Servers were made or dropped. */
void
ig_limiters_recount(void)
{
	IgCounterSet *set = ig_slots_my_counters();
	HASH_SEQ_STATUS scan;
	IgServerLimiter *limiter;

	for (int i = 0; i < IG_COUNTED_SERVERS; i++)
	{
		if (set->of[i].since != 0 && !server_exists(NameStr(set->of[i].server)))
			ig_counters_free(&set->of[i]);
	}
	hash_seq_init(&scan, limiters);
	while ((limiter = hash_seq_search(&scan)) != NULL)
		limiter->counters = find_counters(NameStr(limiter->server));
}

/* Have broken servers tried again. */
void
ig_limiters_reload(void)
{
	HASH_SEQ_STATUS scan;
	IgServerLimiter *limiter;

	hash_seq_init(&scan, limiters);
	while ((limiter = hash_seq_search(&scan)) != NULL)
		limiter->breaker.until = 0;
}

/* How many slots a server has now, taken ones included. */
static int
max_slots(const IgServerLimiter *limiter)
{
	int			used = limiter->in_flight + limiter->granted;
	int			others = total_in_flight + total_granted - used;

	/* That part of what others leave, rounded up. */
	return Min(limiter->max_total_in_flight,
			   (SHARE * (ig_http_max_transfers() - others) + SHARE) / (SHARE + 1));
}

/* Whether a role that has so many of the server's slots may have one more. */
bool
ig_limiter_has_slot(const IgServerLimiter *limiter, int used)
{
	int			left = max_slots(limiter) - limiter->in_flight - limiter->granted;

	return left > 0 && (used == 0 || used < SHARE * left);
}

/* Whether the breaker lets a call go; *again as below. */
static bool
breaker_open_for(IgServerLimiter *limiter, TimestampTz now, TimestampTz *again)
{
	*again = 0;
	if (ig_breaker_allows(&limiter->breaker, now))
		return limiter->breaker.state == IG_BREAKER_CLOSED || limiter->granted == 0;
	if (limiter->breaker.state == IG_BREAKER_OPEN)
		*again = limiter->breaker.until;
	return false;
}

/* Whether one more call may start. */
bool
ig_limiter_allows(IgServerLimiter *limiter, TimestampTz now, TimestampTz *again)
{
	if (!breaker_open_for(limiter, now, again) || !ig_limiter_has_slot(limiter, 0))
		return false;
	if (ig_bucket_tokens(&limiter->bucket, limiter->rate, now) > limiter->granted)
		return true;
	*again = ig_bucket_next(&limiter->bucket, limiter->rate);
	return false;
}

/* How many refreshes may start. */
int
ig_limiter_refresh_slots(IgServerLimiter *limiter, TimestampTz now, TimestampTz *again)
{
	int			slots = MAX_REFRESHES - limiter->refreshes;

	if (!breaker_open_for(limiter, now, again))
		return 0;
	if (limiter->breaker.state != IG_BREAKER_CLOSED)
		slots = 1;
	slots = Min(slots, max_slots(limiter) - limiter->in_flight);
	if (slots <= 0)
		return 0;

	/*
	 * They have half of the rate to themselves and may owe it to the bucket of all, which would be empty
	 * whenever they look while there is a backlog.
	 */
	slots = Min(slots, ig_bucket_tokens(&limiter->refresh_bucket, limiter->rate / 2, now));
	if (slots == 0)
		*again = ig_bucket_next(&limiter->refresh_bucket, limiter->rate / 2);
	return slots;
}

/* Whether the breaker holds calls back. */
bool
ig_limiter_breaker_is_open(const IgServerLimiter *limiter)
{
	return limiter->breaker.state != IG_BREAKER_CLOSED;
}

/* Set slots aside. */
void
ig_limiter_grant(IgServerLimiter *limiter, int n)
{
	limiter->granted += n;
	total_granted += n;
}

/* A call starts. */
IgTicket
ig_limiter_start(IgServerLimiter *limiter, bool refresh)
{
	TimestampTz now = GetCurrentTimestamp();
	IgTicket	ticket = {0};

	ticket.refresh = refresh;
	ticket.epoch = ig_breaker_start(&limiter->breaker);
	ticket.probe = limiter->breaker.probing;
	ig_bucket_take(&limiter->bucket, limiter->rate, now);
	if (refresh)
	{
		ig_bucket_take(&limiter->refresh_bucket, limiter->rate / 2, now);
		limiter->refreshes++;
	}
	limiter->in_flight++;
	total_in_flight++;
	return ticket;
}

/* It has ended. */
void
ig_limiter_end(IgServerLimiter *limiter, const IgTicket *ticket)
{
	if (ticket->refresh)
		limiter->refreshes--;
	limiter->in_flight--;
	total_in_flight--;
}

/* Have others see how the limiters stand; of servers that are counted together, not. */
void
ig_limiters_publish(void)
{
	HASH_SEQ_STATUS scan;
	IgServerLimiter *limiter;

	hash_seq_init(&scan, limiters);
	while ((limiter = hash_seq_search(&scan)) != NULL)
	{
		IgCounters *counters = limiter->counters;

		if (NameStr(counters->server)[0] == '\0')
			continue;
		SpinLockAcquire(&counters->mutex);
		counters->in_flight = limiter->in_flight;
		counters->breaker = limiter->breaker;
		counters->bucket = limiter->bucket;
		counters->rate = limiter->rate;
		SpinLockRelease(&counters->mutex);
	}
}

/* What an attempt tells of the server. */
void
ig_limiter_record_outcome(IgServerLimiter *limiter, const IgTicket *ticket, IgHealth health,
						  const char *error, TimestampTz now)
{
	IgBreakerState before = ig_breaker_report(&limiter->breaker, ticket->epoch, health,
											  limiter->breaker_failures, limiter->breaker_pause, now);

	if (limiter->breaker.state == before)
		return;
	if (limiter->breaker.state == IG_BREAKER_CLOSED)
		ereport(LOG,
				(errmsg("ignisign: server \"%s\" works again", NameStr(limiter->server))));
	else
	{
		snprintf(limiter->reason, sizeof(limiter->reason),
				 "the server does not work, one call is tried every %g s: %s",
				 limiter->breaker_pause / 1000.0, error ? error : "unknown error");
		if (before == IG_BREAKER_CLOSED)
			ereport(WARNING,
					(errmsg("ignisign: calls on server \"%s\" are held back after %d failures in a row: %s",
							NameStr(limiter->server), limiter->breaker_failures, error ? error : "unknown error"),
					 errhint("They are kept. One call is tried every %g s.", limiter->breaker_pause / 1000.0)));
	}
}
