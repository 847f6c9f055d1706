/*-------------------------------------------------------------------------
 *
 * answers.c
 *	  What has come back is applied, in the worker's transaction.
 *
 * An answer that cannot be applied fails alone: the turn's answers are applied
 * together in a subtransaction and, if that fails, one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "utils/memutils.h"

#include "answers.h"
#include "apply.h"
#include "calls.h"
#include "compat.h"
#include "import.h"
#include "inputs.h"
#include "lanes.h"
#include "queue.h"
#include "refresh.h"
#include "session.h"
#include "signing_session.h"
#include "staged.h"
#include "webhook.h"

/* The delay of a call that only a person settles. */
#define FOR_EVER			PG_INT64_MAX

/* What an attempt came to, for the log. */
static const char *
outcome_name(IgVerdict verdict)
{
	switch (verdict)
	{
		case IG_DONE:
			return "done";
		case IG_RETRY:
			return "retry";
		case IG_WAIT:
			return "wait";
		case IG_RECONCILE:
			return "reconcile";
		case IG_PARK:
			return "park";
		case IG_DEAD:
			return "dead";
	}
	return "done";
}

/* A request of a refresh, with the API's id. */
typedef struct Asked
{
	const char *id;
	int			i;				/* in the batch; -1: its status has come */
} Asked;

/* qsort comparator. */
static int
compare_asked(const void *a, const void *b)
{
	return ig_api_compare_ids(((const Asked *) a)->id, ((const Asked *) b)->id);
}

/* Apply the statuses of a refresh: of what was asked for, the first of each. */
static void
apply_refresh(IgFlight *flight)
{
	const IgBatch *batch = flight->batch;
	Asked	   *asked = palloc(Max(batch->n, 1) * sizeof(Asked));
	IgSeen	   *seen = palloc(Max(batch->n, 1) * sizeof(IgSeen));
	int			n = 0;

	for (int i = 0; i < batch->n; i++)
		asked[i] = (Asked) {batch->signature_request_ids[i], i};
	qsort(asked, batch->n, sizeof(Asked), compare_asked);
	for (int i = 0; i < flight->answer.nstatuses; i++)
	{
		const IgApiStatus *status = &flight->answer.statuses[i];
		Asked		wanted = {status->signature_request_id, 0};
		Asked	   *found = bsearch(&wanted, asked, batch->n, sizeof(Asked), compare_asked);

		if (found == NULL || found->i < 0)
			continue;
		seen[n].request = &batch->requests[found->i];
		seen[n++].status = status->status;
		found->i = -1;
	}
	ig_apply_statuses(seen, n, "poll");
}

/* Apply the answer of a flight that was a success. */
static void
apply_success(IgFlight *flight, IgSent *sent, int *nsent)
{
	if (flight->call.operation == IG_OP_LOGIN)
		return;
	if (flight->call.args != NULL)
	{
		if (flight->call.operation == IG_OP_VERIFY_WEBHOOK &&
			ig_webhook_apply_verdict(&flight->call, &flight->answer))
			return;
		if (flight->call.operation == IG_OP_WEBHOOK_LOG)
			ig_webhook_apply_log(&flight->call, &flight->answer);
		else if (flight->call.operation == IG_OP_IMPORT)
			ig_import_apply_page(&flight->call, &flight->answer);
		else if (flight->call.operation == IG_OP_INPUTS_NEEDED)
			ig_inputs_keep(&flight->call, &flight->answer);
		ig_apply_result(flight);
		return;
	}
	switch (flight->call.operation)
	{
		case IG_OP_INPUTS_NEEDED:
			{
				char	   *missing = ig_inputs_apply(&flight->call, &flight->answer);

				/* It would be refused: nothing is sent before a person has seen to it. */
				if (missing)
				{
					flight->decision.verdict = IG_DEAD;
					flight->error = MemoryContextStrdup(flight->context, missing);
				}
				break;
			}
		case IG_OP_CREATE_REQUEST:
		case IG_OP_INIT_DOCUMENT:
		case IG_OP_UPLOAD_FILE:
		case IG_OP_UPLOAD_JSON:
		case IG_OP_UPLOAD_HASH:
		case IG_OP_CREATE_SIGNER:
		case IG_OP_UPDATE_REQUEST:
			ig_staged_apply(&flight->call, &flight->answer);
			break;
		case IG_OP_PUBLISH:
			sent[*nsent].request = &flight->call.request;
			sent[(*nsent)++].signature_request_id = flight->call.signature_request_id;
			ig_staged_apply(&flight->call, &flight->answer);
			break;
		case IG_OP_ONE_CALL_SIGN:
			sent[*nsent].request = &flight->call.request;
			sent[(*nsent)++].signature_request_id = flight->answer.signature_request_id;
			ig_signing_session_keep(&flight->call, &flight->answer);
			break;
		case IG_OP_STATUS:
			apply_refresh(flight);
			break;
		case IG_OP_CONTEXT:
			if (ig_apply_context(&flight->call, &flight->answer, flight->lane->account))
			{
				int64		delay = Max(ig_refresh_interval, 10);

				/* The proof is still being made: ask again, ever more slowly. */
				flight->decision.verdict = IG_WAIT;
				flight->decision.burns_attempt = false;
				flight->decision.delay = Min(delay << Min(flight->call.waits / 2, 20),
											 (int64) 15 * 60 * 1000);
			}
			break;
		case IG_OP_PROOF:
		case IG_OP_SIGNER_PROOF:
			ig_apply_proof(&flight->call, flight->transfer);
			break;
		case IG_OP_CLOSE:

			/* What it has become of it, cancelled or completed, the context tells. */
			ig_queue_add(&flight->call.request, IG_OP_CONTEXT, 0, 0, "", NameStr(flight->call.owner),
						 NameStr(flight->call.server), GetCurrentTimestamp());
			break;
		default:
			break;
	}
}

