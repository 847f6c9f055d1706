/*-------------------------------------------------------------------------
 *
 * api_read.c
 *	  Answers of the API.
 *
 * Reading is tolerant: only what the API is known to send is required, what
 * is not known is passed over, and what has another type than expected is
 * taken as absent.  But the bytes are foreign: their size is known before, the
 * depth of nesting is bounded, and they must be UTF-8 without NUL, because the
 * strings go into a database.
 *
 *-------------------------------------------------------------------------
 */
#include "api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* What a value takes when it is parsed, its bytes aside. */
#define VALUE_MEMORY 96

IgApiLimits ig_api_limits = {.max_depth = 64, .max_values = 100000};

/*
 * Look at JSON before it is parsed, which takes many times its size: count its
 * values, and refuse what is too much or has a NUL in a string.  Of what is not
 * JSON those are counted right that come before the first mistake, where the
 * parser stops.
 */
static bool
check_json(const char *body, size_t length, int *nvalues, char *error)
{
	int			depth = 0;
	int			n = 0;
	bool		in_string = false;
	bool		in_word = false;

	for (size_t i = 0; i < length; i++)
	{
		char		c = body[i];

		if (in_string)
		{
			if (c == '\\')
			{
				if (length - i > 5 && memcmp(body + i + 1, "u0000", 5) == 0)
					return ig_refuse(error, "it has a NUL in a string");
				i++;
			}
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"' || c == '{' || c == '[')
			n++;
		else if (c == ':')
			n--;				/* what was before is a name */
		else if (!in_word && strchr(" \t\r\n,}]", c) == NULL)
			n++;
		in_word = strchr(" \t\r\n,:{}[]\"", c) == NULL;
		in_string = c == '"';
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		if (depth > ig_api_limits.max_depth)
		{
			snprintf(error, IG_API_ERROR_SIZE, "it is nested more than %d deep", ig_api_limits.max_depth);
			return false;
		}
		if (n > ig_api_limits.max_values)
		{
			snprintf(error, IG_API_ERROR_SIZE, "it has more than %d values", ig_api_limits.max_values);
			return false;
		}
	}
	*nvalues = n > 0 ? n : 0;
	return true;
}

/* Parse foreign bytes; NULL: they are not JSON that can be used. */
cJSON *
ig_api_parse(const char *body, size_t length, size_t *memory, char *error)
{
	const char *end = NULL;
	cJSON	   *tree;
	int			nvalues = 0;

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
	if (!check_json(body, length, &nvalues, error))
		return NULL;
	*memory = length + (size_t) nvalues * VALUE_MEMORY;
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

/* The answer to one-call-sign, create-request and publish: only the id is sure to be there. */
bool
ig_read_sign(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "signersEmbedded", &n);
	const cJSON *item;

	answer->signature_request_id = id_member(tree, "signatureRequestId", "_id");
	if (answer->signature_request_id == NULL || !ig_api_valid_object_id(answer->signature_request_id))
		return ig_refuse(error, "it has no valid signatureRequestId");
	answer->embedded = calloc((size_t) n + 1, sizeof(IgApiEmbedded));
	if (answer->embedded == NULL)
		return ig_refuse(error, "out of memory");
	cJSON_ArrayForEach(item, array)
	{
		IgApiEmbedded *embedded = &answer->embedded[answer->nembedded];

		embedded->signer_id = id_member(item, "signerId", "_id");
		embedded->token = string_member(item, "token");
		if (embedded->signer_id != NULL && embedded->token != NULL)
			answer->nembedded++;
	}
	return true;
}

/* The answer to status; ids that are not known are absent. */
bool
ig_read_status(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "signatureRequests", &n);
	const cJSON *item;

	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
	answer->statuses = calloc((size_t) n + 1, sizeof(IgApiStatus));
	if (answer->statuses == NULL)
		return ig_refuse(error, "out of memory");
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
		signer->first_name = string_member(item, "firstName");
		signer->last_name = string_member(item, "lastName");
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
		document->nature = string_member(item, "documentNature");
		document->status = string_member(item, "status");
		(void) array_member(item, "signatureSummaries", &document->nsignatures);
	}
	return true;
}

/* The answer to context: all but id and status may be absent. */
bool
ig_read_context(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->signature_request_id = id_member(tree, "_id", "signatureRequestId");
	answer->status = string_member(tree, "status");
	if (answer->signature_request_id == NULL || answer->status == NULL || *answer->status == '\0')
		return ig_refuse(error, "it has no _id or no status");
	answer->title = string_member(tree, "title");
	answer->external_id = string_member(tree, "externalId");
	answer->created_at = string_member(tree, "_createdAt");
	answer->signature_method = string_member(tree, "defaultSignatureMethod");
	answer->proof_status = string_member(tree, "signatureProofStatus");
	if (!read_context_signers(tree, answer) || !read_context_documents(tree, answer))
		return ig_refuse(error, "out of memory");
	return true;
}

