/*-------------------------------------------------------------------------
 *
 * execution.c
 *	  A call under way: from a row to a transfer, and from its response to what
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

/* Make an execution for a call, and take a slot; what the call points to is copied. */
static IgExecution *
create_execution(const IgCall *call, IgAccountState *state, bool refresh)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "ignisign execution",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	IgExecution *execution = palloc0(sizeof(IgExecution));

	execution->context = context;
	execution->call = *call;
	execution->account_state = state;
	execution->call.proof_type = pstrdup(call->proof_type ? call->proof_type : "");
	if (call->title)
		execution->call.title = pstrdup(call->title);
	if (call->signature_method)
		execution->call.signature_method = pstrdup(call->signature_method);
	if (call->signature_request_id)
		execution->call.signature_request_id = pstrdup(call->signature_request_id);
	if (call->document_id)
		execution->call.document_id = pstrdup(call->document_id);
	if (call->signer_id)
		execution->call.signer_id = pstrdup(call->signer_id);
	if (call->args)
		execution->call.args = pstrdup(call->args);
	execution->call.code = NULL;
	MemoryContextSwitchTo(old);

	execution->ticket = ig_account_start_call(state, refresh);
	return execution;
}

/* Make an execution for a call of the queue. */
IgExecution *
ig_execution_create(const IgCall *call, IgAccountState *state)
{
	return create_execution(call, state, false);
}

/* Make an execution that asks for the status of several requests. */
IgExecution *
ig_execution_create_refresh(const IgBatch *batch, IgAccountState *state)
{
	IgExecution *execution;
	MemoryContext old;
	IgCall		call;

	memset(&call, 0, sizeof(call));
	call.operation = IG_OP_STATUS;
	call.server = batch->server;
	call.owner = batch->owner;
	call.attempts = 1;
	execution = create_execution(&call, state, true);

	old = MemoryContextSwitchTo(execution->context);
	execution->batch = palloc(sizeof(IgBatch));
	*execution->batch = *batch;
	execution->batch->requests = palloc(batch->n * sizeof(pg_uuid_t));
	memcpy(execution->batch->requests, batch->requests, batch->n * sizeof(pg_uuid_t));
	execution->batch->signature_request_ids = palloc(batch->n * sizeof(char *));
	for (int i = 0; i < batch->n; i++)
		execution->batch->signature_request_ids[i] = pstrdup(batch->signature_request_ids[i]);
	MemoryContextSwitchTo(old);
	return execution;
}

/* Make an execution that gets a token for its account state. */
IgExecution *
ig_execution_create_login(IgAccountState *state)
{
	const IgAccount *account = state->account;
	IgExecution *execution;
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
	call.server = state->server;
	call.owner = state->owner;
	call.attempts = 1;
	call.args = values.data;
	execution = ig_execution_create(&call, state);
	explicit_bzero(values.data, values.len);
	pfree(values.data);
	return execution;
}

/* Send it. */
void
ig_execution_start(IgExecution *execution)
{
	const IgAccount *account = execution->account_state->account;
	IgHttpRequest request;
	MemoryContext old = MemoryContextSwitchTo(execution->context);

	memset(&request, 0, sizeof(request));
	request.method = execution->request.method;
	request.url = psprintf("%s%s", account->base_url, execution->request.path);
	request.bearer = ig_api_public(execution->call.operation) ? NULL : ig_account_bearer(execution->account_state);
	execution->generation = execution->account_state->generation;
	request.accept = execution->request.accept;
	request.content_type = execution->request.content_type[0] ? execution->request.content_type : NULL;
	request.body_size = execution->request.body_size;
	request.read = ig_body_read;
	request.read_arg = execution->body;
	request.repeatable = ig_api_repeatable(execution->call.operation);
	request.loopback_only = account->loopback_only;
	request.ca_file = account->ca_file;
	request.connect_timeout = account->connect_timeout;
	request.timeout = account->timeout;
	if (ig_api_response_is_json(execution->call.operation) && !ig_api_response_is_any(execution->call.operation))
	{
		request.max_response = 1024 * (int64) ig_max_response_size;
		request.max_response_setting = "max_response_size";
	}
	else
	{
		request.max_response = 1024 * (int64) ig_max_proof_size;
		request.max_response_setting = "max_proof_size";
	}
	execution->transfer = ig_http_start(&request, execution);
	MemoryContextSwitchTo(old);
}

/* Whether the body waits for a slice. */
bool
ig_execution_needs_data(const IgExecution *execution)
{
	int			document;
	int64		offset;
	int			length;

	return execution->body != NULL && !execution->failed && ig_body_wants(execution->body, &document, &offset, &length);
}

