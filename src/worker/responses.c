/*-------------------------------------------------------------------------
 *
 * responses.c
 *	  What has come back is applied, in the worker's transaction.
 *
 * A turn's responses are applied together in a subtransaction.  If that fails, they are
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
count_trouble(IgFlight *flight, const char *text)
{
	IgCounters *counters = flight->lane->gate->counters;

	ig_counters_begin(counters);
	ig_counters_error(counters, NameStr(flight->call.owner), text, GetCurrentTimestamp());
	ig_counters_end(counters);
}

/* The status of a request, and why it cannot be applied. */
typedef struct Refused
{
	IgSeen	   *seen;
	const IgTrouble *trouble;
	bool		noted;
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

	refused->noted = ig_queue_add_refused(refused->seen->request, IG_OP_CONTEXT,
										  refused->trouble->sqlstate, refused->trouble->text);
}

/*
 * Apply statuses one by one.  A request that refuses its status gets a dead call that
 * says why; each refresh tries to apply it again.
 */
static void
apply_singly(IgFlight *flight, IgSeen *seen, int n)
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
		count_trouble(flight, trouble.text);
		if (refused.noted)
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
apply_refresh(IgFlight *flight, bool singly)
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
	if (singly)
		apply_singly(flight, seen, n);
	else
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
		ig_apply_result(&flight->call, flight->transfer, flight->json);
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
			apply_refresh(flight, flight->refused);
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
	item.waited = flight->refused;
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
				dead[ndead].request = &flight->call.request;
				dead[ndead].operation = ig_api_operation_name(flight->call.operation);
				dead[ndead++].error = flight->error;
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
	ig_apply_dead(dead, ndead);
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
 * Apply in a subtransaction.  If that fails, what a response has made of its flight's
 * decision is undone with the rest, so that the next try applies the response again.
 */
static bool
try_apply(IgFlight **flights, int n, const char *patience, IgTrouble *trouble)
{
	Finished	some = {flights, n};
	IgDecision *decisions = palloc(n * sizeof(IgDecision));
	const char **errors = palloc(n * sizeof(char *));

	for (int i = 0; i < n; i++)
	{
		decisions[i] = flights[i]->decision;
		errors[i] = flights[i]->error;
	}
	if (ig_try(apply_some, &some, patience, trouble))
		return true;
	for (int i = 0; i < n; i++)
	{
		flights[i]->decision = decisions[i];
		flights[i]->error = errors[i];
	}
	return false;
}

/* Have the response wait; the worker keeps it, and applies it again. */
static void
hold(IgFlight *flight, const IgTrouble *trouble)
{
	/* A lock is gone soon, as a rule. */
	if (++flight->tries == (trouble->locked ? QUIET_TRIES : 1))
	{
		ereport(LOG,
				(errmsg("ignisign: the response to %s waits to be applied: %s",
						ig_call_name(&flight->call), trouble->text)));
		count_trouble(flight, trouble->text);
	}
	flight->held = true;
	flight->next_try = ig_trouble_next_try(flight->tries, GetCurrentTimestamp());
}

/* Store the API's id of a request to sign, and nothing else. */
static void
store_id(void *arg)
{
	const IgFlight *flight = arg;

	ig_apply_id(&flight->call.request, flight->answer.signature_request_id);
}

/*
 * The API has carried the call out, and that cannot be recorded.  A request to sign
 * stays in doubt, with its id if that can be stored: it is looked for, and never sent
 * again.  Any other call is dead; if it must not be repeated, it cannot be retried.
 */
static void
refuse_response(IgFlight *flight, const IgTrouble *trouble)
{
	bool		traceable = ig_api_traceable(flight->call.operation);
	const char *id = traceable ? flight->answer.signature_request_id : NULL;
	IgTrouble	ignored;
	char	   *error;

	flight->refused = true;
	flight->decision.verdict = traceable ? IG_RECONCILE : IG_DEAD;
	flight->decision.delay = traceable ? ig_refused_delay(flight->call.waits) : 0;
	if (id != NULL && trouble->id_taken)
	{
		/* A scan would not find the request, and have it sent again. */
		flight->decision.delay = FOR_EVER;
		error = psprintf("sent, but %s: decide with ignisign_resolve()", trouble->text);
	}
	else if (id != NULL)
	{
		(void) ig_try(store_id, flight, IG_SHORT_PATIENCE, &ignored);
		error = psprintf("it is at Ignisign as signature request %s, but that cannot be recorded here: %s", id, trouble->text);
	}
	else
		error = psprintf("the response of Ignisign cannot be recorded here: %s", trouble->text);
	flight->code = MemoryContextStrdup(flight->context, trouble->sqlstate);
	flight->error = MemoryContextStrdup(flight->context, error);
	count_trouble(flight, error);
	ereport(WARNING,
			(errmsg("ignisign: the response to %s could not be applied: %s", ig_call_name(&flight->call), trouble->text),
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
apply_own(IgFlight *flight, const IgTrouble *trouble)
{
	IgTrouble	ignored;

	flight->refused = true;
	if (flight->batch == NULL)
		ereport(WARNING,
				(errmsg("ignisign: the response to %s could not be recorded: %s",
						ig_call_name(&flight->call), trouble->text)));
	else if (!try_apply(&flight, 1, IG_SHORT_PATIENCE, &ignored) && flight->decision.verdict == IG_DONE)
		apply_refresh(flight, true);
}

/* Apply one response, which fails alone. */
static void
apply_one(IgFlight *flight)
{
	IgTrouble	trouble;

	flight->held = false;
	if (try_apply(&flight, 1, IG_SHORT_PATIENCE, &trouble))
		return;
	if (!trouble.passes && flight->call.id == 0)
	{
		apply_own(flight, &trouble);
		return;
	}
	if (!trouble.passes && flight->decision.verdict == IG_DONE)
	{
		refuse_response(flight, &trouble);
		if (try_apply(&flight, 1, IG_SHORT_PATIENCE, &trouble))
			return;
	}
	if (!trouble.passes && flight->decision.verdict != IG_DONE &&
		ig_try(record_call, flight, IG_SHORT_PATIENCE, &trouble))
		return;
	hold(flight, &trouble);
}

/* Apply what has come back; each response fails, or waits, alone. */
void
ig_answers_apply(IgFlight **flights, int n)
{
	IgFlight  **fresh = palloc(Max(n, 1) * sizeof(IgFlight *));
	IgTrouble	trouble;
	int			nfresh = 0;

	for (int i = 0; i < n; i++)
	{
		ig_flight_localize(flights[i]);
		if (flights[i]->tries == 0)
			fresh[nfresh++] = flights[i];
		else
			apply_one(flights[i]);
	}
	if (nfresh == 0 || try_apply(fresh, nfresh, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < nfresh; i++)
		apply_one(fresh[i]);
}
