/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON: its grammar, and members of objects.
 *
 * A body is checked by the grammar (RFC 8259) first.  cJSON, which then reads it,
 * takes more than that, such as numbers like 01 and line breaks within strings.
 *
 *-------------------------------------------------------------------------
 */
#include "util/json.h"

#include <string.h>

#include "util/clock.h"
#include "util/encoding.h"

/* The deepest nesting that is read. */
#define MAX_DEPTH 32

static const char *skip_value(const char *p, const char *end, int depth);

static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static const char *
skip_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

static const char *
skip_number(const char *p, const char *end)
{
	if (*p == '-')
		p++;
	p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
	if (p != NULL && p < end && *p == '.')
		p = skip_digits(p + 1, end);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	return p;
}

static const char *
skip_string(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	for (; p < end; p++)
	{
		if (*p == '"')
			return p + 1;
		if ((unsigned char) *p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		if (++p == end || *p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL)
			return NULL;
		if (*p == 'u')
		{
			if (end - p < 5 || strspn(p + 1, "0123456789abcdefABCDEF") < 4)
				return NULL;
			p += 4;
		}
	}
	return NULL;
}

/* The members of an object, or the items of an array. */
static const char *
skip_list(const char *p, const char *end, char close, int depth)
{
	p = skip_space(p + 1, end);
	if (p < end && *p == close)
		return p + 1;
	for (;;)
	{
		if (close == '}')
		{
			p = skip_string(p, end);
			p = p ? skip_space(p, end) : NULL;
			if (p == NULL || p == end || *p++ != ':')
				return NULL;
			p = skip_space(p, end);
		}
		p = skip_value(p, end, depth + 1);
		p = p ? skip_space(p, end) : NULL;
		if (p == NULL || p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p++ != ',')
			return NULL;
		p = skip_space(p, end);
	}
}

/* What follows a value; NULL: there is none. */
static const char *
skip_value(const char *p, const char *end, int depth)
{
	static const char *const words[] = {"true", "false", "null"};

	if (p == end || depth > MAX_DEPTH)
		return NULL;
	if (*p == '{' || *p == '[')
		return skip_list(p, end, *p == '{' ? '}' : ']', depth);
	if (*p == '"')
		return skip_string(p, end);
	for (int i = 0; i < 3; i++)
	{
		size_t		length = strlen(words[i]);

		if ((size_t) (end - p) >= length && memcmp(p, words[i], length) == 0)
			return p + length;
	}
	return *p == '-' || (*p >= '0' && *p <= '9') ? skip_number(p, end) : NULL;
}

/* Whether bytes, which a NUL follows, are one JSON value in UTF-8. */
bool
sb_valid_json(const char *text, size_t length)
{
	const char *end = text + length;
	const char *p;

	if (length == 0 || !sb_valid_utf8(text, length))
		return false;
	p = skip_value(skip_space(text, end), end, 1);
	return p != NULL && skip_space(p, end) == end;
}

/* A member's text, or NULL. */
const char *
sb_get_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* Add a text unless it is NULL. */
void
sb_add_text(cJSON *json, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(json, name, text);
}

/* Add a time as the API writes it, or null for 0. */
void
sb_add_time(cJSON *json, const char *name, int64_t time)
{
	char		text[32];

	if (time == 0)
	{
		cJSON_AddNullToObject(json, name);
		return;
	}
	sb_format_time(time, text);
	cJSON_AddStringToObject(json, name, text);
}
