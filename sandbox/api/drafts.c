/*-------------------------------------------------------------------------
 *
 * drafts.c
 *	  The endpoints that make a request step by step.
 *
 *-------------------------------------------------------------------------
 */
#include "api/drafts.h"

#include <stdlib.h>
#include <string.h>

#include "api/describe.h"
#include "api/fields.h"
#include "api/lookup.h"
#include "api/publish.h"
#include "api/validate.h"
#include "delivery/events.h"
#include "http/call.h"
#include "http/response.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/json.h"

/* POST .../signature-requests and .../signer-setup */
static void
create(SbCall *call, const char *type, SbResponse *response)
{
	static const SbField none[] = {{NULL, 0, false}};
	cJSON	   *body;
	SbRequest  *request;

	if (!sb_check_app(call, response) || (body = sb_parse_fields(call, none, response)) == NULL)
		return;
	cJSON_Delete(body);
	request = sb_make_request(call->app, type);
	memcpy(call->created, request->id, sizeof(call->created));
	sb_emit_request(request, "INITIALIZED");
	sb_respond_id(response, "signatureRequestId", request->id);
}

void
sb_create_request(SbCall *call, SbResponse *response)
{
	create(call, "STANDARD", response);
}

void
sb_create_signer_setup(SbCall *call, SbResponse *response)
{
	create(call, "SIGNER_SETUP", response);
}

/* The documents of the ids, to be freed; NULL, with the error, if one cannot be had. */
static SbDocument **
find_documents(const SbRequest *request, const cJSON *ids, SbResponse *response)
{
	SbDocument **list = sb_calloc((size_t) cJSON_GetArraySize(ids) + 1, sizeof(SbDocument *));
	const cJSON *id;
	const char *code = NULL;
	int			n = 0;
	int			json = 0;

	cJSON_ArrayForEach(id, ids)
	{
		SbDocument *document = sb_document_by_id(id->valuestring);

		if (document == NULL || document->deleted)
			code = "DOCUMENT_NOT_FOUND";
		else if (document->app != request->app)
			code = sb_foreign_code(request->app, document->app, "DOCUMENT_BAD_ENV", "DOCUMENT_NOT_OWNED_BY_APP");
		else if (document->request != NULL && document->request != request)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_ALREADY_A_SIGNATURE";
		else if (document->nature == NULL)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT";
		else if (strcmp(document->nature, "PRIVATE_FILE") == 0 && document->label == NULL)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_ARE_NOT_CREATED_OR_IS_INVALID";
		else if (strcmp(document->nature, "DATA_JSON") == 0 && ++json > 1)
			code = "ONLY_ONE_JSON_PER_SIGNATURE_REQUEST_IS_ALLOWED";
		else
			list[n++] = document;
	}
	if (code == NULL)
		return list;
	free(list);
	sb_respond_error(response, code, "A document cannot be used", NULL);
	return NULL;
}

/* The signers of the ids, to be freed; NULL, with the error, if one cannot be had. */
static SbParticipant *
find_signers(const SbRequest *request, const cJSON *ids, SbResponse *response)
{
	SbParticipant *list = sb_calloc((size_t) cJSON_GetArraySize(ids) + 1, sizeof(SbParticipant));
	const cJSON *id;
	const char *code = NULL;
	int			n = 0;

	cJSON_ArrayForEach(id, ids)
	{
		SbSigner   *signer = sb_signer_by_id(id->valuestring);

		if (signer == NULL)
			code = "SIGNER_NOT_FOUND";
		else if (signer->app != request->app)
			code = sb_foreign_code(request->app, signer->app, "SIGNER_BAD_ENV", "SIGNER_NOT_OWNED_BY_APP");
		else if (signer->revoked)
			code = "SIGNER_BLOCKED";
		else
			list[n++].signer = signer;
	}
	if (code == NULL)
		return list;
	free(list);
	sb_respond_error(response, code, "A signer cannot be used", NULL);
	return NULL;
}

/* Take documents and signers of a body over; false, with the error: none of them. */
static bool
take_members(SbRequest *request, const cJSON *body, SbResponse *response)
{
	const cJSON *document_ids = cJSON_GetObjectItemCaseSensitive(body, "documentIds");
	const cJSON *signer_ids = cJSON_GetObjectItemCaseSensitive(body, "signerIds");
	const cJSON *approver_ids = cJSON_GetObjectItemCaseSensitive(body, "signerIdsAsApprover");
	SbDocument **documents = document_ids ? find_documents(request, document_ids, response) : NULL;
	SbParticipant *signers = signer_ids && response->status == 0 ? find_signers(request, signer_ids, response) : NULL;
	SbParticipant *approvers = approver_ids && response->status == 0 ? find_signers(request, approver_ids, response) : NULL;

	if (response->status != 0)
	{
		free(documents);
		free(signers);
		free(approvers);
		return false;
	}
	if (document_ids)
	{
		free(request->documents);
		request->documents = documents;
		request->ndocuments = cJSON_GetArraySize(document_ids);
		for (int i = 0; i < request->ndocuments; i++)
		{
			documents[i]->request = request;
			sb_touch_document(documents[i]);
		}
	}
	if (signer_ids)
	{
		free(request->participants);
		request->participants = signers;
		request->nparticipants = cJSON_GetArraySize(signer_ids);
	}
	if (approver_ids)
	{
		free(request->approvers);
		request->approvers = approvers;
		request->napprovers = cJSON_GetArraySize(approver_ids);
	}
	return true;
}

