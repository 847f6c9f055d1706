/*-------------------------------------------------------------------------
 *
 * answer_fuzz.c
 *	  Fuzz target: the answers of each operation.
 *
 * The input's first line names the operation, the rest is the answer's body.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api_internal.h"

/* A string of an answer goes into a database. */
static void
check_string(const char *text)
{
	claim(text == NULL || ig_api_valid_utf8(text, strlen(text)));
}

/* A string that the answer must have. */
static void
check_word(const char *text)
{
	claim(text != NULL && *text != '\0');
	check_string(text);
}

/* What every caller relies on, whatever was sent. */
static void
check_answer(const IgApiAnswer *answer)
{
	claim(answer->nsigned >= 0 && (answer->nsigners == 0 || answer->nsigned <= answer->nsigners));
	claim(answer->nsigners <= ig_api_limits.max_items && answer->ndocuments <= ig_api_limits.max_items &&
		  answer->nstatuses <= ig_api_limits.max_items && answer->nitems <= ig_api_limits.max_items &&
		  answer->nembedded <= ig_api_limits.max_items && answer->nevents <= ig_api_limits.max_items);
	claim(answer->total >= -1 && answer->page >= -1 && answer->page_size >= -1);
	check_string(answer->signature_request_id);
	check_string(answer->status);
	check_string(answer->title);
	check_string(answer->external_id);
	check_string(answer->created_at);
	check_string(answer->signature_method);
	check_string(answer->proof_status);
	check_string(answer->document_id);
	check_string(answer->signer_id);
	check_string(answer->auth_secret);
	check_string(answer->token);
	for (int i = 0; i < answer->nsigners; i++)
	{
		check_string(answer->signers[i].signer_id);
		check_string(answer->signers[i].email);
		check_string(answer->signers[i].first_name);
		check_string(answer->signers[i].last_name);
	}
	for (int i = 0; i < answer->ndocuments; i++)
	{
		check_string(answer->documents[i].document_id);
		check_string(answer->documents[i].file_name);
		check_string(answer->documents[i].mime_type);
		check_string(answer->documents[i].document_hash);
		check_string(answer->documents[i].status);
	}
	for (int i = 0; i < answer->nstatuses; i++)
	{
		check_word(answer->statuses[i].signature_request_id);
		check_word(answer->statuses[i].status);
	}
	for (int i = 0; i < answer->nitems; i++)
	{
		/* An entry without an id is kept: it may be a request that is looked for. */
		check_string(answer->items[i].signature_request_id);
		check_string(answer->items[i].title);
		check_string(answer->items[i].status);
		check_string(answer->items[i].external_id);
		check_string(answer->items[i].created_at);
	}
	for (int i = 0; i < answer->nembedded; i++)
	{
		check_word(answer->embedded[i].signer_id);
		check_string(answer->embedded[i].token);
		claim(answer->embedded[i].token != NULL);
	}
	for (int i = 0; i < answer->nevents; i++)
	{
		cJSON	   *event = cJSON_Parse(answer->events[i].json);

		claim(cJSON_IsObject(event));
		cJSON_Delete(event);
		check_word(answer->events[i].event_id);
		check_string(answer->events[i].json);
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

/* Read one answer. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *name = take_line(&data, &size);
	char	   *body = copy_bytes(data, size);
	char		error[IG_API_ERROR_SIZE] = "";
	IgOperation op;
	IgApiAnswer answer;

	if (!ig_api_operation_by_name(name, &op))
		op = (IgOperation) (name[0] & 31);
	if (ig_api_read(op, body, size, &answer, error))
	{
		int			ntexts = 0;

		check_answer(&answer);
		if (size > 0)
			check_unescaped(data, size);
		ig_api_answer_texts(&answer, replace_text, &ntexts);
		claim(answer.status == NULL || strcmp(answer.status, "?") == 0);
		claim(answer.nembedded == 0 || ntexts >= 2 * answer.nembedded);
		ig_api_answer_free(&answer);
	}
	else
	{
		claim(error[0] != '\0' && memchr(error, '\0', sizeof(error)) != NULL);
		claim(answer.tree == NULL && answer.signers == NULL && answer.events == NULL);
	}
	free(body);
	free(name);
	return 0;
}
