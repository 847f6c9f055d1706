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
record_load(IgExecution *execution, TimestampTz now)
{
	IgPolicy	policy = ig_execution_policy();
	IgAccountState *state = execution->account_state;
	int64		delay;
	IgThrottle	hold;

	ig_limiter_record_outcome(state->limiter, &execution->ticket, execution->health, execution->error, now);
	if (execution->transfer == NULL || execution->transfer->reach != IG_REACH_RESPONDED)
		return;
	hold = ig_policy_hold(execution->transfer->http_status, execution->retry_after, state->throttled + 1,
						  &policy, pg_prng_uint64(&pg_global_prng_state), &delay);
	if (hold == IG_HOLD_NOTHING)
		ig_account_unthrottle(state);
	else
		ig_account_throttle(state, hold, delay, execution->error, now);
}

/* Count what came of an attempt, for those who look. */
static void
count_outcome(IgExecution *execution, TimestampTz now)
{
	static const IgCounted counted[] = {
		[IG_DONE] = IG_COUNTED_SUCCESS,
		[IG_RETRY] = IG_COUNTED_FAILURE,
		[IG_WAIT] = IG_COUNTED_SUCCESS,
		[IG_RECONCILE] = IG_COUNTED_LOSS,
		[IG_PARK] = IG_COUNTED_REFUSAL,
		[IG_DEAD] = IG_COUNTED_REFUSAL
	};
	IgCounters *counters = execution->account_state->limiter->counters;
	IgCounted	outcome = counted[execution->decision.verdict];
	IgTransfer *transfer = execution->transfer;

	SpinLockAcquire(&counters->mutex);
	if (transfer != NULL)
	{
		counters->ended[outcome]++;
		counters->bytes_sent += transfer->bytes_sent;
		counters->bytes_received += transfer->bytes_received;
		if (transfer->reach == IG_REACH_RESPONDED)
			ig_histogram_add(&counters->latency, transfer->duration);
		if (execution->health == IG_HEALTH_GOOD)
			counters->failing = 0;
		else if (execution->health == IG_HEALTH_BAD)
			counters->failing++;
	}
	SpinLockRelease(&counters->mutex);
	if (outcome != IG_COUNTED_SUCCESS && execution->error != NULL)
		ig_counters_error(counters, NameStr(execution->call.owner), execution->error, now);
}

/* What an outcome means for the account. */
static void
record_account(IgExecution *execution, TimestampTz now)
{
	if (execution->call.operation == IG_OP_LOGIN)
	{
		if (execution->decision.verdict == IG_DONE)
			ig_account_logged_in(execution->account_state, execution->response.token);
		else if (ig_account_login_failed(execution->account_state, execution->decision.verdict != IG_RETRY, now))
			return;
	}
	if (execution->decision.verdict == IG_PARK && execution->transfer && execution->transfer->http_status == 401 &&
		execution->call.operation != IG_OP_LOGIN && ig_account_token_refused(execution->account_state, execution->generation))
		return;
	if (execution->decision.verdict == IG_PARK ||
		(execution->call.operation == IG_OP_LOGIN && execution->decision.verdict != IG_DONE))
	{
		const char *reason = execution->code ?
			psprintf("%s: %s", execution->code, execution->error) : execution->error;

		/* Responses to calls that were made before are not one more refusal. */
		if (!execution->account_state->suspended || execution->transfer == NULL ||
			execution->transfer->started_at >= execution->account_state->suspended_at)
			ig_account_suspend(execution->account_state, reason, now);
	}
	else if (execution->transfer && execution->transfer->reach == IG_REACH_RESPONDED &&
			 execution->call.operation != IG_OP_LOGIN)
	{
		if (execution->decision.verdict == IG_DONE)
			ig_account_token_accepted(execution->account_state, execution->generation);
		ig_account_responded(execution->account_state, execution->transfer->started_at);
	}
}

/* Have an outcome be known to whom it concerns, once. */
void
ig_record_outcome(IgExecution *execution, TimestampTz now)
{
	if (execution->outcome_recorded)
		return;
	count_outcome(execution, now);
	record_load(execution, now);
	record_account(execution, now);
	execution->outcome_recorded = true;
}
