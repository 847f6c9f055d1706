/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Faults on demand: what is to go wrong with the next calls.
 *
 * A fault is one line of words: the operation it is for ("*": any), whose calls
 * (for=TEXT: those whose bearer has it), how often (count=N, or share=0..1 of the
 * calls, chosen by seed=N), and what is to happen.  A body to respond with may be given
 * beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "http/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "util/buffer.h"

typedef struct Rule
{
	char		operation[64];
	char		bearer[128];	/* a part of it, or empty */
	int64_t		count;			/* -1: by share */
	double		share;
	uint64_t	state;			/* of the generator */
	SbFault		fault;
	struct Rule *next;
} Rule;

static Rule *rules;

/* A number between 0 and 1, the same ones for the same seed. */
static double
next_random(Rule *rule)
{
	rule->state += 0x9E3779B97F4A7C15ULL;

	uint64_t	z = rule->state;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
	z ^= z >> 31;
	return (double) (z >> 11) / 9007199254740992.0;
}

/* Read a number of digits only, between these two. */
static bool
read_number(const char *text, int64_t least, int64_t most, int64_t *number)
{
	if (*text == '\0' || strlen(text) > 15 || strspn(text, "0123456789") != strlen(text))
		return false;
	*number = atoll(text);
	return *number >= least && *number <= most;
}

/* Read a part of 1. */
static bool
read_share(const char *text, double *share)
{
	char	   *end;

	*share = strtod(text, &end);
	return end != text && *end == '\0' && *share > 0 && *share <= 1;
}

/* Keep a text that fits. */
static bool
read_text(const char *text, char *kept, size_t size)
{
	return *text != '\0' && snprintf(kept, size, "%s", text) < (int) size;
}

