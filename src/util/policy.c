/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Pure decisions: what follows from the outcome of an attempt, and when.
 *
 * The HTTP status counts first and the API's code second: codes are many, and
 * which of them comes with which status is not documented.
 *
 *-------------------------------------------------------------------------
 */
#include "util/policy.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)

/*
 * Codes that come with 403 and concern one object or feature, not the
 * account: the call is refused, others need not be held back.
 */
static const char *const refusals[] = {
	"DATA_JSON_NOT_ENABLED",
	"DOCUMENT_BAD_ENV",
	"DOCUMENT_NOT_OWNED_BY_APP",
	"EMBEDDED_NOT_ENABLED",
	"FEATURE_NOT_AVAILABLE",
	"FULL_PRIVACY_NOT_ENABLED",
	"INVALID_CONTEXT",
	"INVALID_CONTEXT_DOCUMENT_ID_NOT_ALLOWED",
	"INVALID_CONTEXT_RIGHT_NOT_ALLOWED",
	"NOT_YET_IMPLEMENTED",
	"QUALIFIED_SIGNATURE_NOT_ENABLED",
	"SIGNATURE_PROFILE_NEED_BILLING_BUT_ORGANIZATION_BILLING_NOT_ACTIVE",
	"SIGNER_BAD_ENV",
	"SIGNER_NOT_OWNED_BY_APP"
};

/* Whether a 403 with this code concerns only the call itself. */
static bool
concerns_call_only(const char *code)
{
	for (size_t i = 0; code != NULL && i < sizeof(refusals) / sizeof(refusals[0]); i++)
	{
		if (strcmp(code, refusals[i]) == 0)
			return true;
	}
	return false;
}

/* The larger one. */
static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Put a decision together. */
static IgDecision
make_decision(IgVerdict verdict, int64_t delay, bool burns_attempt)
{
	IgDecision	decision = {verdict, delay, burns_attempt};

	return decision;
}

/* base * 2^(attempt-1), at most cap. */
static int64_t
exponential(int attempt, int64_t base, int64_t cap)
{
	int64_t		bound = base < cap ? base : cap;

	for (int i = 1; i < attempt && bound < cap; i++)
		bound = bound > cap / 2 ? cap : bound * 2;
	return larger(bound, 0);
}

/* Exponential backoff with full jitter. */
int64_t
ig_policy_backoff(int attempt, int64_t base, int64_t cap, uint64_t random)
{
	return (int64_t) (random % ((uint64_t) exponential(attempt, base, cap) + 1));
}

/* The pause after local trouble that passes. */
int64_t
ig_policy_local_pause(int failures, int64_t base, int64_t cap, uint64_t random)
{
	int64_t		bound = exponential(failures, base, cap);

	return bound - (int64_t) (random % ((uint64_t) bound / 2 + 1));
}

/* Whether an error of ours passes by itself. */
bool
ig_policy_sqlstate_passes(const char *sqlstate)
{
	static const char *const classes[] = {"08", "40", "53", "55", "57", "58", "HV"};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
	{
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}

	/* read_only_sql_transaction */
	return strcmp(sqlstate, "25006") == 0;
}

/* Decide what follows. */
IgDecision
ig_policy_decide(const IgOutcome *outcome, const IgPolicy *policy, uint64_t random)
{
	int			status = outcome->http_status;
	bool		responded = outcome->reach == IG_REACH_RESPONDED;
	bool		unprocessed = outcome->reach == IG_REACH_NOT_SENT;
	int64_t		delay;

	if (responded && (status < 200 || status > 599))
		responded = false;

	delay = larger(ig_policy_backoff(outcome->attempts, policy->retry_delay,
									 policy->max_retry_delay, random),
				   outcome->retry_after);

	if (responded)
	{
		if (status < 300)
			return make_decision(IG_DONE, 0, true);
		if (outcome->not_yet)
			return make_decision(IG_WAIT, larger(delay, policy->retry_delay), false);
		if (status == 401 || (status == 403 && !concerns_call_only(outcome->code)))
			return make_decision(IG_PARK, 0, false);
		if (status == 425 || status == 429)
			unprocessed = true;
		else if (status < 500 && status != 408)
			return make_decision(IG_DEAD, 0, true);
	}

	/* Perhaps carried out, and nobody can tell: that is for a person. */
	if (!unprocessed && !outcome->repeatable && !outcome->traceable)
		return make_decision(IG_DEAD, 0, true);
	if (!unprocessed && !outcome->repeatable)
		return make_decision(IG_RECONCILE,
							 larger(policy->reconcile_delay, outcome->retry_after), true);
	if (outcome->attempts >= outcome->max_attempts)
		return make_decision(IG_DEAD, 0, true);
	return make_decision(IG_RETRY, delay, true);
}

