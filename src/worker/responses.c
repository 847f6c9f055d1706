/*-------------------------------------------------------------------------
 *
 * responses.c
 *	  What has come back is applied, in the worker's transaction.
 *
 * A cycle's responses are applied together in a subtransaction.  If that fails, they are
 * applied one by one, and each fails alone.  A response that meets trouble that passes, such
 * as a lock or a full disk, is held in memory and applied again.  What cannot be applied
 * for good is recorded with its call; if even that fails, only the call's row is
 * written; and if that fails, the response is held, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "guc.h"
#include "queue/apply.h"
#include "queue/import.h"
#include "queue/inputs.h"
#include "queue/queue.h"
#include "queue/result.h"
#include "queue/signing_session.h"
#include "queue/staged.h"
#include "util/session.h"
#include "webhook/webhook.h"
#include "worker/account_state.h"
#include "worker/refresh.h"
#include "worker/responses.h"
#include "worker/trouble.h"

/* The delay of a call that only a person settles. */
#define FOR_EVER			PG_INT64_MAX
/* A response that waits for a lock is logged when it has failed this many times. */
#define QUIET_TRIES			4

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

/* Have ignisign_stats() show local trouble of a call. */
static void
count_trouble(IgExecution *execution, const char *text)
{
	IgCounters *counters = execution->account_state->limiter->counters;

	ig_counters_error(counters, NameStr(execution->call.owner), text, GetCurrentTimestamp());
}

/* The status of a request, and why it cannot be applied. */
typedef struct Refused
{
	IgSeen	   *seen;
	const IgTrouble *trouble;
	bool		status_recorded;
} Refused;

/* Apply a status. */
static void
apply_status(void *arg)
{
	ig_apply_statuses(((const Refused *) arg)->seen, 1, "poll");
}

/* Note why it cannot be applied. */
static void
note_status(void *arg)
{
	Refused    *refused = arg;

	refused->status_recorded = ig_queue_add_refused(refused->seen->request, IG_OP_CONTEXT,
													refused->trouble->sqlstate, refused->trouble->text);
}

/*
 * Apply statuses one by one.  A request that refuses its status gets a dead call that
 * says why; each refresh tries to apply it again.
 */
static void
apply_singly(IgExecution *execution, IgSeen *seen, int n)
{
	for (int i = 0; i < n; i++)
	{
		IgTrouble	trouble;
		IgTrouble	ignored;
		Refused		refused = {&seen[i], &trouble, false};

		/* What waits for a lock, the next refresh tells. */
		if (ig_try(apply_status, &refused, IG_SHORT_PATIENCE, &trouble) || trouble.passes)
			continue;
		(void) ig_try(note_status, &refused, IG_SHORT_PATIENCE, &ignored);
		count_trouble(execution, trouble.text);
		if (refused.status_recorded)
			ereport(WARNING,
					(errmsg("ignisign: the status %s of request %s could not be applied: %s", seen[i].status,
							DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(seen[i].request))), trouble.text)));
	}
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
apply_refresh(IgExecution *execution, bool singly)
{
	const IgBatch *batch = execution->batch;
	Asked	   *asked = palloc(Max(batch->n, 1) * sizeof(Asked));
	IgSeen	   *seen = palloc(Max(batch->n, 1) * sizeof(IgSeen));
	int			n = 0;

	for (int i = 0; i < batch->n; i++)
		asked[i] = (Asked) {batch->signature_request_ids[i], i};
	qsort(asked, batch->n, sizeof(Asked), compare_asked);
	for (int i = 0; i < execution->response.nstatuses; i++)
	{
		const IgApiStatus *status = &execution->response.statuses[i];
		Asked		wanted = {status->signature_request_id, 0};
		Asked	   *found = bsearch(&wanted, asked, batch->n, sizeof(Asked), compare_asked);

		if (found == NULL || found->i < 0)
			continue;
		seen[n].request = &batch->requests[found->i];
		seen[n++].status = status->status;
		found->i = -1;
	}
	if (singly)
		apply_singly(execution, seen, n);
	else
		ig_apply_statuses(seen, n, "poll");
}

