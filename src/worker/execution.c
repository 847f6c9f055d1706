/*-------------------------------------------------------------------------
 *
 * execution.c
 *	  A call under way: from a row to a transfer, and from its answer to what
 *	  is to follow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <time.h>

#include "common/pg_prng.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "guc.h"
#include "util/encoding.h"
#include "util/session.h"
#include "util/spi.h"
#include "worker/execution.h"

/*
 * A call is told so often that what it asks for is not there yet, over days, and
 * is dead then.
 */
#define MAX_WAITS 1000

/* Make a flight without a place for a call; what the call points to is copied. */
IgFlight *
ig_flight_create_ahead(const IgCall *call, IgLane *lane)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "ignisign flight",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	IgFlight   *flight = palloc0(sizeof(IgFlight));

	flight->context = context;
	flight->call = *call;
	flight->lane = lane;
	flight->call.proof_type = pstrdup(call->proof_type ? call->proof_type : "");
	if (call->title)
		flight->call.title = pstrdup(call->title);
	if (call->signature_method)
		flight->call.signature_method = pstrdup(call->signature_method);
	if (call->signature_request_id)
		flight->call.signature_request_id = pstrdup(call->signature_request_id);
	if (call->document_id)
		flight->call.document_id = pstrdup(call->document_id);
	if (call->signer_id)
		flight->call.signer_id = pstrdup(call->signer_id);
	if (call->args)
		flight->call.args = pstrdup(call->args);
	flight->call.code = NULL;
	MemoryContextSwitchTo(old);

	flight->account_load = lane->loads;
	flight->ahead = true;
	lane->ahead++;
	return flight;
}

/* Take a place. */
static void
take_place(IgFlight *flight, bool refresh)
{
	flight->ahead = false;
	flight->lane->ahead--;
	flight->ticket = ig_lane_start(flight->lane, refresh);
}

/* Take a place for a call of the queue. */
void
ig_flight_take_place(IgFlight *flight)
{
	take_place(flight, false);
}

/* Make a flight for a call of the queue. */
IgFlight *
ig_flight_create(const IgCall *call, IgLane *lane)
{
	IgFlight   *flight = ig_flight_create_ahead(call, lane);

	take_place(flight, false);
	return flight;
}

/* Whether its account is still as it was. */
bool
ig_flight_is_current(const IgFlight *flight)
{
	return flight->account_load == flight->lane->loads && !flight->lane->stale && flight->lane->account != NULL;
}

/* Leave the place, unless what the flight came to may close the lane or its gate, or open it. */
bool
ig_flight_leave_place(IgFlight *flight)
{
	if (flight->relieved || flight->decision.verdict != IG_DONE || flight->call.id == 0 ||
		flight->ticket.probe || flight->ticket.trial)
		return false;
	flight->relieved = true;
	flight->lane->relieved++;
	ig_lane_end(flight->lane, &flight->ticket);
	return true;
}

/* Make a flight that asks for the status of several requests. */
IgFlight *
ig_flight_create_refresh(const IgBatch *batch, IgLane *lane)
{
	IgFlight   *flight;
	MemoryContext old;
	IgCall		call;

	memset(&call, 0, sizeof(call));
	call.operation = IG_OP_STATUS;
	call.server = batch->server;
	call.owner = batch->owner;
	call.attempts = 1;
	flight = ig_flight_create_ahead(&call, lane);
	take_place(flight, true);

	old = MemoryContextSwitchTo(flight->context);
	flight->batch = palloc(sizeof(IgBatch));
	*flight->batch = *batch;
	flight->batch->requests = palloc(batch->n * sizeof(pg_uuid_t));
	memcpy(flight->batch->requests, batch->requests, batch->n * sizeof(pg_uuid_t));
	flight->batch->signature_request_ids = palloc(batch->n * sizeof(char *));
	for (int i = 0; i < batch->n; i++)
		flight->batch->signature_request_ids[i] = pstrdup(batch->signature_request_ids[i]);
	MemoryContextSwitchTo(old);
	return flight;
}

