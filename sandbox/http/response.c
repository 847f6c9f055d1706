/*-------------------------------------------------------------------------
 *
 * response.c
 *	  Responses, and the API's errors with their HTTP status.
 *
 *-------------------------------------------------------------------------
 */
#include "http/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/clock.h"

static const struct
{
	const char *code;
	int			status;
}			codes[] = {
	{"AUTH_HEADER_NOT_FOUND", 401},
	{"AUTH_HEADER_NOT_BEARER", 401},
	{"AUTH_HEADER_NO_TOKEN", 401},
	{"API_KEY_NOT_FOUND", 401},
	{"AUTHENTICATION_FAILED", 401},
	{"INVALID_AUTH_JWT_TOKEN", 401},
	{"OUTDATED_AUTH_JWT_TOKEN", 401},
	{"APP_NOT_FOUND", 404},
	{"INVALID_CONTEXT_RIGHT_NOT_ALLOWED", 403},
	{"DOCUMENT_NOT_OWNED_BY_APP", 403},
	{"DOCUMENT_BAD_ENV", 403},
	{"SIGNER_NOT_OWNED_BY_APP", 403},
	{"NOT_YET_IMPLEMENTED", 403},
	{"INVALID_CONTEXT", 403},
	{"SIGNATURE_REQUEST_NOT_FOUND", 404},
	{"DOCUMENT_NOT_FOUND", 404},
	{"SIGNER_NOT_FOUND", 404},
	{"SIGNER_PROFILE_NOT_FOUND", 404},
	{"SIGNATURE_NOT_FOUND", 404},
	{"NO_SIGNATURE_IMAGES_FOUND", 404},
	{"SIGNER_BAD_ENV", 403},
	{"WEBHOOK_NOT_FOUND", 404},
	{"WEBHOOK_EVENT_NOT_FOUND", 404},
	{"NOT_FOUND", 404},
	{"INTERNAL_ERROR", 500}
};

/* The HTTP status of a code; those of validation and state are 400. */
static int
status_of_code(const char *code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
	{
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	}
	return 400;
}

/* Respond with JSON, which is taken over. */
void
sb_respond_json(SbResponse *response, cJSON *json)
{
	char	   *text = cJSON_PrintUnformatted(json);

	if (response->status == 0)
		response->status = 200;
	response->content_type = "application/json; charset=utf-8";
	sb_buffer_free(&response->body);
	sb_buffer_add(&response->body, text, strlen(text));
	cJSON_free(text);
	cJSON_Delete(json);
}

/* Add a header, beyond those that all responses have. */
void
sb_response_header(SbResponse *response, const char *name, const char *format,...)
{
	va_list		args;
	char	   *value;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		abort();
	va_end(args);
	response->headers[response->nheaders].name = name;
	response->headers[response->nheaders++].value = value;
}

/* Respond with an error in the API's shape; context, which is taken over, may be NULL. */
void
sb_respond_error(SbResponse *response, const char *code, const char *message, cJSON *context)
{
	sb_respond_error_as(response, status_of_code(code), code, message, context);
}

/* The same with a status that is not the code's own. */
void
sb_respond_error_as(SbResponse *response, int status, const char *code, const char *message, cJSON *context)
{
	cJSON	   *json = cJSON_CreateObject();
	char		time[32];

	sb_format_time(sb_now_ms(), time);
	response->status = status;
	cJSON_AddStringToObject(json, "message", message);
	cJSON_AddStringToObject(json, "timestamp", time);
	cJSON_AddNumberToObject(json, "status", response->status);
	cJSON_AddStringToObject(json, "code", code);
	cJSON_AddItemToObject(json, "context", context ? context : cJSON_CreateObject());
	sb_respond_json(response, json);
}

/* Respond with one id under its name. */
void
sb_respond_id(SbResponse *response, const char *name, const char *id)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, name, id);
	sb_respond_json(response, json);
}