/* Apply the response of an execution that was a success. */
static void
apply_success(IgExecution *execution, IgSent *sent, int *nsent)
{
	if (execution->call.operation == IG_OP_LOGIN)
		return;
	if (execution->call.args != NULL)
	{
		if (execution->call.operation == IG_OP_VERIFY_WEBHOOK &&
			ig_webhook_apply_verdict(&execution->call, &execution->response))
			return;
		if (execution->call.operation == IG_OP_WEBHOOK_LOG)
			ig_webhook_apply_log(&execution->call, &execution->response);
		else if (execution->call.operation == IG_OP_IMPORT)
			ig_import_apply_page(&execution->call, &execution->response);
		else if (execution->call.operation == IG_OP_INPUTS_NEEDED)
			ig_inputs_keep(&execution->call, &execution->response);
		ig_apply_result(&execution->call, execution->transfer, execution->json);
		return;
	}
	switch (execution->call.operation)
	{
		case IG_OP_INPUTS_NEEDED:
			{
				char	   *missing = ig_inputs_apply(&execution->call, &execution->response);

				/* It would be refused: nothing is sent before a person has seen to it. */
				if (missing)
				{
					execution->decision.verdict = IG_DEAD;
					execution->error = MemoryContextStrdup(execution->context, missing);
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
			ig_staged_apply(&execution->call, &execution->response);
			break;
		case IG_OP_PUBLISH:
			sent[*nsent].request = &execution->call.request;
			sent[(*nsent)++].signature_request_id = execution->call.signature_request_id;
			ig_staged_apply(&execution->call, &execution->response);
			break;
		case IG_OP_ONE_CALL_SIGN:
			sent[*nsent].request = &execution->call.request;
			sent[(*nsent)++].signature_request_id = execution->response.signature_request_id;
			ig_signing_session_keep(&execution->call, &execution->response);
			break;
		case IG_OP_STATUS:
			apply_refresh(execution, execution->refused);
			break;
		case IG_OP_CONTEXT:
			if (ig_apply_context(&execution->call, &execution->response, execution->account_state->account))
			{
				int64		delay = Max(ig_refresh_interval, 10);

				/* The proof is still being made: ask again, ever more slowly. */
				execution->decision.verdict = IG_WAIT;
				execution->decision.burns_attempt = false;
				execution->decision.delay = Min(delay << Min(execution->call.waits / 2, 20),
												(int64) 15 * 60 * 1000);
			}
			break;
		case IG_OP_PROOF:
		case IG_OP_SIGNER_PROOF:
			ig_apply_proof(&execution->call, execution->transfer);
			break;
		case IG_OP_CLOSE:

			/* What it has become of it, cancelled or completed, the context tells. */
			ig_queue_add(&execution->call.request, IG_OP_CONTEXT, 0, 0, "", NameStr(execution->call.owner),
						 NameStr(execution->call.server), GetCurrentTimestamp());
			break;
		default:
			break;
	}
}

/* What is to become of a call that is not done. */
static IgReschedule
make_reschedule(IgExecution *execution, TimestampTz now)
{
	IgReschedule item;
	const IgDecision *decision = &execution->decision;

	memset(&item, 0, sizeof(item));
	item.call = &execution->call;
	item.run_at = decision->delay == FOR_EVER ? DT_NOEND : TimestampTzPlusMilliseconds(now, decision->delay);
	item.give_back = !decision->burns_attempt;
	item.http_status = execution->transfer ? execution->transfer->http_status : 0;
	item.code = execution->code;
	item.error = execution->error;
	item.waited = execution->refused;
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
apply_all(IgExecution **executions, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	IgSent	   *sent = palloc(n * sizeof(IgSent));
	const IgCall **done = palloc(n * sizeof(IgCall *));
	IgDead	   *dead = palloc(n * sizeof(IgDead));
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
		IgExecution *execution = executions[i];

		/* What a scan asks is read by the scan. */
		if (execution->decision.verdict == IG_DONE && execution->scan == NULL)
			apply_success(execution, sent, &nsent);

		if (execution->call.id != 0)
		{
			if (execution->decision.verdict == IG_DONE)
				done[ndone++] = &execution->call;
			else
				left[nleft++] = make_reschedule(execution, now);
			if (execution->decision.verdict == IG_DEAD)
			{
				dead[ndead].request = &execution->call.request;
				dead[ndead].operation = ig_api_operation_name(execution->call.operation);
				dead[ndead++].error = execution->error;
			}
		}
		if (execution->transfer)
		{
			IgAttempt  *attempt = &attempts[nattempts++];

			attempt->call = &execution->call;
			attempt->started_at = execution->transfer->started_at;
			attempt->outcome = outcome_name(execution->decision.verdict);
			attempt->http_status = execution->transfer->http_status;
			attempt->code = execution->code;
			attempt->error = execution->error;
			attempt->duration = execution->transfer->duration;
			attempt->bytes_sent = execution->transfer->bytes_sent;
			attempt->bytes_received = execution->transfer->bytes_received;
		}
	}
	ig_apply_sent(sent, nsent, "api");
	ig_queue_finish(done, ndone);
	ig_queue_reschedule(left, nleft);
	ig_apply_dead(dead, ndead);
	ig_queue_log(attempts, nattempts);
}

/* What is to be applied. */
typedef struct Finished
{
	IgExecution **executions;
	int			n;
} Finished;

/* Apply it. */
static void
apply_some(void *arg)
{
	const Finished *some = arg;

	apply_all(some->executions, some->n);
}

/*
 * Apply in a subtransaction.  If that fails, what a response has made of its execution's
 * decision is undone with the rest, so that the next try applies the response again.
 */
static bool
try_apply(IgExecution **executions, int n, const char *patience, IgTrouble *trouble)
{
	Finished	some = {executions, n};
	IgDecision *decisions = palloc(n * sizeof(IgDecision));
	const char **errors = palloc(n * sizeof(char *));

	for (int i = 0; i < n; i++)
	{
		decisions[i] = executions[i]->decision;
		errors[i] = executions[i]->error;
	}
	if (ig_try(apply_some, &some, patience, trouble))
		return true;
	for (int i = 0; i < n; i++)
	{
		executions[i]->decision = decisions[i];
		executions[i]->error = errors[i];
	}
	return false;
}

/* Have the response wait; the worker keeps it, and applies it again. */
static void
hold(IgExecution *execution, const IgTrouble *trouble)
{
	/* A lock is gone soon, as a rule. */
	if (++execution->tries == (trouble->locked ? QUIET_TRIES : 1))
	{
		ereport(LOG,
				(errmsg("ignisign: the response to %s waits to be applied: %s",
						ig_call_name(&execution->call), trouble->text)));
		count_trouble(execution, trouble->text);
	}
	execution->held = true;
	execution->next_try = ig_trouble_next_try(execution->tries, GetCurrentTimestamp());
}

/* Store the API's id of a request to sign, and nothing else. */
static void
store_id(void *arg)
{
	const IgExecution *execution = arg;

	ig_apply_id(&execution->call.request, execution->response.signature_request_id);
}

/*
 * The API has carried the call out, and that cannot be recorded.  A request to sign
 * stays in doubt, with its id if that can be stored: it is looked for, and never sent
 * again.  Any other call is dead; if it must not be repeated, it cannot be retried.
 */
static void
refuse_response(IgExecution *execution, const IgTrouble *trouble)
{
	bool		traceable = ig_api_traceable(execution->call.operation);
	const char *id = traceable ? execution->response.signature_request_id : NULL;
	IgTrouble	ignored;
	char	   *error;

	execution->refused = true;
	execution->decision.verdict = traceable ? IG_RECONCILE : IG_DEAD;
	execution->decision.delay = traceable ? ig_refused_delay(execution->call.waits) : 0;
	if (id != NULL && trouble->id_taken)
	{
		/* A scan would not find the request, and have it sent again. */
		execution->decision.delay = FOR_EVER;
		error = psprintf("sent, but %s: decide with ignisign_resolve()", trouble->text);
	}
	else if (id != NULL)
	{
		(void) ig_try(store_id, execution, IG_SHORT_PATIENCE, &ignored);
		error = psprintf("it is at Ignisign as signature request %s, but that cannot be recorded here: %s", id, trouble->text);
	}
	else
		error = psprintf("the response of Ignisign cannot be recorded here: %s", trouble->text);
	execution->code = MemoryContextStrdup(execution->context, trouble->sqlstate);
	execution->error = MemoryContextStrdup(execution->context, error);
	count_trouble(execution, error);
	ereport(WARNING,
			(errmsg("ignisign: the response to %s could not be applied: %s", ig_call_name(&execution->call), trouble->text),
			 id != NULL ? errdetail("It is at Ignisign as signature request %s.", id) : 0,
			 errhint("ignisign.call shows what becomes of the call.")));
}

/* Record what becomes of the call, without its attempt and its event. */
static void
record_call(void *arg)
{
	IgReschedule item = make_reschedule(arg, GetCurrentTimestamp());

	ig_queue_reschedule(&item, 1);
}

/*
 * The response to a call of the worker's own cannot be recorded.  A scan takes it all
 * the same; of a refresh, each status fails alone.
 */
static void
apply_own(IgExecution *execution, const IgTrouble *trouble)
{
	IgTrouble	ignored;

	execution->refused = true;
	if (execution->batch == NULL)
		ereport(WARNING,
				(errmsg("ignisign: the response to %s could not be recorded: %s",
						ig_call_name(&execution->call), trouble->text)));
	else if (!try_apply(&execution, 1, IG_SHORT_PATIENCE, &ignored) && execution->decision.verdict == IG_DONE)
		apply_refresh(execution, true);
}

/* Apply one response, which fails alone. */
static void
apply_one(IgExecution *execution)
{
	IgTrouble	trouble;

	execution->held = false;
	if (try_apply(&execution, 1, IG_SHORT_PATIENCE, &trouble))
		return;
	if (!trouble.passes && execution->call.id == 0)
	{
		apply_own(execution, &trouble);
		return;
	}
	if (!trouble.passes && execution->decision.verdict == IG_DONE)
	{
		refuse_response(execution, &trouble);
		if (try_apply(&execution, 1, IG_SHORT_PATIENCE, &trouble))
			return;
	}
	if (!trouble.passes && execution->decision.verdict != IG_DONE &&
		ig_try(record_call, execution, IG_SHORT_PATIENCE, &trouble))
		return;
	hold(execution, &trouble);
}

/* Apply what has come back; each response fails, or waits, alone. */
void
ig_responses_apply(IgExecution **executions, int n)
{
	IgExecution **fresh = palloc(Max(n, 1) * sizeof(IgExecution *));
	IgTrouble	trouble;
	int			nfresh = 0;

	for (int i = 0; i < n; i++)
	{
		ig_execution_localize(executions[i]);
		if (executions[i]->tries == 0)
			fresh[nfresh++] = executions[i];
		else
			apply_one(executions[i]);
	}
	if (nfresh == 0 || try_apply(fresh, nfresh, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < nfresh; i++)
		apply_one(fresh[i]);
}
