/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  Between the API, which speaks UTF-8, and a database in any encoding.
 *
 * What is sent has to be exact: a text that cannot be converted is refused when
 * it is queued.  What comes in must not keep a request from going on: what the
 * database's encoding lacks is replaced.  A database in SQL_ASCII holds bytes
 * without a meaning; they are taken for UTF-8, and must be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "api/api.h"
#include "util/encoding.h"

/* Whether the database's texts are, or are to be, UTF-8. */
static bool
is_utf8(void)
{
	return GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII;
}

/*
 * Convert from one encoding to another, as far as it goes; returns how many
 * bytes of the source that is.  The result is terminated.
 */
static int
convert(int from, int to, const char *source, int length, char *result)
{
	Oid			proc;

	if (is_utf8())
	{
		length = pg_encoding_verifymbstr(PG_UTF8, source, length);
		memcpy(result, source, length);
		result[length] = '\0';
		return length;
	}
	proc = FindDefaultConversionProc(from, to);
	if (!OidIsValid(proc))
	{
		/* All that the two have in common. */
		for (int i = 0; i < length; i++)
		{
			if (IS_HIGHBIT_SET(source[i]))
				length = i;
		}
		memcpy(result, source, length);
		result[length] = '\0';
		return length;
	}
	return pg_do_encoding_conversion_buf(proc, from, to, (unsigned char *) unconstify(char *, source), length,
										 (unsigned char *) result, length * MAX_CONVERSION_GROWTH + 1, true);
}

/* Room for what becomes of so many bytes. */
static char *
make_room(size_t length)
{
	if (length > PG_INT32_MAX / MAX_CONVERSION_GROWTH - 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a text of %zu bytes is too long to be converted", length)));
	return MemoryContextAllocHuge(CurrentMemoryContext, length * MAX_CONVERSION_GROWTH + 1);
}

/* A text of the database as the API takes it, or NULL. */
char *
ig_to_wire(const char *text)
{
	int			length = strlen(text);
	char	   *result = make_room(length);

	if (convert(GetDatabaseEncoding(), PG_UTF8, text, length, result) == length)
		return result;
	pfree(result);
	return NULL;
}

/* A text of the API as the database takes it. */
char *
ig_from_wire(const char *text)
{
	int			left = strlen(text);
	char	   *result = make_room(left);
	char	   *end = result;

	for (;;)
	{
		int			n = convert(PG_UTF8, GetDatabaseEncoding(), text, left, end);

		end += strlen(end);
		text += n;
		left -= n;
		if (left <= 0)
			return result;

		/* A character that has no equivalent, or a byte that is none. */
		n = pg_encoding_verifymbchar(PG_UTF8, text, left);
		text += Max(n, 1);
		left -= Max(n, 1);
		*end++ = '?';
	}
}

/*
 * JSON of the API as jsonb; escapes are resolved before, as each text would be.  What
 * the server needs on the way takes several times the JSON's size, and is freed.
 */
Datum
ig_jsonb_from_wire(char *json)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ignisign jsonb", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *text = json;
	Datum		made;
	Datum		result;

	ig_api_json_unescape(json);
	if (!is_utf8() || !ig_api_valid_utf8(json, strlen(json)))
		text = ig_from_wire(json);
	made = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	MemoryContextSwitchTo(old);
	result = datumCopy(made, false, -1);
	MemoryContextDelete(context);
	return result;
}