/* A time of the settings in ms; 0: none. */
static int64_t
get_time(const cJSON *settings, const char *name)
{
	const char *text = sb_get_text(settings, name);
	int64_t		ms = 0;

	return text && sb_read_time(text, &ms) ? ms : 0;
}

static bool
is_true(const cJSON *settings, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(settings, name));
}

/* Keep what a body says of a draft. */
static void
keep_settings(SbRequest *request, const cJSON *body)
{
	const cJSON *item;

	if (request->settings == NULL)
		request->settings = cJSON_CreateObject();
	cJSON_ArrayForEach(item, body)
	{
		cJSON_DeleteItemFromObjectCaseSensitive(request->settings, item->string);
		cJSON_AddItemToObject(request->settings, item->string, cJSON_Duplicate(item, true));
	}
	sb_set_text(&request->title, sb_get_text(request->settings, "title"));
	sb_set_text(&request->method, sb_get_text(request->settings, "defaultSignatureMethod"));
	request->expires_at = is_true(request->settings, "expirationDateIsActivated") ?
		get_time(request->settings, "expirationDate") : 0;
	request->diffusion_at = sb_get_text(request->settings, "diffusionMode") &&
		strcmp(sb_get_text(request->settings, "diffusionMode"), "SCHEDULED") == 0 ?
		get_time(request->settings, "diffusionDate") : 0;
}

