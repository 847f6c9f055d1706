/*-------------------------------------------------------------------------
 *
 * api.c
 *	  Ignisign's REST API v4 as data: operations, bodies, answers.
 *
 * One table names the operations.  Adding one is adding its entry, a builder
 * if it has a body, and a reader if its answer is of use.
 *
 * Reading is tolerant: only what the API is known to send is required, what
 * is not known is passed over, and what has another type than expected is
 * taken as absent.  But the bytes are foreign: their size is known before, the
 * depth of nesting is bounded, and they must be UTF-8 without NUL, because the
 * strings go into a database.  Writing is strict: exactly the documented
 * fields.
 *
 *-------------------------------------------------------------------------
 */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* JSON that is nested more deeply is not read. */
#define MAX_DEPTH 64

typedef bool (*Builder) (const IgApiArgs *args, IgApiRequest *request, char *error);
typedef bool (*Reader) (cJSON *tree, IgApiAnswer *answer, char *error);

static bool build_sign(const IgApiArgs *args, IgApiRequest *request, char *error);
static bool build_status(const IgApiArgs *args, IgApiRequest *request, char *error);
static bool build_empty(const IgApiArgs *args, IgApiRequest *request, char *error);
static bool read_sign(cJSON *tree, IgApiAnswer *answer, char *error);
static bool read_status(cJSON *tree, IgApiAnswer *answer, char *error);
static bool read_context(cJSON *tree, IgApiAnswer *answer, char *error);
static bool read_list(cJSON *tree, IgApiAnswer *answer, char *error);
static bool read_nothing(cJSON *tree, IgApiAnswer *answer, char *error);

/*
 * The operations.  In a path, {name} stands for an argument.  An operation
 * that is not repeatable is never sent again before it is known that it was
 * not carried out.  One without a reader answers bytes.
 */
static const struct
{
	const char *name;
	const char *method;
	const char *path;
	bool		repeatable;
	Builder		build;
	Reader		read;
}			operations[IG_OP_COUNT] = {
	[IG_OP_ONE_CALL_SIGN] = {
		"one-call-sign", "POST", "/v4/signature-requests/one-call-sign",
		false, build_sign, read_sign
	},
	[IG_OP_STATUS] = {
		"status", "POST", "/v4/applications/{appId}/envs/{appEnv}/signature-requests/status",
		true, build_status, read_status
	},
	[IG_OP_CONTEXT] = {
		"context", "GET", "/v4/signature-requests/{signatureRequestId}/context",
		true, NULL, read_context
	},
	[IG_OP_LIST] = {
		"list", "GET", "/v4/applications/{appId}/envs/{appEnv}/signature-requests?page={page}",
		true, NULL, read_list
	},
	[IG_OP_PROOF] = {
		"proof", "GET", "/v4/documents/{documentId}/signature-type/{signatureType}",
		true, NULL, NULL
	},
	[IG_OP_CLOSE] = {
		"close", "POST", "/v4/signature-requests/{signatureRequestId}/close",
		true, build_empty, read_nothing
	},
	[IG_OP_RESEND_EMAIL] = {
		"resend-email", "POST", "/v4/signature-requests/{signatureRequestId}/{signerId}/resend-email",
		false, NULL, read_nothing
	}
};

