/*-------------------------------------------------------------------------
 *
 * slot_listener.c
 *	  What worker, listener and backends tell each other of the listener.
 *
 * The slot belongs to the worker.  The listener of the same database writes into it
 * how it ended and what it has to say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/lwlock.h"

#include "launcher/slots_internal.h"

/* Have the worker look whether there is to be a listener. */
void
ig_slots_check_listener(Oid database)
{
	IgSlot	   *slot;

	if (ig_slots == NULL)
		return;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->state == IG_SLOT_RUNNING)
	{
		slot->check_listener = true;
		SetLatch(&slot->proc->procLatch);
	}
	LWLockRelease(ig_slots_lock);
}

/* Whether the worker is to look; asked once, it is not any more. */
bool
ig_slots_take_listener_check(void)
{
	bool		check;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	check = ig_my_slot->check_listener;
	ig_my_slot->check_listener = false;
	LWLockRelease(ig_slots_lock);
	return check;
}

/*
 * Become the listener of a database whose worker runs; the worker keeps the slot
 * until the listener has ended.  False: there is no worker (any more).
 */
bool
ig_slots_attach_listener(Oid database)
{
	IgSlot	   *slot;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->state == IG_SLOT_RUNNING)
	{
		slot->listener_end = IG_LISTENER_FAILED;
		ig_my_slot = slot;
	}
	LWLockRelease(ig_slots_lock);
	return ig_my_slot != NULL;
}

/* The listener ends, and says so. */
void
ig_slots_leave_listener(IgListenerEnd end)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	ig_my_slot->listener_end = end;
	LWLockRelease(ig_slots_lock);
}

/* How the last listener ended. */
IgListenerEnd
ig_slots_listener_end(void)
{
	IgListenerEnd end;

	LWLockAcquire(ig_slots_lock, LW_SHARED);
	end = ig_my_slot->listener_end;
	LWLockRelease(ig_slots_lock);
	return end;
}

/* What there is to say of the listener; empty: there is none. */
void
ig_slots_set_listener(const char *text)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	strlcpy(ig_my_slot->listener, text, sizeof(ig_my_slot->listener));
	LWLockRelease(ig_slots_lock);
}