/* Days from the epoch to a date of the Gregorian calendar. */
static int64_t
days_from_epoch(int year, int month, int day)
{
	int64_t		years = year - (month <= 2 ? 1 : 0);
	int64_t		leap_days = years / 4 - years / 100 + years / 400;
	int			shifted = (month + 9) % 12;

	return years * 365 + leap_days + (shifted * 306 + 5) / 10 + day - 1 - 719468;
}

/* Read the date of RFC 9110's preferred format. */
int64_t
ig_policy_http_date(const char *value)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char		name[4];
	const char *month;
	int			day,
				year,
				hour,
				minute,
				second,
				end = 0;

	if (sscanf(value, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n",
			   &day, name, &year, &hour, &minute, &second, &end) != 6 ||
		end == 0 || strspn(value + end, " \t") != strlen(value + end))
		return -1;
	month = strstr(months, name);
	if (month == NULL || strlen(name) != 3 || (month - months) % 3 != 0 ||
		day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 ||
		minute < 0 || minute > 59 || second < 0 || second > 60)
		return -1;
	return ((days_from_epoch(year, (int) (month - months) / 3 + 1, day) * 24 + hour) * 60 + minute) * 60 + second;
}

/* Read a Retry-After header. */
int64_t
ig_policy_retry_after(const char *value, int64_t now)
{
	int64_t		seconds = 0;
	const char *c;

	while (*value == ' ' || *value == '\t')
		value++;
	if (isdigit((unsigned char) *value))
	{
		for (c = value; isdigit((unsigned char) *c); c++)
		{
			if (seconds < IG_MAX_RETRY_AFTER)
				seconds = seconds * 10 + (*c - '0');
		}
		if (strspn(c, " \t") != strlen(c))
			return -1;
		return seconds > IG_MAX_RETRY_AFTER / 1000 ? IG_MAX_RETRY_AFTER : seconds * 1000;
	}

	seconds = ig_policy_http_date(value);
	if (seconds < 0)
		return -1;
	if (seconds * 1000 <= now)
		return 0;
	return seconds * 1000 - now > IG_MAX_RETRY_AFTER ? IG_MAX_RETRY_AFTER : seconds * 1000 - now;
}

/* How long a response holds back other calls, and whose. */
IgThrottle
ig_policy_hold(int http_status, int64_t retry_after, int streak,
			   const IgPolicy *policy, uint64_t random, int64_t *delay)
{
	*delay = retry_after;
	if (http_status == 503)
		return retry_after > 0 ? IG_HOLD_SERVER : IG_HOLD_NOTHING;
	if (http_status != 429)
		return IG_HOLD_NOTHING;
	if (retry_after < 0)
		*delay = ig_policy_backoff(streak, policy->retry_delay, policy->max_retry_delay, random);
	return IG_HOLD_ACCOUNT;
}

/* One call in the bucket's unit: then a rate is what flows in a microsecond. */
#define ONE_CALL INT64_C(1000000000)

/* What a bucket holds. */
static int64_t
bucket_size(int64_t rate)
{
	return larger(ONE_CALL, rate * 100000);
}

/* Fill a bucket up to now. */
static void
fill(IgTokenBucket *bucket, int64_t rate, int64_t now)
{
	int64_t		missing = bucket_size(rate) - bucket->tokens;
	int64_t		elapsed = now - bucket->filled_at;

	if (bucket->filled_at == 0 || elapsed > missing / rate)
		bucket->tokens = bucket_size(rate);
	else if (elapsed > 0)
		bucket->tokens += elapsed * rate;

	/* A clock that was set back fills nothing. */
	bucket->filled_at = now;
}

