/* Tests of policy.c. */
#include "util/policy.h"
#include "tap.h"

#include <limits.h>
#include <string.h>

static const IgPolicy policy = {.retry_delay = 1000, .max_retry_delay = 60000, .reconcile_delay = 30000};

/* Decide about one attempt of several, with the largest jitter. */
static IgDecision
decide(IgReach reach, int status, const char *code, bool repeatable, int attempts)
{
	IgOutcome	outcome = {
		.reach = reach, .http_status = status, .code = code, .retry_after = -1,
		.repeatable = repeatable, .traceable = !repeatable, .attempts = attempts, .max_attempts = 5
	};

	return ig_policy_decide(&outcome, &policy, 1000);
}

static void
test_decisions(void)
{
	IgOutcome	outcome = {.reach = IG_REACH_RESPONDED, .http_status = 429, .retry_after = 7000, .attempts = 1, .max_attempts = 5};
	IgDecision	decision;

	ok(decide(IG_REACH_RESPONDED, 200, NULL, false, 1).verdict == IG_DONE, "200 is done");
	ok(decide(IG_REACH_RESPONDED, 299, NULL, true, 9).verdict == IG_DONE, "any 2xx is done, at any attempt");
	ok(decide(IG_REACH_RESPONDED, 400, "BODY_VALIDATION_FAILED", true, 1).verdict == IG_DEAD, "400 is dead at once");
	ok(decide(IG_REACH_RESPONDED, 302, NULL, true, 1).verdict == IG_DEAD, "a redirect is dead");
	ok(decide(IG_REACH_RESPONDED, 401, NULL, true, 1).verdict == IG_PARK, "401 parks");
	ok(!decide(IG_REACH_RESPONDED, 401, NULL, true, 1).burns_attempt, "401 burns no attempt");
	ok(decide(IG_REACH_RESPONDED, 403, "ORG_BLOCKED", true, 1).verdict == IG_PARK, "a blocked account parks");
	ok(decide(IG_REACH_RESPONDED, 403, "DOCUMENT_NOT_OWNED_BY_APP", true, 1).verdict == IG_DEAD,
	   "403 about one document concerns the call only");
	ok(decide(IG_REACH_RESPONDED, 403, "INVALID_CONTEXT", true, 1).verdict == IG_DEAD,
	   "so does one about another application's request");
	ok(decide(IG_REACH_RESPONDED, 503, NULL, true, 1).verdict == IG_RETRY, "503 of a repeatable call is retried");
	ok(decide(IG_REACH_RESPONDED, 503, NULL, false, 1).verdict == IG_RECONCILE, "503 of another is looked for first");
	ok(decide(IG_REACH_RESPONDED, 408, NULL, false, 1).verdict == IG_RECONCILE, "408 likewise");
	ok(decide(IG_REACH_RESPONDED, 429, NULL, false, 1).verdict == IG_RETRY, "429 was not processed");
	ok(decide(IG_REACH_RESPONDED, 503, NULL, true, 5).verdict == IG_DEAD, "the last attempt is the last");
	ok(decide(IG_REACH_NO_RESPONSE, 0, NULL, false, 5).verdict == IG_RECONCILE, "no answer at the last attempt: looked for");
	ok(decide(IG_REACH_NOT_SENT, 0, NULL, false, 1).verdict == IG_RETRY, "what was not sent is sent again");
	ok(decide(IG_REACH_NOT_SENT, 0, NULL, false, 5).verdict == IG_DEAD, "but not forever");
	ok(decide(IG_REACH_BAD_RESPONSE, 200, NULL, false, 1).verdict == IG_RECONCILE, "an unusable 200 is looked for");
	ok(decide(IG_REACH_BAD_RESPONSE, 200, NULL, true, 1).verdict == IG_RETRY, "or asked again");
	ok(ig_policy_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777, "the date of an answer");
	ok(ig_policy_http_date("yesterday") == -1, "is none");
	ok(decide(IG_REACH_RESPONDED, 799, NULL, false, 1).verdict == IG_RECONCILE, "an impossible status is no answer");

	outcome.http_status = 503;
	ok(ig_policy_decide(&outcome, &policy, 0).verdict == IG_DEAD, "what can neither be repeated nor looked for is dead");
	outcome.http_status = 429;
	decision = ig_policy_decide(&outcome, &policy, 0);
	ok(decision.verdict == IG_RETRY && decision.delay == 7000, "Retry-After is the least delay");
	outcome.http_status = 400;
	outcome.not_yet = true;
	outcome.retry_after = -1;
	decision = ig_policy_decide(&outcome, &policy, 0);
	ok(decision.verdict == IG_WAIT && !decision.burns_attempt && decision.delay >= 1000, "not yet: wait, at no cost");
}

