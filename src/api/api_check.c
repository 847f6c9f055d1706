/*-------------------------------------------------------------------------
 *
 * api_check.c
 *	  The check of what goes into requests to the API.
 *
 * Strict: exactly the documented fields, of the documented types.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A field of the values, or NULL. */
const cJSON *
ig_api_field(const cJSON *values, const char *name, size_t length)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, values)
	{
		if (strlen(item->string) == length && strncmp(item->string, name, length) == 0)
			return item;
	}
	return NULL;
}

/* Whether the text can be sent; NULL can where it is optional. */
bool
ig_sendable(const char *text, bool required)
{
	if (text == NULL)
		return !required;
	return *text != '\0' && ig_api_valid_utf8(text, strlen(text));
}

/* Check what is to be signed. */
bool
ig_check_sign(const IgApiArgs *args, char *error)
{
	if (!ig_sendable(args->title, true))
		return ig_refuse(error, "the title is empty or not valid UTF-8");
	if (!ig_api_known_signature_method(args->signature_method))
		return ig_refuse(error, "the signature method is not one of the API's");
	if (args->nsigners < 1)
		return ig_refuse(error, "there is no signer");
	if (args->ndocuments < 1)
		return ig_refuse(error, "there is no document");
	for (int i = 0; i < args->nsigners; i++)
	{
		const IgApiSigner *signer = &args->signers[i];

		if (!ig_sendable(signer->email, true) || !ig_sendable(signer->first_name, false) ||
			!ig_sendable(signer->last_name, false))
			return ig_refuse(error, "a signer's e-mail or name is empty or not valid UTF-8");
		if (signer->signer_profile_id && !ig_api_valid_object_id(signer->signer_profile_id))
			return ig_refuse(error, "a signer profile's id is not valid");
	}
	for (int i = 0; i < args->ndocuments; i++)
	{
		const IgApiDocument *document = &args->documents[i];

		if (!ig_sendable(document->file_name, true) || !ig_sendable(document->mime_type, true) ||
			!ig_sendable(document->url, false))
			return ig_refuse(error, "a document's file name, MIME type or URL is empty or not valid UTF-8");
		if (document->url == NULL && document->size <= 0)
			return ig_refuse(error, "a document is empty");
	}
	return true;
}

/* Whether the field's name stands in the path. */
bool
ig_in_path(const IgOperationEntry *entry, const char *name)
{
	size_t		length = strlen(name);

	for (const char *p = entry->path; p != NULL && (p = strchr(p, '{')) != NULL; p++)
	{
		if (strncmp(p + 1, name, length) == 0 && p[length + 1] == '}')
			return true;
	}
	return false;
}

/* Whether a string is an ISO 8601 date, with or without a time. */
static bool
is_time(const char *text)
{
	int			year,
				month,
				day,
				end = 0;

	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3 || end != 10 ||
		month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	return text[10] == '\0' || (text[10] == 'T' && strspn(text + 11, "0123456789:.Z+-") == strlen(text + 11));
}

/* Whether a string is JSON of any kind. */
static bool
is_json(const char *text)
{
	cJSON	   *tree = cJSON_ParseWithOpts(text, NULL, true);

	cJSON_Delete(tree);
	return tree != NULL;
}

/* Whether UTF-8 has at most so many characters. */
static bool
at_most(const char *text, int max)
{
	int			length = 0;

	for (; *text; text++)
		length += (*text & 0xC0) != 0x80;
	return length <= max;
}

/* Whether a string is what a field of this kind takes. */
static bool
string_fits(IgKind kind, const char *text)
{
	uint8_t		sha256[32];

	if (!ig_sendable(text, true))
		return false;
	switch (kind)
	{
		case IG_TITLE:
			return at_most(text, 1024);
		case IG_DESCRIPTION:
			return at_most(text, 4096);
		case IG_ID:
		case IG_IDS:
			return ig_api_valid_object_id(text);
		case IG_EMAIL:
		case IG_EMAILS:
			return ig_api_valid_email(text);
		case IG_TIME:
			return is_time(text);
		case IG_URL:
			return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
		case IG_SIGNATURE_METHOD:
			return ig_api_known_signature_method(text);
		case IG_SIGNER_PROOF_TYPE:
			return ig_api_known_signer_proof_type(text);
		case IG_SHA256:
			return ig_api_read_sha256(text, sha256);
		case IG_JSON:
			return is_json(text);
		default:
			return true;
	}
}

/* Whether a value is what a field of this kind takes. */
static bool
value_fits(IgKind kind, const cJSON *value)
{
	const cJSON *item;

	switch (kind)
	{
		case IG_BOOLEAN:
			return cJSON_IsBool(value);
		case IG_NUMBER:
			return cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < 1e9 &&
				value->valuedouble == (double) (int64_t) value->valuedouble;
		case IG_STRINGS:
		case IG_IDS:
		case IG_EMAILS:
			if (!cJSON_IsArray(value) || value->child == NULL)
				return false;
			cJSON_ArrayForEach(item, value)
			{
				if (!cJSON_IsString(item) || !string_fits(kind, item->valuestring))
					return false;
			}
			return true;
		default:
			return cJSON_IsString(value) && string_fits(kind, value->valuestring);
	}
}

