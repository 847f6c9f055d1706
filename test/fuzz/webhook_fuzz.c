/*-------------------------------------------------------------------------
 *
 * webhook_fuzz.c
 *	  Fuzz target: the messages of webhooks.
 *
 * The input is the body of a request that anybody may have sent.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api_internal.h"

/* A word is the member's text; "last" is how jsonb takes members of the same name. */
static void
check_word(const cJSON *tree, const char *name, const char *word, bool required)
{
	const cJSON *last = NULL;

	claim(memchr(word, '\0', IG_API_WORD_SIZE) != NULL);
	claim(ig_api_valid_utf8(word, strlen(word)));
	for (const cJSON *member = tree->child; member != NULL; member = member->next)
		last = strcmp(member->string, name) == 0 ? member : last;
	claim(!required || word[0] != '\0');
	claim(word[0] == '\0' || (last != NULL && cJSON_IsString(last) && strcmp(last->valuestring, word) == 0));
}

/* The words of what was taken, however it is written. */
static void
check_message(const char *json, const IgApiMessage *message)
{
	cJSON	   *tree = cJSON_ParseWithOpts(json, NULL, true);

	claim(cJSON_IsObject(tree));
	check_word(tree, "appId", message->app_id, true);
	check_word(tree, "appEnv", message->app_env, true);
	check_word(tree, "topic", message->topic, true);
	check_word(tree, "action", message->action, true);
	check_word(tree, "verificationToken", message->token, true);
	check_word(tree, "msgNature", message->nature, false);
	cJSON_Delete(tree);
}

/* Read one message, and again as it is handed to jsonb. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *body = copy_bytes(data, size);
	char		error[IG_API_ERROR_SIZE] = "";
	IgApiMessage message;

	if (ig_api_read_message(body, size, &message, error))
	{
		char	   *json = copy_string(data, size);

		claim(strlen(json) == size && ig_api_valid_utf8(json, size) && !has_nul_escape(json));
		check_message(json, &message);
		ig_api_json_unescape(json);
		claim(ig_api_valid_utf8(json, strlen(json)));
		check_message(json, &message);
		free(json);
	}
	else
		claim(error[0] != '\0' && memchr(error, '\0', sizeof(error)) != NULL);
	free(body);
	return 0;
}
