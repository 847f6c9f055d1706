/*-------------------------------------------------------------------------
 *
 * api_build.c
 *	  Requests to the API: path, body, and the check of what goes into them.
 *
 * Writing is strict: exactly the documented fields, of the documented types.
 *
 *-------------------------------------------------------------------------
 */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Text that grows; after a failed allocation it stays as it is. */
typedef struct Text
{
	char	   *data;
	size_t		length;
	size_t		capacity;
	bool		failed;
} Text;

/* Append bytes. */
static void
append(Text *text, const char *bytes, size_t length)
{
	if (text->failed)
		return;
	if (text->length + length + 1 > text->capacity)
	{
		size_t		capacity = (text->length + length + 1) * 2;
		char	   *data = realloc(text->data, capacity);

		if (data == NULL)
		{
			text->failed = true;
			return;
		}
		text->data = data;
		text->capacity = capacity;
	}
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

/* Append percent-encoded text. */
static void
append_encoded(Text *text, const char *value)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	for (; *value; value++)
	{
		unsigned char c = (unsigned char) *value;
		char		encoded[3] = {'%', hex[c >> 4], hex[c & 15]};

		if (strchr(unreserved, c))
			append(text, value, 1);
		else
			append(text, encoded, 3);
	}
}

/* A field of the values, or NULL. */
static const cJSON *
get_value(const cJSON *values, const char *name, size_t length)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, values)
	{
		if (strlen(item->string) == length && strncmp(item->string, name, length) == 0)
			return item;
	}
	return NULL;
}

/* The value of a path's argument, or NULL; number has room for one. */
static const char *
path_argument(const IgApiArgs *args, const cJSON *values, const char *name, size_t length, char number[32])
{
	const struct
	{
		const char *name;
		const char *value;
	}			known[] = {
		{"appId", args->app_id},
		{"appEnv", args->app_env},
		{"signatureRequestId", args->signature_request_id},
		{"documentId", args->document_id},
		{"signerId", args->signer_id},
		{"signatureType", args->signature_type}
	};
	const cJSON *value = get_value(values, name, length);

	if (cJSON_IsNumber(value))
	{
		snprintf(number, 32, "%.0f", value->valuedouble);
		return number;
	}
	if (cJSON_IsString(value))
		return value->valuestring;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0)
			return known[i].value;
	}
	if (length == 4 && memcmp(name, "page", 4) == 0)
	{
		snprintf(number, 32, "%d", args->page);
		return number;
	}
	return NULL;
}