/* The answer to list. */
bool
ig_read_list(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "signatureRequests", &n);
	const cJSON *pagination = cJSON_GetObjectItemCaseSensitive(tree, "paginationData");
	const cJSON *entry;

	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
	answer->items = calloc((size_t) n + 1, sizeof(IgApiListItem));
	if (answer->items == NULL)
		return ig_refuse(error, "out of memory");
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

/* The answer to init-document and upload-document. */
bool
ig_read_document(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->document_id = id_member(tree, "documentId", "_id");
	if (answer->document_id == NULL)
		answer->document_id = id_member(cJSON_GetObjectItemCaseSensitive(tree, "document"), "_id", "documentId");
	if (answer->document_id == NULL || !ig_api_valid_object_id(answer->document_id))
		return ig_refuse(error, "it has no valid documentId");
	return true;
}

/* The answer to create-signer. */
bool
ig_read_signer(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->signer_id = id_member(tree, "signerId", "_id");
	if (answer->signer_id == NULL || !ig_api_valid_object_id(answer->signer_id))
		return ig_refuse(error, "it has no valid signerId");
	answer->auth_secret = string_member(tree, "authSecret");
	return true;
}

/* The strings of a member that is an array; false: no memory. */
static bool
strings_member(const cJSON *object, const char *name, const char ***strings, int *n)
{
	int			size;
	const cJSON *array = array_member(object, name, &size);
	const cJSON *item;

	*strings = calloc((size_t) size + 1, sizeof(char *));
	if (*strings == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			(*strings)[(*n)++] = item->valuestring;
	}
	return true;
}

/* The answer to inputs-needed. */
bool
ig_read_inputs(cJSON *tree, IgApiAnswer *answer, char *error)
{
	if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(tree, "inputsNeeded")))
		return ig_refuse(error, "it has no inputsNeeded");
	if (!strings_member(tree, "inputsNeeded", &answer->inputs_needed, &answer->ninputs_needed) ||
		!strings_member(tree, "optionalInputs", &answer->optional_inputs, &answer->noptional_inputs))
		return ig_refuse(error, "out of memory");
	return true;
}

