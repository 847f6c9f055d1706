/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What was received, and the responses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_JOURNAL_H
#define SANDBOX_JOURNAL_H

#include "model/state.h"

typedef struct SbEntry
{
	int64_t		time;
	char	   *method;
	char	   *path;
	const char *operation;
	int			status;			/* 0: none was sent */
	const char *broken;			/* how the response was broken, or NULL */
	char	   *fault;			/* what was to go wrong, or NULL */
	bool		processed;
	char		created[SB_ID_LENGTH + 1];
	char	   *title;
	int			emails;
	size_t		body_size;
	char	   *body_sha256;
	int64_t		duration;
} SbEntry;

extern const SbEntry *sb_journal_entry(size_t number);
extern size_t sb_journal_size(void);

#endif							/* SANDBOX_JOURNAL_H */