/* How many calls may be made. */
int
ig_bucket_tokens(IgTokenBucket *bucket, int64_t rate, int64_t now)
{
	if (rate == 0)
		return INT_MAX;
	fill(bucket, rate, now);
	return bucket->tokens < ONE_CALL ? 0 : (int) (bucket->tokens / ONE_CALL);
}

/* Take one call out. */
void
ig_bucket_take(IgTokenBucket *bucket, int64_t rate, int64_t now)
{
	if (rate == 0)
		return;
	fill(bucket, rate, now);
	bucket->tokens -= ONE_CALL;
}

/* When to look again: a hundred times a second at most. */
int64_t
ig_bucket_next(const IgTokenBucket *bucket, int64_t rate)
{
	int64_t		wanted = larger(ONE_CALL, rate * 10000) - bucket->tokens;

	return rate == 0 || wanted <= 0 ? bucket->filled_at : bucket->filled_at + (wanted + rate - 1) / rate;
}

/* What an attempt tells of the server. */
IgHealth
ig_policy_health(IgReach reach, int http_status)
{
	if (reach == IG_REACH_NOT_SENT || reach == IG_REACH_NO_RESPONSE || http_status >= 500)
		return IG_HEALTH_BAD;
	return IG_HEALTH_GOOD;
}

/* Change a breaker's state. */
static void
change_breaker(IgBreaker *breaker, IgBreakerState state)
{
	breaker->state = state;
	breaker->failures = 0;
	breaker->probing = false;
	breaker->epoch++;
}

/* Whether a call may start. */
bool
ig_breaker_allows(IgBreaker *breaker, int64_t now)
{
	if (breaker->state == IG_BREAKER_OPEN && breaker->until <= now)
		change_breaker(breaker, IG_BREAKER_HALF_OPEN);
	return breaker->state == IG_BREAKER_CLOSED ||
		(breaker->state == IG_BREAKER_HALF_OPEN && !breaker->probing);
}

/* A call starts. */
int
ig_breaker_start(IgBreaker *breaker)
{
	breaker->probing = breaker->state == IG_BREAKER_HALF_OPEN;
	return breaker->epoch;
}

/* A call has ended. */
IgBreakerState
ig_breaker_report(IgBreaker *breaker, int epoch, IgHealth health,
				  int threshold, int64_t pause, int64_t now)
{
	IgBreakerState before = breaker->state;

	if (epoch != breaker->epoch)
		return before;
	if (health == IG_HEALTH_UNKNOWN)
		breaker->probing = false;
	else if (health == IG_HEALTH_GOOD)
	{
		breaker->failures = 0;
		if (before == IG_BREAKER_HALF_OPEN)
			change_breaker(breaker, IG_BREAKER_CLOSED);
	}
	else if (threshold > 0 && (before == IG_BREAKER_HALF_OPEN || ++breaker->failures >= threshold))
	{
		change_breaker(breaker, IG_BREAKER_OPEN);
		breaker->until = now + pause * 1000;
	}
	return before;
}

/* base * 4^klass, without its bound. */
static int64_t
class_unit(int klass, int64_t base)
{
	for (int k = 0; k < klass && base < INT64_MAX / 1024; k++)
		base *= 4;
	return base;
}

/* How often a class is refreshed. */
int64_t
ig_policy_refresh_interval(int klass, int64_t base)
{
	int64_t		unit = class_unit(klass, base);

	return unit > HOUR_MS ? HOUR_MS : unit;
}

/* Age at which a class ends. */
int64_t
ig_policy_refresh_class_end(int klass, int64_t base)
{
	/* What is refreshed hourly stays so. */
	if (klass >= IG_REFRESH_CLASSES - 1 || class_unit(klass, base) >= HOUR_MS)
		return INT64_MAX;
	return 30 * class_unit(klass, base);
}

/* The class of a request of this age. */
int
ig_policy_refresh_class(int64_t age, int64_t base)
{
	int			klass = 0;

	while (age >= ig_policy_refresh_class_end(klass, base))
		klass++;
	return klass;
}
