/*-------------------------------------------------------------------------
 *
 * guard_wait.c
 *	  A worker waits until nothing is wrong with the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"

#include "launcher/slots.h"
#include "util/guard.h"
#include "util/session.h"
#include "util/wait_event.h"
#include "worker/guard_wait.h"

/* How long a worker waits until it looks again, in ms. */
#define HOLD_PAUSE	5000

/* Look again; *said is whether a problem was reported. */
static bool
is_held(bool *said)
{
	const IgGuardProblem *found = NULL;
	bool		held;

	ig_guard_forget();
	ig_session_begin("checking the tables");
	if (OidIsValid(ig_session_extension()))
		found = ig_guard_problem();
	held = (found != NULL);
	if (held && !*said)
		ereport(WARNING,
				(errmsg("ignisign: nothing is sent: %s", found->message),
				 errhint("%s", found->hint)));
	else if (!held && *said)
		ereport(LOG, (errmsg("ignisign: the tables are in order, calls are sent again")));
	*said = held;
	ig_session_commit();
	return held;
}

/* Wait until there is no problem. */
void
ig_guard_wait(void)
{
	bool		said = false;

	while (is_held(&said))
	{
		ig_slots_cycle_ends();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, HOLD_PAUSE,
						 ig_wait_event(IG_WAIT_WORKER));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ShutdownRequestPending || ig_slots_stop_requested())
			proc_exit(0);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}
