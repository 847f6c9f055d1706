/*-------------------------------------------------------------------------
 *
 * api_json.c
 *	  The guard before cJSON: what foreign bytes may be parsed.
 *
 * The size of the bytes is known before.  They must be UTF-8 without NUL, because the
 * strings go into a database.  The depth of nesting and the number of values have
 * limits, and both are checked before cJSON sees a byte.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a value takes when it is parsed, its bytes aside. */
#define VALUE_MEMORY 96

IgApiLimits ig_api_limits = {.max_depth = 64, .max_values = 100000, .max_items = 1000, .max_text = 16};

/* Say which limit a response exceeds, mark it so, and return false. */
bool
ig_api_exceed(IgApiResponse *response, char *error, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(error, IG_API_ERROR_SIZE, format, args);
	va_end(args);
	response->exceeded = true;
	return false;
}

/*
 * Look at JSON before it is parsed, which takes many times its size: count its
 * values, and refuse what is too much or has a NUL in a string.  Of what is not
 * JSON those are counted right that come before the first mistake, where the
 * parser stops.
 */
static bool
check_json(const char *body, size_t length, int *nvalues, IgApiResponse *response, char *error)
{
	int			depth = 0;
	int			n = 0;
	bool		in_string = false;
	bool		in_word = false;

	for (size_t i = 0; i < length; i++)
	{
		char		c = body[i];

		if (in_string)
		{
			if (c == '\\')
			{
				if (length - i > 5 && memcmp(body + i + 1, "u0000", 5) == 0)
					return ig_refuse(error, "it has a NUL in a string");
				i++;
			}
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"' || c == '{' || c == '[')
			n++;
		else if (c == ':')
			n--;				/* what was before is a name */
		else if (!in_word && strchr(" \t\r\n,}]", c) == NULL)
			n++;
		in_word = strchr(" \t\r\n,:{}[]\"", c) == NULL;
		in_string = c == '"';
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		if (depth > ig_api_limits.max_depth)
			return ig_api_exceed(response, error, "it is nested more than %d deep (ignisign.max_json_depth)", ig_api_limits.max_depth);
		if (n > ig_api_limits.max_values)
			return ig_api_exceed(response, error, "it has more than %d values (ignisign.max_json_values)", ig_api_limits.max_values);
	}
	*nvalues = n > 0 ? n : 0;
	return true;
}

/* Parse foreign bytes. */
bool
ig_api_parse(const char *body, size_t length, IgApiResponse *response, char *error)
{
	const char *end = NULL;
	cJSON	   *tree;
	int			nvalues = 0;

	if (body == NULL || length == 0)
		return ig_refuse(error, "it is empty");
	if (!ig_api_valid_utf8(body, length))
		return ig_refuse(error, "it is not valid UTF-8");
	if (!check_json(body, length, &nvalues, response, error))
		return false;
	tree = cJSON_ParseWithLengthOpts(body, length, &end, false);
	if (tree != NULL)
	{
		while ((size_t) (end - body) < length && strchr(" \t\r\n", *end))
			end++;
		if ((size_t) (end - body) == length)
		{
			response->tree = tree;
			response->memory = length + (size_t) nvalues * VALUE_MEMORY;
			return true;
		}
		cJSON_Delete(tree);
	}
	return ig_refuse(error, "it is not JSON");
}

/* The four digits after \u, or -1. */
static int
unicode_escape(const char *text)
{
	unsigned int code;
	int			length = 0;

	if (text[0] != '\\' || text[1] != 'u' || strspn(text + 2, "0123456789abcdefABCDEF") < 4 ||
		sscanf(text + 2, "%4x%n", &code, &length) != 1 || length != 4)
		return -1;
	return (int) code;
}

/* Write a character in UTF-8; returns how many bytes it has. */
static int
write_utf8(char *to, unsigned int code)
{
	if (code < 0x800)
	{
		to[0] = (char) (0xC0 | code >> 6);
		to[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		to[0] = (char) (0xE0 | code >> 12);
		to[1] = (char) (0x80 | (code >> 6 & 0x3F));
		to[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	to[0] = (char) (0xF0 | code >> 18);
	to[1] = (char) (0x80 | (code >> 12 & 0x3F));
	to[2] = (char) (0x80 | (code >> 6 & 0x3F));
	to[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/* Write JSON's escapes of characters beyond ASCII as the characters. */
void
ig_api_json_unescape(char *json)
{
	char	   *to = json;

	while (*json)
	{
		int			code = unicode_escape(json);
		int			low;

		if (code < 0x80)
		{
			if (json[0] == '\\' && json[1] != '\0')
				*to++ = *json++;
			*to++ = *json++;
			continue;
		}
		json += 6;
		if (code >= 0xD800 && code < 0xDC00 &&
			(low = unicode_escape(json)) >= 0xDC00 && low < 0xE000)
		{
			to += write_utf8(to, 0x10000 + ((unsigned int) (code - 0xD800) << 10) + (unsigned int) (low - 0xDC00));
			json += 6;
		}
		else
			to += write_utf8(to, code >= 0xD800 && code < 0xE000 ? 0xFFFD : (unsigned int) code);
	}
	*to = '\0';
}
