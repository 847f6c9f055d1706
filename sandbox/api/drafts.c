/*-------------------------------------------------------------------------
 *
 * drafts.c
 *	  The endpoints that make a request step by step.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

/* POST .../signature-requests and .../signer-setup */
static void
create(Call *call, const char *type, Answer *answer)
{
	static const Field none[] = {{NULL, 0, false}};
	cJSON	   *body;
	Request    *request;

	if (!check_app(call, answer) || (body = parse_fields(call, none, answer)) == NULL)
		return;
	cJSON_Delete(body);
	request = make_request(call->app, type);
	memcpy(call->created, request->id, sizeof(call->created));
	emit_request(request, "INITIALIZED");
	answer_id(answer, "signatureRequestId", request->id);
}

void
create_request(Call *call, Answer *answer)
{
	create(call, "STANDARD", answer);
}

void
create_signer_setup(Call *call, Answer *answer)
{
	create(call, "SIGNER_SETUP", answer);
}

/* The documents of the ids, to be freed; NULL, with the error, if one cannot be had. */
static Document **
find_documents(const Request *request, const cJSON *ids, Answer *answer)
{
	Document  **list = xcalloc((size_t) cJSON_GetArraySize(ids) + 1, sizeof(Document *));
	const cJSON *id;
	const char *code = NULL;
	int			n = 0;
	int			json = 0;

	cJSON_ArrayForEach(id, ids)
	{
		Document   *document = document_by_id(id->valuestring);

		if (document == NULL || document->deleted)
			code = "DOCUMENT_NOT_FOUND";
		else if (document->app != request->app)
			code = foreign_code(request->app, document->app, "DOCUMENT_BAD_ENV", "DOCUMENT_NOT_OWNED_BY_APP");
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
	answer_error(answer, code, "A document cannot be used", NULL);
	return NULL;
}

/* The signers of the ids, to be freed; NULL, with the error, if one cannot be had. */
static Party *
find_signers(const Request *request, const cJSON *ids, Answer *answer)
{
	Party	   *list = xcalloc((size_t) cJSON_GetArraySize(ids) + 1, sizeof(Party));
	const cJSON *id;
	const char *code = NULL;
	int			n = 0;

	cJSON_ArrayForEach(id, ids)
	{
		Signer	   *signer = signer_by_id(id->valuestring);

		if (signer == NULL)
			code = "SIGNER_NOT_FOUND";
		else if (signer->app != request->app)
			code = foreign_code(request->app, signer->app, "SIGNER_BAD_ENV", "SIGNER_NOT_OWNED_BY_APP");
		else if (signer->revoked)
			code = "SIGNER_BLOCKED";
		else
			list[n++].signer = signer;
	}
	if (code == NULL)
		return list;
	free(list);
	answer_error(answer, code, "A signer cannot be used", NULL);
	return NULL;
}

/* Take documents and signers of a body over; false, with the error: none of them. */
static bool
take_members(Request *request, const cJSON *body, Answer *answer)
{
	const cJSON *document_ids = cJSON_GetObjectItemCaseSensitive(body, "documentIds");
	const cJSON *signer_ids = cJSON_GetObjectItemCaseSensitive(body, "signerIds");
	const cJSON *approver_ids = cJSON_GetObjectItemCaseSensitive(body, "signerIdsAsApprover");
	Document  **documents = document_ids ? find_documents(request, document_ids, answer) : NULL;
	Party	   *signers = signer_ids && answer->status == 0 ? find_signers(request, signer_ids, answer) : NULL;
	Party	   *approvers = approver_ids && answer->status == 0 ? find_signers(request, approver_ids, answer) : NULL;

	if (answer->status != 0)
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
			touch_document(documents[i]);
		}
	}
	if (signer_ids)
	{
		free(request->parties);
		request->parties = signers;
		request->nparties = cJSON_GetArraySize(signer_ids);
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
	const char *text = get_text(settings, name);
	int64_t		ms = 0;

	return text && read_time(text, &ms) ? ms : 0;
}