/* Whether the text is one of the words. */
static bool
is_one_of(const char *text, const char *const *words)
{
	for (; text != NULL && *words != NULL; words++)
	{
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* The operation's name, as in ignisign.call. */
const char *
ig_api_operation_name(IgOperation op)
{
	return operations[op].name;
}

/* Find an operation by its name. */
bool
ig_api_operation_by_name(const char *name, IgOperation *op)
{
	for (int i = 0; name != NULL && i < IG_OP_COUNT; i++)
	{
		if (strcmp(operations[i].name, name) == 0)
		{
			*op = (IgOperation) i;
			return true;
		}
	}
	return false;
}

/* Whether sending the operation twice does no harm. */
bool
ig_api_repeatable(IgOperation op)
{
	return operations[op].repeatable;
}

/* Whether a lost one can be looked for: the list of requests shows it. */
bool
ig_api_traceable(IgOperation op)
{
	return op == IG_OP_ONE_CALL_SIGN;
}

/* Whether a 2xx answer is JSON to be read. */
bool
ig_api_answers_json(IgOperation op)
{
	return operations[op].read != NULL;
}

/* Whether a refusal only means "not ready yet". */
bool
ig_api_not_yet(IgOperation op, int http_status, const char *code)
{
	static const char *const codes[] = {
		"DOCUMENT_PROOF_NOT_CREATED", "DOCUMENT_PROOF_NOT_FOUND",
		"ADVANCED_PROOF_NOT_GENERATED", "SIGNER_NOT_SIGNED_YET", NULL
	};

	return op == IG_OP_PROOF && http_status >= 400 && http_status < 500 && is_one_of(code, codes);
}

/* ---- Building ---- */

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

/* Refuse the arguments. */
static bool
refuse(char *error, const char *what)
{
	snprintf(error, IG_API_ERROR_SIZE, "%s", what);
	return false;
}

/* The value of a path's argument, or NULL; number has room for one. */
static const char *
path_argument(const IgApiArgs *args, const char *name, size_t length, char number[32])
{
	const struct
	{
		const char *name;
		const char *value;
	}			values[] = {
		{"appId", args->app_id},
		{"appEnv", args->app_env},
		{"signatureRequestId", args->signature_request_id},
		{"documentId", args->document_id},
		{"signerId", args->signer_id},
		{"signatureType", args->signature_type}
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		if (strlen(values[i].name) == length && strncmp(values[i].name, name, length) == 0)
			return values[i].value;
	}
	snprintf(number, 32, "%d", args->page);
	return number;
}

/* Fill in a path. */
static bool
build_path(const char *pattern, const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		path = {0};
	char		number[32];

	while (*pattern)
	{
		const char *end;
		const char *value;

		if (*pattern != '{')
		{
			append(&path, pattern++, 1);
			continue;
		}
		end = strchr(pattern, '}');
		value = path_argument(args, pattern + 1, (size_t) (end - pattern) - 1, number);
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
	return path.failed ? refuse(error, "out of memory") : true;
}

/* End a part of text, and put a document after it if there is one. */
static bool
add_parts(IgApiRequest *request, const Text *text, int document, int64_t size)
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
		parts[request->nparts++] = (IgApiPart) {IG_PART_BASE64, 0, 0, document};
		request->body_size += (size + 2) / 3 * 4;
	}
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
		return refuse(error, "the title is empty or not valid UTF-8");
	if (!ig_api_known_signature_method(args->signature_method))
		return refuse(error, "the signature method is not one of the API's");
	if (args->nsigners < 1)
		return refuse(error, "there is no signer");
	if (args->ndocuments < 1)
		return refuse(error, "there is no document");
	for (int i = 0; i < args->nsigners; i++)
	{
		const IgApiSigner *signer = &args->signers[i];

		if (!sendable(signer->email, true) || !sendable(signer->first_name, false) ||
			!sendable(signer->last_name, false))
			return refuse(error, "a signer's e-mail or name is empty or not valid UTF-8");
		if (signer->signer_profile_id && !ig_api_valid_object_id(signer->signer_profile_id))
			return refuse(error, "a signer profile's id is not valid");
	}
	for (int i = 0; i < args->ndocuments; i++)
	{
		const IgApiDocument *document = &args->documents[i];

		if (!sendable(document->file_name, true) || !sendable(document->mime_type, true) ||
			!sendable(document->url, false))
			return refuse(error, "a document's file name, MIME type or URL is empty or not valid UTF-8");
		if (document->url == NULL && document->size <= 0)
			return refuse(error, "a document is empty");
	}
	return true;
}

/* The body of one-call-sign. */
static bool
build_sign(const IgApiArgs *args, IgApiRequest *request, char *error)
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
			ok = add_parts(request, &text, i, document->size);
			append(&text, "\"", 1);
		}
		append(&text, "}", 1);
	}
	append(&text, "]}", 2);
	ok = ok && !text.failed && add_parts(request, &text, -1, 0);
	request->text = text.data;
	return ok ? true : refuse(error, "out of memory");
}