/* Make a flight that gets a token for its lane. */
IgFlight *
ig_flight_create_login(IgLane *lane)
{
	const IgAccount *account = lane->account;
	IgFlight   *flight;
	IgCall		call;
	StringInfoData values;

	initStringInfo(&values);
	appendStringInfoString(&values, "{\"appId\":");
	escape_json(&values, account->key.app_id);
	appendStringInfoString(&values, ",\"appEnv\":");
	escape_json(&values, account->key.app_env);
	appendStringInfoString(&values, ",\"secret\":");
	escape_json(&values, account->secret);
	appendStringInfoChar(&values, '}');

	memset(&call, 0, sizeof(call));
	call.operation = IG_OP_LOGIN;
	call.server = lane->server;
	call.owner = lane->owner;
	call.attempts = 1;
	call.args = values.data;
	flight = ig_flight_create(&call, lane);
	explicit_bzero(values.data, values.len);
	pfree(values.data);
	return flight;
}

/* Send it. */
void
ig_flight_start(IgFlight *flight)
{
	const IgAccount *account = flight->lane->account;
	IgHttpRequest request;
	MemoryContext old = MemoryContextSwitchTo(flight->context);

	memset(&request, 0, sizeof(request));
	request.method = flight->request.method;
	request.url = psprintf("%s%s", account->base_url, flight->request.path);
	request.bearer = ig_api_public(flight->call.operation) ? NULL : ig_lane_bearer(flight->lane);
	flight->generation = flight->lane->generation;
	request.accept = flight->request.accept;
	request.content_type = flight->request.content_type[0] ? flight->request.content_type : NULL;
	request.body_size = flight->request.body_size;
	request.read = ig_body_read;
	request.read_arg = flight->body;
	request.repeatable = ig_api_repeatable(flight->call.operation);
	request.loopback_only = account->loopback_only;
	request.ca_file = account->ca_file;
	request.connect_timeout = account->connect_timeout;
	request.timeout = account->timeout;
	if (ig_api_answers_json(flight->call.operation) && !ig_api_answers_any(flight->call.operation))
	{
		request.max_response = 1024 * (int64) ig_max_response_size;
		request.max_response_setting = "max_response_size";
	}
	else
	{
		request.max_response = 1024 * (int64) ig_max_proof_size;
		request.max_response_setting = "max_proof_size";
	}
	flight->transfer = ig_http_start(&request, flight);
	MemoryContextSwitchTo(old);
}

/* Whether the body waits for a slice. */
bool
ig_flight_hungry(const IgFlight *flight)
{
	int			document;
	int64		offset;
	int			length;

	return flight->body != NULL && !flight->failed && ig_body_wants(flight->body, &document, &offset, &length);
}

/* Read the slice that the body waits for, and let the transfer go on. */
void
ig_flight_feed(IgFlight *flight)
{
	static IgStatement slice = {
		.sql = "SELECT substring(content FROM $3 FOR $4) FROM ignisign.document WHERE request = $1 AND n = $2",
		.types = {UUIDOID, INT4OID, INT4OID, INT4OID}
	};
	Datum		values[4];
	int			document;
	int64		offset;
	int			length;
	bool		isnull = true;

	if (!ig_body_wants(flight->body, &document, &offset, &length))
		return;
	SPI_connect();
	values[0] = UUIDPGetDatum(&flight->call.request);
	values[1] = Int32GetDatum(flight->first_document + document);
	values[2] = Int32GetDatum((int32) offset + 1);
	values[3] = Int32GetDatum(length);
	if (ig_spi_execute(&slice, values, NULL) == 1)
	{
		Datum		value = ig_spi_datum(0, 1, &isnull);

		if (!isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(flight->context);

			ig_body_feed(flight->body, DatumGetByteaPCopy(value));
			MemoryContextSwitchTo(old);
		}
	}
	SPI_finish();
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("document %d is no longer there", flight->first_document + document)));
	if (flight->transfer)
		ig_http_resume(flight->transfer);
}

/* Some flights. */
typedef struct Flights
{
	IgFlight  **flights;
	int			n;
} Flights;

/* Feed those that wait. */
static void
feed_some(void *arg)
{
	const Flights *some = arg;

	for (int i = 0; i < some->n; i++)
		ig_flight_feed(some->flights[i]);
}

