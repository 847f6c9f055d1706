/*-------------------------------------------------------------------------
 *
 * fingerprint.h
 *	  What requests are compared by.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LIKENESS_H
#define IGNISIGN_LIKENESS_H

#include "postgres.h"

#include "common/sha2.h"

#include "api/api.h"

/* A field as it is compared: a digest of its normal form. */
typedef struct IgField
{
	bool		known;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
} IgField;

/* A request as it is compared; it holds no pointer into the request. */
typedef struct IgFingerprint
{
	IgField		title;			/* white space does not count */
	IgField		folded_title;	/* nor do case and compatible spellings */
	IgField		signers;		/* their e-mail addresses, in order */
	IgField		file_names;
	IgField		hashes;			/* known if each document has one */
	bool		undated;		/* the API does not say when it was made */
	const char *doubt;			/* why it is a possible match at most, or NULL */
	bool		taken;			/* an index offers it no longer */
} IgFingerprint;

/* How far a request at Ignisign agrees with one of ours. */
typedef enum IgMatch
{
	IG_MATCH_NONE,				/* they are different */
	IG_MATCH_INCOMPLETE,		/* a field is missing that could show a difference */
	IG_MATCH_POSSIBLE,			/* they are alike: a person decides */
	IG_MATCH_PROBABLE,			/* they are equal, and there are no hashes to compare */
	IG_MATCH_EXACT				/* they are equal, with the documents' hashes */
} IgMatch;

/* The fingerprint of an entry of the list: its title, which may be NULL. */
extern void ig_fingerprint_of_entry(IgFingerprint *fingerprint, const char *title);

/* Add what the entry's context says. */
extern void ig_fingerprint_of_context(IgFingerprint *fingerprint, const IgApiResponse *response);

/*
 * Whether it has what the API always says of a request that is not a draft.  Not each
 * document has a hash and a file name.
 */
extern bool ig_fingerprint_complete(const IgFingerprint *fingerprint);

/*
 * The fingerprint of a request of ours.  Texts are in the server's encoding or NULL;
 * lists are joined by line ends, and an unknown hash is "?".  Needs a transaction.
 */
extern void ig_fingerprint_of_rows(IgFingerprint *fingerprint, const char *title, const char *emails,
								   const char *file_names, const char *hashes);

/* Compare a request at Ignisign with one of ours. */
extern IgMatch ig_fingerprint_compare(const IgFingerprint *theirs, const IgFingerprint *ours);

/* Why a match is incomplete or possible; a static text. */
extern const char *ig_fingerprint_reason(const IgFingerprint *theirs, const IgFingerprint *ours);

/*
 * An index finds the requests at Ignisign that can match one of ours without a
 * look at the others.  It lives in the memory context in which it is made.
 */
typedef struct IgFingerprintIndex IgFingerprintIndex;

extern IgFingerprintIndex *ig_fingerprint_index(void);
extern void ig_fingerprint_index_add(IgFingerprintIndex *index, IgFingerprint *fingerprint, void *item);

/* A search: set index and ours, and the rest to zero. */
typedef struct IgFingerprintSearch
{
	IgFingerprintIndex *index;
	const IgFingerprint *ours;
	int			probe;
	struct IgFingerprintNode **slot;
	IgMatch		match;			/* of the item that was returned last */
} IgFingerprintSearch;

/* The next item that matches at least so well; NULL: there is no other. */
extern void *ig_fingerprint_index_next(IgFingerprintSearch *search, IgMatch least);

#endif							/* IGNISIGN_LIKENESS_H */