/* The body of status. */
static bool
build_status(const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		text = {0};
	bool		ok = true;

	if (args->nsignature_request_ids < 1)
		return refuse(error, "there is no request to ask for");
	append(&text, "{\"signatureRequestIds\":[", 24);
	for (int i = 0; ok && i < args->nsignature_request_ids; i++)
		ok = append_string(&text, i == 0 ? "" : ",", args->signature_request_ids[i]);
	append(&text, "]}", 2);
	ok = ok && !text.failed && add_parts(request, &text, -1, 0);
	request->text = text.data;
	return ok ? true : refuse(error, "out of memory");
}

/* A body that says nothing. */
static bool
build_empty(const IgApiArgs *args, IgApiRequest *request, char *error)
{
	Text		text = {0};

	(void) args;
	append(&text, "{}", 2);
	request->text = text.data;
	return !text.failed && add_parts(request, &text, -1, 0) ? true : refuse(error, "out of memory");
}

/* Build the request of an operation. */
bool
ig_api_build(IgOperation op, const IgApiArgs *args, IgApiRequest *request,
			 char error[IG_API_ERROR_SIZE])
{
	memset(request, 0, sizeof(*request));
	request->method = operations[op].method;
	request->accept = ig_api_answers_json(op) ? "application/json" : "*/*";
	if (build_path(operations[op].path, args, request, error) &&
		(operations[op].build == NULL || operations[op].build(args, request, error)))
	{
		if (operations[op].build != NULL)
			request->content_type = "application/json";
		return true;
	}
	ig_api_request_free(request);
	return false;
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

/* ---- Reading ---- */

/* Whether JSON text is nested too deeply, or has a NUL in a string. */
static bool
too_deep_or_nul(const char *body, size_t length)
{
	int			depth = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char		c = body[i];

		if (in_string)
		{
			if (c == '\\')
			{
				if (length - i > 5 && memcmp(body + i + 1, "u0000", 5) == 0)
					return true;
				i++;
			}
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
		{
			if (++depth > MAX_DEPTH)
				return true;
		}
		else if (c == '}' || c == ']')
			depth--;
	}
	return false;
}

/* Parse foreign bytes; NULL: they are not JSON that can be used. */
static cJSON *
parse(const char *body, size_t length, char *error)
{
	const char *end = NULL;
	cJSON	   *tree;

	if (body == NULL || length == 0)
	{
		snprintf(error, IG_API_ERROR_SIZE, "it is empty");
		return NULL;
	}
	if (!ig_api_valid_utf8(body, length))
	{
		snprintf(error, IG_API_ERROR_SIZE, "it is not valid UTF-8");
		return NULL;
	}
	if (too_deep_or_nul(body, length))
	{
		snprintf(error, IG_API_ERROR_SIZE, "it is nested too deeply or has a NUL in a string");
		return NULL;
	}
	tree = cJSON_ParseWithLengthOpts(body, length, &end, false);
	if (tree != NULL)
	{
		while ((size_t) (end - body) < length && strchr(" \t\r\n", *end))
			end++;
		if ((size_t) (end - body) == length)
			return tree;
		cJSON_Delete(tree);
	}
	snprintf(error, IG_API_ERROR_SIZE, "it is not JSON");
	return NULL;
}

/* A member that is a string, or NULL. */
static const char *
string_member(const cJSON *object, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsString(member) ? member->valuestring : NULL;
}

/* A member that is a whole number, or -1. */
static int64_t
number_member(const cJSON *object, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(member) || !(member->valuedouble >= 0 && member->valuedouble < 9e15))
		return -1;
	return (int64_t) member->valuedouble;
}