/* Whether malformed.c knows this way to write to the socket. */
static bool
is_raw(const char *name)
{
	static const char *const names[] = {
		"http09", "bad-chunks", "informational", "headers", "slow-headers", "too-long", "too-short"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Read one word of a rule; false: it is not known, or its value is not one. */
static bool
read_word(Rule *rule, const char *word)
{
	SbFault    *fault = &rule->fault;
	const char *value = strchr(word, '=');
	int			length = value ? (int) (value - word) : (int) strlen(word);
	const char *text = value ? value + 1 : "";
	int64_t		number = 0;
	bool		ok = false;

#define IS(name) (length == (int) strlen(name) && strncmp(word, name, (size_t) length) == 0)
	if (IS("count"))
		ok = read_number(text, 0, INT64_MAX, &rule->count);
	else if (IS("for"))
		ok = read_text(text, rule->bearer, sizeof(rule->bearer));
	else if (IS("share"))
		ok = read_share(text, &rule->share);
	else if (IS("seed"))
	{
		ok = read_number(text, 0, INT64_MAX, &number);
		rule->state = (uint64_t) number;
	}
	else if (IS("status"))
	{
		ok = read_number(text, 100, 999, &number);
		fault->status = (int) number;
	}
	else if (IS("body"))
	{
		ok = strcmp(text, "json") == 0 || strcmp(text, "text") == 0 || strcmp(text, "none") == 0;
		fault->text_body = text[0];
	}
	else if (IS("retry-after"))
	{
		ok = read_text(text, fault->retry_after, sizeof(fault->retry_after));

		/* Words have no spaces, but dates do. */
		for (char *c = fault->retry_after; *c; c++)
			*c = *c == '_' ? ' ' : *c;
	}
	else if (IS("delay"))
		ok = read_number(text, 0, INT64_MAX, &fault->delay);
	else if (IS("delay-after"))
		ok = read_number(text, 0, INT64_MAX, &fault->delay_after);
	else if (IS("close"))
	{
		ok = strcmp(text, "before") == 0 || strcmp(text, "after") == 0 || strcmp(text, "mid") == 0;
		fault->close = text[0];
	}
	else if (IS("garbage"))
		ok = fault->garbage = value == NULL;
	else if (IS("empty"))
		ok = fault->empty = value == NULL;
	else if (IS("type"))
		ok = read_text(text, fault->type, sizeof(fault->type));
	else if (IS("huge"))
		ok = read_number(text, 1, INT64_MAX, &fault->huge);
	else if (IS("slow"))
		ok = read_number(text, 1, INT64_MAX, &fault->slow);
	else if (IS("redirect"))
		ok = read_text(text, fault->redirect, sizeof(fault->redirect));
	else if (IS("endless"))
		ok = fault->endless = value == NULL;
	else if (IS("deep"))
		ok = read_number(text, 1, INT64_MAX, &fault->deep);
	else if (IS("wide"))
		ok = read_number(text, 1, INT64_MAX, &fault->wide);
	else if (IS("bomb"))
		ok = read_number(text, 1, INT64_MAX, &fault->bomb);
	else if (IS("flood"))
		ok = read_number(text, 1, 100000, &fault->flood);
	else if (IS("replace"))
		ok = strchr(text, ':') > text && read_text(text, fault->replace, sizeof(fault->replace));
	else if (IS("raw"))
		ok = is_raw(text) && read_text(text, fault->raw, sizeof(fault->raw));
	if (ok && !IS("count") && !IS("share") && !IS("seed"))
	{
		size_t		used = strlen(fault->words);

		snprintf(fault->words + used, sizeof(fault->words) - used, "%s%s", used ? " " : "", word);
	}
#undef IS
	return ok;
}

/* Add a rule; false, with the error, if it cannot be read. */
bool
sb_fault_add(const char *spec, const char *response, char *error, size_t size)
{
	Rule	   *rule = sb_calloc(1, sizeof(Rule));
	Rule	  **last = &rules;
	char	   *copy = sb_strdup(spec);
	char	   *rest = NULL;
	char	   *word = strtok_r(copy, " \t\n", &rest);

	rule->count = -1;
	if (word != NULL)
		snprintf(rule->operation, sizeof(rule->operation), "%s", word);
	while (word != NULL && (word = strtok_r(NULL, " \t\n", &rest)) != NULL)
	{
		if (!read_word(rule, word))
		{
			snprintf(error, size, "unknown word, or value, \"%s\" in fault \"%s\"", word, spec);
			free(copy);
			free(rule);
			return false;
		}
	}
	free(copy);
	if (rule->operation[0] == '\0')
	{
		snprintf(error, size, "a fault starts with an operation, or with *");
		free(rule);
		return false;
	}

	rule->fault.response = response ? sb_strdup(response) : NULL;

	/* With neither, it is for the next call only. */
	if (rule->count < 0 && rule->share == 0)
		rule->count = 1;
	while (*last != NULL)
		last = &(*last)->next;
	*last = rule;
	return true;
}

/* Forget all rules. */
void
sb_fault_clear(void)
{
	while (rules != NULL)
	{
		Rule	   *next = rules->next;

		free(rules->fault.response);
		free(rules);
		rules = next;
	}
}

/* What is to go wrong with a call; the caller frees its response. */
SbFault
sb_fault_take(const SbCall *call)
{
	SbFault		fault;

	for (Rule *rule = rules; call->operation != NULL && rule != NULL; rule = rule->next)
	{
		if (strcmp(rule->operation, "*") != 0 && strcmp(rule->operation, call->operation) != 0)
			continue;
		if (rule->bearer[0] && (call->authorization == NULL || strstr(call->authorization, rule->bearer) == NULL))
			continue;
		if (rule->count == 0)
			continue;
		if (rule->share > 0 && next_random(rule) >= rule->share)
			continue;
		if (rule->count > 0)
			rule->count--;
		fault = rule->fault;
		fault.response = fault.response ? sb_strdup(fault.response) : NULL;
		return fault;
	}
	memset(&fault, 0, sizeof(fault));
	return fault;
}
