/*-------------------------------------------------------------------------
 *
 * health.h
 *	  What this database's worker is at, and what to do about it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_HEALTH_H
#define IGNISIGN_HEALTH_H

#include "postgres.h"

#include "launcher/slots.h"

/* How long, in ms, something may be due before it is called stuck. */
#define IG_STUCK_AFTER	500

typedef struct IgHealthView
{
	IgSlotView	slot;
	const char *state;			/* in words */
	char	   *hint;			/* what to do, or NULL */
	bool		counting;		/* the queue can be read without waiting */
	bool		sending;		/* what is due ought to be sent */
	bool		stuck;			/* and is not, because of the worker */
} IgHealthView;

/*
 * Look, without waiting for a lock.  As the extension's owner, in a transaction.
 */
extern void ig_health_view(IgHealthView *view);

#endif							/* IGNISIGN_HEALTH_H */
