/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  /_sandbox/...: what tests and developers tell the sandbox, and ask it.
 *
 *-------------------------------------------------------------------------
 */
#include "model/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number of the query, or a fallback. */
static int64_t
query_number(const Call *call, const char *name, int64_t fallback)
{
	char		value[32];

	return query_value(call->query, name, value, sizeof(value)) ? atoll(value) : fallback;
}

/* Answer {"ok":true}. */
static void
answer_ok(Answer *answer)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddTrueToObject(json, "ok");
	answer_json(answer, json);
}

/* POST faults {"spec": "...", "answer": ...}. */
static void
control_faults(Call *call, Answer *answer)
{
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(body, "spec");
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(body, "answer");
	char	   *text = json ? cJSON_PrintUnformatted(json) : NULL;
	char		error[256];

	if (!cJSON_IsString(spec))
		answer_error(answer, "BAD_REQUEST", "expected {\"spec\": \"<operation> <fault> ...\"}", NULL);
	else if (!fault_add(spec->valuestring, text, error, sizeof(error)))
		answer_error(answer, "BAD_REQUEST", error, NULL);
	else
		answer_ok(answer);
	free(text);
	cJSON_Delete(body);
}

/* GET requests: all requests, compact. */
static void
control_requests(Call *call, Answer *answer)
{
	cJSON	   *list = cJSON_CreateArray();
	int64_t		limit = query_number(call, "limit", 1000);

	for (size_t i = 0; i < request_count() && limit-- > 0; i++)
	{
		Request    *request = request_by_number(i);
		cJSON	   *item = cJSON_CreateObject();
		cJSON	   *array;
		char		time[32];

		advance(request);
		format_time(request->created_at, time);
		cJSON_AddStringToObject(item, "id", request->id);
		cJSON_AddStringToObject(item, "title", request->title ? request->title : "");
		cJSON_AddStringToObject(item, "status", request->status);
		cJSON_AddStringToObject(item, "proofStatus", request->proof_status);
		cJSON_AddStringToObject(item, "createdAt", time);
		array = cJSON_AddArrayToObject(item, "signers");
		for (int p = 0; p < request->nparties; p++)
			cJSON_AddItemToArray(array, cJSON_CreateString(request->parties[p].signer->inputs[SIGNER_EMAIL]));
		array = cJSON_AddArrayToObject(item, "documents");
		for (int d = 0; d < request->ndocuments; d++)
		{
			char	   *hash = to_hex(request->documents[d]->hash, 32);

			cJSON_AddItemToArray(array, cJSON_CreateString(hash));
			free(hash);
		}
		cJSON_AddItemToArray(list, item);
	}
	answer_json(answer, list);
}

/* Put a request into a final status, from wherever it is. */
static void
close_as(Request *request, const char *status)
{
	request->status = status;
	request->closed_at = now_ms();
	emit_request(request, strcmp(status, "LAUNCH_ERROR") == 0 ? "FAILED" : status);
}

/* Remove the content of a request's documents, as when its time is over. */
static void
clean_originals(Request *request)
{
	for (int i = 0; i < request->ndocuments; i++)
	{
		Document   *document = request->documents[i];

		free(document->content);
		document->content = NULL;
		document->size = 0;
		document->cleaned = true;
		touch_document(document);
	}
}

/* POST requests/:id/:action. */
static void
control_act(Call *call, Answer *answer, const char *id, const char *action)
{
	Request    *request = request_by_id(id);
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *email = cJSON_GetObjectItemCaseSensitive(body, "email");
	bool		done = true;

	if (request == NULL)
	{
		answer_error(answer, "SIGNATURE_REQUEST_NOT_FOUND", "Signature request not found", NULL);
		cJSON_Delete(body);
		return;
	}
	advance(request);
	touch_request(request);
	if (strcmp(action, "sign") == 0)
		done = sign_party(request, cJSON_IsString(email) ? email->valuestring : NULL);
	else if (strcmp(action, "refuse") == 0)
		done = refuse_party(request, get_text(body, "email"), get_text(body, "reason"));
	else if (strcmp(action, "expire") == 0)
		close_as(request, "EXPIRED");
	else if (strcmp(action, "fail") == 0)
		close_as(request, "FAILED");
	else if (strcmp(action, "launch-error") == 0)
		close_as(request, "LAUNCH_ERROR");
	else if (strcmp(action, "complete") == 0)
		close_as(request, "COMPLETED");
	else if (strcmp(action, "proof-error") == 0)
		request->proof_status = "ON_ERROR";
	else if (strcmp(action, "proof-cleaned") == 0)
		request->proof_status = "CLEANED";
	else if (strcmp(action, "proof-ready") == 0)
		request->proof_status = "CREATED";
	else if (strcmp(action, "originals-cleaned") == 0)
		clean_originals(request);
	else
		done = false;
	cJSON_Delete(body);
	if (done)
		answer_ok(answer);
	else
		answer_error(answer, "BAD_REQUEST", "not possible in this state, or no such action or signer", NULL);
}