/* A member that is an array with its size, or NULL and 0. */
static const cJSON *
array_member(const cJSON *object, const char *name, int *size)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsArray(member))
		member = NULL;
	*size = member ? cJSON_GetArraySize(member) : 0;
	return member;
}

/* An id that is a string, non-empty, under either of two names. */
static const char *
id_member(const cJSON *object, const char *name, const char *other)
{
	const char *id = string_member(object, name);

	if (id == NULL)
		id = string_member(object, other);
	return id != NULL && *id != '\0' ? id : NULL;
}

/* The answer to one-call-sign: only the id is sure to be there. */
static bool
read_sign(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->signature_request_id = id_member(tree, "signatureRequestId", "_id");
	if (answer->signature_request_id == NULL || !ig_api_valid_object_id(answer->signature_request_id))
		return refuse(error, "it has no valid signatureRequestId");
	return true;
}

/* An answer of which only the HTTP status counts. */
static bool
read_nothing(cJSON *tree, IgApiAnswer *answer, char *error)
{
	(void) tree;
	(void) answer;
	(void) error;
	return true;
}

/* The answer to status; ids that are not known are absent. */
static bool
read_status(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "signatureRequests", &n);
	const cJSON *item;

	if (array == NULL)
		return refuse(error, "it has no signatureRequests");
	answer->statuses = calloc((size_t) n + 1, sizeof(IgApiStatus));
	if (answer->statuses == NULL)
		return refuse(error, "out of memory");
	cJSON_ArrayForEach(item, array)
	{
		IgApiStatus *status = &answer->statuses[answer->nstatuses];

		status->signature_request_id = id_member(item, "signatureRequestId", "_id");
		status->status = string_member(item, "status");
		if (status->signature_request_id != NULL && status->status != NULL && *status->status != '\0')
			answer->nstatuses++;
	}
	return true;
}

/* The signers of a context. */
static bool
read_context_signers(const cJSON *tree, IgApiAnswer *answer)
{
	int			n;
	int			nsigned;
	const cJSON *array = array_member(tree, "signers", &n);
	const cJSON *signed_by = array_member(tree, "signedBy", &nsigned);
	const cJSON *item;
	const cJSON *id;

	answer->signers = calloc((size_t) n + 1, sizeof(IgApiContextSigner));
	if (answer->signers == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiContextSigner *signer = &answer->signers[answer->nsigners++];

		signer->signer_id = id_member(item, "signerId", "_id");
		signer->email = string_member(item, "email");
		cJSON_ArrayForEach(id, signed_by)
		{
			if (signer->signer_id != NULL && cJSON_IsString(id) &&
				strcmp(id->valuestring, signer->signer_id) == 0)
				signer->signed_ = true;
		}
		answer->nsigned += signer->signed_ ? 1 : 0;
	}

	/* Where the signers are not told one by one, their number may be. */
	if (array == NULL)
		answer->nsigned = nsigned;
	return true;
}

/* The documents of a context. */
static bool
read_context_documents(const cJSON *tree, IgApiAnswer *answer)
{
	int			n;
	const cJSON *array = array_member(tree, "documents", &n);
	const cJSON *item;

	answer->documents = calloc((size_t) n + 1, sizeof(IgApiContextDocument));
	if (answer->documents == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiContextDocument *document = &answer->documents[answer->ndocuments++];

		document->document_id = id_member(item, "_id", "documentId");
		document->file_name = string_member(item, "fileName");
		document->mime_type = string_member(item, "mimeType");
		document->document_hash = string_member(item, "documentHash");
		document->status = string_member(item, "status");
		(void) array_member(item, "signatureSummaries", &document->nsignatures);
	}
	return true;
}

/* The answer to context: all but id and status may be absent. */
static bool
read_context(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->signature_request_id = id_member(tree, "_id", "signatureRequestId");
	answer->status = string_member(tree, "status");
	if (answer->signature_request_id == NULL || answer->status == NULL || *answer->status == '\0')
		return refuse(error, "it has no _id or no status");
	answer->title = string_member(tree, "title");
	answer->external_id = string_member(tree, "externalId");
	answer->created_at = string_member(tree, "_createdAt");
	answer->proof_status = string_member(tree, "signatureProofStatus");
	if (!read_context_signers(tree, answer) || !read_context_documents(tree, answer))
		return refuse(error, "out of memory");
	return true;
}

