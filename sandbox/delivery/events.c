/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What happens to requests, as an event for each endpoint of the application
 *	  that wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/events.h"

#include <stdlib.h>
#include <string.h>

#include "delivery/webhook_store.h"
#include "model/apps.h"
#include "model/participants.h"
#include "model/state.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/json.h"

static bool
wants(const SbEndpoint *endpoint, const SbApp *app, const char *topic)
{
	const cJSON *item;
	bool		listed = endpoint->topics == NULL;

	if (endpoint->deleted || endpoint->app != app ||
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(endpoint->muted, topic)))
		return false;
	cJSON_ArrayForEach(item, endpoint->topics)
		listed = listed || strcmp(item->valuestring, topic) == 0 || strcmp(item->valuestring, "ALL") == 0;
	return listed;
}

void
sb_add_message_fields(cJSON *json, const SbEvent *event)
{
	cJSON_AddStringToObject(json, "topic", event->topic);
	cJSON_AddStringToObject(json, "action", event->action);
	cJSON_AddStringToObject(json, "msgNature", event->nature);
	cJSON_AddItemToObject(json, "content", cJSON_Duplicate(event->content, true));
	if (event->error)
		cJSON_AddItemToObject(json, "error", cJSON_Duplicate(event->error, true));
}

/* Add an event for each endpoint that wants it; content and error, which may be NULL, are taken over. */
static void
add_event(SbApp *app, const char *topic, const char *action, const char *nature, cJSON *content, cJSON *error)
{
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		SbEvent    *event;

		if (!wants(sb_endpoints[i], app, topic))
			continue;
		event = sb_add_event();
		sb_make_id(event->id);
		event->endpoint = sb_endpoints[i];
		event->topic = sb_strdup(topic);
		event->action = sb_strdup(action);
		event->nature = sb_strdup(nature);
		event->content = cJSON_Duplicate(content, true);
		event->error = cJSON_Duplicate(error, true);
		event->created_at = sb_now_ms();
		event->due = event->created_at + sb_delivery_mode.delay;
		sb_state_append(SB_STATE_EVENT, event);
	}
	cJSON_Delete(content);
	cJSON_Delete(error);
}

/* Add an event; the content is taken over.  An error has the code of a failure. */
void
sb_emit_event(SbApp *app, const char *topic, const char *action, const char *nature, cJSON *content)
{
	cJSON	   *error = NULL;

	if (strcmp(nature, "ERROR") == 0)
	{
		error = cJSON_CreateObject();
		cJSON_AddStringToObject(error, "errorCode", "SIGNATURE_REQUEST_FAILED");
	}
	add_event(app, topic, action, nature, content, error);
}

/* An id that a message has only where there is one. */
static void
add_external_id(cJSON *content, const char *name, const char *id)
{
	if (id)
		cJSON_AddStringToObject(content, name, id);
}

/* Who is asked to sign, by mail or in a page of the application's. */
cJSON *
sb_describe_participants(const SbRequest *request)
{
	cJSON	   *result = cJSON_CreateObject();
	cJSON	   *by_side = cJSON_AddArrayToObject(result, "signersBySide");
	cJSON	   *embedded = cJSON_AddArrayToObject(result, "signersEmbedded");

	for (int i = 0; i < request->nparticipants; i++)
	{
		const SbParticipant *participant = &request->participants[i];
		bool		is_embedded = participant->signer->profile->embedded;
		cJSON	   *signer = cJSON_CreateObject();

		cJSON_AddStringToObject(signer, "signerId", participant->signer->id);
		if (participant->signer->external_id)
			cJSON_AddStringToObject(signer, "signerExternalId", participant->signer->external_id);
		else
			cJSON_AddNullToObject(signer, "signerExternalId");
		if (is_embedded && participant->token)
			cJSON_AddStringToObject(signer, "token", participant->token);
		cJSON_AddItemToArray(is_embedded ? embedded : by_side, signer);
	}
	return result;
}

/* What the messages about a request say. */
static cJSON *
request_content(const SbRequest *request)
{
	cJSON	   *content = cJSON_CreateObject();
	const char *external_id = sb_get_text(request->settings, "externalId");

	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	cJSON_AddStringToObject(content, "status", request->status);
	add_external_id(content, "signatureRequestExternalId", external_id);
	add_external_id(content, "initialSignatureRequestId", sb_get_text(request->settings, "initialSignatureRequestId"));
	return content;
}

