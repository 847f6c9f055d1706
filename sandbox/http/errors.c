/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Answers, and the API's errors with their HTTP status.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Answer with JSON, which is taken over. */
void
answer_json(Answer *answer, cJSON *json)
{
	char	   *text = cJSON_PrintUnformatted(json);

	if (answer->status == 0)
		answer->status = 200;
	answer->content_type = "application/json; charset=utf-8";
	buffer_free(&answer->body);
	buffer_add(&answer->body, text, strlen(text));
	cJSON_free(text);
	cJSON_Delete(json);
}

/* Add a header, beyond those that all answers have. */
void
answer_header(Answer *answer, const char *name, const char *format,...)
{
	va_list		args;
	char	   *value;

	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		abort();
	va_end(args);
	answer->headers[answer->nheaders].name = name;
	answer->headers[answer->nheaders++].value = value;
}

/* Answer with an error in the API's shape; context, which is taken over, may be NULL. */
void
answer_error(Answer *answer, const char *code, const char *message, cJSON *context)
{
	answer_error_as(answer, status_of_code(code), code, message, context);
}

/* The same with a status that is not the code's own. */
void
answer_error_as(Answer *answer, int status, const char *code, const char *message, cJSON *context)
{
	cJSON	   *json = cJSON_CreateObject();
	char		time[32];

	format_time(now_ms(), time);
	answer->status = status;
	cJSON_AddStringToObject(json, "message", message);
	cJSON_AddStringToObject(json, "timestamp", time);
	cJSON_AddNumberToObject(json, "status", answer->status);
	cJSON_AddStringToObject(json, "code", code);
	cJSON_AddItemToObject(json, "context", context ? context : cJSON_CreateObject());
	answer_json(answer, json);
}
