/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Bodies: exactly what the API takes, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The deepest nesting of JSON that is read. */
#define MAX_DEPTH 32

/* Note an error of validation. */
static void
note(cJSON *errors, const char *field, const char *problem)
{
	cJSON	   *error = cJSON_CreateObject();

	cJSON_AddStringToObject(error, "field", field);
	cJSON_AddStringToObject(error, "problem", problem);
	cJSON_AddItemToArray(errors, error);
}

/* Answer that the body is not valid, unless there are no errors. */
static bool
finish(cJSON *errors, Answer *answer)
{
	cJSON	   *context;

	if (cJSON_GetArraySize(errors) == 0)
	{
		cJSON_Delete(errors);
		return true;
	}
	context = cJSON_CreateObject();
	cJSON_AddItemToObject(context, "errors", errors);
	answer_error(answer, "BODY_VALIDATION_FAILED", "Body validation failed", context);
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

/* Whether brackets are nested too deeply. */
static bool
too_deep(const char *body, size_t length)
{
	int			depth = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		if (in_string)
		{
			if (body[i] == '\\')
				i++;
			else if (body[i] == '"')
				in_string = false;
		}
		else if (body[i] == '"')
			in_string = true;
		else if ((body[i] == '{' || body[i] == '[') && ++depth > MAX_DEPTH)
			return true;
		else if (body[i] == '}' || body[i] == ']')
			depth--;
	}
	return false;
}

/* Parse a call's body as a JSON object; NULL, with the error, if it is none. */
cJSON *
parse_body(Call *call, Answer *answer)
{
	const char *end = NULL;
	cJSON	   *body;

	if (call->body_too_large)
	{
		answer_error(answer, "FILE_TOO_LARGE", "The body is too large", NULL);
		return NULL;
	}
	if (call->content_type == NULL || strncasecmp(call->content_type, "application/json", 16) != 0 ||
		(call->content_type[16] != '\0' && call->content_type[16] != ';' && call->content_type[16] != ' '))
	{
		answer_error(answer, "BAD_REQUEST", "Content-Type must be application/json", NULL);
		return NULL;
	}
	if (call->body_length == 0 || !valid_utf8(call->body, call->body_length) ||
		memchr(call->body, '\0', call->body_length) || too_deep(call->body, call->body_length))
	{
		answer_error(answer, "JSON_INVALID", "The body is not valid JSON", NULL);
		return NULL;
	}
	body = cJSON_ParseWithLengthOpts(call->body, call->body_length, &end, false);
	while (body && end < call->body + call->body_length && isspace((unsigned char) *end))
		end++;
	if (body == NULL || end != call->body + call->body_length || has_duplicate_key(body))
	{
		cJSON_Delete(body);
		answer_error(answer, "JSON_INVALID", "The body is not valid JSON", NULL);
		return NULL;
	}
	if (!cJSON_IsObject(body))
	{
		cJSON_Delete(body);
		answer_error(answer, "BODY_VALIDATION_FAILED", "The body is not an object", NULL);
		return NULL;
	}
	return body;
}

