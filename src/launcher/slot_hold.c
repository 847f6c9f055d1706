/*-------------------------------------------------------------------------
 *
 * slot_hold.c
 *	  Keeping workers away from a database while a command needs it for itself.
 *
 * A command that holds a slot asks the worker to end.  The worker ends when the calls
 * that it has sent have come back, or at once when its patience is over.  No worker is
 * started until the slot is released.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "storage/lwlock.h"

#include "launcher/slots_internal.h"
#include "util/wait_event.h"

/* How long a holder waits for the worker to end by itself, and in all, in ms. */
#define HOLD_PATIENCE		2000
#define HOLD_TIMEOUT		10000

/*
 * Keep workers away from a database until ig_slots_release, and wait until
 * the one that is there has ended.  A worker that does not end in time is
 * left to the command, which then says who is in its way.
 */
void
ig_slots_hold(Oid database)
{
	IgSlot	   *slot;
	TimestampTz start = GetCurrentTimestamp();
	bool		terminated = false;

	if (ig_slots == NULL)
		return;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_take(database);
	if (slot != NULL)
	{
		slot->holders++;
		slot->stop = true;
		if (slot->state == IG_SLOT_RUNNING)
			SetLatch(&slot->proc->procLatch);
	}
	LWLockRelease(ig_slots_lock);
	if (slot == NULL)
		return;

	/* The slot cannot go to another database while it is held. */
	ConditionVariablePrepareToSleep(&slot->gone);
	for (;;)
	{
		bool		busy;
		int			pid;

		LWLockAcquire(ig_slots_lock, LW_SHARED);
		busy = (slot->state == IG_SLOT_STARTING || slot->state == IG_SLOT_RUNNING);
		pid = slot->pid;
		LWLockRelease(ig_slots_lock);
		if (!busy || TimestampDifferenceExceeds(start, GetCurrentTimestamp(), HOLD_TIMEOUT))
			break;
		if (!terminated && pid != 0 &&
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), HOLD_PATIENCE))
		{
			kill(pid, SIGTERM);
			terminated = true;
		}
		(void) ConditionVariableTimedSleep(&slot->gone, HOLD_PATIENCE / 4, ig_wait_event(IG_WAIT_WORKER_END));
	}
	ConditionVariableCancelSleep();
}

/* Let workers into a database again; it may be gone by now. */
void
ig_slots_release(Oid database)
{
	IgSlot	   *slot;

	if (ig_slots == NULL)
		return;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->holders > 0 && --slot->holders == 0)
	{
		slot->stop = false;
		if (slot->state == IG_SLOT_FREE)
			ig_slot_free(slot);
		else if (slot->state == IG_SLOT_RUNNING)
			ig_slot_wake_worker(slot);
		ig_slot_wake_launcher();
	}
	LWLockRelease(ig_slots_lock);
}