/* Fill in a path. */
static bool
build_path(const char *pattern, const IgApiArgs *args, const cJSON *values,
		   IgApiRequest *request, char *error)
{
	Text		path = {0};
	char		number[32];

	while (*pattern)
	{
		const char *end = *pattern == '{' ? strchr(pattern, '}') : NULL;
		const char *value;

		if (end == NULL)
		{
			append(&path, pattern++, 1);
			continue;
		}
		value = path_argument(args, values, pattern + 1, (size_t) (end - pattern) - 1, number);
		if (value == NULL || *value == '\0' || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		{
			free(path.data);
			snprintf(error, IG_API_ERROR_SIZE, "no %.*s is known", (int) (end - pattern) - 1, pattern + 1);
			return false;
		}
		append_encoded(&path, value);
		pattern = end + 1;
	}
	request->path = path.data;
	return path.failed ? ig_refuse(error, "out of memory") : true;
}

/* End a part of text, and put a document after it if there is one. */
static bool
add_parts(IgApiRequest *request, const Text *text, int document, IgApiPartKind kind, int64_t size)
{
	size_t		start = 0;
	IgApiPart  *parts = realloc(request->parts, (size_t) (request->nparts + 2) * sizeof(IgApiPart));

	if (parts == NULL)
		return false;
	request->parts = parts;
	for (int i = 0; i < request->nparts; i++)
		start += parts[i].kind == IG_PART_TEXT ? parts[i].length : 0;
	parts[request->nparts++] = (IgApiPart) {IG_PART_TEXT, start, text->length - start, 0};
	request->body_size += (int64_t) (text->length - start);
	if (document >= 0)
	{
		parts[request->nparts++] = (IgApiPart) {kind, 0, 0, document};
		request->body_size += kind == IG_PART_BASE64 ? (size + 2) / 3 * 4 : size;
	}
	return true;
}

/* Make the text, the rest of which is its last part, the request's body. */
static bool
end_body(IgApiRequest *request, Text *text, const char *content_type, char *error)
{
	request->text = text->data;
	if (text->failed || !add_parts(request, text, -1, IG_PART_TEXT, 0))
		return ig_refuse(error, "out of memory");
	snprintf(request->content_type, sizeof(request->content_type), "%s", content_type);
	return true;
}

/* Append a JSON string, or with a name a member of an object, unless NULL. */
static bool
append_string(Text *text, const char *before, const char *value)
{
	cJSON	   *string;
	char	   *printed;

	if (value == NULL)
		return true;
	string = cJSON_CreateString(value);
	printed = cJSON_PrintUnformatted(string);
	cJSON_Delete(string);
	if (printed == NULL)
		return false;
	append(text, before, strlen(before));
	append(text, printed, strlen(printed));
	cJSON_free(printed);
	return true;
}

/* Whether the text can be sent; NULL can where it is optional. */
static bool
sendable(const char *text, bool required)
{
	if (text == NULL)
		return !required;
	return *text != '\0' && ig_api_valid_utf8(text, strlen(text));
}

/* Check what is to be signed. */
static bool
check_sign(const IgApiArgs *args, char *error)
{
	if (!sendable(args->title, true))
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

		if (!sendable(signer->email, true) || !sendable(signer->first_name, false) ||
			!sendable(signer->last_name, false))
			return ig_refuse(error, "a signer's e-mail or name is empty or not valid UTF-8");
		if (signer->signer_profile_id && !ig_api_valid_object_id(signer->signer_profile_id))
			return ig_refuse(error, "a signer profile's id is not valid");
	}
	for (int i = 0; i < args->ndocuments; i++)
	{
		const IgApiDocument *document = &args->documents[i];

		if (!sendable(document->file_name, true) || !sendable(document->mime_type, true) ||
			!sendable(document->url, false))
			return ig_refuse(error, "a document's file name, MIME type or URL is empty or not valid UTF-8");
		if (document->url == NULL && document->size <= 0)
			return ig_refuse(error, "a document is empty");
	}
	return true;
}

/* The body of one-call-sign. */
bool
ig_build_sign(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		text = {0};
	bool		ok = check_sign(args, error);

	if (!ok)
		return false;
	ok = append_string(&text, "{\"title\":", args->title) &&
		append_string(&text, ",\"signatureMethod\":", args->signature_method);
	append(&text, ",\"signers\":[", 12);
	for (int i = 0; ok && i < args->nsigners; i++)
	{
		const IgApiSigner *signer = &args->signers[i];

		ok = append_string(&text, i == 0 ? "{\"email\":" : ",{\"email\":", signer->email) &&
			append_string(&text, ",\"firstName\":", signer->first_name) &&
			append_string(&text, ",\"lastName\":", signer->last_name) &&
			append_string(&text, ",\"signerProfileId\":", signer->signer_profile_id);
		append(&text, "}", 1);
	}
	append(&text, "],\"documents\":[", 15);
	for (int i = 0; ok && i < args->ndocuments; i++)
	{
		const IgApiDocument *document = &args->documents[i];

		ok = append_string(&text, i == 0 ? "{\"originalName\":" : ",{\"originalName\":", document->file_name) &&
			append_string(&text, ",\"mimeType\":", document->mime_type) &&
			append_string(&text, ",\"url\":", document->url);
		if (ok && document->url == NULL)
		{
			append(&text, ",\"base64\":\"", 11);
			ok = add_parts(request, &text, i, IG_PART_BASE64, document->size);
			append(&text, "\"", 1);
		}
		append(&text, "}", 1);
	}
	append(&text, "]}", 2);
	text.failed = text.failed || !ok;
	return end_body(request, &text, "application/json", error);
}

