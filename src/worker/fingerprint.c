/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  What requests are compared by: title, signers, file names, and the
 *	  documents' hashes.
 *
 * A wrong match costs a person's signature.  A missed match asks people twice.
 * So a request at Ignisign is ours without a person's decision only if nothing is
 * missing, and all agrees:
 *
 *	signers		hashes		title		file names
 *	equal		equal		equal		any			exact
 *	equal		equal		other		any			possible
 *	equal		differ		equal		equal		possible
 *	equal		differ		any other				none
 *	equal		none		equal		equal		probable
 *	equal		none		equal		other		possible
 *	equal		none		other		any			none
 *	other		any			any			any			none
 *
 * "None" in the column of hashes says that we do not know the documents, as with
 * those that Ignisign downloads.  A title that differs in case, or in compatible
 * characters only, counts for a possible match.
 *
 * A field that is missing at Ignisign may have any value.  If each value gives no
 * match there is none.  Otherwise the match is incomplete.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <locale.h>
#include <wctype.h>

#include "common/cryptohash.h"
#include "common/unicode_norm.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "util/bytes.h"
#include "util/encoding.h"
#include "worker/fingerprint.h"

/*
 * Longer texts are compared as they are: the time that normalization takes can
 * grow with the square of the length.  No title of ours is as long.
 */
#define MAX_NORMALIZED		4096

/* qsort comparator of strings. */
static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Whether it is white space. */
static bool
is_blank(pg_wchar c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
		(c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Whether nobody sees it: a soft hyphen, a joiner, a byte order mark. */
static bool
is_invisible(pg_wchar c)
{
	return c == 0xAD || (c >= 0x200B && c <= 0x200D) || c == 0xFEFF;
}

/* A character in lower case. */
static pg_wchar
fold_case(pg_wchar c)
{
	static locale_t locale = (locale_t) 0;
	static bool tried = false;

	if (!tried)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	tried = true;
	if (c < 0x80 || locale == (locale_t) 0)
		return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	return (pg_wchar) towlower_l((wint_t) c, locale);
}

/* The characters of UTF-8, with a zero at the end; a byte that is not valid is one. */
static pg_wchar *
decode(const char *text, int length)
{
	pg_wchar   *result = palloc((length + 1) * sizeof(pg_wchar));
	const unsigned char *c = (const unsigned char *) text;
	const unsigned char *end = c + length;
	int			n = 0;

	while (c < end)
	{
		int			size = pg_utf_mblen(c);

		if (size > end - c || !pg_utf8_islegal(c, size))
		{
			result[n++] = *c++;
			continue;
		}
		result[n++] = utf8_to_unicode(c);
		c += size;
	}
	result[n] = 0;
	return result;
}

/*
 * A text as it is compared: in one of Unicode's normal forms, without white space
 * around it, and white space in it as one blank.  If folded, in lower case, and
 * with compatible characters as one.
 */
static char *
normalize(const char *text, bool folded)
{
	int			length = strlen(text);
	pg_wchar   *chars;
	StringInfoData result;
	bool		blank = false;

	if (length > MAX_NORMALIZED)
		return pstrdup(text);
	chars = unicode_normalize(folded ? UNICODE_NFKC : UNICODE_NFC, decode(text, length));
	initStringInfo(&result);
	for (; *chars; chars++)
	{
		unsigned char utf8[8];

		if (is_blank(*chars) || is_invisible(*chars))
		{
			blank = blank || is_blank(*chars);
			continue;
		}
		if (blank && result.len > 0)
			appendStringInfoChar(&result, ' ');
		blank = false;
		unicode_to_utf8(folded ? fold_case(*chars) : *chars, utf8);
		appendBinaryStringInfo(&result, (char *) utf8, pg_utf_mblen(utf8));
	}
	return result.data;
}

/* Set a field to the digest of a text. */
static void
set_field(IgField *field, const char *text, int length)
{
	memcpy(field->digest, VARDATA(ig_sha256(text, length)), sizeof(field->digest));
	field->known = true;
}

/* Set a field to the digest of texts, whatever their order. */
static void
set_list(IgField *field, char **texts, int n)
{
	StringInfoData joined;

	qsort(texts, n, sizeof(char *), compare_strings);
	initStringInfo(&joined);
	for (int i = 0; i < n; i++)
		appendStringInfo(&joined, "%s\n", texts[i]);
	set_field(field, joined.data, joined.len);
}

/* Set what titles are compared by. */
static void
set_title(IgFingerprint *fingerprint, const char *title)
{
	char	   *normal = normalize(title, false);
	char	   *folded = normalize(title, true);

	set_field(&fingerprint->title, normal, strlen(normal));
	set_field(&fingerprint->folded_title, folded, strlen(folded));
}

/* The hash of a document in hex; NULL when it cannot be read as a SHA-256. */
static char *
readable_hash(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	uint8		hash[PG_SHA256_DIGEST_LENGTH];
	char	   *hex;

	if (text == NULL || !ig_api_read_sha256(text, hash))
		return NULL;
	hex = palloc(2 * sizeof(hash) + 1);
	for (int i = 0; i < (int) sizeof(hash); i++)
	{
		hex[2 * i] = digits[hash[i] >> 4];
		hex[2 * i + 1] = digits[hash[i] & 15];
	}
	hex[2 * sizeof(hash)] = '\0';
	return hex;
}

/* Make a memory context for what is needed to compute a fingerprint. */
static MemoryContext
work_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "ignisign likeness", ALLOCSET_DEFAULT_SIZES);
}

