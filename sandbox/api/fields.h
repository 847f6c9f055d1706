/*-------------------------------------------------------------------------
 *
 * fields.h
 *	  The kinds of fields that bodies are made of, and what is one of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_FIELDS_H
#define SB_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

/*
 * A field of a body.  Its kind: s string, t of at most 1024 characters, x of at
 * most 4096, w of at most 512, i id, e e-mail, d date, h hash, c country, l
 * language, p phone number, u URL, m signature method, v environment, f
 * diffusion mode, q topic of webhooks; the same in upper case for an array of
 * different ones; b boolean, a array, o object, * anything.
 */
typedef struct SbField
{
	const char *name;			/* NULL ends a list */
	char		kind;
	bool		required;
} SbField;

extern bool sb_value_is(char kind, const cJSON *value);
extern bool sb_is_environment(const char *text);
extern bool sb_is_topic(const char *text);
extern bool sb_is_email(const char *text);
extern bool sb_read_time(const char *text, int64_t *ms);

#endif							/* SB_FIELDS_H */
