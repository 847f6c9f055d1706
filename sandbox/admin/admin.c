/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  /_sandbox/...: what tests and developers tell the sandbox, and ask it.
 *
 *-------------------------------------------------------------------------
 */
#include "admin/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/journal.h"
#include "api/auth.h"
#include "delivery/events.h"
#include "delivery/mail.h"
#include "delivery/webhook_store.h"
#include "http/call.h"
#include "http/fault.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/lifecycle.h"
#include "model/state.h"
#include "model/store.h"
#include "proof/authority.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"

/* A number of the query, or a fallback. */
static int64_t
query_number(const SbCall *call, const char *name, int64_t fallback)
{
	char		value[32];

	return sb_query_value(call->query, name, value, sizeof(value)) ? atoll(value) : fallback;
}

/* Respond with {"ok":true}. */
static void
respond_ok(SbResponse *response)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddTrueToObject(json, "ok");
	sb_respond_json(response, json);
}

/* POST faults {"spec": "...", "answer": ...}. */
static void
admin_faults(SbCall *call, SbResponse *response)
{
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(body, "spec");
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(body, "answer");
	char	   *text = json ? cJSON_PrintUnformatted(json) : NULL;
	char		error[256];

	if (!cJSON_IsString(spec))
		sb_respond_error(response, "BAD_REQUEST", "expected {\"spec\": \"<operation> <fault> ...\"}", NULL);
	else if (!sb_fault_add(spec->valuestring, text, error, sizeof(error)))
		sb_respond_error(response, "BAD_REQUEST", error, NULL);
	else
		respond_ok(response);
	free(text);
	cJSON_Delete(body);
}

/* GET requests: all requests, compact. */
static void
admin_requests(SbCall *call, SbResponse *response)
{
	cJSON	   *list = cJSON_CreateArray();
	int64_t		limit = query_number(call, "limit", 1000);

	for (size_t i = 0; i < sb_request_count() && limit-- > 0; i++)
	{
		SbRequest  *request = sb_request_by_number(i);
		cJSON	   *item = cJSON_CreateObject();
		cJSON	   *array;
		char		time[32];

		sb_update_status(request);
		sb_format_time(request->created_at, time);
		cJSON_AddStringToObject(item, "id", request->id);
		cJSON_AddStringToObject(item, "title", request->title ? request->title : "");
		cJSON_AddStringToObject(item, "status", request->status);
		cJSON_AddStringToObject(item, "proofStatus", request->proof_status);
		cJSON_AddStringToObject(item, "createdAt", time);
		array = cJSON_AddArrayToObject(item, "signers");
		for (int p = 0; p < request->nparticipants; p++)
			cJSON_AddItemToArray(array, cJSON_CreateString(request->participants[p].signer->inputs[SB_SIGNER_EMAIL]));
		array = cJSON_AddArrayToObject(item, "documents");
		for (int d = 0; d < request->ndocuments; d++)
		{
			char	   *hash = sb_to_hex(request->documents[d]->hash, 32);

			cJSON_AddItemToArray(array, cJSON_CreateString(hash));
			free(hash);
		}
		cJSON_AddItemToArray(list, item);
	}
	sb_respond_json(response, list);
}

/* Put a request into a final status, from wherever it is. */
static void
close_as(SbRequest *request, const char *status)
{
	request->status = status;
	request->closed_at = sb_now_ms();
	sb_emit_request(request, strcmp(status, "LAUNCH_ERROR") == 0 ? "FAILED" : status);
}

/* Remove the content of a request's documents, as when its time is over. */
static void
clean_originals(SbRequest *request)
{
	for (int i = 0; i < request->ndocuments; i++)
	{
		SbDocument *document = request->documents[i];

		free(document->content);
		document->content = NULL;
		document->size = 0;
		document->cleaned = true;
		sb_touch_document(document);
	}
}