/* What a field of this kind must be, for people. */
static const char *
kind_name(IgKind kind)
{
	static const char *const names[] = {
		[IG_STRING] = "a string that is not empty",
		[IG_TITLE] = "a string of 1 to 1024 characters",
		[IG_DESCRIPTION] = "a string of 1 to 4096 characters",
		[IG_STRINGS] = "an array of strings that are not empty",
		[IG_ID] = "an id of 24 hexadecimal digits",
		[IG_IDS] = "an array of ids of 24 hexadecimal digits",
		[IG_EMAIL] = "an e-mail address",
		[IG_EMAILS] = "an array of e-mail addresses",
		[IG_TIME] = "a date or time as in ISO 8601",
		[IG_URL] = "a URL that starts with https:// or http://",
		[IG_BOOLEAN] = "true or false",
		[IG_NUMBER] = "a whole number from 0",
		[IG_SIGNATURE_METHOD] = "a signature method of the API",
		[IG_SIGNER_PROOF_TYPE] = "a type of proof of one signer, such as CADES or PKCS7",
		[IG_SHA256] = "a SHA-256 in base64 or hexadecimal",
		[IG_JSON] = "JSON"
	};

	return names[kind];
}

/* Whether a field may be missing. */
static bool
may_be_missing(const IgOperationEntry *entry, const IgField *field, IgCompleteness completeness)
{
	return !field->required ||
		(completeness != IG_ALL_REQUIRED && ig_in_path(entry, field->name)) ||
		(completeness == IG_IDS_LATER && field->kind == IG_ID);
}

/* Check the values of an operation. */
bool
ig_check_values(const IgOperationEntry *entry, const cJSON *values, IgCompleteness completeness, char *error)
{
	static const IgField none[] = {{NULL}};
	const IgField *fields = entry->fields ? entry->fields : none;
	const IgField *field;
	const cJSON *value;

	cJSON_ArrayForEach(value, values)
	{
		for (field = fields; field->name != NULL && strcmp(field->name, value->string) != 0; field++)
			;
		if (field->name == NULL)
		{
			snprintf(error, IG_API_ERROR_SIZE, "%.64s is not a field of %s", value->string, entry->name);
			return false;
		}
	}
	for (field = fields; field->name != NULL; field++)
	{
		value = ig_api_field(values, field->name, strlen(field->name));
		if (value == NULL && !may_be_missing(entry, field, completeness))
		{
			snprintf(error, IG_API_ERROR_SIZE, "%s is missing", field->name);
			return false;
		}
		if (value != NULL && !value_fits(field->kind, value))
		{
			snprintf(error, IG_API_ERROR_SIZE, "%s must be %s", field->name, kind_name(field->kind));
			return false;
		}
	}
	return true;
}

/* Whether a part of a path between slashes is "." or "..", be it encoded. */
static bool
is_dots(const char *part, size_t length)
{
	int			dots = 0;

	while (length > 0)
	{
		size_t		n = *part == '.' ? 1 : length >= 3 && strncasecmp(part, "%2e", 3) == 0 ? 3 : 0;

		if (n == 0)
			return false;
		dots++;
		part += n;
		length -= n;
	}
	return dots == 1 || dots == 2;
}

/* Whether a path is one of the API's own, without going up or elsewhere. */
static bool
is_path(const char *path)
{
	if (path[0] != '/' || path[1] == '/')
		return false;
	for (const char *c = path; *c; c++)
	{
		/* Braces are for names that build_path() fills in. */
		if (*c == '{')
		{
			c += strcspn(c, "}/?");
			if (*c != '}')
				return false;
		}
		else if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 127 || strchr("#\\\"<>^`|}", *c))
			return false;
	}
	for (const char *part = path; *part == '/'; part += strcspn(part, "/?"))
	{
		part++;
		if (is_dots(part, strcspn(part, "/?")))
			return false;
	}
	return true;
}

/* Check the values of "call", whose path and method are among them. */
bool
ig_check_call(const cJSON *values, char *error)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
	const char *method = cJSON_GetStringValue(ig_api_field(values, "method", 6));

	if (!ig_is_one_of(method, methods))
		return ig_refuse(error, "method must be GET, POST, PUT, PATCH or DELETE");
	if (!is_path(cJSON_GetStringValue(ig_api_field(values, "path", 4))))
		return ig_refuse(error, "path must start with a slash and have no spaces, \"..\" or other characters that have to be encoded");
	if (strcmp(method, "GET") == 0 && ig_api_field(values, "body", 4) != NULL)
		return ig_refuse(error, "a GET has no body");
	return true;
}

/* Check what is to be given to an operation. */
static bool
check_text(IgOperation op, const char *values, IgCompleteness completeness, char *error)
{
	const IgOperationEntry *entry = ig_api_entry(op);
	cJSON	   *tree = values ? cJSON_Parse(values) : NULL;
	bool		ok = true;

	if (values != NULL && !cJSON_IsObject(tree))
		ok = ig_refuse(error, "the arguments are not a JSON object");
	ok = ok && ig_check_values(entry, tree, completeness, error) &&
		(entry->build != ig_build_call || ig_check_call(tree, error));
	cJSON_Delete(tree);
	return ok;
}

/* Check all that is to be given to an operation. */
bool
ig_api_check(IgOperation op, const char *values, char error[IG_API_ERROR_SIZE])
{
	return check_text(op, values, IG_ALL_REQUIRED, error);
}

/* Check what is known of it before the API has given its ids. */
bool
ig_api_check_known(IgOperation op, const char *values, char error[IG_API_ERROR_SIZE])
{
	return check_text(op, values, IG_IDS_LATER, error);
}
