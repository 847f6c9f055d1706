/*-------------------------------------------------------------------------
 *
 * slot_heartbeat.c
 *	  Signs of a worker's life in its slot.
 *
 * The worker writes them without the lock: it must not wait for the lock in each cycle.
 * "woken_at" is also written by the backends that wake the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "launcher/slots_internal.h"

/*
 * The worker begins a cycle, and reads what it was woken for.  Returns whether it was.  The
 * exchange is a barrier: whoever wakes it later is noted again.
 */
bool
ig_slots_cycle_begins(void)
{
	TimestampTz now = GetCurrentTimestamp();

	pg_atomic_write_u64(&ig_my_slot->heartbeat, now);
	pg_atomic_write_u64(&ig_my_slot->cycle_since, now);
	return pg_atomic_exchange_u64(&ig_my_slot->woken_at, 0) != 0;
}

/* Whether it was woken, and has not begun a cycle since. */
bool
ig_slots_is_woken(void)
{
	return pg_atomic_read_u64(&ig_my_slot->woken_at) != 0;
}

/* It has ended the cycle. */
void
ig_slots_cycle_ends(void)
{
	pg_atomic_write_u64(&ig_my_slot->cycle_since, 0);
}

/* It rests until then, or, if that is 0, until it is woken. */
void
ig_slots_rests(TimestampTz until)
{
	pg_atomic_write_u64(&ig_my_slot->heartbeat, GetCurrentTimestamp());
	pg_atomic_write_u64(&ig_my_slot->wait_until, until);
}

/* Locks are in its way since then, or (0) none is. */
void
ig_slots_set_locked(TimestampTz since)
{
	pg_atomic_write_u64(&ig_my_slot->locked_since, since);
}
