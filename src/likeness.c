/*-------------------------------------------------------------------------
 *
 * likeness.c
 *	  What requests are compared by: title, signers, file names, and the
 *	  documents' hashes.
 *
 * To take a request for another one costs a person's signature, to miss one
 * asks people twice.  So equal hashes outweigh file names, which a server may
 * tidy up; of a title, white space does not count; and where hashes are not
 * told, or are of something else than was sent, file names keep a request from
 * being taken for certain either way.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/formatting.h"

#include "encoding.h"
#include "likeness.h"

/* qsort comparator of strings. */
static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Join strings in order. */
static char *
join_sorted(char **strings, int n)
{
	StringInfoData joined;

	qsort(strings, n, sizeof(char *), compare_strings);
	initStringInfo(&joined);
	for (int i = 0; i < n; i++)
		appendStringInfo(&joined, "%s\n", strings[i]);
	return joined.data;
}

/* The hash of a document in hex, or "?" when it cannot be read as a SHA-256. */
static char *
readable_hash(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	uint8		hash[PG_SHA256_DIGEST_LENGTH];
	char	   *hex;

	if (text == NULL || !ig_api_read_sha256(text, hash))
		return "?";
	hex = palloc(2 * sizeof(hash) + 1);
	for (int i = 0; i < (int) sizeof(hash); i++)
	{
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[2 * sizeof(hash)] = '\0';
	return hex;
}

/* A title without white space around it, and each in it as one blank. */
char *
ig_likeness_title(const char *title)
{
	char	   *result = palloc(strlen(title) + 1);
	char	   *end = result;

	for (const char *c = title; *c; c++)
	{
		bool		space = strchr(" \t\r\n\f\v", *c) != NULL;

		if (!space)
			*end++ = *c;
		else if (end > result && end[-1] != ' ')
			*end++ = ' ';
	}
	if (end > result && end[-1] == ' ')
		end--;
	*end = '\0';
	return result;
}

/* The likeness of a request at Ignisign. */
void
ig_likeness_of_context(IgLikeness *likeness, const IgApiAnswer *answer)
{
	char	  **emails = palloc0(Max(answer->nsigners, 1) * sizeof(char *));
	char	  **names = palloc0(Max(answer->ndocuments, 1) * sizeof(char *));
	char	  **hashes = palloc0(Max(answer->ndocuments, 1) * sizeof(char *));

	likeness->vague = answer->nsigners == 0 || answer->ndocuments == 0 || answer->title == NULL;
	for (int i = 0; i < answer->nsigners; i++)
	{
		const char *email = answer->signers[i].email;

		likeness->vague = likeness->vague || email == NULL;
		emails[i] = email ? asc_tolower(email, strlen(email)) : pstrdup("");
	}
	for (int i = 0; i < answer->ndocuments; i++)
	{
		const char *name = answer->documents[i].file_name;

		likeness->vague = likeness->vague || name == NULL;
		names[i] = pstrdup(name ? name : "");
		hashes[i] = readable_hash(answer->documents[i].document_hash);
	}
	likeness->title = ig_likeness_title(answer->title ? answer->title : "");
	likeness->emails = join_sorted(emails, answer->nsigners);
	likeness->file_names = join_sorted(names, answer->ndocuments);
	likeness->hashes = join_sorted(hashes, answer->ndocuments);
}

/* Text of ours as the API has it. */
char *
ig_likeness_text(const char *text)
{
	char	   *wire = text ? ig_to_wire(text) : NULL;

	return wire ? wire : pstrdup(text ? text : "");
}

/* The lines of a text of ours, in the order that they have in UTF-8. */
static char *
sort_lines(const char *text)
{
	char	   *utf8 = ig_likeness_text(text);
	char	  **lines = palloc((strlen(utf8) + 1) * sizeof(char *));
	int			n = 0;
	char	   *rest = NULL;

	for (char *line = strtok_r(utf8, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		lines[n++] = line;
	return join_sorted(lines, n);
}

/* The likeness of a request of ours. */
void
ig_likeness_of_rows(IgLikeness *likeness, const char *title, const char *emails,
					const char *file_names, const char *hashes)
{
	likeness->title = ig_likeness_title(ig_likeness_text(title));
	likeness->emails = sort_lines(emails);
	likeness->file_names = sort_lines(file_names);
	likeness->hashes = sort_lines(hashes);
	likeness->vague = false;
}

/* Whether title and signers are the same. */
static bool
same_people(const IgLikeness *a, const IgLikeness *b)
{
	return strcmp(a->title, b->title) == 0 && strcmp(a->emails, b->emails) == 0;
}

/* Whether all hashes of both are known. */
static bool
hashes_known(const IgLikeness *a, const IgLikeness *b)
{
	return strchr(a->hashes, '?') == NULL && strchr(b->hashes, '?') == NULL;
}

bool
ig_likeness_equal(const IgLikeness *a, const IgLikeness *b)
{
	return same_people(a, b) && hashes_known(a, b) && strcmp(a->hashes, b->hashes) == 0;
}

bool
ig_likeness_seems_equal(const IgLikeness *a, const IgLikeness *b)
{
	return ig_likeness_equal(a, b) ||
		(same_people(a, b) && !hashes_known(a, b) && strcmp(a->file_names, b->file_names) == 0);
}

bool
ig_likeness_may_be_equal(const IgLikeness *a, const IgLikeness *b)
{
	if (a->vague || b->vague)
		return strcmp(a->title, b->title) == 0;
	return same_people(a, b) &&
		(!hashes_known(a, b) || strcmp(a->hashes, b->hashes) == 0 || strcmp(a->file_names, b->file_names) == 0);
}
