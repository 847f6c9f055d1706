/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Waiting for what the worker does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_WAIT_H
#define IGNISIGN_WAIT_H

#include "postgres.h"

#include "utils/timestamp.h"

/* How far what is waited for has come. */
typedef enum IgProgress
{
	IG_PROGRESS_REACHED,
	IG_PROGRESS_POSSIBLE,
	IG_PROGRESS_IMPOSSIBLE
} IgProgress;

/*
 * Wait, up to the timeout, until a look says that it is reached or impossible.
 * Looks again after each commit of the worker.  Raises an error where nothing
 * can come of it: see ignisign_wait().
 */
extern IgProgress ig_wait_for(IgProgress (*look_at) (void *arg), void *arg, Interval *timeout);

#endif							/* IGNISIGN_WAIT_H */
