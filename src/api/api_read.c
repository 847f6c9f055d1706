/*-------------------------------------------------------------------------
 *
 * api_read.c
 *	  Answers of the API.
 *
 * Reading is tolerant: only what the API is known to send is required, what
 * is not known is passed over, and what has another type than expected is
 * taken as absent.  But the bytes are foreign: their size is known before, the
 * depth of nesting is bounded, and they must be UTF-8 without NUL, because the
 * strings go into a database.  How many values there are is known before they are
 * parsed.  Each list and each text has a limit, and no response takes more than a
 * time that grows with its size, or with that and its logarithm.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a value takes when it is parsed, its bytes aside. */
#define VALUE_MEMORY 96

IgApiLimits ig_api_limits = {.max_depth = 64, .max_values = 100000, .max_items = 1000, .max_text = 16};

/* Say which limit a response exceeds, and return false. */
static bool
exceed(IgApiAnswer *answer, char *error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool
exceed(IgApiAnswer *answer, char *error, const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(error, IG_API_ERROR_SIZE, format, args);
	va_end(args);
	answer->exceeded = true;
	return false;
}

/*
 * Look at JSON before it is parsed, which takes many times its size: count its
 * values, and refuse what is too much or has a NUL in a string.  Of what is not
 * JSON those are counted right that come before the first mistake, where the
 * parser stops.
 */
static bool
check_json(const char *body, size_t length, int *nvalues, IgApiAnswer *answer, char *error)
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
			return exceed(answer, error, "it is nested more than %d deep (ignisign.max_json_depth)", ig_api_limits.max_depth);
		if (n > ig_api_limits.max_values)
			return exceed(answer, error, "it has more than %d values (ignisign.max_json_values)", ig_api_limits.max_values);
	}
	*nvalues = n > 0 ? n : 0;
	return true;
}