/* Feed all; one whose document cannot be read is broken off. */
void
ig_flights_feed(IgFlight **flights, int n)
{
	Flights		all = {flights, n};
	IgTrouble	trouble;

	if (n == 0 || ig_try(feed_some, &all, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < n; i++)
	{
		Flights		one = {&flights[i], 1};

		if (!ig_flight_hungry(flights[i]) || ig_try(feed_some, &one, IG_SHORT_PATIENCE, &trouble))
			continue;
		ig_flight_fail(flights[i], &trouble);
		ig_http_break_off(flights[i]->transfer, "a document could not be read");
	}
}

/* It cannot be built or loaded. */
void
ig_flight_fail(IgFlight *flight, const IgTrouble *trouble)
{
	flight->failed = true;
	flight->passes = trouble->passes;
	flight->code = MemoryContextStrdup(flight->context, trouble->sqlstate);
	flight->error = MemoryContextStrdup(flight->context, trouble->text);
	ereport(trouble->passes ? LOG : WARNING,
			(errmsg("ignisign: %s could not be sent: %s", ig_call_name(&flight->call), trouble->text),
			 trouble->passes ? errdetail("It waits, and is tried again.") :
			 errdetail("It is dead. Nothing of it has been carried out.")));
}

/* Whether bytes can be the proof that was asked for. */
static bool
plausible_proof(const IgFlight *flight)
{
	char		head[5];
	int			length = ig_http_head(flight->transfer, head, sizeof(head));

	if (length == 0)
		return false;
	if (flight->call.proof_type[0] == '\0')
		return true;
	if (strcmp(flight->call.proof_type, "PDF_WITH_SIGNATURES") == 0 ||
		strcmp(flight->call.proof_type, "PADES_ATTACHED") == 0)
		return length == sizeof(head) && memcmp(head, "%PDF-", sizeof(head)) == 0;

	/* Some proxy's page: no type of proof looks like that. */
	return pg_strncasecmp(flight->transfer->content_type, "text/html", 9) != 0;
}

/* Whether a 2xx answer is JSON: with a call of any kind its type tells. */
static bool
is_json_answer(const IgFlight *flight)
{
	const IgTransfer *transfer = flight->transfer;

	if (!ig_api_answers_any(flight->call.operation))
		return ig_api_answers_json(flight->call.operation);
	return transfer->body_length == 0 || transfer->content_type[0] == '\0' ||
		strstr(transfer->content_type, "json") != NULL;
}

/* Take the answer apart; returns how far the attempt came. */
static IgReach
read_answer(IgFlight *flight)
{
	IgTransfer *transfer = flight->transfer;
	char		error[IG_API_ERROR_SIZE];
	char	   *body;
	IgReach		reach = IG_REACH_ANSWERED;

	if (transfer->http_status < 200 || transfer->http_status > 299)
	{
		body = ig_http_body(transfer);
		ig_api_read_error(body, transfer->body_length, &flight->answer);
		flight->code = flight->answer.error_code;
		if (flight->answer.error_message)
			flight->error = psprintf("HTTP status %d: %s", transfer->http_status,
									 flight->answer.error_message);
		else
			flight->error = psprintf("HTTP status %d", transfer->http_status);
		pfree(body);
		return reach;
	}

	/* What is no JSON stays where it is; its beginning tells enough. */
	flight->json = is_json_answer(flight);
	if (flight->json)
	{
		body = ig_http_body(transfer);
		if (!ig_api_read(flight->call.operation, body, transfer->body_length,
						 &flight->answer, error) ||
			!ig_api_is_about(flight->call.operation, &flight->answer, flight->call.signature_request_id, error))
		{
			flight->error = psprintf("the answer cannot be used: %s", error);
			reach = IG_REACH_BAD_ANSWER;
		}
		pfree(body);
	}
	else if (!plausible_proof(flight))
	{
		flight->error = pstrdup("the answer is not a proof of the type that was asked for");
		reach = IG_REACH_BAD_ANSWER;
	}
	return reach;
}

/*
 * Whether the answer is a refusal of which not enough can be read to know what it
 * means.  To ask again tells, where that does no harm.
 */
static bool
is_unreadable_refusal(const IgFlight *flight)
{
	int			status = flight->transfer->http_status;

	return status >= 400 && status < 500 && status != 401 && status != 403 &&
		flight->code == NULL && ig_api_repeatable(flight->call.operation) &&
		(flight->transfer->cut || ig_api_code_counts(flight->call.operation));
}

/* What is decided by, from the settings. */
IgPolicy
ig_flight_policy(void)
{
	IgPolicy	policy = {ig_retry_delay, ig_max_retry_delay, ig_reconcile_delay};

	return policy;
}

/* Judge what came of a flight. */
void
ig_flight_digest(IgFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(flight->context);
	IgTransfer *transfer = flight->transfer;
	IgOutcome	outcome;
	IgPolicy	policy;

	memset(&outcome, 0, sizeof(outcome));
	flight->retry_after = -1;
	outcome.repeatable = ig_api_repeatable(flight->call.operation);
	outcome.traceable = ig_api_traceable(flight->call.operation);
	outcome.attempts = flight->call.attempts;
	outcome.max_attempts = ig_lane_max_attempts(flight->lane);
	policy = ig_flight_policy();

	/* A body that did not leave as a whole cannot have been acted on. */
	if (flight->failed && (transfer == NULL || transfer->reach == IG_REACH_NOT_SENT))
	{
		flight->health = IG_HEALTH_UNKNOWN;
		flight->decision.verdict = flight->passes ? IG_WAIT : IG_DEAD;
		flight->decision.burns_attempt = false;
		flight->decision.delay = ig_policy_local_pause(flight->call.waits + 1, Max(policy.retry_delay, 100),
													   policy.max_retry_delay, pg_prng_uint64(&pg_global_prng_state));
		MemoryContextSwitchTo(old);
		return;
	}
	if (transfer == NULL)
	{
		/* It cannot be built, now or later, or its account has gone. */
		flight->decision.verdict = flight->error ? IG_DEAD : IG_PARK;
		if (flight->error == NULL)
			flight->error = pstrdup("the account is no longer there");
		MemoryContextSwitchTo(old);
		return;
	}

	outcome.reach = transfer->reach;
	outcome.http_status = transfer->http_status;
	if (transfer->reach == IG_REACH_ANSWERED)
	{
		outcome.reach = read_answer(flight);
		if (is_unreadable_refusal(flight))
			outcome.reach = IG_REACH_BAD_ANSWER;
	}
	else
		flight->error = pstrdup(transfer->error);
	if (ig_api_done_already(flight->call.operation, outcome.http_status, flight->code, flight->call.attempts))
		outcome.http_status = 200;
	outcome.code = flight->code;
	outcome.not_yet = outcome.reach == IG_REACH_ANSWERED && flight->call.waits < MAX_WAITS &&
		ig_api_not_yet(flight->call.operation, outcome.http_status, flight->code);
	if (outcome.not_yet)
		outcome.attempts = flight->call.waits + 1;
	if (transfer->retry_after[0])
		flight->retry_after = Min(ig_policy_retry_after(transfer->retry_after, (int64) time(NULL) * 1000),
								  (int64) ig_max_retry_after);
	outcome.retry_after = flight->retry_after;
	flight->health = transfer->local ? IG_HEALTH_UNKNOWN :
		ig_policy_health(outcome.reach, outcome.http_status);

	/* What exceeds a limit would do so again. */
	if (outcome.reach == IG_REACH_BAD_ANSWER && (transfer->exceeded || flight->answer.exceeded) &&
		ig_api_only_reads(flight->call.operation))
		outcome.max_attempts = outcome.attempts;

	/* A probe is the worker's idea, and costs its call nothing. */
	if (flight->ticket.probe && flight->health == IG_HEALTH_BAD)
		outcome.max_attempts = INT_MAX;
	flight->decision = ig_policy_decide(&outcome, &policy, pg_prng_uint64(&pg_global_prng_state));
	if (flight->ticket.probe && flight->health == IG_HEALTH_BAD && flight->decision.verdict == IG_RETRY)
		flight->decision.burns_attempt = false;
	MemoryContextSwitchTo(old);
}

/* Replace a text of the API's by one in the database's encoding. */
static void
localize_text(const char **text, void *arg)
{
	if (*text != NULL)
		*text = ig_from_wire(*text);
}

/*
 * Have what the API said in the database's encoding.  What a scan asked for stays
 * as it is: it is compared as it was sent (fingerprint.c).
 */
void
ig_flight_localize(IgFlight *flight)
{
	MemoryContext old;

	if (flight->localized)
		return;
	flight->localized = true;
	old = MemoryContextSwitchTo(flight->context);
	if (flight->scan == NULL)
		ig_api_answer_texts(&flight->answer, localize_text, NULL);
	localize_text(&flight->code, NULL);
	localize_text(&flight->error, NULL);
	MemoryContextSwitchTo(old);
}

/* Forget a flight. */
void
ig_flight_free(IgFlight *flight)
{
	if (flight->ahead)
		flight->lane->ahead--;
	else if (flight->relieved)
		flight->lane->relieved--;
	else
		ig_lane_end(flight->lane, &flight->ticket);
	ig_api_answer_free(&flight->answer);
	if (flight->transfer)
		ig_http_release(flight->transfer);
	if (flight->body)
		ig_body_free(flight->body);
	ig_api_request_free(&flight->request);
	MemoryContextDelete(flight->context);
}
