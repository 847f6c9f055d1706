/*-------------------------------------------------------------------------
 *
 * trouble.h
 *	  Local trouble: a step of the worker that fails here, and not at the API.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_TROUBLE_H
#define IGNISIGN_TROUBLE_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "queue/queue.h"

/* Why a step failed. */
typedef struct IgTrouble
{
	bool		passes;			/* it is over some time, and the step can be tried again */
	bool		locked;			/* it is a lock */
	bool		id_taken;		/* the API's id belongs to another request */
	char		sqlstate[6];
	char	   *text;			/* in the memory context of the step's caller */
} IgTrouble;

/*
 * Do a step in a subtransaction that waits for a lock at most as long as "patience".
 * False: the step failed and is undone, and *trouble is why.
 */
extern bool ig_try(void (*step) (void *arg), void *arg, const char *patience, IgTrouble *trouble);

/* When to try a step again that has failed this many times in a row. */
extern TimestampTz ig_trouble_next_try(int failures, TimestampTz now);

/*
 * How long, in ms, until a call is looked for again whose response could not be
 * applied; "waits" is how often that was so.
 */
extern int64 ig_refused_delay(int waits);

/* "the call 17 of request ...", for the log. */
extern char *ig_call_name(const IgCall *call);

#endif							/* IGNISIGN_TROUBLE_H */