/* What is to become of a call that is not done. */
static IgReschedule
make_reschedule(IgFlight *flight, TimestampTz now)
{
	IgReschedule item;
	const IgDecision *decision = &flight->decision;

	memset(&item, 0, sizeof(item));
	item.call = &flight->call;
	item.run_at = decision->delay == FOR_EVER ? DT_NOEND : TimestampTzPlusMilliseconds(now, decision->delay);
	item.give_back = !decision->burns_attempt;
	item.http_status = flight->transfer ? flight->transfer->http_status : 0;
	item.code = flight->code;
	item.error = flight->error;
	switch (decision->verdict)
	{
		case IG_RECONCILE:
			item.state = "unknown";
			item.give_back = false;
			break;
		case IG_DEAD:
			item.state = "dead";
			item.give_back = false;
			break;
		case IG_WAIT:
			item.state = "pending";
			item.waited = true;
			break;
		default:
			item.state = "pending";
			break;
	}
	return item;
}

/* Apply what has come back, in one go. */
static void
apply_all(IgFlight **flights, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	IgSent	   *sent = palloc(n * sizeof(IgSent));
	const IgCall **done = palloc(n * sizeof(IgCall *));
	const IgCall **dead = palloc(n * sizeof(IgCall *));
	const char **dead_errors = palloc(n * sizeof(char *));
	IgReschedule *left = palloc(n * sizeof(IgReschedule));
	IgAttempt  *attempts = palloc0(n * sizeof(IgAttempt));
	int			nsent = 0;
	int			ndone = 0;
	int			ndead = 0;
	int			nleft = 0;
	int			nattempts = 0;

	IG_INJECTION_POINT("ignisign-apply");
	for (int i = 0; i < n; i++)
	{
		IgFlight   *flight = flights[i];

		/* What a scan asks is read by the scan. */
		if (flight->decision.verdict == IG_DONE && flight->scan == NULL)
			apply_success(flight, sent, &nsent);

		if (flight->call.id != 0)
		{
			if (flight->decision.verdict == IG_DONE)
				done[ndone++] = &flight->call;
			else
				left[nleft++] = make_reschedule(flight, now);
			if (flight->decision.verdict == IG_DEAD)
			{
				dead[ndead] = &flight->call;
				dead_errors[ndead++] = flight->error;
			}
		}
		if (flight->transfer)
		{
			IgAttempt  *attempt = &attempts[nattempts++];

			attempt->call = &flight->call;
			attempt->started_at = flight->transfer->started_at;
			attempt->outcome = outcome_name(flight->decision.verdict);
			attempt->http_status = flight->transfer->http_status;
			attempt->code = flight->code;
			attempt->error = flight->error;
			attempt->duration = flight->transfer->duration;
			attempt->bytes_sent = flight->transfer->bytes_sent;
			attempt->bytes_received = flight->transfer->bytes_received;
		}
	}
	ig_apply_sent(sent, nsent, "api");
	ig_queue_finish(done, ndone);
	ig_queue_reschedule(left, nleft);
	ig_apply_dead(dead, dead_errors, ndead);
	ig_queue_log(attempts, nattempts);
}