/* The body of status. */
bool
ig_build_status(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		text = {0};
	bool		ok = true;

	if (args->nsignature_request_ids < 1)
		return ig_refuse(error, "there is no request to ask for");
	append(&text, "{\"signatureRequestIds\":[", 24);
	for (int i = 0; ok && i < args->nsignature_request_ids; i++)
		ok = append_string(&text, i == 0 ? "" : ",", args->signature_request_ids[i]);
	append(&text, "]}", 2);
	text.failed = text.failed || !ok;
	return end_body(request, &text, "application/json", error);
}

/* Whether the field's name stands in the path. */
static bool
in_path(const IgOperationEntry *entry, const char *name)
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

	if (!sendable(text, true))
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

/* What must be among the values. */
typedef enum IgCompleteness
{
	IG_ALL_REQUIRED,
	IG_BODY_REQUIRED,			/* what the path needs may be known apart */
	IG_IDS_LATER				/* ids that the API gives are not known yet */
} IgCompleteness;

/* Whether a field may be missing. */
static bool
may_be_missing(const IgOperationEntry *entry, const IgField *field, IgCompleteness completeness)
{
	return !field->required ||
		(completeness != IG_ALL_REQUIRED && in_path(entry, field->name)) ||
		(completeness == IG_IDS_LATER && field->kind == IG_ID);
}

/* Check the values of an operation. */
static bool
check_values(const IgOperationEntry *entry, const cJSON *values, IgCompleteness completeness, char *error)
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
		value = get_value(values, field->name, strlen(field->name));
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

/* The body made of an operation's fields. */
static bool
build_fields(const IgOperationEntry *entry, const cJSON *values, IgApiRequest *request, char *error)
{
	cJSON	   *body = cJSON_CreateObject();
	char	   *printed;
	Text		text = {0};

	for (const IgField *field = entry->fields; field != NULL && field->name != NULL; field++)
	{
		const cJSON *value = get_value(values, field->name, strlen(field->name));

		if (value == NULL || in_path(entry, field->name))
			continue;
		cJSON_AddItemToObject(body, field->name,
							  field->kind == IG_JSON ? cJSON_CreateRaw(value->valuestring) :
							  cJSON_Duplicate(value, true));
	}
	printed = cJSON_PrintUnformatted(body);
	cJSON_Delete(body);
	if (printed == NULL)
		return ig_refuse(error, "out of memory");
	append(&text, printed, strlen(printed));
	cJSON_free(printed);
	return end_body(request, &text, "application/json", error);
}

/* Append a file name as the parameter of a header. */
static void
append_file_name(Text *text, const char *name)
{
	for (; *name; name++)
	{
		if (*name == '"')
			append(text, "%22", 3);
		else
			append(text, name, 1);
	}
}