static void
test_backoff(void)
{
	bool		in_bounds = true;

	for (int attempt = 1; attempt < 100; attempt++)
	{
		for (uint64_t random = 0; random < 200000; random += 997)
		{
			int64_t		delay = ig_policy_backoff(attempt, 1000, 60000, random);
			int64_t		bound = attempt > 6 ? 60000 : INT64_C(1000) << (attempt - 1);

			in_bounds = in_bounds && delay >= 0 && delay <= bound;
		}
	}
	ok(in_bounds, "a delay is between nothing and its bound");
	ok(ig_policy_backoff(1, 1000, 60000, 1000) == 1000, "the bound itself is possible");
	ok(ig_policy_backoff(50, INT64_MAX / 2, INT64_MAX, UINT64_MAX) >= 0, "no overflow");
	ok(ig_policy_backoff(3, 0, 60000, 5) == 0, "no base, no delay");
}

static void
test_local_trouble(void)
{
	static const char *const passing[] = {
		"08006", "40001", "40P01", "53100", "53200", "55006", "55P03", "57014", "57P01", "57P05", "58030", "58P01", "HV000",
		"HV00N", "25006"
	};
	static const char *const permanent[] = {
		"00000", "21000", "22003", "22P02", "23505", "23514", "25001", "25P02", "42501", "42P01", "54000", "P0001", "XX000",
		"XX001", "XX002", "IG004", "04000", "80000", "hv000", ""
	};
	bool		in_bounds = true;

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		ok(ig_policy_sqlstate_passes(passing[i]), passing[i]);
	for (size_t i = 0; i < sizeof(permanent) / sizeof(permanent[0]); i++)
		ok(!ig_policy_sqlstate_passes(permanent[i]), permanent[i]);

	for (int failures = 1; failures < 100; failures++)
	{
		int64_t		bound = failures > 6 ? 5000 : INT64_C(100) << (failures - 1);

		for (uint64_t random = 0; random < 20000; random += 97)
		{
			int64_t		pause = ig_policy_local_pause(failures, 100, 5000, random);

			in_bounds = in_bounds && pause >= bound / 2 && pause <= bound;
		}
	}
	ok(in_bounds, "a pause is between half of its bound and its bound");
	ok(ig_policy_local_pause(1, 0, 5000, 7) == 0, "no base, no pause");
	ok(ig_policy_local_pause(70, INT64_MAX / 2, INT64_MAX, UINT64_MAX) > 0, "no overflow of a pause");
}

static void
test_retry_after(void)
{
	const int64_t now = INT64_C(784111777) * 1000;	/* Sun, 06 Nov 1994 08:49:37 GMT */

	ok(ig_policy_retry_after("120", now) == 120000, "seconds");
	ok(ig_policy_retry_after(" 0 ", now) == 0, "none");
	ok(ig_policy_retry_after("99999999999999999999", now) == IG_MAX_RETRY_AFTER, "at most a day");
	ok(ig_policy_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now) == 10000, "a date");
	ok(ig_policy_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0, "a date that has passed");
	ok(ig_policy_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", INT64_C(1709164799) * 1000) == 1000, "a leap day");
	ok(ig_policy_retry_after("soon", now) == -1, "neither");
	ok(ig_policy_retry_after("", now) == -1, "nothing");
	ok(ig_policy_retry_after("12x", now) == -1, "half a number");
	ok(ig_policy_retry_after("-5", now) == -1, "a negative number");
	ok(ig_policy_retry_after("Sun, 06 Xyz 1994 08:49:47 GMT", now) == -1, "no month");
	ok(ig_policy_retry_after("Sun, 06 Nov 1994 08:49:47 CET", now) == -1, "another zone");
}

