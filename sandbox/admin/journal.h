/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What was received, and the responses, for tests to read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_JOURNAL_H
#define SB_JOURNAL_H

#include "http/call.h"

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
extern void sb_journal_add(const SbCall *call, int status, const char *broken, const char *fault, bool processed, int64_t duration);
extern void sb_journal_clear(void);
extern cJSON *sb_journal_list(const char *operation, int64_t since, int64_t limit);
extern cJSON *sb_journal_counts(bool titles);

extern void sb_journal_register(void);

#endif							/* SB_JOURNAL_H */
