/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  The endpoints of signature requests.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether application and environment of the path are the key's own. */
static bool
check_app(Call *call, Answer *answer)
{
	if (strcmp(call->arguments[0], call->app->app_id) == 0 &&
		strcmp(call->arguments[1], call->app->app_env) == 0)
		return true;
	answer_error(answer, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED",
				 "The key is not of this application and environment", NULL);
	return false;
}

/* Find the request that the path names, up to date; NULL, with the error. */
static Request *
named_request(Call *call, Answer *answer)
{
	const char *id = call->arguments[0];
	Request    *request;

	if (!is_id(id))
	{
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "signatureRequestId is not an id", NULL);
		return NULL;
	}
	request = request_by_id(id);
	if (request == NULL)
	{
		cJSON	   *context = cJSON_CreateObject();

		cJSON_AddStringToObject(context, "signatureRequestId", id);
		answer_error(answer, "SIGNATURE_REQUEST_NOT_FOUND", "Signature request not found", context);
		return NULL;
	}
	if (request->app != call->app)
	{
		answer_error(answer, "INVALID_CONTEXT", "The signature request is of another application", NULL);
		return NULL;
	}
	advance(request);
	return request;
}

static void
add_time(cJSON *json, const char *name, int64_t time)
{
	char		text[32];

	if (time == 0)
	{
		cJSON_AddNullToObject(json, name);
		return;
	}
	format_time(time, text);
	cJSON_AddStringToObject(json, name, text);
}

/* Find a signer by e-mail, or make one; what was not known of it is added. */
static Signer *
upsert_signer(App *app, const cJSON *json)
{
	const char *email = cJSON_GetObjectItemCaseSensitive(json, "email")->valuestring;
	const char *first = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "firstName"));
	const char *last = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "lastName"));
	Signer	   *signer = signer_by_email(app, email);

	if (signer == NULL)
	{
		const char *profile = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "signerProfileId"));

		signer = xcalloc(1, sizeof(Signer));
		make_id(signer->id);
		signer->app = app;
		signer->email = xstrdup(email);
		signer->profile_id = xstrdup(profile ? profile : app->default_profile);
		add_signer(signer);
	}
	if (signer->first_name == NULL && first != NULL)
		signer->first_name = xstrdup(first);
	if (signer->last_name == NULL && last != NULL)
		signer->last_name = xstrdup(last);
	return signer;
}

/* Take a document out of the body; NULL, with the error, if it is not there. */
static Document *
make_document(const cJSON *json, Answer *answer)
{
	const char *base64 = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "base64"));
	const char *url = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "url"));
	Document   *document = xcalloc(1, sizeof(Document));

	if (base64 != NULL)
		document->content = from_base64(base64, strlen(base64), &document->size);
	else
	{
		/* The network may be slow, and others may call meanwhile. */
		pthread_mutex_unlock(&lock);
		document->content = download(url, &document->size);
		pthread_mutex_lock(&lock);
	}
	if (document->content == NULL)
	{
		free(document);
		answer_error(answer, "FAILED_TO_DOWNLOAD_DOCUMENT", "The document could not be downloaded", NULL);
		return NULL;
	}
	make_id(document->id);
	document->file_name = xstrdup(cJSON_GetObjectItemCaseSensitive(json, "originalName")->valuestring);
	document->mime_type = xstrdup(cJSON_GetObjectItemCaseSensitive(json, "mimeType")->valuestring);
	sha256(document->content, document->size, document->hash);
	return document;
}

static void
free_request(Request *request)
{
	for (int i = 0; i < request->ndocuments; i++)
		free_document(request->documents[i]);
	free(request->documents);
	free(request->parties);
	free(request);
}