static void
test_refresh(void)
{
	bool		grows = true;

	ok(ig_policy_refresh_class(0, 1000) == 0, "a new request is in the first class");
	ok(ig_policy_refresh_interval(0, 1000) == 1000, "which is refreshed at the base");
	for (int k = 1; k < IG_REFRESH_CLASSES; k++)
		grows = grows && ig_policy_refresh_interval(k, 1000) >= ig_policy_refresh_interval(k - 1, 1000);
	ok(grows, "intervals grow");
	ok(ig_policy_refresh_interval(IG_REFRESH_CLASSES - 1, 1000) <= 3600000, "to an hour at most");
	ok(ig_policy_refresh_class(INT64_MAX - 1, 1000) < IG_REFRESH_CLASSES, "any age has a class");
	ok(ig_policy_refresh_class(INT64_MAX - 1, 3600000) == 0, "with an hourly base there is one class");
}

static void
test_hold(void)
{
	int64_t		delay;

	ok(ig_policy_hold(429, 7000, 1, &policy, 1000, &delay) == IG_HOLD_ACCOUNT && delay == 7000, "429 holds the account");
	ok(ig_policy_hold(429, -1, 3, &policy, 4000, &delay) == IG_HOLD_ACCOUNT && delay == 4000,
	   "without Retry-After, for ever longer");
	ok(ig_policy_hold(503, 7000, 1, &policy, 1000, &delay) == IG_HOLD_SERVER && delay == 7000,
	   "503 with Retry-After holds the server");
	ok(ig_policy_hold(503, -1, 1, &policy, 1000, &delay) == IG_HOLD_NOTHING, "without, nothing");
	ok(ig_policy_hold(500, 7000, 1, &policy, 1000, &delay) == IG_HOLD_NOTHING, "nor does 500");
}

static void
test_bucket(void)
{
	IgTokenBucket	bucket = {0};
	int64_t		now = 1000000;
	int			made = 0;

	ok(ig_bucket_tokens(&bucket, 0, now) == INT_MAX, "no rate, no limit");
	ig_bucket_take(&bucket, 0, now);
	ok(bucket.tokens == 0 && bucket.filled_at == 0, "and nothing taken");

	/* Two calls a second. */
	ok(ig_bucket_tokens(&bucket, 2000, now) == 1, "a new bucket has one call");
	ig_bucket_take(&bucket, 2000, now);
	ok(ig_bucket_tokens(&bucket, 2000, now) == 0, "which can be made once");
	ok(ig_bucket_next(&bucket, 2000) == now + 500000, "the next one half a second later");
	ok(ig_bucket_tokens(&bucket, 2000, now + 499999) == 0, "not before");
	ok(ig_bucket_tokens(&bucket, 2000, now + 500000) == 1, "but then");
	ok(ig_bucket_tokens(&bucket, 2000, now + INT64_C(3600000000)) == 1, "nothing is saved up");
	now += INT64_C(3600000000);
	ok(ig_bucket_tokens(&bucket, 2000, now - 1000000) == 1, "a clock that goes back does no harm");
	ig_bucket_take(&bucket, 2000, now - 1000000);
	ig_bucket_take(&bucket, 2000, now - 1000000);
	ok(bucket.tokens == -1000000000 && ig_bucket_next(&bucket, 2000) == now, "what is owed is waited for");

	/* Awake only when told to be, a thousand a second are not exceeded. */
	memset(&bucket, 0, sizeof(bucket));
	now = 1000000;
	for (int cycles = 0; now <= 11000000; cycles++)
	{
		for (int slots = ig_bucket_tokens(&bucket, 1000000, now); slots > 0; slots--, made++)
			ig_bucket_take(&bucket, 1000000, now);
		now = ig_bucket_next(&bucket, 1000000);
		if (cycles > 1100)
			break;
	}
	ok(made >= 10000 && made <= 10110, "ten seconds of a thousand a second in a hundred turns each");

	/* The smallest and the largest rate. */
	memset(&bucket, 0, sizeof(bucket));
	ig_bucket_take(&bucket, 1, 1);
	ok(ig_bucket_next(&bucket, 1) == 1000000001, "one call in a thousand seconds");
	memset(&bucket, 0, sizeof(bucket));
	ok(ig_bucket_tokens(&bucket, INT64_C(10000000), 1) == 1000, "ten thousand a second");
}