/* The answer to list. */
static bool
read_list(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "signatureRequests", &n);
	const cJSON *pagination = cJSON_GetObjectItemCaseSensitive(tree, "paginationData");
	const cJSON *entry;

	if (array == NULL)
		return refuse(error, "it has no signatureRequests");
	answer->items = calloc((size_t) n + 1, sizeof(IgApiListItem));
	if (answer->items == NULL)
		return refuse(error, "out of memory");
	cJSON_ArrayForEach(entry, array)
	{
		IgApiListItem *item = &answer->items[answer->nitems];

		item->signature_request_id = id_member(entry, "_id", "signatureRequestId");
		item->title = string_member(entry, "title");
		item->status = string_member(entry, "status");
		item->external_id = string_member(entry, "externalId");
		item->created_at = string_member(entry, "_createdAt");
		if (item->signature_request_id != NULL)
			answer->nitems++;
	}
	answer->total = number_member(pagination, "total");
	answer->page = number_member(pagination, "page");
	answer->page_size = number_member(pagination, "nbEventsPerPage");
	return true;
}

/* Read the body of a 2xx answer. */
bool
ig_api_read(IgOperation op, const char *body, size_t length, IgApiAnswer *answer,
			char error[IG_API_ERROR_SIZE])
{
	memset(answer, 0, sizeof(*answer));
	answer->total = answer->page = answer->page_size = -1;

	/* What nobody reads may be anything, or nothing. */
	if (operations[op].read == read_nothing)
		return true;
	answer->tree = parse(body, length, error);
	if (answer->tree != NULL)
	{
		if (!cJSON_IsObject(answer->tree))
			refuse(error, "it is not a JSON object");
		else if (operations[op].read(answer->tree, answer, error))
			return true;
	}
	ig_api_answer_free(answer);
	return false;
}

/* Read an error body; message may be an object. */
void
ig_api_read_error(const char *body, size_t length, IgApiAnswer *answer)
{
	char		error[IG_API_ERROR_SIZE];
	const cJSON *message;

	memset(answer, 0, sizeof(*answer));
	answer->total = answer->page = answer->page_size = -1;
	answer->tree = parse(body, length, error);
	if (!cJSON_IsObject(answer->tree))
		return;
	answer->error_code = string_member(answer->tree, "code");
	message = cJSON_GetObjectItemCaseSensitive(answer->tree, "message");
	if (cJSON_IsString(message))
		answer->error_message = message->valuestring;
	else if (message != NULL && !cJSON_IsNull(message))
	{
		answer->error_text = cJSON_PrintUnformatted(message);
		answer->error_message = answer->error_text;
	}
}

/* Forget an answer. */
void
ig_api_answer_free(IgApiAnswer *answer)
{
	cJSON_Delete(answer->tree);
	free(answer->signers);
	free(answer->documents);
	free(answer->statuses);
	free(answer->items);
	cJSON_free(answer->error_text);
	memset(answer, 0, sizeof(*answer));
}

/* ---- Words and values ---- */

/* Whether a request in this status will never change again. */
bool
ig_api_status_is_final(const char *status)
{
	static const char *const words[] = {
		"COMPLETED", "EXPIRED", "FAILED", "CANCELLED", "LAUNCH_ERROR", NULL
	};

	return is_one_of(status, words);
}

/* Whether the signature method is one of the API's. */
bool
ig_api_known_signature_method(const char *method)
{
	static const char *const words[] = {
		"SIMPLE_STD", "ADVANCED_SMS", "ADVANCED_STD", "QUALIFIED_STD", NULL
	};

	return is_one_of(method, words);
}

