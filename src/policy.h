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
	IG_REACH_NO_ANSWER,			/* sent, but no whole answer came back */
	IG_REACH_BAD_ANSWER,		/* a 2xx whose body cannot be used */
	IG_REACH_ANSWERED			/* a whole answer with an HTTP status */
} IgReach;

typedef struct IgOutcome
{
	IgReach		reach;
	int			http_status;	/* 0 without an answer */
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
	IG_DONE,					/* apply the answer */
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
 * Read a Retry-After header: seconds or an HTTP date.  now is Unix time in
 * milliseconds.  Returns the wait, 0 for a date that has passed, -1 for a
 * value that is neither; at most IG_MAX_RETRY_AFTER.
 */
#define IG_MAX_RETRY_AFTER (INT64_C(24) * 3600 * 1000)
extern int64_t ig_policy_retry_after(const char *value, int64_t now);

/* Read the date of a header: Unix time in seconds, -1 for what is none. */
extern int64_t ig_policy_http_date(const char *value);

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
