/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  The endpoints of signature requests.
 *
 *-------------------------------------------------------------------------
 */
#include "api/requests.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/describe.h"
#include "api/lookup.h"
#include "api/validate.h"
#include "delivery/events.h"
#include "http/call.h"
#include "http/response.h"
#include "model/lifecycle.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/options.h"

/* qsort comparator of requests by their ids read backwards, which mixes them. */
static int
compare_mixed(const void *a, const void *b)
{
	const char *x = (*(SbRequest *const *) a)->id;
	const char *y = (*(SbRequest *const *) b)->id;
	int			i = SB_ID_LENGTH - 1;

	while (i > 0 && x[i] == y[i])
		i--;
	return x[i] - y[i];
}

/* All requests in the order of the list, to be freed. */
static SbRequest **
listed_requests(void)
{
	size_t		n = sb_request_count();
	SbRequest **list = sb_calloc(n, sizeof(SbRequest *));

	for (size_t i = 0; i < n; i++)
		list[i] = sb_request_by_number(sb_options.list_order == 'o' ? i : n - 1 - i);
	if (sb_options.list_order == 'm')
		qsort(list, n, sizeof(SbRequest *), compare_mixed);
	return list;
}

/* GET .../signature-requests?page= */
void
sb_list_requests(SbCall *call, SbResponse *response)
{
	cJSON	   *json;
	cJSON	   *list;
	cJSON	   *paging;
	SbRequest **requests;
	size_t		page;
	size_t		total = 0;
	size_t		skip;

	if (!sb_check_app(call, response) || !sb_query_page(call, 1, &page, response))
		return;
	requests = listed_requests();
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "signatureRequests");
	skip = (page - 1) * (size_t) sb_options.page_size;
	for (size_t i = 0; i < sb_request_count(); i++)
	{
		SbRequest  *request = requests[i];
		cJSON	   *item;

		if (request->app != call->app)
			continue;
		if (total++ < skip || total > skip + (size_t) sb_options.page_size)
			continue;
		sb_update_status(request);
		item = sb_describe_request(request);
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
	cJSON_AddNumberToObject(paging, "nbEventsPerPage", sb_options.page_size);
	sb_respond_json(response, json);
}

/* POST .../signature-requests/status */
void
sb_requests_status(SbCall *call, SbResponse *response)
{
	cJSON	   *body;
	cJSON	   *json;
	cJSON	   *list;
	const cJSON *ids;
	const cJSON *id;

	if (!sb_check_app(call, response) || (body = sb_parse_body(call, response)) == NULL)
		return;
	if (!sb_validate_status(body, response))
	{
		cJSON_Delete(body);
		return;
	}
	ids = cJSON_GetObjectItemCaseSensitive(body, "signatureRequestIds");
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "signatureRequests");
	cJSON_ArrayForEach(id, ids)
	{
		SbRequest  *request = sb_request_by_id(id->valuestring);
		cJSON	   *item;

		if (request == NULL || request->app != call->app)
			continue;
		sb_update_status(request);
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "signatureRequestId", request->id);
		cJSON_AddStringToObject(item, "status", request->status);
		cJSON_AddItemToArray(list, item);
	}
	cJSON_Delete(body);
	sb_respond_json(response, json);
}

/* GET /v4/signature-requests/:signatureRequestId/context */
void
sb_request_context(SbCall *call, SbResponse *response)
{
	SbRequest  *request = sb_named_request(call, response);

	if (request)
		sb_respond_json(response, sb_describe_context(request));
}