/* Whether the proof type is one of the API's for whole documents. */
bool
ig_api_known_proof_type(const char *type)
{
	static const char *const words[] = {
		"PDF_WITH_SIGNATURES", "ADVANCED_LEGAL_KIT", "SIGNED_DATA", NULL
	};

	return is_one_of(type, words);
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The value of a base64 digit of either alphabet, or -1. */
static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Read a SHA-256 in any of the encodings in use. */
bool
ig_api_read_sha256(const char *text, uint8_t sha256[32])
{
	size_t		length = text ? strlen(text) : 0;
	uint32_t	bits = 0;
	int			nbits = 0;
	int			n = 0;

	if (length == 64)
	{
		for (int i = 0; i < 32; i++)
		{
			int			high = hex_digit(text[2 * i]);
			int			low = hex_digit(text[2 * i + 1]);

			if (high < 0 || low < 0)
				return false;
			sha256[i] = (uint8_t) (high * 16 + low);
		}
		return true;
	}
	if (length == 44 && text[43] == '=')
		length = 43;
	if (length != 43)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		int			digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t) digit) & 0xFFFF;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			sha256[n++] = (uint8_t) (bits >> nbits);
		}
	}
	return (bits & ((1u << nbits) - 1)) == 0;
}

/* Whether the text is this SHA-256. */
bool
ig_api_same_sha256(const char *text, const uint8_t sha256[32])
{
	uint8_t		read[32];

	return ig_api_read_sha256(text, read) && memcmp(read, sha256, 32) == 0;
}

/* Whether n characters are hexadecimal digits. */
static bool
all_hex(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (hex_digit(text[i]) < 0)
			return false;
	}
	return true;
}

/* Whether the text starts with a uuid that ends at "end". */
static bool
is_uuid(const char *text, size_t length)
{
	if (length != 36)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		bool		dash = (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? text[i] != '-' : hex_digit(text[i]) < 0)
			return false;
	}
	return true;
}

/* Take an API key apart. */
bool
ig_api_key_parse(const char *key, IgApiKey *parts, char error[IG_API_ERROR_SIZE])
{
	static const char *const environments[][2] = {
		{"development", "DEVELOPMENT"}, {"staging", "STAGING"}, {"production", "PRODUCTION"}
	};
	const char *environment;
	const char *uuid;
	const char *secret;
	bool		known = false;

	if (key == NULL || strncmp(key, "skv2_", 5) != 0)
		return refuse(error, "it does not start with \"skv2_\"");
	environment = key + 5;
	uuid = strchr(environment, '_');
	secret = uuid ? strchr(uuid + 1, '_') : NULL;
	if (secret == NULL)
		return refuse(error, "it does not have four parts: skv2_<environment>_<application uuid>_<secret>");
	for (size_t i = 0; i < 3; i++)
	{
		if (strlen(environments[i][0]) == (size_t) (uuid - environment) &&
			strncmp(environment, environments[i][0], (size_t) (uuid - environment)) == 0)
		{
			snprintf(parts->app_env, sizeof(parts->app_env), "%s", environments[i][1]);
			known = true;
		}
	}
	if (!known)
		return refuse(error, "its second part is not development, staging or production");
	uuid++;
	if (!is_uuid(uuid, (size_t) (secret - uuid)))
		return refuse(error, "its third part is not the uuid of an application");
	snprintf(parts->app_id, sizeof(parts->app_id), "appId_%.36s", uuid);
	secret++;
	if (*secret == '\0')
		return refuse(error, "its fourth part, the secret, is empty");
	if (strlen(secret) > 512)
		return refuse(error, "its fourth part, the secret, is too long");
	for (; *secret; secret++)
	{
		if ((unsigned char) *secret <= ' ' || (unsigned char) *secret >= 127)
			return refuse(error, "its fourth part, the secret, has a character that cannot be in a key");
	}
	return true;
}

