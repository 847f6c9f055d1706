/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What happens to requests, noted as an event for each endpoint of the
 *	  application that wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/webhooks.h"

#include <stdlib.h>
#include <string.h>

static bool
wants(const Endpoint *endpoint, const App *app, const char *topic)
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
add_message_fields(cJSON *json, const Event *event)
{
	cJSON_AddStringToObject(json, "topic", event->topic);
	cJSON_AddStringToObject(json, "action", event->action);
	cJSON_AddStringToObject(json, "msgNature", event->nature);
	cJSON_AddItemToObject(json, "content", cJSON_Duplicate(event->content, true));
	if (event->error)
		cJSON_AddItemToObject(json, "error", cJSON_Duplicate(event->error, true));
}

/* Note an event; content and error, which may be NULL, are taken over. */
static void
note_event(App *app, const char *topic, const char *action, const char *nature, cJSON *content, cJSON *error)
{
	for (size_t i = 0; i < nendpoints; i++)
	{
		Event	   *event;

		if (!wants(endpoints[i], app, topic))
			continue;
		event = add_event();
		make_id(event->id);
		event->endpoint = endpoints[i];
		event->topic = xstrdup(topic);
		event->action = xstrdup(action);
		event->nature = xstrdup(nature);
		event->content = cJSON_Duplicate(content, true);
		event->error = cJSON_Duplicate(error, true);
		event->created_at = now_ms();
		event->due = event->created_at + webhook_mode.delay;
		state_note(STATE_EVENT, event);
	}
	cJSON_Delete(content);
	cJSON_Delete(error);
}

/* Note an event; the content is taken over.  An error has the code of a failure. */
void
emit(App *app, const char *topic, const char *action, const char *nature, cJSON *content)
{
	cJSON	   *error = NULL;

	if (strcmp(nature, "ERROR") == 0)
	{
		error = cJSON_CreateObject();
		cJSON_AddStringToObject(error, "errorCode", "SIGNATURE_REQUEST_FAILED");
	}
	note_event(app, topic, action, nature, content, error);
}

/* An id that a message has only where there is one. */
static void
add_external_id(cJSON *content, const char *name, const char *id)
{
	if (id)
		cJSON_AddStringToObject(content, name, id);
}

/* What the messages about a request say. */
static cJSON *
request_content(const Request *request)
{
	cJSON	   *content = cJSON_CreateObject();
	const char *external_id = get_text(request->settings, "externalId");

	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	cJSON_AddStringToObject(content, "status", request->status);
	add_external_id(content, "signatureRequestExternalId", external_id);
	add_external_id(content, "initialSignatureRequestId", get_text(request->settings, "initialSignatureRequestId"));
	return content;
}

/* Note what has happened to a request. */
void
emit_request(Request *request, const char *action)
{
	cJSON	   *content = request_content(request);

	if (strcmp(action, "LAUNCHED") == 0)
		cJSON_AddItemToObject(content, "signers", describe_parties(request));
	emit(request->app, "SIGNATURE_REQUEST", action, strcmp(action, "FAILED") == 0 ? "ERROR" : "SUCCESS", content);
}

/* What the messages about one signature, of a signer under a document, say. */
static cJSON *
signature_content(const Request *request, const Party *party, const Document *document)
{
	cJSON	   *content = cJSON_CreateObject();
	char		id[ID_LENGTH + 1];

	cJSON_AddStringToObject(content, "appId", request->app->app_id);
	cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(content, "documentNature", document->nature);
	cJSON_AddStringToObject(content, "signerId", party->signer->id);
	cJSON_AddStringToObject(content, "documentId", document->id);
	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	signature_id(document, party->signer, id);
	cJSON_AddStringToObject(content, "signatureId", id);
	add_external_id(content, "signerExternalId", party->signer->external_id);
	add_external_id(content, "documentExternalId", document->external_id);
	add_external_id(content, "signatureRequestExternalId", get_text(request->settings, "externalId"));
	return content;
}

/* Note that a signer has signed the documents of a request. */
void
emit_signatures(Request *request, const Party *party)
{
	for (int i = 0; i < request->ndocuments; i++)
		emit(request->app, "SIGNATURE", "FINALIZED", "SUCCESS", signature_content(request, party, request->documents[i]));
}

/* What an error says of a refusal. */
static cJSON *
refusal_error(const char *code, const Party *party)
{
	cJSON	   *error = cJSON_CreateObject();
	char	   *message = party->reason ? xprintf("The signer refused: %s", party->reason) : xstrdup("The signer refused");

	cJSON_AddStringToObject(error, "errorCode", code);
	cJSON_AddStringToObject(error, "message", message);
	free(message);
	return error;
}

/* Note that a signer or approver has refused, and that the request has failed. */
void
emit_refusal(Request *request, const Party *party)
{
	for (int i = 0; i < request->ndocuments && !is_approver(request, party); i++)
		note_event(request->app, "SIGNATURE", "FAILED", "ERROR", signature_content(request, party, request->documents[i]),
				   refusal_error("DOCUMENT_SIGNATURE_FAILED", party));
	note_event(request->app, "SIGNATURE_REQUEST", "FAILED", "ERROR", request_content(request),
			   refusal_error("SIGNATURE_REQUEST_FAILED", party));
}

/* Where people can look at a proof: a token, and a page of the vendor's. */
static void
add_proof_link(cJSON *json, const char *token_name, const char *url_name, const Request *request)
{
	char		token[ID_LENGTH + 1];
	char	   *url;

	make_id(token);
	url = xprintf("https://sign.ignisign.io/signature-requests/%s/proofs?t=%s", request->id, token);
	cJSON_AddStringToObject(json, token_name, token);
	cJSON_AddStringToObject(json, url_name, url);
	free(url);
}

/* Note that the proofs of a request are there. */
void
emit_proof(Request *request)
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
	emit(request->app, "SIGNATURE_PROOF", "GENERATED", "SUCCESS", content);
}
