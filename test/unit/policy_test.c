/* Tests of policy.c. */
#include "policy.h"
#include "tap.h"

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
	IgOutcome	outcome = {.reach = IG_REACH_ANSWERED, .http_status = 429, .retry_after = 7000, .attempts = 1, .max_attempts = 5};
	IgDecision	decision;

	ok(decide(IG_REACH_ANSWERED, 200, NULL, false, 1).verdict == IG_DONE, "200 is done");
	ok(decide(IG_REACH_ANSWERED, 299, NULL, true, 9).verdict == IG_DONE, "any 2xx is done, at any attempt");
	ok(decide(IG_REACH_ANSWERED, 400, "BODY_VALIDATION_FAILED", true, 1).verdict == IG_DEAD, "400 is dead at once");
	ok(decide(IG_REACH_ANSWERED, 302, NULL, true, 1).verdict == IG_DEAD, "a redirect is dead");
	ok(decide(IG_REACH_ANSWERED, 401, NULL, true, 1).verdict == IG_PARK, "401 parks");
	ok(!decide(IG_REACH_ANSWERED, 401, NULL, true, 1).burns_attempt, "401 burns no attempt");
	ok(decide(IG_REACH_ANSWERED, 403, "ORG_BLOCKED", true, 1).verdict == IG_PARK, "a blocked account parks");
	ok(decide(IG_REACH_ANSWERED, 403, "DOCUMENT_NOT_OWNED_BY_APP", true, 1).verdict == IG_DEAD,
	   "403 about one document concerns the call only");
	ok(decide(IG_REACH_ANSWERED, 403, "INVALID_CONTEXT", true, 1).verdict == IG_DEAD,
	   "so does one about another application's request");
	ok(decide(IG_REACH_ANSWERED, 503, NULL, true, 1).verdict == IG_RETRY, "503 of a repeatable call is retried");
	ok(decide(IG_REACH_ANSWERED, 503, NULL, false, 1).verdict == IG_RECONCILE, "503 of another is looked for first");
	ok(decide(IG_REACH_ANSWERED, 408, NULL, false, 1).verdict == IG_RECONCILE, "408 likewise");
	ok(decide(IG_REACH_ANSWERED, 429, NULL, false, 1).verdict == IG_RETRY, "429 was not processed");
	ok(decide(IG_REACH_ANSWERED, 503, NULL, true, 5).verdict == IG_DEAD, "the last attempt is the last");
	ok(decide(IG_REACH_NO_ANSWER, 0, NULL, false, 5).verdict == IG_RECONCILE, "no answer at the last attempt: looked for");
	ok(decide(IG_REACH_NOT_SENT, 0, NULL, false, 1).verdict == IG_RETRY, "what was not sent is sent again");
	ok(decide(IG_REACH_NOT_SENT, 0, NULL, false, 5).verdict == IG_DEAD, "but not forever");
	ok(decide(IG_REACH_BAD_ANSWER, 200, NULL, false, 1).verdict == IG_RECONCILE, "an unusable 200 is looked for");
	ok(decide(IG_REACH_BAD_ANSWER, 200, NULL, true, 1).verdict == IG_RETRY, "or asked again");
	ok(ig_policy_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777, "the date of an answer");
	ok(ig_policy_http_date("yesterday") == -1, "is none");
	ok(decide(IG_REACH_ANSWERED, 799, NULL, false, 1).verdict == IG_RECONCILE, "an impossible status is no answer");

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

int
main(void)
{
	test_decisions();
	test_backoff();
	test_retry_after();
	test_refresh();
	return done_testing();
}