/* POST /v4/signature-requests/one-call-sign */
void
one_call_sign(Call *call, Answer *answer)
{
	cJSON	   *body = parse_body(call, answer);
	cJSON	   *result;
	cJSON	   *by_side;
	const cJSON *signers;
	const cJSON *documents;
	const cJSON *item;
	Request    *request;

	if (body == NULL)
		return;
	if (!validate_sign(call, body, answer))
	{
		cJSON_Delete(body);
		return;
	}
	signers = cJSON_GetObjectItemCaseSensitive(body, "signers");
	documents = cJSON_GetObjectItemCaseSensitive(body, "documents");
	request = xcalloc(1, sizeof(Request));
	request->app = call->app;
	request->documents = xcalloc((size_t) cJSON_GetArraySize(documents), sizeof(Document *));
	cJSON_ArrayForEach(item, documents)
	{
		Document   *document = make_document(item, answer);

		if (document == NULL)
		{
			free_request(request);
			cJSON_Delete(body);
			return;
		}
		document->request = request;
		request->documents[request->ndocuments++] = document;
	}

	/* From here on nothing fails. */
	make_id(request->id);
	request->title = xstrdup(cJSON_GetObjectItemCaseSensitive(body, "title")->valuestring);
	request->method = xstrdup(cJSON_GetObjectItemCaseSensitive(body, "signatureMethod")->valuestring);
	request->status = "LAUNCHING";
	request->proof_status = "NOT_INITIALIZED";
	request->created_at = now_ms();
	request->parties = xcalloc((size_t) cJSON_GetArraySize(signers), sizeof(Party));
	cJSON_ArrayForEach(item, signers)
		request->parties[request->nparties++].signer = upsert_signer(call->app, item);
	for (int i = 0; i < request->ndocuments; i++)
		add_document(request->documents[i]);
	add_request(request);
	cJSON_Delete(body);

	memcpy(call->created, request->id, sizeof(call->created));
	call->title = request->title;
	call->emails = request->nparties;
	result = cJSON_CreateObject();
	cJSON_AddStringToObject(result, "signatureRequestId", request->id);
	by_side = cJSON_AddArrayToObject(result, "signersBySide");
	for (int i = 0; i < request->nparties; i++)
	{
		cJSON	   *signer = cJSON_CreateObject();

		cJSON_AddStringToObject(signer, "signerId", request->parties[i].signer->id);
		cJSON_AddNullToObject(signer, "signerExternalId");
		cJSON_AddItemToArray(by_side, signer);
	}
	cJSON_AddArrayToObject(result, "signersEmbedded");
	answer_json(answer, result);
}

/* What list and context both say of a request. */
static cJSON *
describe(const Request *request)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *array;

	cJSON_AddStringToObject(json, "_id", request->id);
	add_time(json, "_createdAt", request->created_at);
	cJSON_AddStringToObject(json, "appId", request->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(json, "signatureRequestType", "STANDARD");
	cJSON_AddStringToObject(json, "title", request->title);
	cJSON_AddStringToObject(json, "status", request->status);
	array = cJSON_AddArrayToObject(json, "documentIds");
	for (int i = 0; i < request->ndocuments; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(request->documents[i]->id));
	array = cJSON_AddArrayToObject(json, "signerIds");
	for (int i = 0; i < request->nparties; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(request->parties[i].signer->id));
	array = cJSON_AddArrayToObject(json, "signedBy");
	for (int i = 0; i < request->nparties; i++)
	{
		if (request->parties[i].signed_at != 0)
			cJSON_AddItemToArray(array, cJSON_CreateString(request->parties[i].signer->id));
	}
	return json;
}

/* A whole number of 1 or more; 0: it is none. */
static size_t
positive_number(const char *text)
{
	size_t		number = 0;

	for (const char *c = text; *c; c++)
	{
		if (!isdigit((unsigned char) *c) || c - text >= 9)
			return 0;
		number = number * 10 + (size_t) (*c - '0');
	}
	return number;
}

