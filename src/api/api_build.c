/*-------------------------------------------------------------------------
 *
 * api_build.c
 *	  Requests to the API: path and body.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	const cJSON *value = ig_api_field(values, name, length);

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

/* The body of one-call-sign. */
bool
ig_build_sign(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		text = {0};
	bool		ok = ig_check_sign(args, error);

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

/* The body made of an operation's fields. */
static bool
build_fields(const IgOperationEntry *entry, const cJSON *values, IgApiRequest *request, char *error)
{
	cJSON	   *body = cJSON_CreateObject();
	char	   *printed;
	Text		text = {0};

	for (const IgField *field = entry->fields; field != NULL && field->name != NULL; field++)
	{
		const cJSON *value = ig_api_field(values, field->name, strlen(field->name));

		if (value == NULL || ig_in_path(entry, field->name))
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
	if (!ig_sendable(document->file_name, true) || strpbrk(document->file_name, "\r\n") ||
		!ig_sendable(document->mime_type, true) || strpbrk(document->mime_type, "\r\n"))
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

/* The request of any call: method, path and body as they are given. */
bool
ig_build_call(const IgOperationEntry *entry, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	cJSON	   *values = cJSON_Parse(args->values);
	const char *body = cJSON_GetStringValue(ig_api_field(values, "body", 4));
	bool		ok = ig_check_values(entry, values, IG_ALL_REQUIRED, error) && ig_check_call(values, error);
	Text		text = {0};

	if (ok)
	{
		snprintf(request->method, sizeof(request->method), "%s",
				 ig_api_field(values, "method", 6)->valuestring);
		ok = build_path(ig_api_field(values, "path", 4)->valuestring, args, NULL, request, error);
	}
	if (ok && body != NULL)
	{
		append(&text, body, strlen(body));
		ok = end_body(request, &text, "application/json", error);
	}
	cJSON_Delete(values);
	return ok;
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
	if (!ig_check_values(entry, values, IG_BODY_REQUIRED, error))
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
