/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Bodies: exactly what the API takes, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "api/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/fields.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"
#include "util/options.h"

/* Note an error of validation. */
static void
note(cJSON *errors, const char *field, const char *problem)
{
	cJSON	   *error = cJSON_CreateObject();

	cJSON_AddStringToObject(error, "field", field);
	cJSON_AddStringToObject(error, "problem", problem);
	cJSON_AddItemToArray(errors, error);
}

/* Respond that the body is not valid, unless there are no errors. */
static bool
finish(cJSON *errors, SbResponse *response)
{
	cJSON	   *context;

	if (cJSON_GetArraySize(errors) == 0)
	{
		cJSON_Delete(errors);
		return true;
	}
	context = cJSON_CreateObject();
	cJSON_AddItemToObject(context, "errors", errors);
	sb_respond_error(response, "BODY_VALIDATION_FAILED", "Body validation failed", context);
	return false;
}

/* Whether an object has a key twice, here or below. */
static bool
has_duplicate_key(const cJSON *item)
{
	for (const cJSON *a = item->child; a != NULL; a = a->next)
	{
		for (const cJSON *b = a->next; cJSON_IsObject(item) && b != NULL; b = b->next)
		{
			if (strcmp(a->string, b->string) == 0)
				return true;
		}
		if (has_duplicate_key(a))
			return true;
	}
	return false;
}

/* Parse a call's body as a JSON object; NULL, with the error, if it is none. */
cJSON *
sb_parse_body(SbCall *call, SbResponse *response)
{
	cJSON	   *body;

	if (call->body_too_large)
	{
		sb_respond_error(response, "FILE_TOO_LARGE", "The body is too large", NULL);
		return NULL;
	}
	if (call->content_type == NULL || strncasecmp(call->content_type, "application/json", 16) != 0 ||
		(call->content_type[16] != '\0' && call->content_type[16] != ';' && call->content_type[16] != ' '))
	{
		sb_respond_error(response, "BAD_REQUEST", "Content-Type must be application/json", NULL);
		return NULL;
	}
	body = sb_valid_json(call->body, call->body_length) ? cJSON_ParseWithLength(call->body, call->body_length) : NULL;
	if (body == NULL || has_duplicate_key(body))
	{
		cJSON_Delete(body);
		sb_respond_error(response, "JSON_INVALID", "The body is not valid JSON", NULL);
		return NULL;
	}
	if (!cJSON_IsObject(body))
	{
		cJSON_Delete(body);
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "The body is not an object", NULL);
		return NULL;
	}
	return body;
}

/* Note keys that the API does not have. */
static void
check_keys(cJSON *errors, const char *field, const cJSON *object, const char *const *known)
{
	const cJSON *member;

	if (sb_options.lenient)
		return;
	cJSON_ArrayForEach(member, object)
	{
		bool		found = false;

		for (int i = 0; known[i] != NULL; i++)
			found = found || strcmp(known[i], member->string) == 0;
		if (!found)
		{
			char	   *name = sb_psprintf("%s%s%s", field, *field ? "." : "", member->string);

			note(errors, name, "unknown field");
			free(name);
		}
	}
}

/* A member that must be a non-empty string, or may be absent. */
static const char *
check_string(cJSON *errors, const char *field, const cJSON *object, const char *key, bool required)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
	const char *problem = NULL;

	if (member == NULL)
		problem = required ? "required" : NULL;
	else if (!cJSON_IsString(member))
		problem = "must be a string";
	else if (member->valuestring[0] == '\0')
		problem = "must not be empty";
	if (problem)
	{
		char	   *name = sb_psprintf("%s%s%s", field, *field ? "." : "", key);

		note(errors, name, problem);
		free(name);
	}
	return cJSON_GetStringValue(member);
}

/*
 * The first input that the profile needs and that neither the body nor the
 * signer, which may be NULL, has; NULL: all are there.
 */
const char *
sb_missing_input(const SbApp *app, const cJSON *json, const SbSigner *signer)
{
	const SbProfile *profile = signer ? signer->profile : sb_profile_by_id(app, sb_get_text(json, "signerProfileId"));

	for (const char *const *needed = profile->inputs_needed; *needed != NULL; needed++)
	{
		bool		there = sb_get_text(json, *needed) != NULL;

		for (int k = 0; signer != NULL && k < SB_NINPUTS; k++)
			there = there || (strcmp(sb_signer_inputs[k], *needed) == 0 && signer->inputs[k] != NULL);
		if (!there)
			return *needed;
	}
	return NULL;
}

