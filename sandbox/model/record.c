/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Fields of the records of the state file.
 *
 * The same function reads and writes a field, so that both agree.
 *
 *-------------------------------------------------------------------------
 */
#include "model/record.h"

#include <stdlib.h>
#include <string.h>

#include "model/apps.h"
#include "util/buffer.h"
#include "util/clock.h"

/* Read or write bytes of a known number. */
void
sb_record_bytes(SbRecord *record, void *data, size_t size)
{
	if (!record->reading)
		sb_buffer_add(record->out, data, size);
	else if (record->bad || record->left < size)
	{
		record->bad = true;
		memset(data, 0, size);
	}
	else
	{
		memcpy(data, record->in, size);
		record->in += size;
		record->left -= size;
	}
}

void
sb_record_number(SbRecord *record, int64_t *number)
{
	sb_record_bytes(record, number, sizeof(*number));
}

void
sb_record_int(SbRecord *record, int *number)
{
	sb_record_bytes(record, number, sizeof(*number));
}

void
sb_record_flag(SbRecord *record, bool *flag)
{
	sb_record_bytes(record, flag, sizeof(*flag));
}

void
sb_record_id(SbRecord *record, char id[SB_ID_LENGTH + 1])
{
	sb_record_bytes(record, id, SB_ID_LENGTH + 1);
}

/* Bytes of any number, or NULL; a NUL follows those that were read. */
void
sb_record_blob(SbRecord *record, void **data, size_t *size)
{
	int64_t		length = *data ? (int64_t) *size : -1;

	sb_record_number(record, &length);
	if (!record->reading)
	{
		if (length > 0)
			sb_record_bytes(record, *data, (size_t) length);
		return;
	}
	free(*data);
	*data = NULL;
	*size = 0;
	if (record->bad || length < 0 || (uint64_t) length > record->left)
	{
		record->bad = record->bad || length >= 0;
		return;
	}
	*data = sb_calloc(1, (size_t) length + 1);
	*size = (size_t) length;
	sb_record_bytes(record, *data, *size);
}

/* Text, or NULL. */
void
sb_record_text(SbRecord *record, char **text)
{
	size_t		size = *text ? strlen(*text) : 0;

	sb_record_blob(record, (void **) text, &size);
}

/* The one copy of a word; there are few of them. */
static const char *
keep_word(const char *text)
{
	static struct Word
	{
		struct Word *next;
		char		text[];
	}		   *words;
	struct Word *word;

	for (word = words; word != NULL; word = word->next)
	{
		if (strcmp(word->text, text) == 0)
			return word->text;
	}
	word = sb_calloc(1, sizeof(*word) + strlen(text) + 1);
	memcpy(word->text, text, strlen(text));
	word->next = words;
	words = word;
	return word->text;
}

/* Text that nobody frees, such as a status. */
void
sb_record_word(SbRecord *record, const char **word)
{
	char	   *text = record->reading || *word == NULL ? NULL : sb_strdup(*word);

	sb_record_text(record, &text);
	if (record->reading)
		*word = text ? keep_word(text) : NULL;
	free(text);
}

void
sb_record_json(SbRecord *record, cJSON **json)
{
	char	   *text = record->reading || *json == NULL ? NULL : cJSON_PrintUnformatted(*json);

	sb_record_text(record, &text);
	if (record->reading)
	{
		cJSON_Delete(*json);
		*json = text ? cJSON_Parse(text) : NULL;
	}
	free(text);
}

/* An application, by its id; it has to be one that still has a key. */
void
sb_record_app(SbRecord *record, SbApp **app)
{
	char		id[sizeof((*app)->app_id)] = "";
	char		env[sizeof((*app)->app_env)] = "";

	if (!record->reading)
	{
		memcpy(id, (*app)->app_id, sizeof(id));
		memcpy(env, (*app)->app_env, sizeof(env));
	}
	sb_record_bytes(record, id, sizeof(id));
	sb_record_bytes(record, env, sizeof(env));
	if (record->reading)
	{
		*app = sb_app_by_id(id, env);
		record->bad = record->bad || *app == NULL;
	}
}
