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
#include "policy.h"

#include <ctype.h>
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

/* Exponential backoff with full jitter. */
int64_t
ig_policy_backoff(int attempt, int64_t base, int64_t cap, uint64_t random)
{
	int64_t		bound = base < cap ? base : cap;

	for (int i = 1; i < attempt && bound < cap; i++)
		bound = bound > cap / 2 ? cap : bound * 2;
	if (bound <= 0)
		return 0;
	return (int64_t) (random % ((uint64_t) bound + 1));
}

/* Decide what follows. */
IgDecision
ig_policy_decide(const IgOutcome *outcome, const IgPolicy *policy, uint64_t random)
{
	int			status = outcome->http_status;
	bool		answered = outcome->reach == IG_REACH_ANSWERED;
	bool		unprocessed = outcome->reach == IG_REACH_NOT_SENT;
	int64_t		delay;

	if (answered && (status < 200 || status > 599))
		answered = false;

	delay = larger(ig_policy_backoff(outcome->attempts, policy->retry_delay,
									 policy->max_retry_delay, random),
				   outcome->retry_after);

	if (answered)
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