/* What is to be applied. */
typedef struct Finished
{
	IgFlight  **flights;
	int			n;
} Finished;

/* Apply it. */
static void
apply_some(void *arg)
{
	const Finished *some = arg;

	apply_all(some->flights, some->n);
}

/*
 * Apply in a subtransaction; returns the error, or NULL.  Who has locked rows of
 * theirs, and does not go on, is not waited for: *locked is set.  What a response
 * makes of its flight's decision is undone with the rest, so that the next try
 * applies the response again.
 */
static ErrorData *
try_apply(IgFlight **flights, int n, const char *patience, bool *locked)
{
	Finished	some = {flights, n};
	IgDecision *decisions = palloc(n * sizeof(IgDecision));
	const char **errors = palloc(n * sizeof(char *));
	ErrorData  *error;

	for (int i = 0; i < n; i++)
	{
		decisions[i] = flights[i]->decision;
		errors[i] = flights[i]->error;
	}
	error = ig_session_try(apply_some, &some, patience);
	for (int i = 0; error != NULL && i < n; i++)
	{
		flights[i]->decision = decisions[i];
		flights[i]->error = errors[i];
	}

	*locked = error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	if (error != NULL && error->message == NULL)
		error->message = pstrdup("unknown error");
	return error;
}

/* This answer cannot be applied: what follows depends on the operation. */
static void
refuse_answer(IgFlight *flight, const ErrorData *error)
{
	IgOutcome	outcome;
	IgPolicy	policy = ig_flight_policy();

	ereport(WARNING,
			(errmsg("ignisign: an answer to the call %lld could not be applied: %s",
					(long long) flight->call.id, error->message),
			 errdetail("What the call becomes is shown in ignisign.call.")));
	memset(&outcome, 0, sizeof(outcome));
	outcome.reach = IG_REACH_BAD_ANSWER;
	outcome.retry_after = -1;
	outcome.repeatable = ig_api_repeatable(flight->call.operation);
	outcome.traceable = ig_api_traceable(flight->call.operation);
	outcome.attempts = flight->call.attempts;
	outcome.max_attempts = ig_lane_max_attempts(flight->lane);
	flight->decision = ig_policy_decide(&outcome, &policy, 0);
	flight->error = MemoryContextStrdup(flight->context, error->message);

	/*
	 * The API has taken the request, under an id that is another one's.  A scan
	 * would not find it, and have it sent again.
	 */
	if (flight->call.operation == IG_OP_ONE_CALL_SIGN && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION)
	{
		flight->decision.verdict = IG_RECONCILE;
		flight->decision.delay = FOR_EVER;
		flight->error = MemoryContextStrdup(flight->context, psprintf("sent, but %s: decide with ignisign_resolve()",
																	  error->message));
	}
}

/* Apply what has come back; each answer fails, or is held, alone. */
void
ig_answers_apply(IgFlight **flights, int n)
{
	ErrorData  *error;
	bool		locked;

	for (int i = 0; i < n; i++)
	{
		ig_flight_localize(flights[i]);
		flights[i]->held = false;
	}
	if (n == 0 || try_apply(flights, n, IG_LOCK_PATIENCE, &locked) == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		IgFlight   *flight = flights[i];

		if ((error = try_apply(&flight, 1, IG_SHORT_PATIENCE, &flight->held)) == NULL || flight->held)
			continue;
		refuse_answer(flight, error);
		if ((error = try_apply(&flight, 1, IG_SHORT_PATIENCE, &flight->held)) != NULL && !flight->held)
			ereport(ERROR,
					(errmsg("ignisign: could not record the outcome of the call %lld: %s",
							(long long) flight->call.id, error->message),
					 errhint("The worker starts again, and looks for what became of the calls that were under way.")));
	}
}