/*
 * POST webhooks {"duplicate", "reverse", "drop", "badToken": boolean, "delay": ms,
 * "emit": {"topic", "action", "msgNature", "content"}}: how deliveries go wrong
 * from here on, and an event of any kind.
 */
static void
control_webhooks(Call *call, Answer *answer)
{
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *delay = cJSON_GetObjectItemCaseSensitive(body, "delay");
	const cJSON *event = cJSON_GetObjectItemCaseSensitive(body, "emit");
	WebhookMode mode = {
		.duplicate = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "duplicate")),
		.reverse = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "reverse")),
		.drop = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "drop")),
		.bad_token = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "badToken")),
		.delay = cJSON_IsNumber(delay) ? (int64_t) delay->valuedouble : 0
	};

	webhooks_set_mode(&mode);
	if (get_text(event, "topic") && get_text(event, "action") && get_text(event, "msgNature"))
		emit(first_app(), get_text(event, "topic"), get_text(event, "action"), get_text(event, "msgNature"),
			 cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(event, "content"), true));
	cJSON_Delete(body);
	answer_ok(answer);
}

/* GET signers-ca.pem: what the signatures of signers are verified with. */
static void
answer_authority(Answer *answer)
{
	char	   *text = signing_authority();

	if (text == NULL)
	{
		answer_error(answer, "INTERNAL_ERROR", "could not make a certificate", NULL);
		return;
	}
	answer->status = 200;
	answer->content_type = "application/x-pem-file";
	buffer_add(&answer->body, text, strlen(text));
	free(text);
}

/* Forget all that has happened. */
static void
forget_all(void)
{
	journal_clear();
	webhooks_reset();
	store_reset();
}

void
record_reset(Record *record, void *object)
{
	(void) object;
	if (record->reading)
		forget_all();
}

/* Answer a control call. */
void
control(Call *call, Answer *answer)
{
	const char *path = call->path + strlen("/_sandbox/");
	bool		get = strcmp(call->method, "GET") == 0;
	bool		post = strcmp(call->method, "POST") == 0;
	bool		delete = strcmp(call->method, "DELETE") == 0;
	char		value[64];
	char		id[64];
	char		action[64];
	char		to[512];

	if (get && strcmp(path, "health") == 0)
		answer_ok(answer);
	else if (get && strcmp(path, "journal") == 0)
		answer_json(answer, journal_list(query_value(call->query, "operation", value, sizeof(value)) ? value : NULL,
										 query_number(call, "since", 0), query_number(call, "limit", 1000)));
	else if (delete && strcmp(path, "journal") == 0)
	{
		journal_clear();
		answer_ok(answer);
	}
	else if (get && strcmp(path, "counts") == 0)
		answer_json(answer, journal_counts(query_number(call, "titles", 0) != 0));
	else if (get && strcmp(path, "emails") == 0)
		answer_json(answer, list_emails(query_value(call->query, "request", id, sizeof(id)) ? id : NULL,
										query_value(call->query, "to", to, sizeof(to)) ? to : NULL,
										query_number(call, "limit", 1000)));
	else if (get && strcmp(path, "signers-ca.pem") == 0)
		answer_authority(answer);
	else if (get && strcmp(path, "requests") == 0)
		control_requests(call, answer);
	else if (post && strcmp(path, "faults") == 0)
		control_faults(call, answer);
	else if (delete && strcmp(path, "faults") == 0)
	{
		fault_clear();
		answer_ok(answer);
	}
	else if (post && strcmp(path, "reset") == 0)
	{
		fault_clear();
		state_reset();
		forget_all();
		answer_ok(answer);
	}
	else if (post && strcmp(path, "revoke-logins") == 0)
	{
		revoke_logins();
		answer_ok(answer);
	}
	else if (post && strcmp(path, "webhooks") == 0)
		control_webhooks(call, answer);
	else if (post && sscanf(path, "requests/%63[^/]/%63s", id, action) == 2)
		control_act(call, answer, id, action);
	else
		answer_error(answer, "NOT_FOUND", "no such control call", NULL);
}