/* GET .../signature-requests?page= */
void
list_requests(Call *call, Answer *answer)
{
	cJSON	   *json;
	cJSON	   *list;
	cJSON	   *paging;
	char		value[32];
	size_t		page = 1;
	size_t		total = 0;
	size_t		skip;

	if (!check_app(call, answer))
		return;
	if (query_value(call->query, "page", value, sizeof(value)))
		page = positive_number(value);
	if (page == 0)
	{
		answer_error(answer, "QUERY_VALIDATION_FAILED", "page must be a number from 1", NULL);
		return;
	}
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "signatureRequests");
	skip = (page - 1) * (size_t) options.page_size;
	for (size_t i = 0; i < request_count(); i++)
	{
		Request    *request = request_by_number(options.oldest_first ? i : request_count() - 1 - i);
		cJSON	   *item;

		if (request->app != call->app)
			continue;
		if (total++ < skip || total > skip + (size_t) options.page_size)
			continue;
		advance(request);
		item = describe(request);
		cJSON_AddStringToObject(item, "docFileName", request->documents[0]->file_name);
		cJSON_AddNullToObject(item, "docLabel");
		cJSON_AddItemToArray(list, item);
	}
	paging = cJSON_AddObjectToObject(json, "paginationData");
	cJSON_AddNumberToObject(paging, "total", (double) total);
	cJSON_AddNumberToObject(paging, "page", (double) page);
	cJSON_AddNumberToObject(paging, "nbEventsPerPage", options.page_size);
	answer_json(answer, json);
}

/* POST .../signature-requests/status */
void
requests_status(Call *call, Answer *answer)
{
	cJSON	   *body;
	cJSON	   *json;
	cJSON	   *list;
	const cJSON *ids;
	const cJSON *id;

	if (!check_app(call, answer) || (body = parse_body(call, answer)) == NULL)
		return;
	if (!validate_status(body, answer))
	{
		cJSON_Delete(body);
		return;
	}
	ids = cJSON_GetObjectItemCaseSensitive(body, "signatureRequestIds");
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "signatureRequests");
	cJSON_ArrayForEach(id, ids)
	{
		Request    *request = request_by_id(id->valuestring);
		cJSON	   *item;

		if (request == NULL || request->app != call->app)
			continue;
		advance(request);
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "signatureRequestId", request->id);
		cJSON_AddStringToObject(item, "status", request->status);
		cJSON_AddItemToArray(list, item);
	}
	cJSON_Delete(body);
	answer_json(answer, json);
}

static cJSON *
describe_signer(const Signer *signer)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *inputs;

	cJSON_AddStringToObject(json, "signerId", signer->id);
	cJSON_AddStringToObject(json, "email", signer->email);
	if (signer->first_name)
		cJSON_AddStringToObject(json, "firstName", signer->first_name);
	if (signer->last_name)
		cJSON_AddStringToObject(json, "lastName", signer->last_name);
	cJSON_AddStringToObject(json, "status", "ACTIVE");
	inputs = cJSON_AddArrayToObject(json, "alreadyProvidedInputs");
	cJSON_AddItemToArray(inputs, cJSON_CreateString("email"));
	if (signer->first_name)
		cJSON_AddItemToArray(inputs, cJSON_CreateString("firstName"));
	if (signer->last_name)
		cJSON_AddItemToArray(inputs, cJSON_CreateString("lastName"));
	cJSON_AddFalseToObject(json, "isRecurrent");
	cJSON_AddStringToObject(json, "signerProfileId", signer->profile_id);
	return json;
}

/* GET /v4/signature-requests/:signatureRequestId/context */
void
request_context(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);
	cJSON	   *json;
	cJSON	   *array;

	if (request == NULL)
		return;
	json = describe(request);
	cJSON_AddStringToObject(json, "diffusionMode", "WHEN_READY");
	cJSON_AddStringToObject(json, "defaultSignatureMethod", request->method);
	cJSON_AddFalseToObject(json, "individualizeRequests");
	add_time(json, "closedAt", request->closed_at);
	array = cJSON_AddArrayToObject(json, "signers");
	for (int i = 0; i < request->nparties; i++)
		cJSON_AddItemToArray(array, describe_signer(request->parties[i].signer));
	array = cJSON_AddArrayToObject(json, "documents");
	for (int i = 0; i < request->ndocuments; i++)
		cJSON_AddItemToArray(array, describe_document(request->documents[i], true));
	cJSON_AddNullToObject(json, "signatureProofsUrl");
	cJSON_AddStringToObject(json, "signatureProofStatus", request->proof_status);
	cJSON_AddArrayToObject(json, "signerProfiles");
	answer_json(answer, json);
}

