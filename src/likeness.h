/*-------------------------------------------------------------------------
 *
 * likeness.h
 *	  What requests are compared by.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LIKENESS_H
#define IGNISIGN_LIKENESS_H

#include "postgres.h"

#include "api.h"

/* A request as it is compared, in UTF-8; lists are sorted and joined by line ends. */
typedef struct IgLikeness
{
	char	   *title;
	char	   *emails;
	char	   *file_names;
	char	   *hashes;			/* in hex, "?" for one that is not known */
	bool		vague;			/* signers or documents are not told */
} IgLikeness;

/* A title as it is compared. */
extern char *ig_likeness_title(const char *title);

/* Text of ours in UTF-8; as it is where it cannot be converted, "" for NULL. */
extern char *ig_likeness_text(const char *text);

/* Of a context, and of ours; texts of ours are in the server's encoding, or NULL. */
extern void ig_likeness_of_context(IgLikeness *likeness, const IgApiAnswer *answer);
extern void ig_likeness_of_rows(IgLikeness *likeness, const char *title, const char *emails,
								const char *file_names, const char *hashes);

/* Whether they are equal; as far as is known, where a hash is not; or may be. */
extern bool ig_likeness_equal(const IgLikeness *a, const IgLikeness *b);
extern bool ig_likeness_seems_equal(const IgLikeness *a, const IgLikeness *b);
extern bool ig_likeness_may_be_equal(const IgLikeness *a, const IgLikeness *b);

#endif							/* IGNISIGN_LIKENESS_H */
