/*-------------------------------------------------------------------------
 *
 * drafts.c
 *	  The endpoints that make a request step by step.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* The documents of the ids; false, with the error, if one cannot be had. */
static bool
take_documents(Request *request, const cJSON *ids, Answer *answer)
{
	Document  **list = xcalloc((size_t) cJSON_GetArraySize(ids) + 1, sizeof(Document *));
	const cJSON *id;
	const char *code = NULL;
	int			n = 0;

	cJSON_ArrayForEach(id, ids)
	{
		Document   *document = document_by_id(id->valuestring);

		if (document == NULL || document->deleted)
			code = "DOCUMENT_NOT_FOUND";
		else if (document->app != request->app)
			code = "DOCUMENT_NOT_OWNED_BY_APP";
		else if (document->request != NULL && document->request != request)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_ALREADY_A_SIGNATURE";
		else if (document->nature == NULL)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_HAVE_NO_CONTENT";
		else if (strcmp(document->nature, "PRIVATE_FILE") == 0 && document->label == NULL)
			code = "CANNOT_UPDATE_OR_PUBLISH_SIGNATURE_REQUEST__AT_LEAST_ONE_DOCUMENT_ARE_NOT_CREATED_OR_IS_INVALID";
		else
			list[n++] = document;
	}
	if (code != NULL)
	{
		free(list);
		answer_error(answer, code, "A document cannot be used", NULL);
		return false;
	}
	for (int i = 0; i < n; i++)
	{
		list[i]->request = request;
		touch_document(list[i]);
	}
	free(request->documents);
	request->documents = list;
	request->ndocuments = n;
	return true;
}

/* The signers of the ids; false, with the error, if one cannot be had. */
static bool
take_signers(Request *request, const cJSON *ids, Answer *answer)
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
			code = "SIGNER_BAD_ENV";
		else if (signer->revoked)
			code = "SIGNER_BLOCKED";
		else
			list[n++].signer = signer;
	}
	if (code != NULL)
	{
		free(list);
		answer_error(answer, code, "A signer cannot be used", NULL);
		return false;
	}
	free(request->parties);
	request->parties = list;
	request->nparties = n;
	return true;
}

/* A time of a body in ms; 0: none. */
static int64_t
read_time(const char *text)
{
	struct tm	tm = {0};

	if (text == NULL || sscanf(text, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
							   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) < 3)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t) timegm(&tm) * 1000;
}

/* PUT /v4/signature-requests/:signatureRequestId */
void
update_request(Call *call, Answer *answer)
{
	static const Field fields[] = {
		{"title", 's', false}, {"description", 's', false}, {"language", 'l', false},
		{"documentIds", 'I', false}, {"signerIds", 'I', false}, {"signerIdsAsApprover", 'I', false},
		{"recipients", 'E', false}, {"externalId", 's', false}, {"expirationDate", 'd', false},
		{"expirationDateIsActivated", 'b', false}, {"diffusionMode", 's', false},
		{"diffusionDate", 'd', false}, {"defaultSignatureMethod", 'm', false},
		{"signerProfilesSignatureMethod", 'a', false}, {"individualizeRequests", 'b', false},
		{"statements", 'a', false}, {"extendedAuthSessionEnabled", 'b', false},
		{"fullPrivacy", 'b', false}, {"initialSignatureRequestId", 'i', false}, {NULL, 0, false}
	};
	Request    *request = named_request(call, answer);
	cJSON	   *body;
	const cJSON *ids;
	const cJSON *item;

	if (request == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	if (strcmp(request->status, "DRAFT") != 0)
		answer_error(answer, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is not a draft", NULL);
	else if (((ids = cJSON_GetObjectItemCaseSensitive(body, "documentIds")) == NULL ||
			  take_documents(request, ids, answer)) &&
			 ((ids = cJSON_GetObjectItemCaseSensitive(body, "signerIds")) == NULL ||
			  take_signers(request, ids, answer)))
	{
		if (request->settings == NULL)
			request->settings = cJSON_CreateObject();
		cJSON_ArrayForEach(item, body)
		{
			cJSON_DeleteItemFromObjectCaseSensitive(request->settings, item->string);
			cJSON_AddItemToObject(request->settings, item->string, cJSON_Duplicate(item, true));
		}
		set_text(&request->title, get_text(request->settings, "title"));
		set_text(&request->method, get_text(request->settings, "defaultSignatureMethod"));
		request->expires_at = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request->settings, "expirationDateIsActivated")) ?
			read_time(get_text(request->settings, "expirationDate")) : 0;
		emit_request(request, "UPDATED");
		answer_json(answer, describe_context(request));
	}
	cJSON_Delete(body);
}

/* Why a draft cannot be published, after the prefix of those codes; NULL: it can. */
static const char *
obstacle(const Request *request)
{
	const cJSON *settings = request->settings;
	int64_t		diffusion = read_time(get_text(settings, "diffusionDate"));
	const char *mode = get_text(settings, "diffusionMode");

	if (strcmp(request->status, "DRAFT") != 0)
		return "REQUEST_ALREADY_PUBLISHED";
	if (request->ndocuments == 0)
		return "NO_DOCUMENTS";
	if (request->nparties == 0)
		return "NO_SIGNERS";
	if (request->title == NULL)
		return "NO_TITLE";
	if (request->method == NULL)
		return "NO_DEFAULT_SIGNATURE_METHOD";
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(settings, "expirationDateIsActivated")) &&
		request->expires_at == 0)
		return "EXPIRATION_DATE_IS_ACTIVATED_BUT_EXPIRATION_DATE_IS_MISSING";
	if (request->expires_at != 0 && request->expires_at <= now_ms())
		return "EXPIRATION_DATE_IN_THE_PAST";
	if (mode != NULL && strcmp(mode, "SCHEDULED") == 0 && diffusion == 0)
		return "DIFFUSION_MODE_IS_SCHEDULED_BUT_DIFFUSION_DATE_IS_MISSING";
	return NULL;
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
		char	   *code = xprintf("CANNOT_PUBLISH_SIGNATURE_REQUEST__%s", problem);

		answer_error(answer, code, "The signature request cannot be published", NULL);
		free(code);
		return;
	}
	publish(call, request);
	answer_published(answer, request);
}