/* The body that carries a document's content: one part of multipart/form-data. */
static bool
build_multipart(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	const IgApiDocument *document = args->documents;
	Text		text = {0};
	char		head[256];
	char		type[128];

	if (args->ndocuments != 1 || document->size <= 0)
		return ig_refuse(error, "there is no content");
	if (!sendable(document->file_name, true) || strpbrk(document->file_name, "\r\n") ||
		!sendable(document->mime_type, true) || strpbrk(document->mime_type, "\r\n"))
		return ig_refuse(error, "the file name or the MIME type is empty or not valid");
	snprintf(head, sizeof(head), "--%.64s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"",
			 args->boundary, entry->part);
	append(&text, head, strlen(head));
	append_file_name(&text, document->file_name);
	append(&text, "\"\r\nContent-Type: ", 17);
	append(&text, document->mime_type, strlen(document->mime_type));
	append(&text, "\r\n\r\n", 4);
	if (!add_parts(request, &text, 0, IG_PART_RAW, document->size))
		text.failed = true;
	snprintf(head, sizeof(head), "\r\n--%.64s--\r\n", args->boundary);
	append(&text, head, strlen(head));
	snprintf(type, sizeof(type), "multipart/form-data; boundary=%.64s", args->boundary);
	return end_body(request, &text, type, error);
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
static bool
check_call(const cJSON *values, char *error)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
	const char *method = cJSON_GetStringValue(get_value(values, "method", 6));

	if (!ig_is_one_of(method, methods))
		return ig_refuse(error, "method must be GET, POST, PUT, PATCH or DELETE");
	if (!is_path(cJSON_GetStringValue(get_value(values, "path", 4))))
		return ig_refuse(error, "path must start with a slash and have no spaces, \"..\" or other characters that have to be encoded");
	if (strcmp(method, "GET") == 0 && get_value(values, "body", 4) != NULL)
		return ig_refuse(error, "a GET has no body");
	return true;
}

/* The request of any call: method, path and body as they are given. */
bool
ig_build_call(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	cJSON	   *values = cJSON_Parse(args->values);
	const char *body = cJSON_GetStringValue(get_value(values, "body", 4));
	bool		ok = check_values(entry, values, IG_ALL_REQUIRED, error) && check_call(values, error);
	Text		text = {0};

	if (ok)
	{
		snprintf(request->method, sizeof(request->method), "%s",
				 get_value(values, "method", 6)->valuestring);
		ok = build_path(get_value(values, "path", 4)->valuestring, args, NULL, request, error);
	}
	if (ok && body != NULL)
	{
		append(&text, body, strlen(body));
		ok = end_body(request, &text, "application/json", error);
	}
	cJSON_Delete(values);
	return ok;
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
	ok = ok && check_values(entry, tree, completeness, error) &&
		(entry->build != ig_build_call || check_call(tree, error));
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

/* Whether an operation has a body of fields, be it an empty one. */
static bool
has_fields_body(const IgOperationEntry *entry)
{
	return (strcmp(entry->method, "POST") == 0 || strcmp(entry->method, "PUT") == 0) &&
		!(entry->flags & IG_NO_BODY);
}

/* Build all of a request but its path. */
static bool
build_body(const IgOperationEntry *entry, const IgApiArgs *args, const cJSON *values,
		   IgApiRequest *request, char *error)
{
	if (entry->build != NULL)
		return entry->build(entry, args, request, error);
	if (!check_values(entry, values, IG_BODY_REQUIRED, error))
		return false;
	if (entry->part != NULL)
		return build_multipart(entry, args, request, error);
	return !has_fields_body(entry) || build_fields(entry, values, request, error);
}

/* Build the request of an operation. */
bool
ig_api_build(IgOperation op, const IgApiArgs *args, IgApiRequest *request,
			 char error[IG_API_ERROR_SIZE])
{
	const IgOperationEntry *entry = ig_api_entry(op);
	cJSON	   *values = args->values ? cJSON_Parse(args->values) : NULL;
	bool		ok = true;

	memset(request, 0, sizeof(*request));
	request->accept = entry->flags & (IG_BYTES | IG_ANY) ? "*/*" : "application/json";
	if (args->values != NULL && !cJSON_IsObject(values))
		ok = ig_refuse(error, "the arguments are not a JSON object");
	if (ok && entry->path != NULL)
	{
		snprintf(request->method, sizeof(request->method), "%s", entry->method);
		ok = build_path(entry->path, args, values, request, error);
	}
	ok = ok && build_body(entry, args, values, request, error);
	cJSON_Delete(values);
	if (!ok)
		ig_api_request_free(request);
	return ok;
}

/* Forget a request. */
void
ig_api_request_free(IgApiRequest *request)
{
	free(request->path);
	free(request->text);
	free(request->parts);
	memset(request, 0, sizeof(*request));
}