/* Check the signers; returns a code of its own for what has one. */
static const char *
check_signers(cJSON *errors, const cJSON *signers, const SbApp *app)
{
	static const char *const known[] = {"email", "firstName", "lastName", "signerProfileId", NULL};
	const char *code = NULL;
	const cJSON *signer;
	int			n = 0;

	if (!cJSON_IsArray(signers) || cJSON_GetArraySize(signers) == 0)
	{
		note(errors, "signers", "must be a non-empty array");
		return NULL;
	}
	cJSON_ArrayForEach(signer, signers)
	{
		char		field[32];
		const char *email;
		const char *profile;

		snprintf(field, sizeof(field), "signers[%d]", n++);
		if (!cJSON_IsObject(signer))
		{
			note(errors, field, "must be an object");
			continue;
		}
		check_keys(errors, field, signer, known);
		email = check_string(errors, field, signer, "email", true);
		check_string(errors, field, signer, "firstName", false);
		check_string(errors, field, signer, "lastName", false);
		profile = check_string(errors, field, signer, "signerProfileId", false);
		if (email != NULL && !sb_is_email(email))
			code = "EMAIL_INVALID";
		if (profile != NULL && !sb_is_id(profile))
			note(errors, field, "signerProfileId must be an id");
		else if (sb_profile_by_id(app, profile) == NULL)
			code = "SIGNER_PROFILE_NOT_FOUND";
		else if (sb_missing_input(app, signer, NULL) != NULL)
			code = "SIGNER_CREATION__INPUT_FIELD_MISSING";
		for (const cJSON *other = signers->child; email && other != signer; other = other->next)
		{
			const cJSON *other_email = cJSON_GetObjectItemCaseSensitive(other, "email");

			if (cJSON_IsString(other_email) && strcasecmp(other_email->valuestring, email) == 0)
				note(errors, field, "email is there twice");
		}
	}
	return code;
}

/* Check the documents; returns a code of its own for what has one. */
static const char *
check_documents(cJSON *errors, const cJSON *documents)
{
	static const char *const known[] = {"originalName", "mimeType", "base64", "url", NULL};
	const char *code = NULL;
	const cJSON *document;
	int			n = 0;

	if (!cJSON_IsArray(documents) || cJSON_GetArraySize(documents) == 0)
	{
		note(errors, "documents", "must be a non-empty array");
		return NULL;
	}
	cJSON_ArrayForEach(document, documents)
	{
		char		field[32];
		const char *base64;
		const char *url;
		const char *type;

		snprintf(field, sizeof(field), "documents[%d]", n++);
		if (!cJSON_IsObject(document))
		{
			note(errors, field, "must be an object");
			continue;
		}
		check_keys(errors, field, document, known);
		check_string(errors, field, document, "originalName", true);
		type = check_string(errors, field, document, "mimeType", true);
		base64 = check_string(errors, field, document, "base64", false);
		url = check_string(errors, field, document, "url", false);
		if ((base64 == NULL) == (url == NULL))
			note(errors, field, "must have either base64 or url");
		if (base64 != NULL)
		{
			size_t		size = 0;
			uint8_t    *content = sb_from_base64(base64, strlen(base64), &size);

			if (content == NULL)
				note(errors, field, "base64 is not valid");
			else if (type && strcmp(type, "application/pdf") == 0 &&
					 (size < 5 || memcmp(content, "%PDF-", 5) != 0))
				code = "PDF_CORRUPTED";
			free(content);
		}
	}
	return code;
}

/* Note what is wrong with the members of an object, which the prefix names. */
static void
check_fields(cJSON *errors, const char *prefix, const cJSON *object, const SbField *fields)
{
	const char *known[32];
	int			n = 0;

	for (const SbField *field = fields; field->name != NULL; field++)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field->name);
		char	   *name = sb_psprintf("%s%s%s", prefix, *prefix ? "." : "", field->name);

		known[n++] = field->name;
		if (value == NULL && field->required)
			note(errors, name, "required");
		else if (value != NULL && !sb_value_is(field->kind, value))
			note(errors, name, "has another type or form than it must have");
		free(name);
	}
	known[n] = NULL;
	check_keys(errors, prefix, object, known);
}

/* Parse a body of these fields; NULL, with the error, if it is not valid. */
cJSON *
sb_parse_fields(SbCall *call, const SbField *fields, SbResponse *response)
{
	cJSON	   *body = sb_parse_body(call, response);
	cJSON	   *errors;

	if (body == NULL)
		return NULL;
	errors = cJSON_CreateArray();
	check_fields(errors, "", body, fields);
	if (finish(errors, response))
		return body;
	cJSON_Delete(body);
	return NULL;
}