/* Parse foreign bytes. */
bool
ig_api_parse(const char *body, size_t length, IgApiAnswer *answer, char *error)
{
	const char *end = NULL;
	cJSON	   *tree;
	int			nvalues = 0;

	if (body == NULL || length == 0)
		return ig_refuse(error, "it is empty");
	if (!ig_api_valid_utf8(body, length))
		return ig_refuse(error, "it is not valid UTF-8");
	if (!check_json(body, length, &nvalues, answer, error))
		return false;
	tree = cJSON_ParseWithLengthOpts(body, length, &end, false);
	if (tree != NULL)
	{
		while ((size_t) (end - body) < length && strchr(" \t\r\n", *end))
			end++;
		if ((size_t) (end - body) == length)
		{
			answer->tree = tree;
			answer->memory = length + (size_t) nvalues * VALUE_MEMORY;
			return true;
		}
		cJSON_Delete(tree);
	}
	return ig_refuse(error, "it is not JSON");
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

/* A member that is an array, or NULL. */
static const cJSON *
array_member(const cJSON *object, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsArray(member) ? member : NULL;
}

/*
 * A member that is an array (else NULL), with room for what is read of its items.
 * Returns that, which the answer is to own, or NULL with the reason in error.
 */
static void *
make_list(const cJSON *object, const char *name, size_t size, const cJSON **array, IgApiAnswer *answer, char *error)
{
	int			n;
	void	   *list;

	*array = array_member(object, name);
	n = *array ? cJSON_GetArraySize(*array) : 0;
	if (n > ig_api_limits.max_items)
	{
		exceed(answer, error, "it has more than %d %s (ignisign.max_response_items)", ig_api_limits.max_items, name);
		return NULL;
	}
	list = calloc((size_t) n + 1, size);
	if (list == NULL)
		ig_refuse(error, "out of memory");
	return list;
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
	const cJSON *array;
	const cJSON *item;

	answer->signature_request_id = id_member(tree, "signatureRequestId", "_id");
	if (answer->signature_request_id == NULL || !ig_api_valid_object_id(answer->signature_request_id))
		return ig_refuse(error, "it has no valid signatureRequestId");
	answer->embedded = make_list(tree, "signersEmbedded", sizeof(IgApiEmbedded), &array, answer, error);
	if (answer->embedded == NULL)
		return false;
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
	const cJSON *array;
	const cJSON *item;

	answer->statuses = make_list(tree, "signatureRequests", sizeof(IgApiStatus), &array, answer, error);
	if (answer->statuses == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
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

/* qsort comparator of strings. */
static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The ids in signedBy, in order, each once; NULL, with the reason in error: none can be had. */
static const char **
read_signed_by(const cJSON *tree, IgApiAnswer *answer, size_t *n, char *error)
{
	const cJSON *array;
	const cJSON *item;
	const char **ids = make_list(tree, "signedBy", sizeof(char *), &array, answer, error);
	size_t		all = 0;

	*n = 0;
	if (ids == NULL)
		return NULL;
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			ids[all++] = item->valuestring;
	}
	qsort(ids, all, sizeof(char *), compare_strings);
	for (size_t i = 0; i < all; i++)
	{
		if (i == 0 || strcmp(ids[i], ids[*n - 1]) != 0)
			ids[(*n)++] = ids[i];
	}
	return ids;
}

/* The signers of a context. */
static bool
read_context_signers(const cJSON *tree, IgApiAnswer *answer, char *error)
{
	const cJSON *array;
	const cJSON *item;
	size_t		nsigned;
	const char **signed_by;

	answer->signers = make_list(tree, "signers", sizeof(IgApiContextSigner), &array, answer, error);
	if (answer->signers == NULL)
		return false;
	signed_by = read_signed_by(tree, answer, &nsigned, error);
	if (signed_by == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiContextSigner *signer = &answer->signers[answer->nsigners++];

		signer->signer_id = id_member(item, "signerId", "_id");
		signer->email = string_member(item, "email");
		signer->first_name = string_member(item, "firstName");
		signer->last_name = string_member(item, "lastName");
		signer->signed_ = signer->signer_id != NULL &&
			bsearch(&signer->signer_id, signed_by, nsigned, sizeof(char *), compare_strings) != NULL;
		answer->nsigned += signer->signed_ ? 1 : 0;
	}

	/* Where the signers are not told one by one, their number may be. */
	if (array == NULL)
		answer->nsigned = (int) nsigned;
	free(signed_by);
	return true;
}

/* The documents of a context. */
static bool
read_context_documents(const cJSON *tree, IgApiAnswer *answer, char *error)
{
	const cJSON *array;
	const cJSON *item;

	answer->documents = make_list(tree, "documents", sizeof(IgApiContextDocument), &array, answer, error);
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
	return read_context_signers(tree, answer, error) && read_context_documents(tree, answer, error);
}

/* The answer to list. */
bool
ig_read_list(cJSON *tree, IgApiAnswer *answer, char *error)
{
	const cJSON *array;
	const cJSON *pagination = cJSON_GetObjectItemCaseSensitive(tree, "paginationData");
	const cJSON *entry;

	answer->items = make_list(tree, "signatureRequests", sizeof(IgApiListItem), &array, answer, error);
	if (answer->items == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
	cJSON_ArrayForEach(entry, array)
	{
		IgApiListItem *item = &answer->items[answer->nitems];

		item->signature_request_id = id_member(entry, "_id", "signatureRequestId");
		item->title = string_member(entry, "title");
		item->status = string_member(entry, "status");
		item->external_id = string_member(entry, "externalId");
		item->created_at = string_member(entry, "_createdAt");
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

/* The strings of a member that is an array, or NULL, with the reason in error. */
static const char **
read_strings(const cJSON *object, const char *name, int *n, IgApiAnswer *answer, char *error)
{
	const cJSON *array;
	const cJSON *item;
	const char **strings = make_list(object, name, sizeof(char *), &array, answer, error);

	if (strings == NULL)
		return NULL;
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			strings[(*n)++] = item->valuestring;
	}
	return strings;
}

/* The answer to inputs-needed. */
bool
ig_read_inputs(cJSON *tree, IgApiAnswer *answer, char *error)
{
	if (array_member(tree, "inputsNeeded") == NULL)
		return ig_refuse(error, "it has no inputsNeeded");
	answer->signer_profile_id = id_member(tree, "signerProfileId", "_id");
	answer->inputs_needed = read_strings(tree, "inputsNeeded", &answer->ninputs_needed, answer, error);
	if (answer->inputs_needed == NULL)
		return false;
	answer->optional_inputs = read_strings(tree, "optionalInputs", &answer->noptional_inputs, answer, error);
	return answer->optional_inputs != NULL;
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
	const cJSON *array;
	const cJSON *paging = cJSON_GetObjectItemCaseSensitive(tree, "searchData");
	const cJSON *item;

	answer->events = make_list(tree, "events", sizeof(IgApiEvent), &array, answer, error);
	if (answer->events == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no events");
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

/* IgApiVisitor: whether a text is longer than allowed. */
static void
check_text(const char **text, void *too_long)
{
	if (*text != NULL && strlen(*text) > 1024 * (size_t) ig_api_limits.max_text)
		*(bool *) too_long = true;
}

/* Whether all texts that were read are within the limit. */
static bool
check_texts(IgApiAnswer *answer, char *error)
{
	bool		too_long = false;

	ig_api_answer_texts(answer, check_text, &too_long);
	check_text(&answer->token, &too_long);
	if (too_long)
		return exceed(answer, error, "it has a text of more than %d kB (ignisign.max_response_text)", ig_api_limits.max_text);
	return true;
}

/* Read the body of a 2xx answer. */
bool
ig_api_read(IgOperation op, const char *body, size_t length, IgApiAnswer *answer,
			char error[IG_API_ERROR_SIZE])
{
	IgReader	read = ig_api_entry(op)->read;
	bool		exceeded;

	memset(answer, 0, sizeof(*answer));
	answer->total = answer->page = answer->page_size = -1;

	/* Where only the HTTP status counts, there may be nothing. */
	if (read == NULL && length == 0)
		return true;
	if (ig_api_parse(body, length, answer, error))
	{
		/* It is JSON, which is all that is asked. */
		if (read == NULL)
		{
			cJSON_Delete(answer->tree);
			answer->tree = NULL;
			answer->memory = 0;
			return true;
		}
		if (!cJSON_IsObject(answer->tree))
			ig_refuse(error, "it is not a JSON object");
		else if (read(answer->tree, answer, error) && check_texts(answer, error))
			return true;
	}
	exceeded = answer->exceeded;
	ig_api_answer_free(answer);
	answer->exceeded = exceeded;
	return false;
}

/* Whether a response is about the request that was asked for. */
bool
ig_api_is_about(IgOperation op, const IgApiAnswer *answer, const char *asked, char error[IG_API_ERROR_SIZE])
{
	if ((op != IG_OP_CONTEXT && op != IG_OP_PUBLISH) || asked == NULL || answer->signature_request_id == NULL ||
		ig_api_compare_ids(answer->signature_request_id, asked) == 0)
		return true;
	return ig_refuse(error, "it is about another request than the one that was asked for");
}

/* Whether more pages follow. */
bool
ig_api_has_more_pages(const IgApiAnswer *answer)
{
	return answer->page_size > 0 && answer->total > 0 &&
		answer->page < (answer->total - 1) / answer->page_size + 1;
}

/* Cut a text to what is kept of an error, between two characters. */
static void
cut_text(char *text)
{
	size_t		length = IG_API_MESSAGE_SIZE;

	if (strlen(text) <= length)
		return;
	while (((unsigned char) text[length] & 0xC0) == 0x80)
		length--;
	text[length] = '\0';
}

/* Read an error body; message may be an object. */
void
ig_api_read_error(const char *body, size_t length, IgApiAnswer *answer)
{
	char		error[IG_API_ERROR_SIZE];
	cJSON	   *message;
	cJSON	   *code;

	memset(answer, 0, sizeof(*answer));
	answer->total = answer->page = answer->page_size = -1;
	if (!ig_api_parse(body, length, answer, error) || !cJSON_IsObject(answer->tree))
		return;
	code = cJSON_GetObjectItemCaseSensitive(answer->tree, "code");
	if (cJSON_IsString(code))
	{
		cut_text(code->valuestring);
		answer->error_code = code->valuestring;
	}
	message = cJSON_GetObjectItemCaseSensitive(answer->tree, "message");
	if (cJSON_IsString(message))
	{
		cut_text(message->valuestring);
		answer->error_message = message->valuestring;
	}
	else if (message != NULL && !cJSON_IsNull(message) &&
			 (answer->error_text = cJSON_PrintUnformatted(message)) != NULL)
	{
		cut_text(answer->error_text);
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
		&answer->document_id, &answer->signer_id, &answer->auth_secret, &answer->signer_profile_id
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
	for (int i = 0; i < answer->ninputs_needed; i++)
		visit(&answer->inputs_needed[i], arg);
	for (int i = 0; i < answer->noptional_inputs; i++)
		visit(&answer->optional_inputs[i], arg);
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