/* The fingerprint of an entry of the list. */
void
ig_fingerprint_of_entry(IgFingerprint *fingerprint, const char *title)
{
	MemoryContext work = work_context();
	MemoryContext old = MemoryContextSwitchTo(work);

	memset(fingerprint, 0, sizeof(*fingerprint));
	if (title != NULL)
		set_title(fingerprint, title);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/* Add what a context says. */
void
ig_fingerprint_of_context(IgFingerprint *fingerprint, const IgApiResponse *response)
{
	MemoryContext work = work_context();
	MemoryContext old = MemoryContextSwitchTo(work);
	char	  **emails = palloc(Max(response->nsigners, 1) * sizeof(char *));
	char	  **names = palloc(Max(response->ndocuments, 1) * sizeof(char *));
	char	  **hashes = palloc(Max(response->ndocuments, 1) * sizeof(char *));
	int			nemails = 0;
	int			nnames = 0;
	int			nhashes = 0;

	if (response->title != NULL)
		set_title(fingerprint, response->title);
	for (int i = 0; i < response->nsigners; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (response->signers[i].email != NULL)
			emails[nemails++] = normalize(response->signers[i].email, true);
	}
	for (int i = 0; i < response->ndocuments; i++)
	{
		const IgApiContextDocument *document = &response->documents[i];
		char	   *hash = readable_hash(document->document_hash);

		CHECK_FOR_INTERRUPTS();
		if (document->file_name != NULL)
			names[nnames++] = normalize(document->file_name, true);
		if (hash != NULL)
			hashes[nhashes++] = hash;
	}
	if (nemails > 0 && nemails == response->nsigners)
		set_list(&fingerprint->signers, emails, nemails);
	if (nnames > 0 && nnames == response->ndocuments)
		set_list(&fingerprint->file_names, names, nnames);
	if (nhashes > 0 && nhashes == response->ndocuments)
		set_list(&fingerprint->hashes, hashes, nhashes);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/* Whether it has what the API always says. */
bool
ig_fingerprint_complete(const IgFingerprint *fingerprint)
{
	return fingerprint->title.known && fingerprint->signers.known && !fingerprint->undated &&
		(fingerprint->hashes.known || fingerprint->file_names.known);
}

/* Text of ours as the API has it; as it is where it cannot be converted, "" for NULL. */
static char *
wire_text(const char *text)
{
	char	   *wire = text ? ig_to_wire(text) : NULL;

	return wire ? wire : pstrdup(text ? text : "");
}

/* Set a field to the lines of a text of ours. */
static void
set_lines(IgField *field, const char *text)
{
	char	   *utf8 = wire_text(text);
	char	  **lines = palloc((strlen(utf8) + 1) * sizeof(char *));
	int			n = 0;
	char	   *rest = NULL;

	for (char *line = strtok_r(utf8, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		lines[n++] = normalize(line, true);
	set_list(field, lines, n);
}

/* The fingerprint of a request of ours. */
void
ig_fingerprint_of_rows(IgFingerprint *fingerprint, const char *title, const char *emails,
					   const char *file_names, const char *hashes)
{
	MemoryContext work = work_context();
	MemoryContext old = MemoryContextSwitchTo(work);

	memset(fingerprint, 0, sizeof(*fingerprint));
	set_title(fingerprint, wire_text(title));
	set_lines(&fingerprint->signers, emails);
	set_lines(&fingerprint->file_names, file_names);
	if (hashes != NULL && strchr(hashes, '?') == NULL)
		set_lines(&fingerprint->hashes, hashes);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

/* Whether fields agree, or may do so because one is not known. */
static bool
may_agree(const IgField *a, const IgField *b)
{
	return !a->known || !b->known || memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

/* The match if each missing field has the value that agrees best. */
static IgMatch
best_match(const IgFingerprint *theirs, const IgFingerprint *ours)
{
	bool		same_title = may_agree(&theirs->title, &ours->title);
	bool		like_title = may_agree(&theirs->folded_title, &ours->folded_title);
	bool		same_names = may_agree(&theirs->file_names, &ours->file_names);

	if (!may_agree(&theirs->signers, &ours->signers))
		return IG_MATCH_NONE;
	if (!ours->hashes.known)
		return !like_title ? IG_MATCH_NONE : same_title && same_names ? IG_MATCH_PROBABLE : IG_MATCH_POSSIBLE;
	if (may_agree(&theirs->hashes, &ours->hashes))
		return same_title ? IG_MATCH_EXACT : IG_MATCH_POSSIBLE;
	return like_title && same_names ? IG_MATCH_POSSIBLE : IG_MATCH_NONE;
}

/* What is missing to compare it with ours; NULL: nothing is. */
static const char *
missing_field(const IgFingerprint *theirs, const IgFingerprint *ours)
{
	if (!theirs->title.known)
		return "it has no title";
	if (!theirs->signers.known)
		return "it has no signers, or not all of their e-mail addresses";
	if (ours->hashes.known && !theirs->hashes.known)
		return "it has no documents, or not all of their hashes";
	if (!ours->hashes.known && !theirs->file_names.known)
		return "it has no documents, or not all of their file names";
	if (theirs->undated)
		return "it has no time at which it was made";
	return NULL;
}

/* Compare. */
IgMatch
ig_fingerprint_compare(const IgFingerprint *theirs, const IgFingerprint *ours)
{
	IgMatch		match = best_match(theirs, ours);

	if (match == IG_MATCH_NONE)
		return match;
	if (missing_field(theirs, ours) != NULL)
		return IG_MATCH_INCOMPLETE;
	return theirs->doubt ? IG_MATCH_POSSIBLE : match;
}

/* Why it is incomplete or possible. */
const char *
ig_fingerprint_reason(const IgFingerprint *theirs, const IgFingerprint *ours)
{
	const char *missing = missing_field(theirs, ours);

	if (missing != NULL)
		return missing;
	if (theirs->doubt)
		return theirs->doubt;
	if (!may_agree(&theirs->title, &ours->title))
		return "it has another title";
	return ours->hashes.known ? "it has other documents with the same file names" : "its documents have other file names";
}

/* ---- The index ---- */

/*
 * Two requests match only if signers and hashes agree, or signers and titles.
 * Each request at Ignisign is under both pairs, a missing field being a value of
 * its own, and each of ours is looked for with and without each of its fields.
 */
typedef struct IndexKey
{
	char		pair;			/* 'h': with hashes; 't': with the title */
	bool		has_signers;
	bool		has_other;
	uint8		signers[PG_SHA256_DIGEST_LENGTH];
	uint8		other[PG_SHA256_DIGEST_LENGTH];
} IndexKey;

typedef struct IgFingerprintNode
{
	IgFingerprint *fingerprint;
	void	   *item;
	struct IgFingerprintNode *next;
} IgFingerprintNode;

typedef struct IndexEntry
{
	IndexKey	key;
	IgFingerprintNode *nodes;
} IndexEntry;

struct IgFingerprintIndex
{
	HTAB	   *table;
};

/* Probes of one of ours: two pairs, each with and without either field. */
#define PROBES 8

/* Make a key. */
static IndexKey
index_key(char pair, const IgField *signers, const IgField *other)
{
	IndexKey	key;

	memset(&key, 0, sizeof(key));
	key.pair = pair;
	key.has_signers = signers->known;
	key.has_other = other->known;
	if (signers->known)
		memcpy(key.signers, signers->digest, sizeof(key.signers));
	if (other->known)
		memcpy(key.other, other->digest, sizeof(key.other));
	return key;
}

/* Make an index. */
IgFingerprintIndex *
ig_fingerprint_index(void)
{
	IgFingerprintIndex *index = palloc(sizeof(IgFingerprintIndex));
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(IndexKey);
	ctl.entrysize = sizeof(IndexEntry);
	ctl.hcxt = CurrentMemoryContext;
	index->table = hash_create("ignisign fingerprints", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return index;
}

/* Add an item under a key. */
static void
add_node(IgFingerprintIndex *index, IndexKey key, IgFingerprint *fingerprint, void *item)
{
	IgFingerprintNode *node = palloc(sizeof(IgFingerprintNode));
	bool		found;
	IndexEntry *entry = hash_search(index->table, &key, HASH_ENTER, &found);

	node->fingerprint = fingerprint;
	node->item = item;
	node->next = found ? entry->nodes : NULL;
	entry->nodes = node;
}

/* Add an item. */
void
ig_fingerprint_index_add(IgFingerprintIndex *index, IgFingerprint *fingerprint, void *item)
{
	add_node(index, index_key('h', &fingerprint->signers, &fingerprint->hashes), fingerprint, item);
	add_node(index, index_key('t', &fingerprint->signers, &fingerprint->folded_title), fingerprint, item);
}

/* Where the items of a probe begin; NULL: there are none. */
static IgFingerprintNode **
first_slot(const IgFingerprintSearch *search)
{
	static const IgField unknown = {false};
	const IgFingerprint *ours = search->ours;
	bool		hashes = search->probe < PROBES / 2;
	const IgField *signers = search->probe & 1 ? &unknown : &ours->signers;
	const IgField *other = search->probe & 2 ? &unknown : hashes ? &ours->hashes : &ours->folded_title;
	IndexKey	key = index_key(hashes ? 'h' : 't', signers, other);
	IndexEntry *entry = hash_search(search->index->table, &key, HASH_FIND, NULL);

	return entry ? &entry->nodes : NULL;
}

/* The next item that matches. */
void *
ig_fingerprint_index_next(IgFingerprintSearch *search, IgMatch least)
{
	for (; search->probe < PROBES; search->probe++, search->slot = NULL)
	{
		if (search->slot == NULL && (search->slot = first_slot(search)) == NULL)
			continue;
		while (*search->slot != NULL)
		{
			IgFingerprintNode *node = *search->slot;

			CHECK_FOR_INTERRUPTS();
			if (node->fingerprint->taken)
			{
				*search->slot = node->next;
				continue;
			}
			search->slot = &node->next;
			search->match = ig_fingerprint_compare(node->fingerprint, search->ours);
			if (search->match >= least)
				return node->item;
		}
	}
	return NULL;
}
