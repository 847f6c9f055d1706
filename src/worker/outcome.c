/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What the outcome of a call means for its server and its account.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "worker/account_state.h"
#include "worker/outcome.h"

/* What an outcome means for the server, and for how fast it may be called. */
static void
judge_load(IgFlight *flight, TimestampTz now)
{
	IgPolicy	policy = ig_flight_policy();
	IgLane	   *lane = flight->lane;
	int64		delay;
	IgHold		hold;

	ig_gate_judge(lane->gate, &flight->ticket, flight->health, flight->error, now);
	if (flight->transfer == NULL || flight->transfer->reach != IG_REACH_ANSWERED)
		return;
	hold = ig_policy_hold(flight->transfer->http_status, flight->retry_after, lane->throttled + 1,
						  &policy, pg_prng_uint64(&pg_global_prng_state), &delay);
	if (hold == IG_HOLD_NOTHING)
		ig_lane_release(lane);
	else
		ig_lane_hold(lane, hold, delay, flight->error, now);
}

/* Count what came of an attempt, for those who look. */
static void
count_outcome(IgFlight *flight, TimestampTz now)
{
	static const IgCounted counted[] = {
		[IG_DONE] = IG_COUNTED_SUCCESS,
		[IG_RETRY] = IG_COUNTED_FAILURE,
		[IG_WAIT] = IG_COUNTED_SUCCESS,
		[IG_RECONCILE] = IG_COUNTED_LOSS,
		[IG_PARK] = IG_COUNTED_REFUSAL,
		[IG_DEAD] = IG_COUNTED_REFUSAL
	};
	IgCounters *counters = flight->lane->gate->counters;
	IgCounted	outcome = counted[flight->decision.verdict];
	IgTransfer *transfer = flight->transfer;

	ig_counters_begin(counters);
	if (transfer != NULL)
	{
		counters->ended[outcome]++;
		counters->bytes_sent += transfer->bytes_sent;
		counters->bytes_received += transfer->bytes_received;
		if (transfer->reach == IG_REACH_ANSWERED)
			ig_histogram_add(&counters->latency, transfer->duration);
		if (flight->health == IG_HEALTH_GOOD)
			counters->failing = 0;
		else if (flight->health == IG_HEALTH_BAD)
			counters->failing++;
	}
	if (outcome != IG_COUNTED_SUCCESS && flight->error != NULL)
		ig_counters_error(counters, NameStr(flight->call.owner), flight->error, now);
	ig_counters_end(counters);
}

/* What an outcome means for the account. */
static void
judge_account(IgFlight *flight, TimestampTz now)
{
	if (flight->call.operation == IG_OP_LOGIN)
	{
		if (flight->decision.verdict == IG_DONE)
			ig_lane_logged_in(flight->lane, flight->answer.token);
		else if (ig_lane_login_failed(flight->lane, flight->decision.verdict != IG_RETRY, now))
			return;
	}
	if (flight->decision.verdict == IG_PARK && flight->transfer && flight->transfer->http_status == 401 &&
		flight->call.operation != IG_OP_LOGIN && ig_lane_token_refused(flight->lane, flight->generation))
		return;
	if (flight->decision.verdict == IG_PARK ||
		(flight->call.operation == IG_OP_LOGIN && flight->decision.verdict != IG_DONE))
	{
		const char *reason = flight->code ?
			psprintf("%s: %s", flight->code, flight->error) : flight->error;

		/* Answers to calls that were made before are not one more refusal. */
		if (!flight->lane->parked || flight->transfer == NULL ||
			flight->transfer->started_at >= flight->lane->parked_at)
			ig_lane_park(flight->lane, reason, now);
	}
	else if (flight->transfer && flight->transfer->reach == IG_REACH_ANSWERED &&
			 flight->call.operation != IG_OP_LOGIN)
	{
		if (flight->decision.verdict == IG_DONE)
			ig_lane_token_accepted(flight->lane, flight->generation);
		ig_lane_answered(flight->lane, flight->transfer->started_at);
	}
}

/* Have an outcome be known to whom it concerns, once. */
void
ig_judge(IgFlight *flight, TimestampTz now)
{
	if (flight->judged)
		return;
	count_outcome(flight, now);
	judge_load(flight, now);
	judge_account(flight, now);
	flight->judged = true;
}