static bool
is_true(const cJSON *settings, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(settings, name));
}

/* Keep what a body says of a draft. */
static void
keep_settings(Request *request, const cJSON *body)
{
	const cJSON *item;

	if (request->settings == NULL)
		request->settings = cJSON_CreateObject();
	cJSON_ArrayForEach(item, body)
	{
		cJSON_DeleteItemFromObjectCaseSensitive(request->settings, item->string);
		cJSON_AddItemToObject(request->settings, item->string, cJSON_Duplicate(item, true));
	}
	set_text(&request->title, get_text(request->settings, "title"));
	set_text(&request->method, get_text(request->settings, "defaultSignatureMethod"));
	request->expires_at = is_true(request->settings, "expirationDateIsActivated") ?
		get_time(request->settings, "expirationDate") : 0;
	request->diffusion_at = get_text(request->settings, "diffusionMode") &&
		strcmp(get_text(request->settings, "diffusionMode"), "SCHEDULED") == 0 ?
		get_time(request->settings, "diffusionDate") : 0;
}

/* PUT /v4/signature-requests/:signatureRequestId */
void
update_request(Call *call, Answer *answer)
{
	static const Field fields[] = {
		{"title", 't', false}, {"description", 'x', false}, {"language", 'l', false},
		{"documentIds", 'I', false}, {"signerIds", 'I', false}, {"signerIdsAsApprover", 'I', false},
		{"recipients", 'E', false}, {"externalId", 's', false}, {"expirationDate", 'd', false},
		{"expirationDateIsActivated", 'b', false}, {"diffusionMode", 'f', false},
		{"diffusionDate", 'd', false}, {"defaultSignatureMethod", 'm', false},
		{"signerProfilesSignatureMethod", 'a', false}, {"individualizeRequests", 'b', false},
		{"statements", 'a', false}, {"extendedAuthSessionEnabled", 'b', false},
		{"fullPrivacy", 'b', false}, {"initialSignatureRequestId", 'i', false}, {NULL, 0, false}
	};
	static const Field methods[] = {
		{"signerProfileId", 'i', true}, {"signatureMethodRef", 'm', true}, {NULL, 0, false}
	};
	static const Field statements[] = {
		{"appId", 'w', true}, {"appEnv", 'v', true}, {"signatureRequestId", 'i', true},
		{"documentId", 'i', false}, {"labelMd", 's', true}, {NULL, 0, false}
	};
	Request    *request = named_request(call, answer);
	cJSON	   *body;

	if (request == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	if (validate_items(body, "signerProfilesSignatureMethod", methods, answer) &&
		validate_items(body, "statements", statements, answer))
	{
		if (strcmp(request->status, "DRAFT") != 0)
			answer_error(answer, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is not a draft", NULL);
		else if (take_members(request, body, answer))
		{
			keep_settings(request, body);
			emit_request(request, "UPDATED");
			answer_json(answer, describe_context(request));
		}
	}
	cJSON_Delete(body);
}

/* Whether a document has lost its content since it was taken. */
static bool
has_empty_document(const Request *request)
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
obstacle(const Request *request)
{
	const cJSON *settings = request->settings;
	const char *mode = get_text(settings, "diffusionMode");

	if (strcmp(request->status, "DRAFT") != 0)
		return PUBLISH "REQUEST_ALREADY_PUBLISHED";
	if (request->ndocuments == 0)
		return PUBLISH "NO_DOCUMENTS";
	if (has_empty_document(request))
		return UPDATE_OR_PUBLISH "AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT";
	if (request->nparties == 0)
		return PUBLISH "NO_SIGNERS";
	if (request->title == NULL)
		return PUBLISH "NO_TITLE";
	if (request->method == NULL)
		return PUBLISH "NO_DEFAULT_SIGNATURE_METHOD";
	if (is_true(settings, "expirationDateIsActivated") && request->expires_at == 0)
		return PUBLISH "EXPIRATION_DATE_IS_ACTIVATED_BUT_EXPIRATION_DATE_IS_MISSING";
	if (request->expires_at != 0 && request->expires_at <= now_ms())
		return PUBLISH "EXPIRATION_DATE_IN_THE_PAST";
	if (mode != NULL && strcmp(mode, "SCHEDULED") == 0 && request->diffusion_at == 0)
		return PUBLISH "DIFFUSION_MODE_IS_SCHEDULED_BUT_DIFFUSION_DATE_IS_MISSING";
	if (request->diffusion_at != 0 && request->diffusion_at <= now_ms())
		return PUBLISH "DIFFUSION_DATE_IN_THE_PAST";
	if (request->diffusion_at != 0 && request->expires_at != 0 && request->expires_at <= request->diffusion_at)
		return PUBLISH "EXPIRATION_DATE_BEFORE_DIFFUSION_DATE";
	return NULL;
}

/* A copy of a document for a request that was made of another one. */
static Document *
copy_document(const Document *document, Request *request)
{
	Document   *copy = make_document(document->app);

	copy->request = request;
	copy->nature = document->nature;
	set_text(&copy->file_name, document->file_name);
	set_text(&copy->mime_type, document->mime_type);
	set_text(&copy->external_id, document->external_id);
	set_text(&copy->label, document->label);
	set_text(&copy->description, document->description);
	if (document->content)
	{
		copy->content = xmalloc(document->size + 1);
		memcpy(copy->content, document->content, document->size);
		copy->content[document->size] = '\0';
		copy->size = document->size;
	}
	memcpy(copy->hash, document->hash, sizeof(copy->hash));
	return copy;
}

/* The request that one signer of an individualized one gets. */
static Request *
make_child(const Request *parent, const Party *party)
{
	Request    *child = make_request(parent->app, parent->type);

	keep_settings(child, parent->settings);
	cJSON_DeleteItemFromObjectCaseSensitive(child->settings, "individualizeRequests");
	cJSON_AddStringToObject(child->settings, "initialSignatureRequestId", parent->id);
	child->parties = xcalloc(1, sizeof(Party));
	child->parties[child->nparties++].signer = party->signer;
	child->approvers = xcalloc((size_t) parent->napprovers + 1, sizeof(Party));
	while (child->napprovers < parent->napprovers)
	{
		child->approvers[child->napprovers].signer = parent->approvers[child->napprovers].signer;
		child->napprovers++;
	}
	child->documents = xcalloc((size_t) parent->ndocuments, sizeof(Document *));
	while (child->ndocuments < parent->ndocuments)
	{
		child->documents[child->ndocuments] = copy_document(parent->documents[child->ndocuments], child);
		child->ndocuments++;
	}
	return child;
}

/* Publish a request of its own for each signer. */
static void
publish_children(Call *call, Request *parent)
{
	for (int i = 0; i < parent->nparties; i++)
	{
		Request    *child = make_child(parent, &parent->parties[i]);

		publish(call, child);
		set_text(&parent->parties[i].token, child->parties[0].token);
	}
	memcpy(call->created, parent->id, sizeof(call->created));
	call->title = parent->title;
	parent->status = "CHILDREN_GENERATED";
	parent->published_at = now_ms();
	emit_request(parent, "CHILDREN_GENERATED");
}

/* POST /v4/signature-requests/:signatureRequestId/publish */
void
publish_request(Call *call, Answer *answer)
{
	static const Field none[] = {{NULL, 0, false}};
	Request    *request = named_request(call, answer);
	cJSON	   *body;
	const char *problem;

	if (request == NULL || (body = parse_fields(call, none, answer)) == NULL)
		return;
	cJSON_Delete(body);
	problem = obstacle(request);
	if (problem != NULL)
	{
		answer_error(answer, problem, "The signature request cannot be published", NULL);
		return;
	}
	if (is_true(request->settings, "individualizeRequests"))
		publish_children(call, request);
	else
		publish(call, request);
	answer_published(answer, request);
}
