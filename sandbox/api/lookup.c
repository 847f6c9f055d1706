/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  What the path and the query of a call name.
 *
 *-------------------------------------------------------------------------
 */
#include "api/lookup.h"

#include <ctype.h>
#include <string.h>

#include "api/fields.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/lifecycle.h"
#include "model/store.h"
#include "util/clock.h"

/* Whether application and environment of the path are the key's own. */
bool
sb_check_app(SbCall *call, SbResponse *response)
{
	if (strcmp(call->arguments[0], call->app->app_id) == 0 &&
		strcmp(call->arguments[1], call->app->app_env) == 0)
		return true;
	if (!sb_is_environment(call->arguments[1]))
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "appEnv is not an environment", NULL);
	else
		sb_respond_error(response, "INVALID_CONTEXT_RIGHT_NOT_ALLOWED",
						 "The key is not of this application and environment", NULL);
	return false;
}

/* The error for what is not the application's: of another one, or of another environment. */
const char *
sb_foreign_code(const SbApp *app, const SbApp *other, const char *bad_env, const char *bad_app)
{
	return strcmp(app->app_id, other->app_id) == 0 ? bad_env : bad_app;
}

/* Find a request of the application, up to date; NULL, with the error. */
SbRequest *
sb_find_request(const SbApp *app, const char *id, SbResponse *response)
{
	SbRequest  *request;

	if (!sb_is_id(id))
	{
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "signatureRequestId is not an id", NULL);
		return NULL;
	}
	request = sb_request_by_id(id);
	if (request == NULL)
	{
		cJSON	   *context = cJSON_CreateObject();

		cJSON_AddStringToObject(context, "signatureRequestId", id);
		sb_respond_error(response, "SIGNATURE_REQUEST_NOT_FOUND", "Signature request not found", context);
		return NULL;
	}
	if (request->app != app)
	{
		sb_respond_error(response, "INVALID_CONTEXT", "The signature request is of another application", NULL);
		return NULL;
	}
	sb_update_status(request);
	return request;
}

/* The same for the one that the path names. */
SbRequest *
sb_named_request(SbCall *call, SbResponse *response)
{
	SbRequest  *request = sb_find_request(call->app, call->arguments[0], response);

	if (request != NULL && strcmp(call->method, "GET") != 0)
		sb_touch_request(request);
	return request;
}

/* Find the document that the path names; NULL, with the error. */
SbDocument *
sb_named_document(SbCall *call, SbResponse *response)
{
	const char *id = call->arguments[0];
	SbDocument *document;

	if (!sb_is_id(id))
	{
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "documentId is not an id", NULL);
		return NULL;
	}
	document = sb_document_by_id(id);
	if (document == NULL || document->deleted)
	{
		sb_respond_error(response, "DOCUMENT_NOT_FOUND", "Document not found", NULL);
		return NULL;
	}
	if (document->app != call->app)
	{
		sb_respond_error(response, sb_foreign_code(call->app, document->app, "DOCUMENT_BAD_ENV", "DOCUMENT_NOT_OWNED_BY_APP"),
						 "The document is of another application or environment", NULL);
		return NULL;
	}
	if (document->request)
		sb_update_status(document->request);
	if (strcmp(call->method, "GET") != 0)
		sb_touch_document(document);
	return document;
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
sb_query_page(SbCall *call, size_t first, size_t *page, SbResponse *response)
{
	char		value[32];

	*page = 1;
	if (sb_query_value(call->query, "page", value, sizeof(value)))
		*page = first == 0 && strcmp(value, "0") == 0 ? 1 : positive_number(value);
	if (*page == 0)
		sb_respond_error(response, "QUERY_VALIDATION_FAILED", "page must be a number", NULL);
	return *page != 0;
}
