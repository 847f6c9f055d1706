/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Keep API keys and tokens of endpoints out of the server log and of what
 *	  others see of a session.
 *
 * A statement that contains a key is written to the log by log_statement,
 * with an error, or by log_min_duration_statement.  Before a message goes to
 * the log, every key in it is overwritten, the value of each option named
 * "secret", and the token in the path of an endpoint for webhooks; a statement
 * that contains one is left out.  The client gets the same texts, overwritten,
 * too.
 *
 * A command with a key is shown overwritten, too, as soon as it is executed: in
 * pg_stat_activity, and to the modules that are named before this one in
 * shared_preload_libraries, such as pg_stat_statements.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "listen_parse.h"
#include "redact.h"

/* How keys and secrets of the API start. */
static const char *const prefixes[] = {"skv2_", "sk_development_", "sk_staging_", "sk_production_"};

static emit_log_hook_type prev_emit_log = NULL;

/* Find the first key in the text; NULL: there is none. */
static const char *
find_key(const char *text)
{
	const char *first = NULL;

	if (text == NULL)
		return NULL;
	for (int i = 0; i < (int) lengthof(prefixes); i++)
	{
		const char *found = strstr(text, prefixes[i]);

		if (found != NULL && (first == NULL || found < first))
			first = found;
	}
	return first;
}

/* Find the value of an option "secret" in the text; NULL: there is none. */
static char *
find_secret(const char *text)
{
	for (; text != NULL && *text; text++)
	{
		const char *value;

		if (pg_strncasecmp(text, "secret", 6) != 0)
			continue;
		value = text + 6 + strspn(text + 6, " \t\r\n\"");
		if (*value == '\'' && value[1] != '*' && value[1] != '\'' && value[1] != '\0')
			return unconstify(char *, value) + 1;
	}
	return NULL;
}

/* Find the first token of an endpoint in the text; NULL: there is none. */
static char *
find_token(const char *text)
{
	while (text != NULL && (text = strstr(text, IG_LISTEN_PREFIX)) != NULL)
	{
		text += strlen(IG_LISTEN_PREFIX);
		if (strspn(text, "0123456789abcdef") >= IG_LISTEN_DIGITS)
			return unconstify(char *, text);
	}
	return NULL;
}

/* Overwrite each token of an endpoint. */
void
ig_redact_tokens(char *text)
{
	while ((text = find_token(text)) != NULL)
		memset(text, '*', IG_LISTEN_DIGITS);
}

/* Overwrite what follows the prefix of each key, each secret and token. */
void
ig_redact(char *text)
{
	const char *key;
	char	   *secret = text;

	ig_redact_tokens(text);
	while ((secret = find_secret(secret)) != NULL)
	{
		while (*secret && *secret != '\'')
			*secret++ = '*';
	}

	while ((key = find_key(text)) != NULL)
	{
		text += strchr(key, '_') + 1 - text;
		while (isalnum((unsigned char) *text) || *text == '_' || *text == '-')
			*text++ = '*';
	}
}

/* Whether a text has anything that is to be overwritten. */
static bool
has_secret(const char *text)
{
	return find_key(text) != NULL || find_secret(text) != NULL || find_token(text) != NULL;
}

/*
 * Whether a tree that is printed has a secret.  The printer breaks lines anywhere,
 * and prints constants as the numbers of their bytes.
 */
static bool
tree_has_secret(const char *tree)
{
	StringInfoData joined;
	StringInfoData spaced;
	bool		found;

	initStringInfo(&joined);
	initStringInfo(&spaced);
	for (const char *c = tree; *c; c++)
	{
		if (!isspace((unsigned char) *c))
		{
			appendStringInfoChar(&joined, *c);
			appendStringInfoChar(&spaced, *c);
		}
		else if (!isspace((unsigned char) c[1]))
			appendStringInfoChar(&spaced, ' ');
	}
	found = has_secret(joined.data) || strstr(joined.data, ":defnamesecret:arg\"") != NULL;
	for (int i = 0; i < (int) lengthof(prefixes) && !found; i++)
	{
		StringInfoData bytes;

		initStringInfo(&bytes);
		for (const char *c = prefixes[i]; *c; c++)
			appendStringInfo(&bytes, " %d", *c);
		found = strstr(spaced.data, bytes.data) != NULL;
		pfree(bytes.data);
	}
	pfree(joined.data);
	pfree(spaced.data);
	return found;
}

/*
 * Leave out the tree that debug_print_parse or one of its like prints of a
 * statement with a secret: it has the texts and constants of the statement, and
 * since 16 all of a command.
 */
static void
hide_tree(ErrorData *edata)
{
	const char *tree = edata->detail;

	if (tree == NULL || edata->message_id == NULL || strcmp(edata->message_id, "%s:") != 0)
		return;
	tree += strspn(tree, " \t\r\n");
	if ((*tree == '{' || *tree == '(') && (has_secret(debug_query_string) || tree_has_secret(tree)))
		edata->detail = pstrdup("It is left out, since it has a secret.");
}

/* A statement as it may be shown; the same text, where nothing is to be overwritten. */
const char *
ig_redact_statement(const char *text)
{
	char	   *copy;

	if (!has_secret(text))
		return text;
	copy = pstrdup(text);
	ig_redact(copy);
	return copy;
}

/* Have what the session does now shown overwritten. */
void
ig_redact_activity(void)
{
	const char *text = debug_query_string ? ig_redact_statement(debug_query_string) : NULL;

	if (text != debug_query_string)
		pgstat_report_activity(STATE_RUNNING, text);
}

/* emit_log_hook. */
static void
emit_log(ErrorData *edata)
{
	/* The statement itself is the session's, and not to be overwritten. */
	if (has_secret(debug_query_string))
		edata->hide_stmt = true;

	hide_tree(edata);
	ig_redact(edata->message);
	ig_redact(edata->detail);
	ig_redact(edata->detail_log);
	ig_redact(edata->hint);
	ig_redact(edata->context);
	ig_redact(edata->internalquery);

	if (prev_emit_log)
		prev_emit_log(edata);
}

/* Install the hook; called while the module is preloaded. */
void
ig_redact_init(void)
{
	prev_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
