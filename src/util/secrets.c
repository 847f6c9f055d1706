/*-------------------------------------------------------------------------
 *
 * secrets.c
 *	  Find API keys, application secrets and endpoint tokens in a text.
 *
 * A text is a statement, a message, or anything else that a server logs, of any
 * database.  A secret is recognized by its whole form, so that names such as
 * "risk_staging_area" or "sk_production_line" stay readable:
 *
 *	skv2_<environment>_<uuid>_<secret>		an API key, anywhere
 *	skv2_<...>, sk_<environment>_<...>		a mistyped key or an application's secret: a
 *											word of its own, with a random part
 *	secret 'value'							an option of a user mapping
 *	/ignisign/<64 hexadecimal digits>		the path of an endpoint
 *
 * A random part has at least 16 letters, digits and dashes, and one of them is a
 * digit.
 *
 *-------------------------------------------------------------------------
 */
#include "util/secrets.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "util/listen_parse.h"

#define KEY_PREFIX			"skv2_"
#define APP_SECRET_PREFIX	"sk_"
#define MIN_RANDOM_PART		16

/* Part of a text. */
typedef struct IgSpan
{
	char	   *start;			/* NULL: there is none */
	size_t		length;
} IgSpan;

/* Whether the character is a letter. */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether the character is a digit. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether the character is part of a word. */
static bool
is_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '_';
}

/* Whether the character can be part of a secret: printable ASCII but what encloses or separates it. */
static bool
is_secret(char c)
{
	return c > ' ' && c < 127 && strchr("'\"`,;()<>\\", c) == NULL;
}

/* Whether a word begins at this place.  The letter of an escape, as in "\n", is no part of it. */
static bool
begins_word(const char *text, const char *slot)
{
	if (slot == text || !is_word(slot[-1]))
		return true;
	return slot - text >= 2 && slot[-2] == '\\' && strchr("bfnrt", slot[-1]) != NULL;
}

/* A span that reaches to the end of the secret. */
static IgSpan
span_of_secret(const char *start)
{
	IgSpan		span = {(char *) start, 0};

	while (is_secret(start[span.length]))
		span.length++;
	return span;
}

/* Whether an environment, a uuid and a secret follow. */
static bool
has_key_form(const char *text)
{
	int			n = 0;

	while (n < 16 && is_letter(text[n]))
		n++;
	if (n == 0 || text[n] != '_')
		return false;
	text += n + 1;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? text[i] != '-' : text[i] == '\0' || strchr("0123456789abcdefABCDEF", text[i]) == NULL)
			return false;
	}
	return text[36] == '_' && is_secret(text[37]);
}

/* Whether the rest of the word has a random part; *end is where the word ends. */
static bool
has_random_part(const char *text, const char **end)
{
	int			length = 0;
	bool		digit = false;
	bool		found = false;

	for (; is_word(*text) || *text == '-'; text++)
	{
		if (*text == '_')
		{
			length = 0;
			digit = false;
			continue;
		}
		length++;
		digit = digit || is_digit(*text);
		found = found || (digit && length >= MIN_RANDOM_PART);
	}
	*end = text;
	return found;
}

