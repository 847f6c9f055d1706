/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Keep API keys and tokens of endpoints out of the server log.
 *
 * A statement that contains a key is written to the log by log_statement,
 * with an error, or by log_min_duration_statement.  Before a message goes to
 * the log, every key in it is overwritten, the value of each option named
 * "secret", and the token in the path of an endpoint for webhooks; a statement
 * that contains one is left out.  The client gets the same texts, overwritten,
 * too.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include <ctype.h>

#include "tcop/tcopprot.h"
#include "utils/elog.h"

#include "listen.h"
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
static void
mask_keys(char *text)
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

/* emit_log_hook. */
static void
emit_log(ErrorData *edata)
{
	/* The statement itself is the session's, and not to be overwritten. */
	if (!edata->hide_stmt && (find_key(debug_query_string) || find_secret(debug_query_string) ||
							  find_token(debug_query_string)))
		edata->hide_stmt = true;

	mask_keys(edata->message);
	mask_keys(edata->detail);
	mask_keys(edata->detail_log);
	mask_keys(edata->hint);
	mask_keys(edata->context);
	mask_keys(edata->internalquery);

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