/* The answer to login. */
bool
ig_read_login(cJSON *tree, IgApiAnswer *answer, char *error)
{
	answer->token = string_member(tree, "jwtToken");
	if (answer->token == NULL || answer->token[strspn(answer->token,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/")] != '\0' || *answer->token == '\0')
		return ig_refuse(error, "it has no jwtToken that can be used");
	return true;
}

/* The answer to verify-webhook. */
bool
ig_read_verification(cJSON *tree, IgApiAnswer *answer, char *error)
{
	const cJSON *valid = cJSON_GetObjectItemCaseSensitive(tree, "isValid");

	if (!cJSON_IsBool(valid))
		return ig_refuse(error, "it has no isValid");
	answer->is_valid = cJSON_IsTrue(valid);
	answer->already_consumed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "alreadyConsumed"));
	return true;
}

/* The answer to webhook-log. */
bool
ig_read_events(cJSON *tree, IgApiAnswer *answer, char *error)
{
	int			n;
	const cJSON *array = array_member(tree, "events", &n);
	const cJSON *paging = cJSON_GetObjectItemCaseSensitive(tree, "searchData");
	const cJSON *item;

	if (array == NULL)
		return ig_refuse(error, "it has no events");
	answer->events = calloc((size_t) n + 1, sizeof(IgApiEvent));
	if (answer->events == NULL)
		return ig_refuse(error, "out of memory");
	cJSON_ArrayForEach(item, array)
	{
		IgApiEvent *event = &answer->events[answer->nevents];

		event->event_id = id_member(item, "_id", "eventId");
		if (event->event_id == NULL)
			continue;
		event->json = cJSON_PrintUnformatted(item);
		if (event->json == NULL)
			return ig_refuse(error, "out of memory");
		answer->nevents++;
	}
	answer->total = number_member(paging, "total");
	answer->page = number_member(paging, "page");
	answer->page_size = number_member(paging, "nbEventsPerPage");
	return true;
}

/* Read the body of a 2xx answer. */
bool
ig_api_read(IgOperation op, const char *body, size_t length, IgApiAnswer *answer,
			char error[IG_API_ERROR_SIZE])
{
	IgReader	read = ig_api_entry(op)->read;

	memset(answer, 0, sizeof(*answer));
	answer->total = answer->page = answer->page_size = -1;

	/* Where only the HTTP status counts, there may be nothing. */
	if (read == NULL && length == 0)
		return true;
	answer->tree = ig_api_parse(body, length, &answer->memory, error);
	if (answer->tree != NULL)
	{
		if (read == NULL)
			return true;
		if (!cJSON_IsObject(answer->tree))
			ig_refuse(error, "it is not a JSON object");
		else if (read(answer->tree, answer, error))
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
	answer->tree = ig_api_parse(body, length, &answer->memory, error);
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
	free(answer->embedded);
	free(answer->inputs_needed);
	free(answer->optional_inputs);
	for (int i = 0; i < answer->nevents; i++)
		cJSON_free(answer->events[i].json);
	free(answer->events);
	cJSON_free(answer->error_text);
	memset(answer, 0, sizeof(*answer));
}

/* Show every text of an answer that may be stored or compared. */
void
ig_api_answer_texts(IgApiAnswer *answer, IgApiVisitor visit, void *arg)
{
	const char **alone[] = {
		&answer->signature_request_id, &answer->status, &answer->title, &answer->external_id,
		&answer->created_at, &answer->signature_method, &answer->proof_status,
		&answer->document_id, &answer->signer_id, &answer->auth_secret
	};

	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		visit(alone[i], arg);
	for (int i = 0; i < answer->nsigners; i++)
	{
		visit(&answer->signers[i].signer_id, arg);
		visit(&answer->signers[i].email, arg);
		visit(&answer->signers[i].first_name, arg);
		visit(&answer->signers[i].last_name, arg);
	}
	for (int i = 0; i < answer->ndocuments; i++)
	{
		visit(&answer->documents[i].document_id, arg);
		visit(&answer->documents[i].file_name, arg);
		visit(&answer->documents[i].mime_type, arg);
		visit(&answer->documents[i].nature, arg);
		visit(&answer->documents[i].status, arg);
	}
	for (int i = 0; i < answer->nstatuses; i++)
	{
		visit(&answer->statuses[i].signature_request_id, arg);
		visit(&answer->statuses[i].status, arg);
	}
	for (int i = 0; i < answer->nitems; i++)
	{
		visit(&answer->items[i].signature_request_id, arg);
		visit(&answer->items[i].title, arg);
		visit(&answer->items[i].status, arg);
		visit(&answer->items[i].external_id, arg);
		visit(&answer->items[i].created_at, arg);
	}
	for (int i = 0; i < answer->nembedded; i++)
	{
		visit(&answer->embedded[i].signer_id, arg);
		visit(&answer->embedded[i].token, arg);
	}
	for (int i = 0; i < answer->nevents; i++)
		visit(&answer->events[i].event_id, arg);
}

/* The four digits after \u, or -1. */
static int
unicode_escape(const char *text)
{
	unsigned int code;
	int			length = 0;

	if (text[0] != '\\' || text[1] != 'u' || strspn(text + 2, "0123456789abcdefABCDEF") < 4 ||
		sscanf(text + 2, "%4x%n", &code, &length) != 1 || length != 4)
		return -1;
	return (int) code;
}

/* Write a character in UTF-8; returns how many bytes it has. */
static int
write_utf8(char *to, unsigned int code)
{
	if (code < 0x800)
	{
		to[0] = (char) (0xC0 | code >> 6);
		to[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		to[0] = (char) (0xE0 | code >> 12);
		to[1] = (char) (0x80 | (code >> 6 & 0x3F));
		to[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	to[0] = (char) (0xF0 | code >> 18);
	to[1] = (char) (0x80 | (code >> 12 & 0x3F));
	to[2] = (char) (0x80 | (code >> 6 & 0x3F));
	to[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/* Write JSON's escapes of characters beyond ASCII as the characters. */
void
ig_api_json_unescape(char *json)
{
	char	   *to = json;

	while (*json)
	{
		int			code = unicode_escape(json);
		int			low;

		if (code < 0x80)
		{
			if (json[0] == '\\' && json[1] != '\0')
				*to++ = *json++;
			*to++ = *json++;
			continue;
		}
		json += 6;
		if (code >= 0xD800 && code < 0xDC00 &&
			(low = unicode_escape(json)) >= 0xDC00 && low < 0xE000)
		{
			to += write_utf8(to, 0x10000 + ((unsigned int) (code - 0xD800) << 10) + (unsigned int) (low - 0xDC00));
			json += 6;
		}
		else
			to += write_utf8(to, code >= 0xD800 && code < 0xE000 ? 0xFFFD : (unsigned int) code);
	}
	*to = '\0';
}
