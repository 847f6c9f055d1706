/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What happens to requests, noted as an event for each endpoint of the
 *	  application that wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "webhooks.h"

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

/* Note an event; the content is taken over. */
void
emit(App *app, const char *topic, const char *action, const char *nature, cJSON *content)
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
		event->created_at = now_ms();
		event->due = event->created_at + webhook_mode.delay;
		state_note(STATE_EVENT, event);
	}
	cJSON_Delete(content);
}

/* An id that a message has only where there is one. */
static void
add_external_id(cJSON *content, const char *name, const char *id)
{
	if (id)
		cJSON_AddStringToObject(content, name, id);
}

/* Note what has happened to a request. */
void
emit_request(Request *request, const char *action)
{
	cJSON	   *content = cJSON_CreateObject();
	const char *external_id = get_text(request->settings, "externalId");

	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	cJSON_AddStringToObject(content, "status", request->status);
	add_external_id(content, "signatureRequestExternalId", external_id);
	add_external_id(content, "initialSignatureRequestId", get_text(request->settings, "initialSignatureRequestId"));
	if (strcmp(action, "LAUNCHED") == 0)
		cJSON_AddItemToObject(content, "signers", describe_parties(request));
	emit(request->app, "SIGNATURE_REQUEST", action, strcmp(action, "FAILED") == 0 ? "ERROR" : "SUCCESS", content);
}

/* Note that a signer has signed the documents of a request. */
void
emit_signatures(Request *request, const Party *party)
{
	for (int i = 0; i < request->ndocuments; i++)
	{
		cJSON	   *content = cJSON_CreateObject();
		char		id[ID_LENGTH + 1];

		cJSON_AddStringToObject(content, "appId", request->app->app_id);
		cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
		cJSON_AddStringToObject(content, "documentNature", request->documents[i]->nature);
		cJSON_AddStringToObject(content, "signerId", party->signer->id);
		cJSON_AddStringToObject(content, "documentId", request->documents[i]->id);
		cJSON_AddStringToObject(content, "signatureRequestId", request->id);
		signature_id(request->documents[i], party->signer, id);
		cJSON_AddStringToObject(content, "signatureId", id);
		add_external_id(content, "signerExternalId", party->signer->external_id);
		add_external_id(content, "documentExternalId", request->documents[i]->external_id);
		add_external_id(content, "signatureRequestExternalId", get_text(request->settings, "externalId"));
		emit(request->app, "SIGNATURE", "FINALIZED", "SUCCESS", content);
	}
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
