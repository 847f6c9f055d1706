/*-------------------------------------------------------------------------
 *
 * limiter.h
 *	  Load control: how much a server, and the worker, is given to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LOAD_H
#define IGNISIGN_LOAD_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "launcher/counters.h"
#include "queue/credentials.h"
#include "util/policy.h"

/* A server as the worker sees it: all roles that use it go through one limiter. */
typedef struct IgServerLimiter
{
	NameData	server;			/* the key */
	IgBreaker	breaker;
	IgTokenBucket bucket;		/* of all calls */
	IgTokenBucket refresh_bucket;	/* of half of them, for refreshes */
	int			in_flight;
	int			refreshes;		/* of these */
	int			granted;		/* not started yet; see ig_accounts_share_slots */
	char		reason[300];	/* why the breaker is open */
	IgCounters *counters;		/* what others see of it */

	/* The server's options; see docs/reference.md. */
	int			max_total_in_flight;
	int			breaker_failures;
	int			breaker_pause;	/* ms */
	int64		rate;			/* calls in 1000 s, 0: no limit */
} IgServerLimiter;

/* What a call is started with, and what ends it. */
typedef struct IgTicket
{
	int			epoch;			/* of the breaker */
	bool		probe;			/* it shows whether the server works again */
	bool		refresh;
	bool		trial;			/* the account's first since it was asked to wait */
} IgTicket;

/* Set up; once a process. */
extern void ig_limiters_init(void);

/* Find or make the limiter of a server.  Needs a transaction. */
extern IgServerLimiter *ig_limiter(const char *server);

/* Take over the server's options. */
extern void ig_limiter_configure(IgServerLimiter *limiter, const IgAccount *account);

/*
 * Servers were made or dropped: those that are gone no longer have counters of
 * their own, which others may get.  Needs a transaction.
 */
extern void ig_limiters_recount(void);

/* Have the server tried again at once, if its breaker is open. */
extern void ig_limiters_reload(void);

/*
 * Whether one more call may start, beside those that are granted.  If not,
 * *again is the time to look again, or 0 where the end of a call tells.
 */
extern bool ig_limiter_allows(IgServerLimiter *limiter, TimestampTz now, TimestampTz *again);

/* Whether a role that has so many of the server's slots may have one more. */
extern bool ig_limiter_has_slot(const IgServerLimiter *limiter, int used);

/* How many refreshes may start; the same for none. */
extern int	ig_limiter_refresh_slots(IgServerLimiter *limiter, TimestampTz now, TimestampTz *again);

/* Whether the breaker holds calls back. */
extern bool ig_limiter_breaker_is_open(const IgServerLimiter *limiter);

/* A grant that was not used yet, n of them; negative: taken back. */
extern void ig_limiter_grant(IgServerLimiter *limiter, int n);

/* A call starts, and ends. */
extern IgTicket ig_limiter_start(IgServerLimiter *limiter, bool refresh);
extern void ig_limiter_end(IgServerLimiter *limiter, const IgTicket *ticket);

/* Have others see how it stands. */
extern void ig_limiters_publish(void);

/* What an attempt tells of the server, with a text for people if it is bad. */
extern void ig_limiter_record_outcome(IgServerLimiter *limiter, const IgTicket *ticket, IgHealth health,
									  const char *error, TimestampTz now);

#endif							/* IGNISIGN_LOAD_H */