/* Say what has happened to a request. */
void
sb_emit_request(SbRequest *request, const char *action)
{
	cJSON	   *content = request_content(request);

	if (strcmp(action, "LAUNCHED") == 0)
		cJSON_AddItemToObject(content, "signers", sb_describe_participants(request));
	sb_emit_event(request->app, "SIGNATURE_REQUEST", action, strcmp(action, "FAILED") == 0 ? "ERROR" : "SUCCESS", content);
}

/* What the messages about one signature, of a signer under a document, say. */
static cJSON *
signature_content(const SbRequest *request, const SbParticipant *participant, const SbDocument *document)
{
	cJSON	   *content = cJSON_CreateObject();
	char		id[SB_ID_LENGTH + 1];

	cJSON_AddStringToObject(content, "appId", request->app->app_id);
	cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(content, "documentNature", document->nature);
	cJSON_AddStringToObject(content, "signerId", participant->signer->id);
	cJSON_AddStringToObject(content, "documentId", document->id);
	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	sb_signature_id(document, participant->signer, id);
	cJSON_AddStringToObject(content, "signatureId", id);
	add_external_id(content, "signerExternalId", participant->signer->external_id);
	add_external_id(content, "documentExternalId", document->external_id);
	add_external_id(content, "signatureRequestExternalId", sb_get_text(request->settings, "externalId"));
	return content;
}

/* Say that a signer has signed the documents of a request. */
void
sb_emit_signatures(SbRequest *request, const SbParticipant *participant)
{
	for (int i = 0; i < request->ndocuments; i++)
		sb_emit_event(request->app, "SIGNATURE", "FINALIZED", "SUCCESS", signature_content(request, participant, request->documents[i]));
}

/* What an error says of a refusal. */
static cJSON *
refusal_error(const char *code, const SbParticipant *participant)
{
	cJSON	   *error = cJSON_CreateObject();
	char	   *message = participant->reason ? sb_psprintf("The signer refused: %s", participant->reason) : sb_strdup("The signer refused");

	cJSON_AddStringToObject(error, "errorCode", code);
	cJSON_AddStringToObject(error, "message", message);
	free(message);
	return error;
}

/* Say that a signer or approver has refused, and that the request has failed. */
void
sb_emit_refusal(SbRequest *request, const SbParticipant *participant)
{
	for (int i = 0; i < request->ndocuments && !sb_is_approver(request, participant); i++)
		add_event(request->app, "SIGNATURE", "FAILED", "ERROR", signature_content(request, participant, request->documents[i]),
				  refusal_error("DOCUMENT_SIGNATURE_FAILED", participant));
	add_event(request->app, "SIGNATURE_REQUEST", "FAILED", "ERROR", request_content(request),
			  refusal_error("SIGNATURE_REQUEST_FAILED", participant));
}

/* Where people can look at a proof: a token, and a page of the vendor's. */
static void
add_proof_link(cJSON *json, const char *token_name, const char *url_name, const SbRequest *request)
{
	char		token[SB_ID_LENGTH + 1];
	char	   *url;

	sb_make_id(token);
	url = sb_psprintf("https://sign.ignisign.io/signature-requests/%s/proofs?t=%s", request->id, token);
	cJSON_AddStringToObject(json, token_name, token);
	cJSON_AddStringToObject(json, url_name, url);
	free(url);
}

/* Say that the proofs of a request are there. */
void
sb_emit_proof(SbRequest *request)
{
	cJSON	   *content = cJSON_CreateObject();
	cJSON	   *list;

	cJSON_AddStringToObject(content, "appId", request->app->app_id);
	cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	list = cJSON_AddArrayToObject(content, "documents");
	for (int i = 0; i < request->ndocuments; i++)
	{
		cJSON	   *document = cJSON_CreateObject();

		cJSON_AddStringToObject(document, "documentId", request->documents[i]->id);
		add_external_id(document, "documentExternalId", request->documents[i]->external_id);
		add_proof_link(document, "token", "url", request);
		cJSON_AddItemToArray(list, document);
	}
	add_proof_link(content, "signatureProofToken", "signatureProofUrl", request);
	sb_emit_event(request->app, "SIGNATURE_PROOF", "GENERATED", "SUCCESS", content);
}