/* POST /v4/signature-requests/:signatureRequestId/close */
void
sb_close_request(SbCall *call, SbResponse *response)
{
	SbRequest  *request = sb_named_request(call, response);
	bool		any_signed = false;

	if (request == NULL || !sb_validate_no_fields(call, response))
		return;
	for (int i = 0; i < request->nparticipants; i++)
		any_signed = any_signed || request->participants[i].signed_at != 0;
	if (strcmp(request->status, "COMPLETED") == 0)
		sb_respond_error(response, "SIGNATURE_REQUEST_ALREADY_COMPLETED", "The signature request is completed", NULL);
	else if ((sb_is_closed(request) && strcmp(request->status, "CANCELLED") != 0) ||
			 strcmp(request->status, "CHILDREN_GENERATED") == 0)
		sb_respond_error(response, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is closed", NULL);
	else
	{
		if (!sb_is_closed(request))
		{
			request->status = any_signed ? "COMPLETED" : "CANCELLED";
			request->closed_at = sb_now_ms();
			sb_emit_request(request, request->status);
			sb_update_status(request);
		}
		sb_respond_id(response, "signatureRequestId", request->id);
	}
}

/* POST /v4/signature-requests/:signatureRequestId/check-signers-can-be-added */
void
sb_check_signers_can_be_added(SbCall *call, SbResponse *response)
{
	SbRequest  *request = sb_named_request(call, response);
	cJSON	   *body;
	cJSON	   *json;
	cJSON	   *list;
	const cJSON *email;
	bool		all = true;

	if (request == NULL || (body = sb_parse_body(call, response)) == NULL)
		return;
	if (!sb_validate_emails(body, response))
	{
		cJSON_Delete(body);
		return;
	}
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "emails");
	cJSON_ArrayForEach(email, cJSON_GetObjectItemCaseSensitive(body, "emails"))
	{
		bool		there = false;

		for (int i = 0; i < request->nparticipants; i++)
			there = there || strcasecmp(request->participants[i].signer->inputs[SB_SIGNER_EMAIL], email->valuestring) == 0;
		for (int i = 0; i < request->napprovers; i++)
			there = there || strcasecmp(request->approvers[i].signer->inputs[SB_SIGNER_EMAIL], email->valuestring) == 0;
		if (there)
			all = false;
		else
			cJSON_AddItemToArray(list, cJSON_CreateString(email->valuestring));
	}
	cJSON_AddBoolToObject(json, "canBeAdded", all);
	cJSON_Delete(body);
	sb_respond_json(response, json);
}

/* POST /v4/signature-requests/:signatureRequestId/:signerId/resend-email */
void
sb_resend_email(SbCall *call, SbResponse *response)
{
	SbRequest  *request = sb_named_request(call, response);
	const SbParticipant *participant = NULL;

	if (request == NULL)
		return;
	for (int i = 0; i < request->nparticipants; i++)
	{
		if (strcmp(request->participants[i].signer->id, call->arguments[1]) == 0)
			participant = &request->participants[i];
	}
	for (int i = 0; i < request->napprovers; i++)
	{
		if (strcmp(request->approvers[i].signer->id, call->arguments[1]) == 0)
			participant = &request->approvers[i];
	}
	if (participant == NULL)
		sb_respond_error(response, sb_is_id(call->arguments[1]) ? "SIGNER_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
						 "Signer not found", NULL);
	else if (participant->signed_at != 0)
		sb_respond_error(response, "SIGNER_ALREADY_SIGNED", "The signer has signed", NULL);
	else if (strcmp(request->status, "IN_PROGRESS") != 0)
		sb_respond_error(response, "SIGNATURE_REQUEST_NOT_IN_PROGRESS", "The signature request is not in progress", NULL);
	else
	{
		cJSON	   *json = cJSON_CreateObject();

		call->emails = 1;
		cJSON_AddStringToObject(json, "signatureRequestId", request->id);
		cJSON_AddStringToObject(json, "signerId", participant->signer->id);
		sb_respond_json(response, json);
	}
}

/* GET /v4/applications/:appId/context */
void
sb_application_context(SbCall *call, SbResponse *response)
{
	cJSON	   *json;
	cJSON	   *settings;

	if (strcmp(call->arguments[0], call->app->app_id) != 0)
	{
		sb_respond_error(response, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED", "The key is not of this application", NULL);
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
						  sb_describe_profiles(call->app));
	sb_respond_json(response, json);
}
