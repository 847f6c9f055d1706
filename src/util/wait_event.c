/*-------------------------------------------------------------------------
 *
 * wait_event.c
 *	  What pg_stat_activity shows while one of our processes waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "util/wait_event.h"

/* By IgWaitEvent; docs/operations.md lists them. */
static const char *const names[] = {
	"IgnisignLauncherMain",
	"IgnisignWorkerMain",
	"IgnisignHttp",
	"IgnisignAnswerFile",
	"IgnisignListenerMain",
	"IgnisignCallback",
	"IgnisignRequest",
	"IgnisignWorkerEnd"
};

/*
 * All names are looked up, and made known to the server, at a process's first
 * wait: later ones may be where no error can be raised.
 */
uint32
ig_wait_event(IgWaitEvent event)
{
	static uint32 known[lengthof(names)];

	if (known[0] == 0)
	{
		for (int i = 0; i < (int) lengthof(names); i++)
			known[i] = ig_new_wait_event(names[i]);
	}
	return known[event];
}
