/*-------------------------------------------------------------------------
 *
 * api_message.c
 *	  Messages of the API's webhooks.
 *
 * Anybody may send one, so its words are checked before anything else is done
 * with it.  They are copied: a message holds no memory.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

/*
 * Copy a member that is a string, and short enough; of several of that name the
 * last one counts, as it does for jsonb.
 */
static bool
copy_word(const cJSON *tree, const char *name, char word[IG_API_WORD_SIZE])
{
	const cJSON *found = NULL;
	const cJSON *member;
	size_t		length;

	cJSON_ArrayForEach(member, tree)
	{
		if (strcmp(member->string, name) == 0)
			found = member;
	}
	word[0] = '\0';
	if (found == NULL || !cJSON_IsString(found))
		return false;
	length = strlen(found->valuestring);
	if (length == 0 || length >= IG_API_WORD_SIZE)
		return false;
	memcpy(word, found->valuestring, length + 1);
	return true;
}

/* Copy what a message says; nature may be absent. */
static bool
copy_words(const cJSON *tree, IgApiMessage *message, char *error)
{
	const struct
	{
		const char *name;
		char	   *word;
	}			words[] = {
		{"appId", message->app_id},
		{"appEnv", message->app_env},
		{"topic", message->topic},
		{"action", message->action},
		{"verificationToken", message->token}
	};

	if (!cJSON_IsObject(tree))
		return ig_refuse(error, "it is not a JSON object");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (!copy_word(tree, words[i].name, words[i].word))
		{
			snprintf(error, IG_API_ERROR_SIZE, "its \"%s\" is missing or not a string of at most %d bytes",
					 words[i].name, IG_API_WORD_SIZE - 1);
			return false;
		}
	}
	(void) copy_word(tree, "msgNature", message->nature);
	return true;
}

/* Read a message. */
bool
ig_api_read_message(const char *body, size_t length, IgApiMessage *message,
					char error[IG_API_ERROR_SIZE])
{
	IgApiResponse parsed = {0};
	bool		good = ig_api_parse(body, length, &parsed, error) && copy_words(parsed.tree, message, error);

	cJSON_Delete(parsed.tree);
	return good;
}
