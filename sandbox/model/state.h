/*-------------------------------------------------------------------------
 *
 * state.h
 *	  What the sandbox holds, in a file, so that it outlives a restart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_STATE_H
#define SB_STATE_H

#include "model/record.h"

/* A kind of records: its letter, which is no other kind's, and what reads and writes one. */
typedef struct SbRecordKind
{
	char		kind;
	SbRecordFunction function;
} SbRecordKind;

/* A part of the sandbox that keeps records in the file. */
typedef struct SbStatePart
{
	SbRecordKind kinds[4];		/* those that it has, then zeroes */
	void		(*append_all) (void);	/* append all there is, for a new file */
	void		(*forget) (void);	/* forget all there is, or NULL */
} SbStatePart;

extern void sb_state_register(const SbStatePart *part);
extern bool sb_state_start(void);

/* Append a record of an object now, or with the next flush. */
extern void sb_state_append(char kind, void *object);
extern void sb_state_touch(char kind, void *object, bool *mark);
extern void sb_state_flush(void);
extern void sb_state_reset(void);

#endif							/* SB_STATE_H */