/* PUT /v4/signature-requests/:signatureRequestId */
void
sb_update_request(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {
		{"title", 't', false}, {"description", 'x', false}, {"language", 'l', false},
		{"documentIds", 'I', false}, {"signerIds", 'I', false}, {"signerIdsAsApprover", 'I', false},
		{"recipients", 'E', false}, {"externalId", 's', false}, {"expirationDate", 'd', false},
		{"expirationDateIsActivated", 'b', false}, {"diffusionMode", 'f', false},
		{"diffusionDate", 'd', false}, {"defaultSignatureMethod", 'm', false},
		{"signerProfilesSignatureMethod", 'a', false}, {"individualizeRequests", 'b', false},
		{"statements", 'a', false}, {"extendedAuthSessionEnabled", 'b', false},
		{"fullPrivacy", 'b', false}, {"initialSignatureRequestId", 'i', false}, {NULL, 0, false}
	};
	static const SbField methods[] = {
		{"signerProfileId", 'i', true}, {"signatureMethodRef", 'm', true}, {NULL, 0, false}
	};
	static const SbField statements[] = {
		{"appId", 'w', true}, {"appEnv", 'v', true}, {"signatureRequestId", 'i', true},
		{"documentId", 'i', false}, {"labelMd", 's', true}, {NULL, 0, false}
	};
	SbRequest  *request = sb_named_request(call, response);
	cJSON	   *body;

	if (request == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	if (sb_validate_items(body, "signerProfilesSignatureMethod", methods, response) &&
		sb_validate_items(body, "statements", statements, response))
	{
		if (strcmp(request->status, "DRAFT") != 0)
			sb_respond_error(response, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is not a draft", NULL);
		else if (take_members(request, body, response))
		{
			keep_settings(request, body);
			sb_emit_request(request, "UPDATED");
			sb_respond_json(response, sb_describe_context(request));
		}
	}
	cJSON_Delete(body);
}

/* Whether a document has lost its content since it was taken. */
static bool
has_empty_document(const SbRequest *request)
{
	for (int i = 0; i < request->ndocuments; i++)
	{
		if (request->documents[i]->nature == NULL)
			return true;
	}
	return false;
}

#define PUBLISH "CANNOT_PUBLISH_SIGNATURE_REQUEST__"
#define UPDATE_OR_PUBLISH "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__"

/* Why a draft cannot be published; NULL: it can. */
static const char *
obstacle(const SbRequest *request)
{
	const cJSON *settings = request->settings;
	const char *mode = sb_get_text(settings, "diffusionMode");

	if (strcmp(request->status, "DRAFT") != 0)
		return PUBLISH "REQUEST_ALREADY_PUBLISHED";
	if (request->ndocuments == 0)
		return PUBLISH "NO_DOCUMENTS";
	if (has_empty_document(request))
		return UPDATE_OR_PUBLISH "AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT";
	if (request->nparticipants == 0)
		return PUBLISH "NO_SIGNERS";
	if (request->title == NULL)
		return PUBLISH "NO_TITLE";
	if (request->method == NULL)
		return PUBLISH "NO_DEFAULT_SIGNATURE_METHOD";
	if (is_true(settings, "expirationDateIsActivated") && request->expires_at == 0)
		return PUBLISH "EXPIRATION_DATE_IS_ACTIVATED_BUT_EXPIRATION_DATE_IS_MISSING";
	if (request->expires_at != 0 && request->expires_at <= sb_now_ms())
		return PUBLISH "EXPIRATION_DATE_IN_THE_PAST";
	if (mode != NULL && strcmp(mode, "SCHEDULED") == 0 && request->diffusion_at == 0)
		return PUBLISH "DIFFUSION_MODE_IS_SCHEDULED_BUT_DIFFUSION_DATE_IS_MISSING";
	if (request->diffusion_at != 0 && request->diffusion_at <= sb_now_ms())
		return PUBLISH "DIFFUSION_DATE_IN_THE_PAST";
	if (request->diffusion_at != 0 && request->expires_at != 0 && request->expires_at <= request->diffusion_at)
		return PUBLISH "EXPIRATION_DATE_BEFORE_DIFFUSION_DATE";
	return NULL;
}

/* A copy of a document for a request that was made of another one. */
static SbDocument *
copy_document(const SbDocument *document, SbRequest *request)
{
	SbDocument *copy = sb_make_document(document->app);

	copy->request = request;
	copy->nature = document->nature;
	sb_set_text(&copy->file_name, document->file_name);
	sb_set_text(&copy->mime_type, document->mime_type);
	sb_set_text(&copy->external_id, document->external_id);
	sb_set_text(&copy->label, document->label);
	sb_set_text(&copy->description, document->description);
	if (document->content)
	{
		copy->content = sb_malloc(document->size + 1);
		memcpy(copy->content, document->content, document->size);
		copy->content[document->size] = '\0';
		copy->size = document->size;
	}
	memcpy(copy->hash, document->hash, sizeof(copy->hash));
	return copy;
}

/* The request that one signer of an individualized one gets. */
static SbRequest *
make_child(const SbRequest *parent, const SbParticipant *participant)
{
	SbRequest  *child = sb_make_request(parent->app, parent->type);

	keep_settings(child, parent->settings);
	cJSON_DeleteItemFromObjectCaseSensitive(child->settings, "individualizeRequests");
	cJSON_AddStringToObject(child->settings, "initialSignatureRequestId", parent->id);
	child->participants = sb_calloc(1, sizeof(SbParticipant));
	child->participants[child->nparticipants++].signer = participant->signer;
	child->approvers = sb_calloc((size_t) parent->napprovers + 1, sizeof(SbParticipant));
	while (child->napprovers < parent->napprovers)
	{
		child->approvers[child->napprovers].signer = parent->approvers[child->napprovers].signer;
		child->napprovers++;
	}
	child->documents = sb_calloc((size_t) parent->ndocuments, sizeof(SbDocument *));
	while (child->ndocuments < parent->ndocuments)
	{
		child->documents[child->ndocuments] = copy_document(parent->documents[child->ndocuments], child);
		child->ndocuments++;
	}
	return child;
}

/* Publish a request of its own for each signer. */
static void
publish_children(SbCall *call, SbRequest *parent)
{
	for (int i = 0; i < parent->nparticipants; i++)
	{
		SbRequest  *child = make_child(parent, &parent->participants[i]);

		sb_publish_in_call(call, child);
		sb_set_text(&parent->participants[i].token, child->participants[0].token);
	}
	memcpy(call->created, parent->id, sizeof(call->created));
	call->title = parent->title;
	parent->status = "CHILDREN_GENERATED";
	parent->published_at = sb_now_ms();
	sb_emit_request(parent, "CHILDREN_GENERATED");
}

/* POST /v4/signature-requests/:signatureRequestId/publish */
void
sb_publish_request(SbCall *call, SbResponse *response)
{
	static const SbField none[] = {{NULL, 0, false}};
	SbRequest  *request = sb_named_request(call, response);
	cJSON	   *body;
	const char *problem;

	if (request == NULL || (body = sb_parse_fields(call, none, response)) == NULL)
		return;
	cJSON_Delete(body);
	problem = obstacle(request);
	if (problem != NULL)
	{
		sb_respond_error(response, problem, "The signature request cannot be published", NULL);
		return;
	}
	if (is_true(request->settings, "individualizeRequests"))
		publish_children(call, request);
	else
		sb_publish_in_call(call, request);
	sb_respond_published(response, request);
}
