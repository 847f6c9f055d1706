/*-------------------------------------------------------------------------
 *
 * api_read.c
 *	  Responses of the API.
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
 * Returns that, which the response is to own, or NULL with the reason in error.
 */
static void *
make_list(const cJSON *object, const char *name, size_t size, const cJSON **array, IgApiResponse *response, char *error)
{
	int			n;
	void	   *list;

	*array = array_member(object, name);
	n = *array ? cJSON_GetArraySize(*array) : 0;
	if (n > ig_api_limits.max_items)
	{
		ig_api_exceed(response, error, "it has more than %d %s (ignisign.max_response_items)", ig_api_limits.max_items, name);
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

/* The response to one-call-sign, create-request and publish: only the id is sure to be there. */
bool
ig_read_sign(cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *item;

	response->signature_request_id = id_member(tree, "signatureRequestId", "_id");
	if (response->signature_request_id == NULL || !ig_api_valid_object_id(response->signature_request_id))
		return ig_refuse(error, "it has no valid signatureRequestId");
	response->embedded = make_list(tree, "signersEmbedded", sizeof(IgApiEmbedded), &array, response, error);
	if (response->embedded == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiEmbedded *embedded = &response->embedded[response->nembedded];

		embedded->signer_id = id_member(item, "signerId", "_id");
		embedded->token = string_member(item, "token");
		if (embedded->signer_id != NULL && embedded->token != NULL)
			response->nembedded++;
	}
	return true;
}

/* The response to status; ids that are not known are absent. */
bool
ig_read_status(cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *item;

	response->statuses = make_list(tree, "signatureRequests", sizeof(IgApiStatus), &array, response, error);
	if (response->statuses == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
	cJSON_ArrayForEach(item, array)
	{
		IgApiStatus *status = &response->statuses[response->nstatuses];

		status->signature_request_id = id_member(item, "signatureRequestId", "_id");
		status->status = string_member(item, "status");
		if (status->signature_request_id != NULL && status->status != NULL && *status->status != '\0')
			response->nstatuses++;
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
read_signed_by(const cJSON *tree, IgApiResponse *response, size_t *n, char *error)
{
	const cJSON *array;
	const cJSON *item;
	const char **ids = make_list(tree, "signedBy", sizeof(char *), &array, response, error);
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
read_context_signers(const cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *item;
	size_t		nsigned;
	const char **signed_by;

	response->signers = make_list(tree, "signers", sizeof(IgApiContextSigner), &array, response, error);
	if (response->signers == NULL)
		return false;
	signed_by = read_signed_by(tree, response, &nsigned, error);
	if (signed_by == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiContextSigner *signer = &response->signers[response->nsigners++];

		signer->signer_id = id_member(item, "signerId", "_id");
		signer->email = string_member(item, "email");
		signer->first_name = string_member(item, "firstName");
		signer->last_name = string_member(item, "lastName");
		signer->signed_ = signer->signer_id != NULL &&
			bsearch(&signer->signer_id, signed_by, nsigned, sizeof(char *), compare_strings) != NULL;
		response->nsigned += signer->signed_ ? 1 : 0;
	}

	/* Where the signers are not told one by one, their number may be. */
	if (array == NULL)
		response->nsigned = (int) nsigned;
	free(signed_by);
	return true;
}

/* The documents of a context. */
static bool
read_context_documents(const cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *item;

	response->documents = make_list(tree, "documents", sizeof(IgApiContextDocument), &array, response, error);
	if (response->documents == NULL)
		return false;
	cJSON_ArrayForEach(item, array)
	{
		IgApiContextDocument *document = &response->documents[response->ndocuments++];

		document->document_id = id_member(item, "_id", "documentId");
		document->file_name = string_member(item, "fileName");
		document->mime_type = string_member(item, "mimeType");
		document->document_hash = string_member(item, "documentHash");
		document->nature = string_member(item, "documentNature");
		document->status = string_member(item, "status");
	}
	return true;
}

/* The response to context: all but id and status may be absent. */
bool
ig_read_context(cJSON *tree, IgApiResponse *response, char *error)
{
	response->signature_request_id = id_member(tree, "_id", "signatureRequestId");
	response->status = string_member(tree, "status");
	if (response->signature_request_id == NULL || response->status == NULL || *response->status == '\0')
		return ig_refuse(error, "it has no _id or no status");
	response->title = string_member(tree, "title");
	response->external_id = string_member(tree, "externalId");
	response->created_at = string_member(tree, "_createdAt");
	response->signature_method = string_member(tree, "defaultSignatureMethod");
	response->proof_status = string_member(tree, "signatureProofStatus");
	return read_context_signers(tree, response, error) && read_context_documents(tree, response, error);
}

/* The response to list. */
bool
ig_read_list(cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *pagination = cJSON_GetObjectItemCaseSensitive(tree, "paginationData");
	const cJSON *entry;

	response->items = make_list(tree, "signatureRequests", sizeof(IgApiListItem), &array, response, error);
	if (response->items == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no signatureRequests");
	cJSON_ArrayForEach(entry, array)
	{
		IgApiListItem *item = &response->items[response->nitems];

		item->signature_request_id = id_member(entry, "_id", "signatureRequestId");
		item->title = string_member(entry, "title");
		item->status = string_member(entry, "status");
		item->external_id = string_member(entry, "externalId");
		item->created_at = string_member(entry, "_createdAt");
		response->nitems++;
	}
	response->total = number_member(pagination, "total");
	response->page = number_member(pagination, "page");
	response->page_size = number_member(pagination, "nbEventsPerPage");
	return true;
}

/* The response to init-document and upload-document. */
bool
ig_read_document(cJSON *tree, IgApiResponse *response, char *error)
{
	response->document_id = id_member(tree, "documentId", "_id");
	if (response->document_id == NULL)
		response->document_id = id_member(cJSON_GetObjectItemCaseSensitive(tree, "document"), "_id", "documentId");
	if (response->document_id == NULL || !ig_api_valid_object_id(response->document_id))
		return ig_refuse(error, "it has no valid documentId");
	return true;
}

/* The response to create-signer. */
bool
ig_read_signer(cJSON *tree, IgApiResponse *response, char *error)
{
	response->signer_id = id_member(tree, "signerId", "_id");
	if (response->signer_id == NULL || !ig_api_valid_object_id(response->signer_id))
		return ig_refuse(error, "it has no valid signerId");
	response->auth_secret = string_member(tree, "authSecret");
	return true;
}

/* The strings of a member that is an array, or NULL, with the reason in error. */
static const char **
read_strings(const cJSON *object, const char *name, int *n, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *item;
	const char **strings = make_list(object, name, sizeof(char *), &array, response, error);

	if (strings == NULL)
		return NULL;
	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsString(item))
			strings[(*n)++] = item->valuestring;
	}
	return strings;
}

/* The response to inputs-needed. */
bool
ig_read_inputs(cJSON *tree, IgApiResponse *response, char *error)
{
	if (array_member(tree, "inputsNeeded") == NULL)
		return ig_refuse(error, "it has no inputsNeeded");
	response->signer_profile_id = id_member(tree, "signerProfileId", "_id");
	response->inputs_needed = read_strings(tree, "inputsNeeded", &response->ninputs_needed, response, error);
	if (response->inputs_needed == NULL)
		return false;
	response->optional_inputs = read_strings(tree, "optionalInputs", &response->noptional_inputs, response, error);
	return response->optional_inputs != NULL;
}

/* The response to login. */
bool
ig_read_login(cJSON *tree, IgApiResponse *response, char *error)
{
	response->token = string_member(tree, "jwtToken");
	if (response->token == NULL || response->token[strspn(response->token,
														  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/")] != '\0' || *response->token == '\0')
		return ig_refuse(error, "it has no jwtToken that can be used");
	return true;
}

/* The response to verify-webhook. */
bool
ig_read_verification(cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *valid = cJSON_GetObjectItemCaseSensitive(tree, "isValid");

	if (!cJSON_IsBool(valid))
		return ig_refuse(error, "it has no isValid");
	response->is_valid = cJSON_IsTrue(valid);
	response->already_consumed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "alreadyConsumed"));
	return true;
}

/* The response to webhook-log. */
bool
ig_read_events(cJSON *tree, IgApiResponse *response, char *error)
{
	const cJSON *array;
	const cJSON *paging = cJSON_GetObjectItemCaseSensitive(tree, "searchData");
	const cJSON *item;

	response->events = make_list(tree, "events", sizeof(IgApiEvent), &array, response, error);
	if (response->events == NULL)
		return false;
	if (array == NULL)
		return ig_refuse(error, "it has no events");
	cJSON_ArrayForEach(item, array)
	{
		IgApiEvent *event = &response->events[response->nevents];

		event->event_id = id_member(item, "_id", "eventId");
		if (event->event_id == NULL)
			continue;
		event->json = cJSON_PrintUnformatted(item);
		if (event->json == NULL)
			return ig_refuse(error, "out of memory");
		response->nevents++;
	}
	response->total = number_member(paging, "total");
	response->page = number_member(paging, "page");
	response->page_size = number_member(paging, "nbEventsPerPage");
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
check_texts(IgApiResponse *response, char *error)
{
	bool		too_long = false;

	ig_api_response_texts(response, check_text, &too_long);
	check_text(&response->token, &too_long);
	if (too_long)
		return ig_api_exceed(response, error, "it has a text of more than %d kB (ignisign.max_response_text)", ig_api_limits.max_text);
	return true;
}

/* Read the body of a 2xx response. */
bool
ig_api_read(IgOperation op, const char *body, size_t length, IgApiResponse *response,
			char error[IG_API_ERROR_SIZE])
{
	IgReader	read = ig_api_entry(op)->read;
	bool		exceeded;

	memset(response, 0, sizeof(*response));
	response->total = response->page = response->page_size = -1;

	/* Where only the HTTP status counts, there may be nothing. */
	if (read == NULL && length == 0)
		return true;
	if (ig_api_parse(body, length, response, error))
	{
		/* It is JSON, which is all that is asked. */
		if (read == NULL)
		{
			cJSON_Delete(response->tree);
			response->tree = NULL;
			response->memory = 0;
			return true;
		}
		if (!cJSON_IsObject(response->tree))
			ig_refuse(error, "it is not a JSON object");
		else if (read(response->tree, response, error) && check_texts(response, error))
			return true;
	}
	exceeded = response->exceeded;
	ig_api_response_free(response);
	response->exceeded = exceeded;
	return false;
}

/* Whether a response is about the request that was asked for. */
bool
ig_api_is_about(IgOperation op, const IgApiResponse *response, const char *asked, char error[IG_API_ERROR_SIZE])
{
	if ((op != IG_OP_CONTEXT && op != IG_OP_PUBLISH) || asked == NULL || response->signature_request_id == NULL ||
		ig_api_compare_ids(response->signature_request_id, asked) == 0)
		return true;
	return ig_refuse(error, "it is about another request than the one that was asked for");
}

/* Whether more pages follow. */
bool
ig_api_has_more_pages(const IgApiResponse *response)
{
	return response->page_size > 0 && response->total > 0 &&
		response->page < (response->total - 1) / response->page_size + 1;
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
ig_api_read_error(const char *body, size_t length, IgApiResponse *response)
{
	char		error[IG_API_ERROR_SIZE];
	cJSON	   *message;
	cJSON	   *code;

	memset(response, 0, sizeof(*response));
	response->total = response->page = response->page_size = -1;
	if (!ig_api_parse(body, length, response, error) || !cJSON_IsObject(response->tree))
		return;
	code = cJSON_GetObjectItemCaseSensitive(response->tree, "code");
	if (cJSON_IsString(code))
	{
		cut_text(code->valuestring);
		response->error_code = code->valuestring;
	}
	message = cJSON_GetObjectItemCaseSensitive(response->tree, "message");
	if (cJSON_IsString(message))
	{
		cut_text(message->valuestring);
		response->error_message = message->valuestring;
	}
	else if (message != NULL && !cJSON_IsNull(message) &&
			 (response->error_text = cJSON_PrintUnformatted(message)) != NULL)
	{
		cut_text(response->error_text);
		response->error_message = response->error_text;
	}
}

/* Forget a response. */
void
ig_api_response_free(IgApiResponse *response)
{
	cJSON_Delete(response->tree);
	free(response->signers);
	free(response->documents);
	free(response->statuses);
	free(response->items);
	free(response->embedded);
	free(response->inputs_needed);
	free(response->optional_inputs);
	for (int i = 0; i < response->nevents; i++)
		cJSON_free(response->events[i].json);
	free(response->events);
	cJSON_free(response->error_text);
	memset(response, 0, sizeof(*response));
}

/* Show every text of a response that may be stored or compared. */
void
ig_api_response_texts(IgApiResponse *response, IgApiVisitor visit, void *arg)
{
	const char **alone[] = {
		&response->signature_request_id, &response->status, &response->title, &response->external_id,
		&response->created_at, &response->signature_method, &response->proof_status,
		&response->document_id, &response->signer_id, &response->auth_secret, &response->signer_profile_id
	};

	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		visit(alone[i], arg);
	for (int i = 0; i < response->nsigners; i++)
	{
		visit(&response->signers[i].signer_id, arg);
		visit(&response->signers[i].email, arg);
		visit(&response->signers[i].first_name, arg);
		visit(&response->signers[i].last_name, arg);
	}
	for (int i = 0; i < response->ndocuments; i++)
	{
		visit(&response->documents[i].document_id, arg);
		visit(&response->documents[i].file_name, arg);
		visit(&response->documents[i].mime_type, arg);
		visit(&response->documents[i].nature, arg);
		visit(&response->documents[i].status, arg);
	}
	for (int i = 0; i < response->nstatuses; i++)
	{
		visit(&response->statuses[i].signature_request_id, arg);
		visit(&response->statuses[i].status, arg);
	}
	for (int i = 0; i < response->nitems; i++)
	{
		visit(&response->items[i].signature_request_id, arg);
		visit(&response->items[i].title, arg);
		visit(&response->items[i].status, arg);
		visit(&response->items[i].external_id, arg);
		visit(&response->items[i].created_at, arg);
	}
	for (int i = 0; i < response->nembedded; i++)
	{
		visit(&response->embedded[i].signer_id, arg);
		visit(&response->embedded[i].token, arg);
	}
	for (int i = 0; i < response->ninputs_needed; i++)
		visit(&response->inputs_needed[i], arg);
	for (int i = 0; i < response->noptional_inputs; i++)
		visit(&response->optional_inputs[i], arg);
	for (int i = 0; i < response->nevents; i++)
		visit(&response->events[i].event_id, arg);
}