/* POST requests/:id/:action. */
static void
admin_request_action(SbCall *call, SbResponse *response, const char *id, const char *action)
{
	SbRequest  *request = sb_request_by_id(id);
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *email = cJSON_GetObjectItemCaseSensitive(body, "email");
	bool		done = true;

	if (request == NULL)
	{
		sb_respond_error(response, "SIGNATURE_REQUEST_NOT_FOUND", "Signature request not found", NULL);
		cJSON_Delete(body);
		return;
	}
	sb_update_status(request);
	sb_touch_request(request);
	if (strcmp(action, "sign") == 0)
		done = sb_sign_participant(request, cJSON_IsString(email) ? email->valuestring : NULL);
	else if (strcmp(action, "refuse") == 0)
		done = sb_refuse_participant(request, sb_get_text(body, "email"), sb_get_text(body, "reason"));
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
		respond_ok(response);
	else
		sb_respond_error(response, "BAD_REQUEST", "not possible in this state, or no such action or signer", NULL);
}

/*
 * POST webhooks {"duplicate", "reverse", "drop", "badToken": boolean, "delay": ms,
 * "emit": {"topic", "action", "msgNature", "content"}}: how deliveries go wrong
 * from here on, and an event of any kind.
 */
static void
admin_webhooks(SbCall *call, SbResponse *response)
{
	cJSON	   *body = cJSON_ParseWithLength(call->body, call->body_length);
	const cJSON *delay = cJSON_GetObjectItemCaseSensitive(body, "delay");
	const cJSON *event = cJSON_GetObjectItemCaseSensitive(body, "emit");
	SbDeliveryMode mode = {
		.duplicate = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "duplicate")),
		.reverse = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "reverse")),
		.drop = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "drop")),
		.bad_token = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(body, "badToken")),
		.delay = cJSON_IsNumber(delay) ? (int64_t) delay->valuedouble : 0
	};

	sb_delivery_mode = mode;
	if (sb_get_text(event, "topic") && sb_get_text(event, "action") && sb_get_text(event, "msgNature"))
		sb_emit_event(sb_first_app(), sb_get_text(event, "topic"), sb_get_text(event, "action"), sb_get_text(event, "msgNature"),
					  cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(event, "content"), true));
	cJSON_Delete(body);
	respond_ok(response);
}

/* GET signers-ca.pem: what the signatures of signers are verified with. */
static void
respond_authority(SbResponse *response)
{
	char	   *text = sb_signing_authority();

	if (text == NULL)
	{
		sb_respond_error(response, "INTERNAL_ERROR", "could not make a certificate", NULL);
		return;
	}
	response->status = 200;
	response->content_type = "application/x-pem-file";
	sb_buffer_add(&response->body, text, strlen(text));
	free(text);
}

/* Handle an admin call. */
void
sb_admin_call(SbCall *call, SbResponse *response)
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
		respond_ok(response);
	else if (get && strcmp(path, "journal") == 0)
		sb_respond_json(response, sb_journal_list(sb_query_value(call->query, "operation", value, sizeof(value)) ? value : NULL,
												  query_number(call, "since", 0), query_number(call, "limit", 1000)));
	else if (delete && strcmp(path, "journal") == 0)
	{
		sb_journal_clear();
		respond_ok(response);
	}
	else if (get && strcmp(path, "counts") == 0)
		sb_respond_json(response, sb_journal_counts(query_number(call, "titles", 0) != 0));
	else if (get && strcmp(path, "emails") == 0)
		sb_respond_json(response, sb_list_emails(sb_query_value(call->query, "request", id, sizeof(id)) ? id : NULL,
												 sb_query_value(call->query, "to", to, sizeof(to)) ? to : NULL,
												 query_number(call, "limit", 1000)));
	else if (get && strcmp(path, "signers-ca.pem") == 0)
		respond_authority(response);
	else if (get && strcmp(path, "requests") == 0)
		admin_requests(call, response);
	else if (post && strcmp(path, "faults") == 0)
		admin_faults(call, response);
	else if (delete && strcmp(path, "faults") == 0)
	{
		sb_fault_clear();
		respond_ok(response);
	}
	else if (post && strcmp(path, "reset") == 0)
	{
		sb_fault_clear();
		sb_state_reset();
		respond_ok(response);
	}
	else if (post && strcmp(path, "revoke-logins") == 0)
	{
		sb_revoke_logins();
		respond_ok(response);
	}
	else if (post && strcmp(path, "webhooks") == 0)
		admin_webhooks(call, response);
	else if (post && sscanf(path, "requests/%63[^/]/%63s", id, action) == 2)
		admin_request_action(call, response, id, action);
	else
		sb_respond_error(response, "NOT_FOUND", "no such admin call", NULL);
}