static void
test_breaker(void)
{
	IgBreaker	breaker = {0};
	int			epoch;
	int			late;

#define REPORT(epoch, health) ig_breaker_report(&breaker, epoch, health, 3, 1000, 5000000)
	ok(ig_policy_health(IG_REACH_NOT_SENT, 0) == IG_HEALTH_BAD, "no connection is the server's failure");
	ok(ig_policy_health(IG_REACH_NO_RESPONSE, 0) == IG_HEALTH_BAD, "no answer is");
	ok(ig_policy_health(IG_REACH_RESPONDED, 500) == IG_HEALTH_BAD, "500 is");
	ok(ig_policy_health(IG_REACH_RESPONDED, 429) == IG_HEALTH_GOOD, "429 is not");
	ok(ig_policy_health(IG_REACH_RESPONDED, 404) == IG_HEALTH_GOOD, "404 is not");
	ok(ig_policy_health(IG_REACH_BAD_RESPONSE, 200) == IG_HEALTH_GOOD, "nonsense is not");

	ok(ig_breaker_allows(&breaker, 1), "a breaker is closed");
	late = epoch = ig_breaker_start(&breaker);
	REPORT(epoch, IG_HEALTH_BAD);
	REPORT(epoch, IG_HEALTH_BAD);
	REPORT(epoch, IG_HEALTH_UNKNOWN);
	REPORT(epoch, IG_HEALTH_GOOD);
	REPORT(epoch, IG_HEALTH_BAD);
	REPORT(epoch, IG_HEALTH_BAD);
	ok(breaker.state == IG_BREAKER_CLOSED, "only failures in a row count");
	ok(REPORT(epoch, IG_HEALTH_BAD) == IG_BREAKER_CLOSED && breaker.state == IG_BREAKER_OPEN, "the third opens it");
	ok(breaker.until == 6000000 && !ig_breaker_allows(&breaker, 5999999), "for its pause");
	REPORT(late, IG_HEALTH_GOOD);
	ok(breaker.state == IG_BREAKER_OPEN, "what started before does not close it");
	ok(ig_breaker_allows(&breaker, 6000000) && breaker.state == IG_BREAKER_HALF_OPEN, "then it is half-open");
	epoch = ig_breaker_start(&breaker);
	ok(!ig_breaker_allows(&breaker, 6000000), "for one call");
	REPORT(late, IG_HEALTH_BAD);
	ok(breaker.state == IG_BREAKER_HALF_OPEN && breaker.probing, "others that end are not the probe");
	REPORT(epoch, IG_HEALTH_UNKNOWN);
	ok(ig_breaker_allows(&breaker, 6000000), "a probe that tells nothing is followed by another");
	epoch = ig_breaker_start(&breaker);
	REPORT(epoch, IG_HEALTH_BAD);
	ok(breaker.state == IG_BREAKER_OPEN, "a probe that fails opens it again");
	ok(ig_breaker_allows(&breaker, 6000000), "until the next one");
	epoch = ig_breaker_start(&breaker);
	ok(REPORT(epoch, IG_HEALTH_GOOD) == IG_BREAKER_HALF_OPEN && breaker.state == IG_BREAKER_CLOSED, "which closes it");
	epoch = ig_breaker_start(&breaker);
	for (int i = 0; i < 100; i++)
		ig_breaker_report(&breaker, epoch, IG_HEALTH_BAD, 0, 1000, 1);
	ok(breaker.state == IG_BREAKER_CLOSED, "without a threshold it never opens");
#undef REPORT
}

int
main(void)
{
	test_hold();
	test_bucket();
	test_breaker();
	test_decisions();
	test_backoff();
	test_local_trouble();
	test_retry_after();
	test_refresh();
	return done_testing();
}
