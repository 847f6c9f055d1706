/*-------------------------------------------------------------------------
 *
 * response_fuzz.c
 *	  Fuzz target: the responses of each operation.
 *
 * The input's first line names the operation, the rest is the response's body.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api_internal.h"

/* A string of a response goes into a database. */
static void
check_string(const char *text)
{
	claim(text == NULL || ig_api_valid_utf8(text, strlen(text)));
}

/* A string that the response must have. */
static void
check_word(const char *text)
{
	claim(text != NULL && *text != '\0');
	check_string(text);
}

/* What every caller relies on, whatever was sent. */
static void
check_response(const IgApiResponse *response)
{
	claim(response->nsigned >= 0 && (response->nsigners == 0 || response->nsigned <= response->nsigners));
	claim(response->nsigners <= ig_api_limits.max_items && response->ndocuments <= ig_api_limits.max_items &&
		  response->nstatuses <= ig_api_limits.max_items && response->nitems <= ig_api_limits.max_items &&
		  response->nembedded <= ig_api_limits.max_items && response->nevents <= ig_api_limits.max_items);
	claim(response->total >= -1 && response->page >= -1 && response->page_size >= -1);
	check_string(response->signature_request_id);
	check_string(response->status);
	check_string(response->title);
	check_string(response->external_id);
	check_string(response->created_at);
	check_string(response->signature_method);
	check_string(response->proof_status);
	check_string(response->document_id);
	check_string(response->signer_id);
	check_string(response->auth_secret);
	check_string(response->token);
	for (int i = 0; i < response->nsigners; i++)
	{
		check_string(response->signers[i].signer_id);
		check_string(response->signers[i].email);
		check_string(response->signers[i].first_name);
		check_string(response->signers[i].last_name);
	}
	for (int i = 0; i < response->ndocuments; i++)
	{
		check_string(response->documents[i].document_id);
		check_string(response->documents[i].file_name);
		check_string(response->documents[i].mime_type);
		check_string(response->documents[i].document_hash);
		check_string(response->documents[i].status);
	}
	for (int i = 0; i < response->nstatuses; i++)
	{
		check_word(response->statuses[i].signature_request_id);
		check_word(response->statuses[i].status);
	}
	for (int i = 0; i < response->nitems; i++)
	{
		/* An entry without an id is kept: it may be a request that is looked for. */
		check_string(response->items[i].signature_request_id);
		check_string(response->items[i].title);
		check_string(response->items[i].status);
		check_string(response->items[i].external_id);
		check_string(response->items[i].created_at);
	}
	for (int i = 0; i < response->nembedded; i++)
	{
		check_word(response->embedded[i].signer_id);
		check_string(response->embedded[i].token);
		claim(response->embedded[i].token != NULL);
	}
	for (int i = 0; i < response->nevents; i++)
	{
		cJSON	   *event = cJSON_Parse(response->events[i].json);

		claim(cJSON_IsObject(event));
		cJSON_Delete(event);
		check_word(response->events[i].event_id);
		check_string(response->events[i].json);
	}
}

/* Put a text of the database's encoding in the place of each. */
static void
replace_text(const char **text, void *arg)
{
	int		   *n = arg;

	if (*text == NULL)
		return;
	check_string(*text);
	*text = "?";
	(*n)++;
}

/* What is kept as jsonb is the same JSON after its escapes are resolved. */
static void
check_unescaped(const uint8_t *data, size_t size)
{
	char	   *json = copy_string(data, size);
	char	   *texts[2];

	claim(!has_nul_escape(json));
	for (int i = 0; i < 2; i++)
	{
		cJSON	   *tree = cJSON_ParseWithOpts(json, NULL, true);

		claim(tree != NULL);
		texts[i] = cJSON_PrintUnformatted(tree);
		cJSON_Delete(tree);
		ig_api_json_unescape(json);
		claim(strlen(json) <= size && ig_api_valid_utf8(json, strlen(json)));
	}
	claim(strcmp(texts[0], texts[1]) == 0);
	cJSON_free(texts[0]);
	cJSON_free(texts[1]);
	free(json);
}

/* Read one response. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *name = take_line(&data, &size);
	char	   *body = copy_bytes(data, size);
	char		error[IG_API_ERROR_SIZE] = "";
	IgOperation op;
	IgApiResponse response;

	if (!ig_api_operation_by_name(name, &op))
		op = (IgOperation) (name[0] & 31);
	if (ig_api_read(op, body, size, &response, error))
	{
		int			ntexts = 0;

		check_response(&response);
		if (size > 0)
			check_unescaped(data, size);
		ig_api_response_texts(&response, replace_text, &ntexts);
		claim(response.status == NULL || strcmp(response.status, "?") == 0);
		claim(response.nembedded == 0 || ntexts >= 2 * response.nembedded);
		ig_api_response_free(&response);
	}
	else
	{
		claim(error[0] != '\0' && memchr(error, '\0', sizeof(error)) != NULL);
		claim(response.tree == NULL && response.signers == NULL && response.events == NULL);
	}
	free(body);
	free(name);
	return 0;
}
