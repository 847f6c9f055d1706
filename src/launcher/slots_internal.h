/*-------------------------------------------------------------------------
 *
 * slots_internal.h
 *	  Shared memory of the slots, for the files slot*.c of this folder only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SLOTS_INTERNAL_H
#define IGNISIGN_SLOTS_INTERNAL_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "launcher/slots.h"

#define CHANGED_COUNT		64

typedef struct IgSlot
{
	IgSlotState state;
	Oid			database;
	int			holders;		/* commands that keep the worker away */
	bool		stop;			/* the worker is to end */
	bool		for_good;		/* the worker found nothing to do here */
	bool		again;			/* somebody asked for it all the same */
	int			pid;
	PGPROC	   *proc;
	int			failures;		/* in a row */
	TimestampTz started_at;
	TimestampTz next_start;
	ConditionVariable gone;		/* the worker has ended */
	bool		check_listener; /* the database's settings have changed */
	IgListenerEnd listener_end; /* how the last listener ended */
	char		listener[IG_LISTENER_TEXT]; /* what there is to say of it */

	/*
	 * Signs of the worker's life, as in IgSlotView.  The worker writes them without the lock, which it must
	 * not wait for in each cycle.
	 */
	pg_atomic_uint64 heartbeat;
	pg_atomic_uint64 cycle_since;
	pg_atomic_uint64 wait_until;
	pg_atomic_uint64 woken_at;	/* written by others, too */
	pg_atomic_uint64 locked_since;

	IgCounterSet counters;
} IgSlot;

typedef struct IgSlots
{
	PGPROC	   *launcher;

	/*
	 * Something changed in a database's requests.  By a hash of the database, so that who waits never holds
	 * on to a slot.
	 */
	ConditionVariable changed[CHANGED_COUNT];
	int			nslots;
	IgSlot		slot[FLEXIBLE_ARRAY_MEMBER];
} IgSlots;

extern IgSlots *ig_slots;		/* NULL: the module was not preloaded */
extern LWLock *ig_slots_lock;
extern IgSlot *ig_my_slot;		/* of the worker or the listener */

/* Find a database's slot; the caller holds the lock.  Returns NULL if there is none. */
extern IgSlot *ig_slot_find(Oid database);

/* Find or take a slot; the caller holds the lock exclusively.  Returns NULL if none is left. */
extern IgSlot *ig_slot_take(Oid database);

/* Give a slot back unless a command holds it; the caller holds the lock exclusively. */
extern void ig_slot_free(IgSlot *slot);

/* Wake the launcher; the caller holds the lock. */
extern void ig_slot_wake_launcher(void);

/* Wake the slot's worker; the caller holds the lock, at least shared. */
extern void ig_slot_wake_worker(IgSlot *slot);

#endif							/* IGNISIGN_SLOTS_INTERNAL_H */