/* Answer with the ids of a request and, unless NULL, of a signer. */
static void
answer_ids(Answer *answer, const Request *request, const Signer *signer)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "signatureRequestId", request->id);
	if (signer)
		cJSON_AddStringToObject(json, "signerId", signer->id);
	answer_json(answer, json);
}

/* POST /v4/signature-requests/:signatureRequestId/close */
void
close_request(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);
	bool		any_signed = false;

	if (request == NULL)
		return;
	for (int i = 0; i < request->nparties; i++)
		any_signed = any_signed || request->parties[i].signed_at != 0;
	if (strcmp(request->status, "COMPLETED") == 0)
		answer_error(answer, "SIGNATURE_REQUEST_ALREADY_COMPLETED", "The signature request is completed", NULL);
	else if (is_closed(request) && strcmp(request->status, "CANCELLED") != 0)
		answer_error(answer, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is closed", NULL);
	else
	{
		if (!is_closed(request))
		{
			request->status = any_signed ? "COMPLETED" : "CANCELLED";
			request->closed_at = now_ms();
			advance(request);
		}
		answer_ids(answer, request, NULL);
	}
}

/* POST /v4/signature-requests/:signatureRequestId/check-signers-can-be-added */
void
check_signers_can_be_added(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);
	cJSON	   *body;
	cJSON	   *json;
	cJSON	   *list;
	const cJSON *email;
	bool		all = true;

	if (request == NULL || (body = parse_body(call, answer)) == NULL)
		return;
	if (!validate_emails(body, answer))
	{
		cJSON_Delete(body);
		return;
	}
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "emails");
	cJSON_ArrayForEach(email, cJSON_GetObjectItemCaseSensitive(body, "emails"))
	{
		bool		there = false;

		for (int i = 0; i < request->nparties; i++)
			there = there || strcasecmp(request->parties[i].signer->email, email->valuestring) == 0;
		if (there)
			all = false;
		else
			cJSON_AddItemToArray(list, cJSON_CreateString(email->valuestring));
	}
	cJSON_AddBoolToObject(json, "canBeAdded", all);
	cJSON_Delete(body);
	answer_json(answer, json);
}

/* POST /v4/signature-requests/:signatureRequestId/:signerId/resend-email */
void
resend_email(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);
	const Party *party = NULL;

	if (request == NULL)
		return;
	for (int i = 0; i < request->nparties; i++)
	{
		if (strcmp(request->parties[i].signer->id, call->arguments[1]) == 0)
			party = &request->parties[i];
	}
	if (party == NULL)
		answer_error(answer, is_id(call->arguments[1]) ? "SIGNER_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Signer not found", NULL);
	else if (party->signed_at != 0)
		answer_error(answer, "SIGNER_ALREADY_SIGNED", "The signer has signed", NULL);
	else if (strcmp(request->status, "IN_PROGRESS") != 0)
		answer_error(answer, "SIGNATURE_REQUEST_NOT_IN_PROGRESS", "The signature request is not in progress", NULL);
	else
	{
		call->emails = 1;
		answer_ids(answer, request, party->signer);
	}
}

/* GET /v4/applications/:appId/context */
void
application_context(Call *call, Answer *answer)
{
	cJSON	   *json;

	if (strcmp(call->arguments[0], call->app->app_id) != 0)
	{
		answer_error(answer, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED", "The key is not of this application", NULL);
		return;
	}
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "appId", call->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", call->app->app_env);
	cJSON_AddStringToObject(json, "applicationType", "SIGNATURE");
	cJSON_AddStringToObject(json, "defaultSignerProfileId", call->app->default_profile);
	answer_json(answer, json);
}
