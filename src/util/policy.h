/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Pure decisions: what follows from the outcome of an attempt, and when.
 *
 * Times are milliseconds unless said otherwise.  Chance comes in as an
 * argument, so that a decision can be repeated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_POLICY_H
#define IGNISIGN_POLICY_H

#include <stdbool.h>
#include <stdint.h>

/* How far an attempt came. */
typedef enum IgReach
{
	IG_REACH_NOT_SENT,			/* the server cannot have acted on it */
	IG_REACH_NO_RESPONSE,		/* sent, but no whole response came back */
	IG_REACH_BAD_RESPONSE,		/* a 2xx whose body cannot be used */
	IG_REACH_RESPONDED			/* a whole response with an HTTP status */
} IgReach;

typedef struct IgOutcome
{
	IgReach		reach;
	int			http_status;	/* 0 without a response */
	const char *code;			/* the API's error code, or NULL */
	int64_t		retry_after;	/* -1: not given */
	bool		repeatable;		/* sending twice does no harm */
	bool		traceable;		/* else: a lost one can be looked for */
	bool		not_yet;		/* ig_api_not_yet() */
	int			attempts;		/* made so far, this one included */
	int			max_attempts;
} IgOutcome;

typedef struct IgPolicy
{
	int64_t		retry_delay;	/* bound of the first delay */
	int64_t		max_retry_delay;	/* bound of any delay */
	int64_t		reconcile_delay;	/* grace before an unknown one is looked for */
} IgPolicy;

typedef enum IgVerdict
{
	IG_DONE,					/* apply the response */
	IG_RETRY,					/* send again after delay */
	IG_WAIT,					/* send again after delay; not a failure */
	IG_RECONCILE,				/* look for it after delay, before anything */
	IG_PARK,					/* the account is refused: hold all its calls */
	IG_DEAD						/* refused for good, or attempts used up */
} IgVerdict;

typedef struct IgDecision
{
	IgVerdict	verdict;
	int64_t		delay;
	bool		burns_attempt;	/* whether it counts toward max_attempts */
} IgDecision;

extern IgDecision ig_policy_decide(const IgOutcome *outcome,
								   const IgPolicy *policy, uint64_t random);

/*
 * Exponential backoff with full jitter: uniform over 0 .. min(cap, base *
 * 2^(attempt-1)), attempt counted from 1.
 */
extern int64_t ig_policy_backoff(int attempt, int64_t base, int64_t cap,
								 uint64_t random);

/*
 * Whether an error with this SQLSTATE, five characters, passes by itself: a lock, a
 * full disk, a cancellation, a lost connection.  All others are permanent.
 */
extern bool ig_policy_sqlstate_passes(const char *sqlstate);

/*
 * The pause after such an error, the failures-th in a row from 1: from half of bound to
 * bound, where bound is base * 2^(failures-1), at most cap.
 */
extern int64_t ig_policy_local_pause(int failures, int64_t base, int64_t cap, uint64_t random);

/*
 * Read a Retry-After header: seconds or an HTTP date.  now is Unix time in
 * milliseconds.  Returns the wait, 0 for a date that has passed, -1 for a
 * value that is neither; at most IG_MAX_RETRY_AFTER.
 */
#define IG_MAX_RETRY_AFTER (INT64_C(24) * 3600 * 1000)
extern int64_t ig_policy_retry_after(const char *value, int64_t now);

/* Read the date of a header: Unix time in seconds, -1 for what is none. */
extern int64_t ig_policy_http_date(const char *value);

/*
 * How long a response holds back the other calls, and whose: 429 those of the
 * account, 503 with a Retry-After those of the server.  A 429 without one counts
 * as a failed attempt at the account, the streak-th in a row from 1.
 */
typedef enum IgThrottle
{
	IG_HOLD_NOTHING,
	IG_HOLD_ACCOUNT,
	IG_HOLD_SERVER
} IgThrottle;

extern IgThrottle ig_policy_hold(int http_status, int64_t retry_after, int streak,
								 const IgPolicy *policy, uint64_t random, int64_t *delay);

/*
 * A token bucket.  Rates are calls in 1000 seconds, 0 for no limit; times are
 * microseconds.  A bucket that is all zero is full; it holds a tenth of a
 * second's worth, at least one call.
 */
typedef struct IgTokenBucket
{
	int64_t		tokens;			/* thousand millionths of a call; may be negative */
	int64_t		filled_at;		/* 0: never */
} IgTokenBucket;

/* Fill it up to now; returns how many calls may be made. */
extern int	ig_bucket_tokens(IgTokenBucket *bucket, int64_t rate, int64_t now);

/* Take one call out, whether it is there or owed. */
extern void ig_bucket_take(IgTokenBucket *bucket, int64_t rate, int64_t now);

/* When to look again if there is no room; at high rates, for several calls at once. */
extern int64_t ig_bucket_next(const IgTokenBucket *bucket, int64_t rate);

/* What an attempt tells of the server. */
typedef enum IgHealth
{
	IG_HEALTH_UNKNOWN,			/* nothing */
	IG_HEALTH_GOOD,				/* it responses, if only to refuse */
	IG_HEALTH_BAD				/* no connection, no response, or 5xx */
} IgHealth;

extern IgHealth ig_policy_health(IgReach reach, int http_status);

/*
 * A breaker.  Closed, calls go.  After so many failures in a row it is open,
 * and none goes until the pause is over; then one goes as a probe, and what
 * comes of that closes or opens it.  Each change begins an epoch, and what was
 * started in an earlier one is not listened to.  All zero, it is closed.
 */
typedef enum IgBreakerState
{
	IG_BREAKER_CLOSED,
	IG_BREAKER_OPEN,
	IG_BREAKER_HALF_OPEN
} IgBreakerState;

typedef struct IgBreaker
{
	IgBreakerState state;
	int			failures;		/* in a row */
	int			epoch;
	bool		probing;		/* half-open: the probe is under way */
	int64_t		until;			/* open: when the pause is over, in microseconds */
} IgBreaker;

/* Whether a call may start; when the pause is over this half-opens it. */
extern bool ig_breaker_allows(IgBreaker *breaker, int64_t now);

/* A call starts; returns its epoch. */
extern int	ig_breaker_start(IgBreaker *breaker);

/*
 * A call has ended.  Opens after "threshold" failures in a row (0: never) for
 * "pause" milliseconds; now is in microseconds.  Returns the state before.
 */
extern IgBreakerState ig_breaker_report(IgBreaker *breaker, int epoch, IgHealth health,
										int threshold, int64_t pause, int64_t now);

/*
 * How long until an open request is looked at again: class k covers ages up
 * to 30 * base * 4^k and is refreshed every base * 4^k, at most hourly.
 */
#define IG_REFRESH_CLASSES 8
extern int	ig_policy_refresh_class(int64_t age, int64_t base);
extern int64_t ig_policy_refresh_interval(int klass, int64_t base);

/* Age at which class k ends; INT64_MAX for the last one. */
extern int64_t ig_policy_refresh_class_end(int klass, int64_t base);

#endif							/* IGNISIGN_POLICY_H */