/* Whether the text has the form of an e-mail address. */
bool
ig_api_valid_email(const char *email)
{
	const char *at = email ? strchr(email, '@') : NULL;
	const char *domain;
	size_t		length = email ? strlen(email) : 0;

	if (at == NULL || at == email || at - email > 64 || length > 254)
		return false;
	for (const char *c = email; *c; c++)
	{
		if ((unsigned char) *c <= ' ' || *c == 127 || strchr("()<>[]:;,\\\"", *c))
			return false;
	}
	if (strchr(at + 1, '@') || email[0] == '.' || at[-1] == '.' || strstr(email, ".."))
		return false;

	/* The domain: two labels at least, none of them empty or with a dash at an end. */
	domain = at + 1;
	if (strchr(domain, '.') == NULL || domain[0] == '.' || email[length - 1] == '.')
		return false;
	for (const char *c = domain; *c; c++)
	{
		if (*c == '-' && (c == domain || c[-1] == '.' || c[1] == '.' || c[1] == '\0'))
			return false;
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
			  *c == '-' || *c == '.' || (unsigned char) *c >= 128))
			return false;
	}
	return true;
}

/* Whether the text is an ObjectId. */
bool
ig_api_valid_object_id(const char *id)
{
	return id != NULL && strlen(id) == 24 && all_hex(id, 24);
}

/* Guess a MIME type. */
const char *
ig_api_sniff_mime_type(const uint8_t *head, size_t length, const char *file_name)
{
	static const struct
	{
		const char *ending;
		const char *type;
	}			endings[] = {
		{".pdf", "application/pdf"}, {".json", "application/json"}, {".xml", "application/xml"},
		{".txt", "text/plain"}, {".csv", "text/csv"}, {".png", "image/png"},
		{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".zip", "application/zip"},
		{".doc", "application/msword"},
		{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{".odt", "application/vnd.oasis.opendocument.text"},
		{".ods", "application/vnd.oasis.opendocument.spreadsheet"}
	};
	static const struct
	{
		const char *magic;
		size_t		length;
		const char *type;
	}			magics[] = {
		{"%PDF-", 5, "application/pdf"}, {"\211PNG\r\n\032\n", 8, "image/png"},
		{"\377\330\377", 3, "image/jpeg"}, {"GIF8", 4, "image/gif"}, {"{\\rtf", 5, "application/rtf"}
	};

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
	{
		if (length >= magics[i].length && memcmp(head, magics[i].magic, magics[i].length) == 0)
			return magics[i].type;
	}
	for (size_t i = 0; file_name != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
	{
		size_t		name = strlen(file_name);
		size_t		ending = strlen(endings[i].ending);
		bool		same = name > ending;

		for (size_t j = 0; same && j < ending; j++)
		{
			char		c = file_name[name - ending + j];

			same = (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) == endings[i].ending[j];
		}
		if (same)
			return endings[i].type;
	}
	if (length >= 4 && memcmp(head, "PK\003\004", 4) == 0)
		return "application/zip";
	return "application/octet-stream";
}

/* Whether the bytes are valid UTF-8 without NUL. */
bool
ig_api_valid_utf8(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		i = 0;

	while (i < length)
	{
		unsigned char c = s[i];
		size_t		more;
		uint32_t	value;

		if (c == 0)
			return false;
		if (c < 0x80)
		{
			i++;
			continue;
		}
		if (c >= 0xC2 && c <= 0xDF)
			more = 1;
		else if (c >= 0xE0 && c <= 0xEF)
			more = 2;
		else if (c >= 0xF0 && c <= 0xF4)
			more = 3;
		else
			return false;
		if (length - i <= more)
			return false;
		value = c & (0x3F >> more);
		for (size_t j = 1; j <= more; j++)
		{
			if ((s[i + j] & 0xC0) != 0x80)
				return false;
			value = value << 6 | (s[i + j] & 0x3F);
		}
		/* No overlong forms, no surrogates, nothing beyond Unicode. */
		if ((more == 2 && (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF))) ||
			(more == 3 && (value < 0x10000 || value > 0x10FFFF)))
			return false;
		i += more + 1;
	}
	return true;
}
