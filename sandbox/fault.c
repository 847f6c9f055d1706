/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Faults on demand: what is to go wrong with the next calls.
 *
 * A fault is one line of words: the operation it is for ("*": any), whose calls
 * (for=TEXT: those whose bearer has it), how often (count=N, or share=0..1 of the
 * calls, chosen by seed=N), and what is to happen.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Rule
{
	char		operation[64];
	char		bearer[128];	/* a part of it, or empty */
	int64_t		count;			/* -1: by share */
	double		share;
	uint64_t	state;			/* of the generator */
	Fault		fault;
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

/* Read one word of a rule; false: it is not known. */
static bool
read_word(Rule *rule, const char *word)
{
	Fault	   *fault = &rule->fault;
	const char *value = strchr(word, '=');
	int			length = value ? (int) (value - word) : (int) strlen(word);
	const char *text = value ? value + 1 : "";

#define IS(name) (length == (int) strlen(name) && strncmp(word, name, (size_t) length) == 0)
	if (IS("count"))
		rule->count = atoll(text);
	else if (IS("for"))
		snprintf(rule->bearer, sizeof(rule->bearer), "%s", text);
	else if (IS("share"))
		rule->share = atof(text);
	else if (IS("seed"))
		rule->state = (uint64_t) atoll(text);
	else if (IS("status"))
		fault->status = atoi(text);
	else if (IS("body"))
		fault->text_body = text[0];
	else if (IS("retry-after"))
	{
		/* Words have no spaces, but dates do. */
		snprintf(fault->retry_after, sizeof(fault->retry_after), "%s", text);
		for (char *c = fault->retry_after; *c; c++)
			*c = *c == '_' ? ' ' : *c;
	}
	else if (IS("delay"))
		fault->delay = atoll(text);
	else if (IS("delay-after"))
		fault->delay_after = atoll(text);
	else if (IS("close") && (strcmp(text, "before") == 0 || strcmp(text, "after") == 0 ||
							 strcmp(text, "mid") == 0))
		fault->close = text[0];
	else if (IS("garbage"))
		fault->garbage = true;
	else if (IS("empty"))
		fault->empty = true;
	else if (IS("type"))
		snprintf(fault->type, sizeof(fault->type), "%s", text);
	else if (IS("huge"))
		fault->huge = atoll(text);
	else if (IS("slow"))
		fault->slow = atoll(text);
	else if (IS("redirect"))
		snprintf(fault->redirect, sizeof(fault->redirect), "%s", text);
	else if (IS("endless"))
		fault->endless = true;
	else if (IS("deep"))
		fault->deep = atoll(text);
	else if (IS("wide"))
		fault->wide = atoll(text);
	else if (IS("bomb"))
		fault->bomb = atoll(text);
	else if (IS("raw") && hostile_known(text))
		snprintf(fault->raw, sizeof(fault->raw), "%s", text);
	else
		return false;
	if (!IS("count") && !IS("share") && !IS("seed"))
	{
		size_t		used = strlen(fault->words);

		snprintf(fault->words + used, sizeof(fault->words) - used, "%s%s", used ? " " : "", word);
	}
#undef IS
	return true;
}

/* Add a rule; false, with the error, if it cannot be read. */
bool
fault_add(const char *spec, char *error, size_t size)
{
	Rule	   *rule = xcalloc(1, sizeof(Rule));
	Rule	  **last = &rules;
	char	   *copy = xstrdup(spec);
	char	   *rest = NULL;
	char	   *word = strtok_r(copy, " \t\n", &rest);

	rule->count = -1;
	if (word != NULL)
		snprintf(rule->operation, sizeof(rule->operation), "%s", word);
	while (word != NULL && (word = strtok_r(NULL, " \t\n", &rest)) != NULL)
	{
		if (!read_word(rule, word))
		{
			snprintf(error, size, "unknown word \"%s\" in fault \"%s\"", word, spec);
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
fault_clear(void)
{
	while (rules != NULL)
	{
		Rule	   *next = rules->next;

		free(rules);
		rules = next;
	}
}

/* What is to go wrong with a call. */
Fault
fault_take(const Call *call)
{
	Fault		none;

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
		return rule->fault;
	}
	memset(&none, 0, sizeof(none));
	return none;
}