/* The length of "sk_" and an environment at the beginning of the text; 0: it has none. */
static size_t
app_secret_prefix(const char *text)
{
	static const char *const prefixes[] = {
		APP_SECRET_PREFIX "development_", APP_SECRET_PREFIX "staging_", APP_SECRET_PREFIX "production_"
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
	{
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return strlen(prefixes[i]);
	}
	return 0;
}

/* Find the first key or application's secret from a place of the text on: what follows its prefix. */
static IgSpan
find_key(const char *text, const char *from)
{
	const char *word_end = from;	/* the word before this place has no random part */

	for (const char *c = from; (c = strstr(c, "sk")) != NULL; c += 2)
	{
		bool		key = strncmp(c, KEY_PREFIX, strlen(KEY_PREFIX)) == 0;
		size_t		prefix = key ? strlen(KEY_PREFIX) : app_secret_prefix(c);

		if (prefix == 0)
			continue;
		if ((key && has_key_form(c + prefix)) ||
			(c >= word_end && begins_word(text, c) && has_random_part(c + prefix, &word_end)))
			return span_of_secret(c + (key ? prefix : strlen(APP_SECRET_PREFIX)));
	}
	return (IgSpan)
	{
		0
	};
}

/* Whether what is before a place of the text lets the name of an option follow. */
static bool
precedes_option(const char *text, const char *slot)
{
	while (slot > text && strchr(" \t\r\n\"", slot[-1]) != NULL)
		slot--;
	if (slot == text)
		return false;
	if (slot[-1] == '(' || slot[-1] == ',')
		return true;
	return slot - text >= 3 && begins_word(text, slot - 3) &&
		(strncasecmp(slot - 3, "set", 3) == 0 || strncasecmp(slot - 3, "add", 3) == 0);
}

/* Whether so many quotes are at the beginning of the text. */
static bool
has_quotes(const char *text, size_t n)
{
	while (n > 0 && *text == '\'')
	{
		text++;
		n--;
	}
	return n == 0;
}

/* The value of a constant in quotes.  Within other constants, each quote is doubled once or more. */
static IgSpan
quoted_value(const char *text, bool escapes)
{
	size_t		quotes = strspn(text, "'");
	const char *end = text + quotes;

	if (quotes == 2 && (*end == '\0' || strchr(" \t\r\n,)", *end) != NULL))
		return (IgSpan)
	{
		0
	};							/* it is empty */
	while (*end && (!has_quotes(end, 1) || has_quotes(end, 2 * quotes)))
	{
		if (*end == '\'')
			end += 2 * quotes;
		else
			end += escapes && *end == '\\' && end[1] != '\0' ? 2 : 1;
	}
	return (IgSpan)
	{
		(char *) text + quotes, (size_t) (end - text) - quotes
	};
}

/* The value of a constant in dollar quotes. */
static IgSpan
dollar_quoted_value(const char *text)
{
	size_t		tag = 1;
	const char *end;

	while (is_word(text[tag]))
		tag++;
	if (text[tag++] != '$')
		return (IgSpan)
	{
		0
	};
	for (end = text + tag; *end && strncmp(end, text, tag) != 0; end++)
		;
	return (IgSpan)
	{
		(char *) text + tag, (size_t) (end - text) - tag
	};
}

/* The value of a string constant of SQL; none: there is no such constant, or it is empty. */
static IgSpan
string_constant(const char *text)
{
	if (*text == '\'')
		return quoted_value(text, false);
	if ((*text == 'E' || *text == 'e') && text[1] == '\'')
		return quoted_value(text + 1, true);
	if ((*text == 'U' || *text == 'u') && text[1] == '&' && text[2] == '\'')
		return quoted_value(text + 2, false);
	if (*text == '$')
		return dollar_quoted_value(text);
	return (IgSpan)
	{
		0
	};
}

/* Find the value of the first option "secret" from a place of the text on. */
static IgSpan
find_option(const char *text, const char *from)
{
	static const char name[] = "secret";

	for (const char *c = from; *c; c++)
	{
		const char *value = c + strlen(name);
		size_t		space;
		IgSpan		span;

		if (strncasecmp(c, name, strlen(name)) != 0 || !begins_word(text, c))
			continue;
		space = strspn(value, " \t\r\n\"");
		if (space == 0 && !precedes_option(text, c))
			continue;
		span = string_constant(value + space);
		if (span.length > 0)
			return span;
	}
	return (IgSpan)
	{
		0
	};
}

/* Find the first token of an endpoint from a place of the text on. */
static IgSpan
find_token(const char *text, const char *from)
{
	while ((from = strstr(from, IG_LISTEN_PREFIX)) != NULL)
	{
		from += strlen(IG_LISTEN_PREFIX);
		if (strspn(from, "0123456789abcdef") >= IG_LISTEN_DIGITS)
			return (IgSpan)
		{
			(char *) from, IG_LISTEN_DIGITS
		};
	}
	return (IgSpan)
	{
		0
	};
}

/* What finds the first secret of a kind from a place of the text on. */
typedef IgSpan (*IgFinder) (const char *text, const char *from);

/* Whether there is a secret of a kind that is not overwritten. */
static bool
finds(IgFinder find, const char *text)
{
	for (IgSpan span = find(text, text); span.start != NULL; span = find(text, span.start + span.length))
	{
		if (strspn(span.start, "*") < span.length)
			return true;
	}
	return false;
}

/* Overwrite all secrets of a kind. */
static void
hide(IgFinder find, char *text)
{
	for (IgSpan span = find(text, text); span.start != NULL; span = find(text, span.start + span.length))
		memset(span.start, '*', span.length);
}

bool
ig_has_secret(const char *text)
{
	return text != NULL && (finds(find_key, text) || finds(find_option, text) || finds(find_token, text));
}

void
ig_hide_secrets(char *text)
{
	if (text == NULL)
		return;
	hide(find_key, text);
	hide(find_option, text);
	hide(find_token, text);
}

void
ig_hide_tokens(char *text)
{
	if (text != NULL)
		hide(find_token, text);
}
