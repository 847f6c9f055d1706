/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  The endpoints of signature requests.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether application and environment of the path are the key's own. */
bool
check_app(Call *call, Answer *answer)
{
	if (strcmp(call->arguments[0], call->app->app_id) == 0 &&
		strcmp(call->arguments[1], call->app->app_env) == 0)
		return true;
	if (!is_environment(call->arguments[1]))
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "appEnv is not an environment", NULL);
	else
		answer_error(answer, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED",
					 "The key is not of this application and environment", NULL);
	return false;
}

/* The error for what is not the application's: of another one, or of another environment. */
const char *
foreign_code(const App *app, const App *other, const char *bad_env, const char *bad_app)
{
	return strcmp(app->app_id, other->app_id) == 0 ? bad_env : bad_app;
}

/* Find a request of the application, up to date; NULL, with the error. */
Request *
find_request(const App *app, const char *id, Answer *answer)
{
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
	if (request->app != app)
	{
		answer_error(answer, "INVALID_CONTEXT", "The signature request is of another application", NULL);
		return NULL;
	}
	advance(request);
	return request;
}

/* The same for the one that the path names. */
Request *
named_request(Call *call, Answer *answer)
{
	Request    *request = find_request(call->app, call->arguments[0], answer);

	if (request != NULL && strcmp(call->method, "GET") != 0)
		touch_request(request);
	return request;
}

void
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
	cJSON_AddStringToObject(json, "signatureRequestType", request->type);
	if (request->title)
		cJSON_AddStringToObject(json, "title", request->title);
	cJSON_AddStringToObject(json, "status", request->status);
	if (get_text(request->settings, "externalId"))
		cJSON_AddStringToObject(json, "externalId", get_text(request->settings, "externalId"));
	if (get_text(request->settings, "initialSignatureRequestId"))
		cJSON_AddStringToObject(json, "initialSignatureRequestId",
								get_text(request->settings, "initialSignatureRequestId"));
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

/* Get the page of the query, which is "first" when it is not there. */
bool
query_page(Call *call, size_t first, size_t *page, Answer *answer)
{
	char		value[32];

	*page = 1;
	if (query_value(call->query, "page", value, sizeof(value)))
		*page = first == 0 && strcmp(value, "0") == 0 ? 1 : positive_number(value);
	if (*page == 0)
		answer_error(answer, "QUERY_VALIDATION_FAILED", "page must be a number", NULL);
	return *page != 0;
}

/* qsort comparator of requests by their ids read backwards, which mixes them. */
static int
compare_mixed(const void *a, const void *b)
{
	const char *x = (*(Request *const *) a)->id;
	const char *y = (*(Request *const *) b)->id;
	int			i = ID_LENGTH - 1;

	while (i > 0 && x[i] == y[i])
		i--;
	return x[i] - y[i];
}

/* All requests in the order of the list, to be freed. */
static Request **
listed_requests(void)
{
	size_t		n = request_count();
	Request   **list = xcalloc(n, sizeof(Request *));

	for (size_t i = 0; i < n; i++)
		list[i] = request_by_number(options.list_order == 'o' ? i : n - 1 - i);
	if (options.list_order == 'm')
		qsort(list, n, sizeof(Request *), compare_mixed);
	return list;
}

/* GET .../signature-requests?page= */
void
list_requests(Call *call, Answer *answer)
{
	cJSON	   *json;
	cJSON	   *list;
	cJSON	   *paging;
	Request   **requests;
	size_t		page;
	size_t		total = 0;
	size_t		skip;

	if (!check_app(call, answer) || !query_page(call, 1, &page, answer))
		return;
	requests = listed_requests();
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "signatureRequests");
	skip = (page - 1) * (size_t) options.page_size;
	for (size_t i = 0; i < request_count(); i++)
	{
		Request    *request = requests[i];
		cJSON	   *item;

		if (request->app != call->app)
			continue;
		if (total++ < skip || total > skip + (size_t) options.page_size)
			continue;
		advance(request);
		item = describe(request);
		if (request->ndocuments > 0 && request->documents[0]->file_name)
			cJSON_AddStringToObject(item, "docFileName", request->documents[0]->file_name);
		if (request->ndocuments > 0 && request->documents[0]->label)
			cJSON_AddStringToObject(item, "docLabel", request->documents[0]->label);
		cJSON_AddItemToArray(list, item);
	}
	free(requests);
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

