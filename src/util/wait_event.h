/*-------------------------------------------------------------------------
 *
 * wait_event.h
 *	  What pg_stat_activity shows while one of our processes waits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_WAIT_EVENT_H
#define IGNISIGN_WAIT_EVENT_H

#include "postgres.h"

typedef enum IgWaitEvent
{
	IG_WAIT_LAUNCHER,			/* the launcher has nothing to do */
	IG_WAIT_WORKER,				/* a worker has nothing to do */
	IG_WAIT_HTTP,				/* calls are under way */
	IG_WAIT_RESPONSE_FILE,		/* a response is written to a file, or read */
	IG_WAIT_LISTENER,			/* a listener waits for messages */
	IG_WAIT_CALLBACK,			/* a worker waits for callbacks to end */
	IG_WAIT_REQUEST,			/* ignisign_wait() and its like */
	IG_WAIT_WORKER_END			/* a command waits for the worker to end */
} IgWaitEvent;

/* To be waited with. */
extern uint32 ig_wait_event(IgWaitEvent event);

#endif							/* IGNISIGN_WAIT_EVENT_H */