/* Note keys that the API does not have. */
static void
check_keys(cJSON *errors, const char *field, const cJSON *object, const char *const *known)
{
	const cJSON *member;

	if (options.lenient)
		return;
	cJSON_ArrayForEach(member, object)
	{
		bool		found = false;

		for (int i = 0; known[i] != NULL; i++)
			found = found || strcmp(known[i], member->string) == 0;
		if (!found)
		{
			char	   *name = xprintf("%s%s%s", field, *field ? "." : "", member->string);

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
	else if (required && member->valuestring[0] == '\0')
		problem = "must not be empty";
	if (problem)
	{
		char	   *name = xprintf("%s%s%s", field, *field ? "." : "", key);

		note(errors, name, problem);
		free(name);
	}
	return cJSON_GetStringValue(member);
}

/* Whether the text is like an e-mail address. */
static bool
like_email(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at != text && strchr(at + 1, '@') == NULL && strchr(at + 1, '.') > at + 1 &&
		text[strlen(text) - 1] != '.' && strpbrk(text, " \t\r\n,;<>()") == NULL;
}

/* Check the signers; returns a code of its own for what has one. */
static const char *
check_signers(cJSON *errors, const cJSON *signers, const App *app)
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
		if (email != NULL && !like_email(email))
			code = "EMAIL_INVALID";
		if (profile != NULL && !is_id(profile))
			note(errors, field, "signerProfileId must be an id");
		else if (profile_by_id(app, profile) == NULL)
			code = "SIGNER_PROFILE_NOT_FOUND";
		else if (missing_input(app, signer, NULL) != NULL)
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
			uint8_t    *content = from_base64(base64, strlen(base64), &size);

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

/* A member's text, or NULL. */
const char *
get_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Whether a text is one of those of two letters, or of a language. */
static bool
is_code(const char *text)
{
	return strlen(text) == 2 && isupper((unsigned char) text[0]) && isupper((unsigned char) text[1]);
}

/* Whether a text is a date or time of ISO 8601. */
static bool
is_date(const char *text)
{
	int			year,
				month,
				day,
				end = 0;

	return sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 && end == 10 &&
		(text[10] == '\0' || text[10] == 'T');
}

/* Whether a text is a SHA-256 in base64 or hex. */
static bool
is_hash(const char *text)
{
	size_t		size = 0;
	uint8_t    *bytes;

	if (strlen(text) == 64)
		return strspn(text, "0123456789abcdefABCDEF") == 64;
	bytes = strlen(text) == 44 ? from_base64(text, 44, &size) : NULL;
	free(bytes);
	return size == 32;
}

/* Whether a string is of a kind. */
static bool
text_is(char kind, const char *text)
{
	static const char *const methods[] = {"SIMPLE_STD", "ADVANCED_SMS", "ADVANCED_STD", "QUALIFIED_STD"};

	switch (kind)
	{
		case 'i':
			return is_id(text);
		case 'e':
			return like_email(text);
		case 'd':
			return is_date(text);
		case 'h':
			return is_hash(text);
		case 'c':
		case 'l':
			return is_code(text);
		case 'p':
			return text[0] == '+' && strlen(text) >= 8 && strspn(text + 1, "0123456789") == strlen(text) - 1;
		case 'u':
			return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
		case 'm':
			for (int i = 0; i < 4; i++)
			{
				if (strcmp(methods[i], text) == 0)
					return true;
			}
			return false;
		default:
			return true;
	}
}

/*
 * Whether a value is of a kind: s string, i id, e e-mail, d date, h hash, c
 * country, l language, p phone number, u URL, m signature method; the same in
 * upper case for an array of them; b boolean, a array, o object, * anything.
 */
static bool
value_is(char kind, const cJSON *value)
{
	const cJSON *item;

	if (kind == '*')
		return true;
	if (kind == 'b')
		return cJSON_IsBool(value);
	if (kind == 'a')
		return cJSON_IsArray(value);
	if (kind == 'o')
		return cJSON_IsObject(value);
	if (!isupper((unsigned char) kind))
		return cJSON_IsString(value) && text_is(kind, value->valuestring);
	if (!cJSON_IsArray(value))
		return false;
	cJSON_ArrayForEach(item, value)
	{
		if (!cJSON_IsString(item) || !text_is((char) tolower((unsigned char) kind), item->valuestring))
			return false;
	}
	return true;
}

/* Parse a body of these fields; NULL, with the error, if it is not valid. */
cJSON *
parse_fields(Call *call, const Field *fields, Answer *answer)
{
	cJSON	   *body = parse_body(call, answer);
	cJSON	   *errors;
	const char *known[32];
	int			n = 0;

	if (body == NULL)
		return NULL;
	errors = cJSON_CreateArray();
	for (const Field *field = fields; field->name != NULL; field++)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(body, field->name);

		known[n++] = field->name;
		if (value == NULL && field->required)
			note(errors, field->name, "required");
		else if (value != NULL && !value_is(field->kind, value))
			note(errors, field->name, "has another type or form than it must have");
	}
	known[n] = NULL;
	check_keys(errors, "", body, known);
	if (finish(errors, answer))
		return body;
	cJSON_Delete(body);
	return NULL;
}

/* Check the body of one-call-sign. */
bool
validate_sign(Call *call, const cJSON *body, Answer *answer)
{
	static const char *const known[] = {"title", "signatureMethod", "signers", "documents", NULL};
	static const char *const methods[] = {"SIMPLE_STD", "ADVANCED_SMS", "ADVANCED_STD", "QUALIFIED_STD"};
	cJSON	   *errors = cJSON_CreateArray();
	const char *method;
	const char *signer_code;
	const char *document_code;
	bool		known_method = false;

	check_keys(errors, "", body, known);
	check_string(errors, "", body, "title", true);
	method = check_string(errors, "", body, "signatureMethod", true);
	for (int i = 0; method && i < 4; i++)
		known_method = known_method || strcmp(methods[i], method) == 0;
	if (method && !known_method)
		note(errors, "signatureMethod", "must be one of SIMPLE_STD, ADVANCED_SMS, ADVANCED_STD, QUALIFIED_STD");
	signer_code = check_signers(errors, cJSON_GetObjectItemCaseSensitive(body, "signers"), call->app);
	document_code = check_documents(errors, cJSON_GetObjectItemCaseSensitive(body, "documents"));
	if (!finish(errors, answer))
		return false;
	if (signer_code || document_code)
	{
		answer_error(answer, signer_code ? signer_code : document_code,
					 signer_code ? "A signer is not valid" : "A document is not valid", NULL);
		return false;
	}
	return true;
}

/* Check the body of the batch status. */
bool
validate_status(const cJSON *body, Answer *answer)
{
	static const char *const known[] = {"signatureRequestIds", NULL};
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(body, "signatureRequestIds");
	cJSON	   *errors = cJSON_CreateArray();
	const cJSON *id;

	check_keys(errors, "", body, known);
	if (!cJSON_IsArray(ids))
		note(errors, "signatureRequestIds", "must be an array");
	else if (cJSON_GetArraySize(ids) > options.max_status_ids)
		note(errors, "signatureRequestIds", "too many");
	cJSON_ArrayForEach(id, ids)
	{
		if (!cJSON_IsString(id) || !is_id(id->valuestring))
		{
			note(errors, "signatureRequestIds", "must be ids");
			break;
		}
	}
	return finish(errors, answer);
}

/* Check a body of e-mail addresses. */
bool
validate_emails(const cJSON *body, Answer *answer)
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
	if (!finish(errors, answer))
		return false;
	cJSON_ArrayForEach(email, emails)
	{
		if (!like_email(email->valuestring))
		{
			answer_error(answer, "EMAIL_INVALID", "An e-mail address is not valid", NULL);
			return false;
		}
	}
	return true;
}
