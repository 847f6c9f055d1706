/*-------------------------------------------------------------------------
 *
 * describe.c
 *	  What the API says of signers, documents and requests, in JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "api/describe.h"

#include <stdlib.h>
#include <string.h>

#include "model/apps.h"
#include "model/participants.h"
#include "model/store.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"
#include "util/options.h"

cJSON *
sb_describe_signer(const SbSigner *signer)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *inputs;

	cJSON_AddStringToObject(json, "signerId", signer->id);
	if (signer->external_id)
		cJSON_AddStringToObject(json, "externalId", signer->external_id);
	for (int k = 0; k <= SB_SIGNER_LAST_NAME; k++)
	{
		if (signer->inputs[k])
			cJSON_AddStringToObject(json, sb_signer_inputs[k], signer->inputs[k]);
	}
	cJSON_AddStringToObject(json, "status", signer->revoked ? "BLOCKED" : "ACTIVE");
	inputs = cJSON_AddArrayToObject(json, "alreadyProvidedInputs");
	for (int k = 0; k < SB_NINPUTS; k++)
	{
		if (signer->inputs[k])
			cJSON_AddItemToArray(inputs, cJSON_CreateString(sb_signer_inputs[k]));
	}
	cJSON_AddFalseToObject(json, "isRecurrent");
	cJSON_AddStringToObject(json, "signerProfileId", signer->profile->id);
	return json;
}

cJSON *
sb_describe_profile(const SbApp *app, const SbProfile *profile)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "_id", profile->id);
	cJSON_AddStringToObject(json, "appId", app->app_id);
	cJSON_AddStringToObject(json, "appEnv", app->app_env);
	cJSON_AddStringToObject(json, "name", profile->name);
	cJSON_AddStringToObject(json, "status", "ACTIVE");
	cJSON_AddNumberToObject(json, "version", 1);
	cJSON_AddTrueToObject(json, "isEmailProofSentByIgnisign");
	cJSON_AddFalseToObject(json, "isRecurrent");
	cJSON_AddStringToObject(json, "integrationMode", profile->embedded ? "EMBEDDED" : "BY_SIDE");
	cJSON_AddObjectToObject(json, "signatureAuthMethodsConfiguration");
	return json;
}

/* All profiles of an application. */
cJSON *
sb_describe_profiles(const SbApp *app)
{
	cJSON	   *list = cJSON_CreateArray();

	for (int i = 0; i < SB_NPROFILES; i++)
		cJSON_AddItemToArray(list, sb_describe_profile(app, &app->profiles[i]));
	return list;
}

