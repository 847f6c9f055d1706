/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What was received and answered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_JOURNAL_H
#define SANDBOX_JOURNAL_H

#include "model/state.h"

typedef struct Entry
{
	int64_t		time;
	char	   *method;
	char	   *path;
	const char *operation;
	int			status;			/* 0: none was sent */
	const char *broken;			/* how the answer was broken, or NULL */
	char	   *fault;			/* what was to go wrong, or NULL */
	bool		processed;
	char		created[ID_LENGTH + 1];
	char	   *title;
	int			emails;
	size_t		body_size;
	char	   *body_sha256;
	int64_t		duration;
} Entry;

extern const Entry *journal_entry(size_t number);
extern size_t journal_size(void);

#endif							/* SANDBOX_JOURNAL_H */