/* Check that a member of a body, if it is there, is an array of such objects. */
bool
sb_validate_items(const cJSON *body, const char *name, const SbField *fields, SbResponse *response)
{
	cJSON	   *errors = cJSON_CreateArray();
	const cJSON *item;
	int			n = 0;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(body, name))
	{
		char	   *prefix = sb_psprintf("%s[%d]", name, n++);

		if (cJSON_IsObject(item))
			check_fields(errors, prefix, item, fields);
		else
			note(errors, prefix, "must be an object");
		free(prefix);
	}
	return finish(errors, response);
}

/* Check that a body that may be missing is an empty object. */
bool
sb_validate_no_fields(SbCall *call, SbResponse *response)
{
	static const SbField none[] = {{NULL, 0, false}};
	cJSON	   *body;

	if (call->body_length == 0 && !call->body_too_large)
		return true;
	body = sb_parse_fields(call, none, response);
	cJSON_Delete(body);
	return body != NULL;
}

/* Check the body of one-call-sign. */
bool
sb_validate_sign(SbCall *call, const cJSON *body, SbResponse *response)
{
	static const char *const known[] = {"title", "signatureMethod", "signers", "documents", NULL};
	cJSON	   *errors = cJSON_CreateArray();
	const cJSON *title;
	const cJSON *method;
	const char *signer_code;
	const char *document_code;

	check_keys(errors, "", body, known);
	check_string(errors, "", body, "title", true);
	title = cJSON_GetObjectItemCaseSensitive(body, "title");
	if (cJSON_IsString(title) && title->valuestring[0] != '\0' && !sb_value_is('t', title))
		note(errors, "title", "must have at most 1024 characters");
	method = cJSON_GetObjectItemCaseSensitive(body, "signatureMethod");
	if (check_string(errors, "", body, "signatureMethod", true) && !sb_value_is('m', method))
		note(errors, "signatureMethod", "must be one of SIMPLE_STD, ADVANCED_SMS, ADVANCED_STD, QUALIFIED_STD");
	signer_code = check_signers(errors, cJSON_GetObjectItemCaseSensitive(body, "signers"), call->app);
	document_code = check_documents(errors, cJSON_GetObjectItemCaseSensitive(body, "documents"));
	if (!finish(errors, response))
		return false;
	if (signer_code || document_code)
	{
		sb_respond_error(response, signer_code ? signer_code : document_code,
						 signer_code ? "A signer is not valid" : "A document is not valid", NULL);
		return false;
	}
	return true;
}

/* Check the body of the batch status. */
bool
sb_validate_status(const cJSON *body, SbResponse *response)
{
	static const char *const known[] = {"signatureRequestIds", NULL};
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(body, "signatureRequestIds");
	cJSON	   *errors = cJSON_CreateArray();
	const cJSON *id;

	check_keys(errors, "", body, known);
	if (!cJSON_IsArray(ids))
		note(errors, "signatureRequestIds", "must be an array");
	else if (cJSON_GetArraySize(ids) > sb_options.max_status_ids)
		note(errors, "signatureRequestIds", "too many");
	cJSON_ArrayForEach(id, ids)
	{
		if (!cJSON_IsString(id) || !sb_is_id(id->valuestring))
		{
			note(errors, "signatureRequestIds", "must be ids");
			break;
		}
	}
	return finish(errors, response);
}

/* Check a body of e-mail addresses. */
bool
sb_validate_emails(const cJSON *body, SbResponse *response)
{
	static const char *const known[] = {"emails", NULL};
	const cJSON *emails = cJSON_GetObjectItemCaseSensitive(body, "emails");
	cJSON	   *errors = cJSON_CreateArray();
	const cJSON *email;

	check_keys(errors, "", body, known);
	if (!cJSON_IsArray(emails) || cJSON_GetArraySize(emails) == 0)
		note(errors, "emails", "must be a non-empty array");
	cJSON_ArrayForEach(email, emails)
	{
		if (!cJSON_IsString(email))
			note(errors, "emails", "must be strings");
	}
	if (!finish(errors, response))
		return false;
	cJSON_ArrayForEach(email, emails)
	{
		if (!sb_is_email(email->valuestring))
		{
			sb_respond_error(response, "EMAIL_INVALID", "An e-mail address is not valid", NULL);
			return false;
		}
	}
	return true;
}