/* The hash as the API writes it, which is not known for sure: by option. */
static char *
hash_text(const SbDocument *document)
{
	char	   *text;

	if (strcmp(sb_options.hash_format, "hex") == 0)
		return sb_to_hex(document->hash, sizeof(document->hash));
	text = sb_to_base64(document->hash, sizeof(document->hash));
	for (char *c = text; strcmp(sb_options.hash_format, "base64url") == 0 && *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return text;
}

/* The document object; with_signers: and who has signed it. */
cJSON *
sb_describe_document(const SbDocument *document, bool with_signers)
{
	const SbRequest *request = document->request;
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *list;
	char		time[32];

	sb_format_time(document->created_at, time);
	cJSON_AddStringToObject(json, "_id", document->id);
	cJSON_AddStringToObject(json, "_createdAt", time);
	cJSON_AddStringToObject(json, "appId", document->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", document->app->app_env);
	cJSON_AddStringToObject(json, "status", document->cleaned ? "CLEANED" : document->nature ? "PROVIDED" : "CREATED");
	if (document->nature)
	{
		char	   *hash = hash_text(document);

		cJSON_AddStringToObject(json, "documentNature", document->nature);
		cJSON_AddStringToObject(json, "documentHash", hash);
		free(hash);
	}
	if (request)
		cJSON_AddStringToObject(json, "signatureRequestId", request->id);
	else
		cJSON_AddNullToObject(json, "signatureRequestId");
	sb_add_text(json, "externalId", document->external_id);
	sb_add_text(json, "label", document->label);
	sb_add_text(json, "description", document->description);
	sb_add_text(json, "fileName", document->file_name);
	sb_add_text(json, "mimeType", document->mime_type);
	if (document->content)
		cJSON_AddNumberToObject(json, "fileSize", (double) document->size);
	if (document->content && document->nature && strcmp(document->nature, "DATA_JSON") == 0)
		cJSON_AddStringToObject(json, "dataJsonContent", (const char *) document->content);
	if (!with_signers)
		return json;

	list = cJSON_AddArrayToObject(json, "signatureSummaries");
	for (int i = 0; request != NULL && i < request->nparticipants; i++)
	{
		const SbParticipant *participant = &request->participants[i];
		cJSON	   *summary;
		char		id[SB_ID_LENGTH + 1];

		if (participant->signed_at == 0)
			continue;
		summary = cJSON_CreateObject();
		sb_signature_id(document, participant->signer, id);
		sb_format_time(participant->signed_at, time);
		cJSON_AddStringToObject(summary, "signatureId", id);
		cJSON_AddStringToObject(summary, "signerId", participant->signer->id);
		cJSON_AddStringToObject(summary, "date", time);
		cJSON_AddItemToArray(list, summary);
	}
	return json;
}

/* One signature: of one signer under one document. */
cJSON *
sb_describe_signature(const SbDocument *document, const SbParticipant *participant)
{
	cJSON	   *json = cJSON_CreateObject();
	char		id[SB_ID_LENGTH + 1];

	sb_signature_id(document, participant->signer, id);
	cJSON_AddStringToObject(json, "_id", id);
	cJSON_AddStringToObject(json, "appId", document->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", document->app->app_env);
	cJSON_AddStringToObject(json, "signerId", participant->signer->id);
	cJSON_AddStringToObject(json, "documentId", document->id);
	cJSON_AddStringToObject(json, "status", "SIGNED");
	cJSON_AddStringToObject(json, "mode", "SERVER_SIDE_SIGNATURE");
	return json;
}

/* What list and context both say of a request. */
cJSON *
sb_describe_request(const SbRequest *request)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *array;

	cJSON_AddStringToObject(json, "_id", request->id);
	sb_add_time(json, "_createdAt", request->created_at);
	cJSON_AddStringToObject(json, "appId", request->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(json, "signatureRequestType", request->type);
	if (request->title)
		cJSON_AddStringToObject(json, "title", request->title);
	cJSON_AddStringToObject(json, "status", request->status);
	if (sb_get_text(request->settings, "externalId"))
		cJSON_AddStringToObject(json, "externalId", sb_get_text(request->settings, "externalId"));
	if (sb_get_text(request->settings, "initialSignatureRequestId"))
		cJSON_AddStringToObject(json, "initialSignatureRequestId",
								sb_get_text(request->settings, "initialSignatureRequestId"));
	array = cJSON_AddArrayToObject(json, "documentIds");
	for (int i = 0; i < request->ndocuments; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(request->documents[i]->id));
	array = cJSON_AddArrayToObject(json, "signerIds");
	for (int i = 0; i < request->nparticipants; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(request->participants[i].signer->id));
	array = cJSON_AddArrayToObject(json, "signedBy");
	for (int i = 0; i < request->nparticipants; i++)
	{
		if (request->participants[i].signed_at != 0)
			cJSON_AddItemToArray(array, cJSON_CreateString(request->participants[i].signer->id));
	}
	return json;
}

/* All that the API tells of a request. */
cJSON *
sb_describe_context(const SbRequest *request)
{
	static const char *const echoed[] = {
		"description", "language", "recipients", "signerIdsAsApprover", "expirationDate",
		"expirationDateIsActivated", "diffusionDate", "statements", "signerProfilesSignatureMethod"
	};
	cJSON	   *json = sb_describe_request(request);
	cJSON	   *array;

	for (size_t i = 0; i < sizeof(echoed) / sizeof(echoed[0]); i++)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(request->settings, echoed[i]);

		if (value)
			cJSON_AddItemToObject(json, echoed[i], cJSON_Duplicate(value, true));
	}
	cJSON_AddStringToObject(json, "diffusionMode", sb_get_text(request->settings, "diffusionMode") ?
							sb_get_text(request->settings, "diffusionMode") : "WHEN_READY");
	if (request->method)
		cJSON_AddStringToObject(json, "defaultSignatureMethod", request->method);
	cJSON_AddBoolToObject(json, "individualizeRequests",
						  cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request->settings, "individualizeRequests")));
	sb_add_time(json, "closedAt", request->closed_at);
	array = cJSON_AddArrayToObject(json, "signers");
	for (int i = 0; i < request->nparticipants; i++)
		cJSON_AddItemToArray(array, sb_describe_signer(request->participants[i].signer));
	array = cJSON_AddArrayToObject(json, "documents");
	for (int i = 0; i < request->ndocuments; i++)
		cJSON_AddItemToArray(array, sb_describe_document(request->documents[i], true));
	cJSON_AddNullToObject(json, "signatureProofsUrl");
	cJSON_AddStringToObject(json, "signatureProofStatus", request->proof_status);
	cJSON_AddArrayToObject(json, "signerProfiles");
	return json;
}