/* Read the slice that the body waits for, and let the transfer go on. */
void
ig_execution_load_chunk(IgExecution *execution)
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

	if (!ig_body_wants(execution->body, &document, &offset, &length))
		return;
	SPI_connect();
	values[0] = UUIDPGetDatum(&execution->call.request);
	values[1] = Int32GetDatum(execution->first_document + document);
	values[2] = Int32GetDatum((int32) offset + 1);
	values[3] = Int32GetDatum(length);
	if (ig_spi_execute(&slice, values, NULL) == 1)
	{
		Datum		value = ig_spi_datum(0, 1, &isnull);

		if (!isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(execution->context);

			ig_body_load_chunk(execution->body, DatumGetByteaPCopy(value));
			MemoryContextSwitchTo(old);
		}
	}
	SPI_finish();
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("document %d is no longer there", execution->first_document + document)));
	if (execution->transfer)
		ig_http_resume(execution->transfer);
}

/* Some executions. */
typedef struct Flights
{
	IgExecution **executions;
	int			n;
} Flights;

/* Feed those that wait. */
static void
load_some_chunks(void *arg)
{
	const Flights *some = arg;

	for (int i = 0; i < some->n; i++)
		ig_execution_load_chunk(some->executions[i]);
}

/* Feed all; one whose document cannot be read is broken off. */
void
ig_executions_load_chunks(IgExecution **executions, int n)
{
	Flights		all = {executions, n};
	IgTrouble	trouble;

	if (n == 0 || ig_try(load_some_chunks, &all, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < n; i++)
	{
		Flights		one = {&executions[i], 1};

		if (!ig_execution_needs_data(executions[i]) || ig_try(load_some_chunks, &one, IG_SHORT_PATIENCE, &trouble))
			continue;
		ig_execution_fail(executions[i], &trouble);
		ig_http_break_off(executions[i]->transfer, "a document could not be read");
	}
}

/* It cannot be built or loaded. */
void
ig_execution_fail(IgExecution *execution, const IgTrouble *trouble)
{
	execution->failed = true;
	execution->passes = trouble->passes;
	execution->code = MemoryContextStrdup(execution->context, trouble->sqlstate);
	execution->error = MemoryContextStrdup(execution->context, trouble->text);
	ereport(trouble->passes ? LOG : WARNING,
			(errmsg("ignisign: %s could not be sent: %s", ig_call_name(&execution->call), trouble->text),
			 trouble->passes ? errdetail("It waits, and is tried again.") :
			 errdetail("It is dead. Nothing of it has been carried out.")));
}

/* Whether bytes can be the proof that was asked for. */
static bool
plausible_proof(const IgExecution *execution)
{
	char		head[5];
	int			length = ig_http_head(execution->transfer, head, sizeof(head));

	if (length == 0)
		return false;
	if (execution->call.proof_type[0] == '\0')
		return true;
	if (strcmp(execution->call.proof_type, "PDF_WITH_SIGNATURES") == 0 ||
		strcmp(execution->call.proof_type, "PADES_ATTACHED") == 0)
		return length == sizeof(head) && memcmp(head, "%PDF-", sizeof(head)) == 0;

	/* Some proxy's page: no type of proof looks like that. */
	return pg_strncasecmp(execution->transfer->content_type, "text/html", 9) != 0;
}

/* Whether a 2xx response is JSON: with a call of any kind its type tells. */
static bool
is_json_response(const IgExecution *execution)
{
	const IgTransfer *transfer = execution->transfer;

	if (!ig_api_response_is_any(execution->call.operation))
		return ig_api_response_is_json(execution->call.operation);
	return transfer->body_length == 0 || transfer->content_type[0] == '\0' ||
		strstr(transfer->content_type, "json") != NULL;
}

/* Take the response apart; returns how far the attempt came. */
static IgReach
read_response(IgExecution *execution)
{
	IgTransfer *transfer = execution->transfer;
	char		error[IG_API_ERROR_SIZE];
	char	   *body;
	IgReach		reach = IG_REACH_RESPONDED;

	if (transfer->http_status < 200 || transfer->http_status > 299)
	{
		body = ig_http_body(transfer);
		ig_api_read_error(body, transfer->body_length, &execution->response);
		execution->code = execution->response.error_code;
		if (execution->response.error_message)
			execution->error = psprintf("HTTP status %d: %s", transfer->http_status,
										execution->response.error_message);
		else
			execution->error = psprintf("HTTP status %d", transfer->http_status);
		pfree(body);
		return reach;
	}

	/* What is no JSON stays where it is; its beginning tells enough. */
	execution->json = is_json_response(execution);
	if (execution->json)
	{
		body = ig_http_body(transfer);
		if (!ig_api_read(execution->call.operation, body, transfer->body_length,
						 &execution->response, error) ||
			!ig_api_is_about(execution->call.operation, &execution->response, execution->call.signature_request_id, error))
		{
			execution->error = psprintf("the answer cannot be used: %s", error);
			reach = IG_REACH_BAD_RESPONSE;
		}
		pfree(body);
	}
	else if (!plausible_proof(execution))
	{
		execution->error = pstrdup("the answer is not a proof of the type that was asked for");
		reach = IG_REACH_BAD_RESPONSE;
	}
	return reach;
}

/*
 * Whether the response is a refusal of which not enough can be read to know what it
 * means.  To ask again tells, where that does no harm.
 */
static bool
is_unreadable_refusal(const IgExecution *execution)
{
	int			status = execution->transfer->http_status;

	return status >= 400 && status < 500 && status != 401 && status != 403 &&
		execution->code == NULL && ig_api_repeatable(execution->call.operation) &&
		(execution->transfer->cut || ig_api_code_counts(execution->call.operation));
}

/* What is decided by, from the settings. */
IgPolicy
ig_execution_policy(void)
{
	IgPolicy	policy = {ig_retry_delay, ig_max_retry_delay, ig_reconcile_delay};

	return policy;
}

/* Judge what came of an execution. */
void
ig_execution_digest(IgExecution *execution)
{
	MemoryContext old = MemoryContextSwitchTo(execution->context);
	IgTransfer *transfer = execution->transfer;
	IgOutcome	outcome;
	IgPolicy	policy;

	memset(&outcome, 0, sizeof(outcome));
	execution->retry_after = -1;
	outcome.repeatable = ig_api_repeatable(execution->call.operation);
	outcome.traceable = ig_api_traceable(execution->call.operation);
	outcome.attempts = execution->call.attempts;
	outcome.max_attempts = ig_account_max_attempts(execution->account_state);
	policy = ig_execution_policy();

	/* A body that did not leave as a whole cannot have been acted on. */
	if (execution->failed && (transfer == NULL || transfer->reach == IG_REACH_NOT_SENT))
	{
		execution->health = IG_HEALTH_UNKNOWN;
		execution->decision.verdict = execution->passes ? IG_WAIT : IG_DEAD;
		execution->decision.burns_attempt = false;
		execution->decision.delay = ig_policy_local_pause(execution->call.waits + 1, Max(policy.retry_delay, 100),
														  policy.max_retry_delay, pg_prng_uint64(&pg_global_prng_state));
		MemoryContextSwitchTo(old);
		return;
	}
	if (transfer == NULL)
	{
		/* It cannot be built, now or later, or its account has gone. */
		execution->decision.verdict = execution->error ? IG_DEAD : IG_PARK;
		if (execution->error == NULL)
			execution->error = pstrdup("the account is no longer there");
		MemoryContextSwitchTo(old);
		return;
	}

	outcome.reach = transfer->reach;
	outcome.http_status = transfer->http_status;
	if (transfer->reach == IG_REACH_RESPONDED)
	{
		outcome.reach = read_response(execution);
		if (is_unreadable_refusal(execution))
			outcome.reach = IG_REACH_BAD_RESPONSE;
	}
	else
		execution->error = pstrdup(transfer->error);
	if (ig_api_done_already(execution->call.operation, outcome.http_status, execution->code, execution->call.attempts))
		outcome.http_status = 200;
	outcome.code = execution->code;
	outcome.not_yet = outcome.reach == IG_REACH_RESPONDED && execution->call.waits < MAX_WAITS &&
		ig_api_not_yet(execution->call.operation, outcome.http_status, execution->code);
	if (outcome.not_yet)
		outcome.attempts = execution->call.waits + 1;
	if (transfer->retry_after[0])
		execution->retry_after = Min(ig_policy_retry_after(transfer->retry_after, (int64) time(NULL) * 1000),
									 (int64) ig_max_retry_after);
	outcome.retry_after = execution->retry_after;
	execution->health = transfer->local ? IG_HEALTH_UNKNOWN :
		ig_policy_health(outcome.reach, outcome.http_status);

	/* What exceeds a limit would do so again. */
	if (outcome.reach == IG_REACH_BAD_RESPONSE && (transfer->exceeded || execution->response.exceeded) &&
		ig_api_only_reads(execution->call.operation))
		outcome.max_attempts = outcome.attempts;

	/* A probe is the worker's idea, and costs its call nothing. */
	if (execution->ticket.probe && execution->health == IG_HEALTH_BAD)
		outcome.max_attempts = INT_MAX;
	execution->decision = ig_policy_decide(&outcome, &policy, pg_prng_uint64(&pg_global_prng_state));
	if (execution->ticket.probe && execution->health == IG_HEALTH_BAD && execution->decision.verdict == IG_RETRY)
		execution->decision.burns_attempt = false;
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
ig_execution_localize(IgExecution *execution)
{
	MemoryContext old;

	if (execution->localized)
		return;
	execution->localized = true;
	old = MemoryContextSwitchTo(execution->context);
	if (execution->scan == NULL)
		ig_api_response_texts(&execution->response, localize_text, NULL);
	localize_text(&execution->code, NULL);
	localize_text(&execution->error, NULL);
	MemoryContextSwitchTo(old);
}

/* Forget an execution. */
void
ig_execution_free(IgExecution *execution)
{
	ig_account_end_call(execution->account_state, &execution->ticket);
	ig_api_response_free(&execution->response);
	if (execution->transfer)
		ig_http_release(execution->transfer);
	if (execution->body)
		ig_body_free(execution->body);
	ig_api_request_free(&execution->request);
	MemoryContextDelete(execution->context);
}