/* All that the API tells of a request. */
cJSON *
describe_context(const Request *request)
{
	static const char *const echoed[] = {
		"description", "language", "recipients", "signerIdsAsApprover", "expirationDate",
		"expirationDateIsActivated", "diffusionDate", "statements", "signerProfilesSignatureMethod"
	};
	cJSON	   *json = describe(request);
	cJSON	   *array;

	for (size_t i = 0; i < sizeof(echoed) / sizeof(echoed[0]); i++)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(request->settings, echoed[i]);

		if (value)
			cJSON_AddItemToObject(json, echoed[i], cJSON_Duplicate(value, true));
	}
	cJSON_AddStringToObject(json, "diffusionMode", get_text(request->settings, "diffusionMode") ?
							get_text(request->settings, "diffusionMode") : "WHEN_READY");
	if (request->method)
		cJSON_AddStringToObject(json, "defaultSignatureMethod", request->method);
	cJSON_AddBoolToObject(json, "individualizeRequests",
						  cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request->settings, "individualizeRequests")));
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
	return json;
}

/* GET /v4/signature-requests/:signatureRequestId/context */
void
request_context(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);

	if (request)
		answer_json(answer, describe_context(request));
}

/* Answer with one id under its name. */
void
answer_id(Answer *answer, const char *name, const char *id)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, name, id);
	answer_json(answer, json);
}

/* POST /v4/signature-requests/:signatureRequestId/close */
void
close_request(Call *call, Answer *answer)
{
	Request    *request = named_request(call, answer);
	bool		any_signed = false;

	if (request == NULL || !validate_no_fields(call, answer))
		return;
	for (int i = 0; i < request->nparties; i++)
		any_signed = any_signed || request->parties[i].signed_at != 0;
	if (strcmp(request->status, "COMPLETED") == 0)
		answer_error(answer, "SIGNATURE_REQUEST_ALREADY_COMPLETED", "The signature request is completed", NULL);
	else if ((is_closed(request) && strcmp(request->status, "CANCELLED") != 0) ||
			 strcmp(request->status, "CHILDREN_GENERATED") == 0)
		answer_error(answer, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is closed", NULL);
	else
	{
		if (!is_closed(request))
		{
			request->status = any_signed ? "COMPLETED" : "CANCELLED";
			request->closed_at = now_ms();
			emit_request(request, request->status);
			advance(request);
		}
		answer_id(answer, "signatureRequestId", request->id);
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
			there = there || strcasecmp(request->parties[i].signer->inputs[SIGNER_EMAIL], email->valuestring) == 0;
		for (int i = 0; i < request->napprovers; i++)
			there = there || strcasecmp(request->approvers[i].signer->inputs[SIGNER_EMAIL], email->valuestring) == 0;
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
	for (int i = 0; i < request->napprovers; i++)
	{
		if (strcmp(request->approvers[i].signer->id, call->arguments[1]) == 0)
			party = &request->approvers[i];
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
		cJSON	   *json = cJSON_CreateObject();

		call->emails = 1;
		cJSON_AddStringToObject(json, "signatureRequestId", request->id);
		cJSON_AddStringToObject(json, "signerId", party->signer->id);
		answer_json(answer, json);
	}
}

/* GET /v4/applications/:appId/context */
void
application_context(Call *call, Answer *answer)
{
	cJSON	   *json;
	cJSON	   *settings;

	if (strcmp(call->arguments[0], call->app->app_id) != 0)
	{
		answer_error(answer, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED", "The key is not of this application", NULL);
		return;
	}
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "appId", call->app->app_id);
	cJSON_AddStringToObject(json, "orgId", "orgId_sandbox");
	cJSON_AddStringToObject(json, "appName", "Sandbox");
	cJSON_AddStringToObject(json, "status", "ACTIVE");
	cJSON_AddStringToObject(json, "appType", "SIGNATURE");
	cJSON_AddStringToObject(json, "ignisignApiVersion", "V4");
	cJSON_AddObjectToObject(json, "config");
	settings = cJSON_AddObjectToObject(cJSON_AddObjectToObject(json, "envSettings"), call->app->app_env);
	cJSON_AddStringToObject(settings, "defaultSignerProfileId", call->app->profiles[0].id);
	cJSON_AddTrueToObject(settings, "languageCanBeChanged");
	cJSON_AddFalseToObject(settings, "onlineProofsEnabled");
	cJSON_AddStringToObject(cJSON_AddObjectToObject(json, "settings"), "defaultLanguage", "EN");
	cJSON_AddItemToObject(cJSON_AddObjectToObject(json, "signerProfiles"), call->app->app_env,
						  describe_profiles(call->app));
	answer_json(answer, json);
}
