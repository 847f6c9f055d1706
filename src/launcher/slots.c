/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Shared memory: one slot for each database that has, or is to have, a
 *	  worker, and the requests that backends make of the launcher.
 *
 * A slot goes FREE -> WANTED (a backend or the launcher's first look asks
 * for it) -> STARTING (the launcher registered a worker) -> RUNNING (the
 * worker attached) and back: to FREE when the worker finds that the database
 * has no extension, to WANTED when it ended for any other reason.
 *
 * A command that needs the database for itself holds the slot: the worker is
 * asked to end, which it does when the calls under way have come back or, after
 * a while, at once; and none is started until the slot is released.
 *
 * All of it is lost in a crash restart, together with all workers; the
 * launcher then looks at every database again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "launcher/slots_internal.h"

/* Pause before a failed worker is started again: doubles up to the second. */
#define FIRST_RESTART_PAUSE 1000
#define LAST_RESTART_PAUSE	60000

/* A worker that lived this long is healthy: its next failure is a first one. */
#define HEALTHY_AFTER		60000

IgSlots    *ig_slots = NULL;
LWLock	   *ig_slots_lock = NULL;
IgSlot	   *ig_my_slot = NULL;	/* of the worker or the listener */

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* Size of the shared memory. */
static Size
slots_size(void)
{
	return add_size(offsetof(IgSlots, slot),
					mul_size(ig_max_databases, sizeof(IgSlot)));
}

/* shmem_request_hook: ask for the shared memory. */
static void
slots_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(slots_size());
	RequestNamedLWLockTranche("ignisign", 1);
}

/* shmem_startup_hook: make or find it. */
static void
slots_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ig_slots = ShmemInitStruct("ignisign slots", slots_size(), &found);
	ig_slots_lock = &GetNamedLWLockTranche("ignisign")->lock;
	if (!found)
	{
		memset(ig_slots, 0, slots_size());
		ig_slots->nslots = ig_max_databases;
		for (int i = 0; i < CHANGED_COUNT; i++)
			ConditionVariableInit(&ig_slots->changed[i]);
		for (int i = 0; i < ig_slots->nslots; i++)
		{
			IgSlot	   *slot = &ig_slots->slot[i];

			ConditionVariableInit(&slot->gone);
			pg_atomic_init_u64(&slot->heartbeat, 0);
			pg_atomic_init_u64(&slot->cycle_since, 0);
			pg_atomic_init_u64(&slot->wait_until, 0);
			pg_atomic_init_u64(&slot->woken_at, 0);
			pg_atomic_init_u64(&slot->locked_since, 0);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Install the hooks; called while the module is preloaded. */
void
ig_slots_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = slots_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = slots_startup;
}

/* Whether the module was preloaded. */
bool
ig_slots_available(void)
{
	return ig_slots != NULL;
}

/* Find a database's slot; the lock is held. */
IgSlot *
ig_slot_find(Oid database)
{
	for (int i = 0; i < ig_slots->nslots; i++)
	{
		IgSlot	   *slot = &ig_slots->slot[i];

		if (slot->database == database)
			return slot;
	}
	return NULL;
}

/* Find or take a slot; the lock is held exclusively.  NULL: none is left. */
IgSlot *
ig_slot_take(Oid database)
{
	IgSlot	   *slot = ig_slot_find(database);

	if (slot == NULL)
	{
		slot = ig_slot_find(InvalidOid);
		if (slot == NULL)
			return NULL;
		slot->state = IG_SLOT_FREE;
		slot->database = database;
		slot->holders = 0;
		slot->stop = false;
		slot->for_good = false;
		slot->again = false;
		slot->pid = 0;
		slot->proc = NULL;
		slot->failures = 0;
		slot->next_start = 0;
		pg_atomic_write_u64(&slot->heartbeat, 0);
		ig_counters_reset(&slot->counters);
	}
	return slot;
}

/* Give a slot back unless somebody holds it; the lock is held exclusively. */
void
ig_slot_free(IgSlot *slot)
{
	slot->state = IG_SLOT_FREE;
	if (slot->holders == 0)
		slot->database = InvalidOid;
}

/* Wake the launcher; the lock is held. */
void
ig_slot_wake_launcher(void)
{
	if (ig_slots->launcher)
		SetLatch(&ig_slots->launcher->procLatch);
}

/*
 * Wake the slot's worker; the lock is held, shared will do: whoever writes
 * "again" at the same time writes the same, and one time of waking is as good as
 * another.
 */
void
ig_slot_wake_worker(IgSlot *slot)
{
	slot->again = true;
	if (pg_atomic_read_u64(&slot->woken_at) == 0)
		pg_atomic_write_u64(&slot->woken_at, GetCurrentTimestamp());
	SetLatch(&slot->proc->procLatch);
}

/* The worker of this slot ended without success; the lock is held. */
static void
count_failure(IgSlot *slot)
{
	int			pause = LAST_RESTART_PAUSE;

	if (slot->failures < 6)
		pause = FIRST_RESTART_PAUSE << slot->failures;
	slot->failures++;
	slot->state = IG_SLOT_WANTED;
	slot->next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
}

/*
 * Ask for a worker in a database, whatever became of earlier ones.  The
 * worker itself finds out whether the database has the extension.
 */
void
ig_slots_want(Oid database, const char *name)
{
	IgSlot	   *slot;

	if (ig_slots == NULL)
		return;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_take(database);
	if (slot == NULL)
		ereport(LOG,
				(errmsg("ignisign: no worker for the database \"%s\": ignisign.max_databases (%d) is reached",
						name, ig_slots->nslots),
				 errhint("Its queue is kept. Increase ignisign.max_databases and restart the server.")));
	else if (slot->state == IG_SLOT_RUNNING)
		ig_slot_wake_worker(slot);
	else if (slot->state != IG_SLOT_STARTING)
	{
		slot->state = IG_SLOT_WANTED;
		slot->failures = 0;
		slot->next_start = 0;
		ig_slot_wake_launcher();
	}
	LWLockRelease(ig_slots_lock);
}

/* Wake a database's worker, or ask for one where there is none. */
void
ig_slots_wake(Oid database, const char *name)
{
	IgSlot	   *slot;
	bool		known;

	if (ig_slots == NULL)
		return;

	LWLockAcquire(ig_slots_lock, LW_SHARED);
	slot = ig_slot_find(database);
	known = (slot != NULL && slot->state != IG_SLOT_FREE);
	if (known && slot->state == IG_SLOT_RUNNING)
		ig_slot_wake_worker(slot);
	LWLockRelease(ig_slots_lock);

	if (!known)
		ig_slots_want(database, name);
}

/* Copy what is known of a database's worker; false: nothing is. */
bool
ig_slots_view(Oid database, IgSlotView *view)
{
	IgSlot	   *slot;

	memset(view, 0, sizeof(*view));
	if (ig_slots == NULL)
		return false;

	LWLockAcquire(ig_slots_lock, LW_SHARED);
	slot = ig_slot_find(database);
	if (slot != NULL)
	{
		view->state = slot->state;
		view->pid = slot->pid;
		view->failures = slot->failures;
		view->next_start = slot->next_start;
		view->started_at = slot->pid != 0 ? slot->started_at : 0;
		view->heartbeat = pg_atomic_read_u64(&slot->heartbeat);
		view->cycle_since = pg_atomic_read_u64(&slot->cycle_since);
		view->wait_until = pg_atomic_read_u64(&slot->wait_until);
		view->woken_at = pg_atomic_read_u64(&slot->woken_at);
		view->locked_since = pg_atomic_read_u64(&slot->locked_since);
		strlcpy(view->listener, slot->listener, sizeof(view->listener));
	}
	LWLockRelease(ig_slots_lock);
	return slot != NULL;
}

/* Copy the n-th of a database's counters; false: they are not in use. */
bool
ig_slots_counters(Oid database, int n, IgCounters *copy)
{
	IgSlot	   *slot;
	bool		used;

	if (ig_slots == NULL)
		return false;

	LWLockAcquire(ig_slots_lock, LW_SHARED);
	slot = ig_slot_find(database);
	used = slot != NULL && ig_counters_read(&slot->counters.of[n], copy);
	LWLockRelease(ig_slots_lock);
	return used;
}

/* Whether there is a launcher. */
bool
ig_slots_launcher_running(void)
{
	return ig_slots != NULL && ig_slots->launcher != NULL;
}

/* Where to wait for a change in a database's requests. */
ConditionVariable *
ig_slots_changed(Oid database)
{
	return &ig_slots->changed[database % CHANGED_COUNT];
}

/* The launcher is gone. */
static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	ig_slots->launcher = NULL;
	LWLockRelease(ig_slots_lock);
}

/*
 * Become the launcher.  Workers that an earlier launcher registered and that
 * did not attach yet are started again: a slot admits one worker only.
 */
void
ig_slots_attach_launcher(void)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	ig_slots->launcher = MyProc;
	for (int i = 0; i < ig_slots->nslots; i++)
	{
		if (ig_slots->slot[i].state == IG_SLOT_STARTING)
			ig_slots->slot[i].state = IG_SLOT_WANTED;
	}
	LWLockRelease(ig_slots_lock);
	before_shmem_exit(detach_launcher, (Datum) 0);
}

/*
 * The database whose worker is to be registered now, marked STARTING, or
 * InvalidOid; then *next is when to ask again, or 0 for not before the latch
 * is set.  One starts at a time: a server with many databases may have few
 * background worker ig_slots, and most databases turn out to need none.
 */
Oid
ig_slots_next_to_start(TimestampTz now, TimestampTz *next)
{
	Oid			database = InvalidOid;
	IgSlot	   *chosen = NULL;

	*next = 0;
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < ig_slots->nslots; i++)
	{
		IgSlot	   *slot = &ig_slots->slot[i];

		if (slot->database == InvalidOid || slot->holders > 0)
			continue;
		if (slot->state == IG_SLOT_STARTING)
		{
			chosen = NULL;
			*next = 0;
			break;
		}
		if (slot->state != IG_SLOT_WANTED)
			continue;
		if (slot->next_start > now)
		{
			if (*next == 0 || slot->next_start < *next)
				*next = slot->next_start;
		}
		else if (chosen == NULL)
			chosen = slot;
	}
	if (chosen != NULL)
	{
		chosen->state = IG_SLOT_STARTING;
		database = chosen->database;
	}
	LWLockRelease(ig_slots_lock);
	return database;
}

/* A worker could not be registered; returns how often in a row. */
int
ig_slots_start_failed(Oid database)
{
	IgSlot	   *slot;
	int			failures = 0;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->state == IG_SLOT_STARTING)
	{
		count_failure(slot);
		failures = slot->failures;
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(ig_slots_lock);
	return failures;
}

/* The database is gone. */
void
ig_slots_forget(Oid database)
{
	IgSlot	   *slot;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->state != IG_SLOT_RUNNING)
	{
		ig_slot_free(slot);
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(ig_slots_lock);
}

/* The worker ends, for whatever reason. */
static void
detach_worker(int code, Datum arg)
{
	IgSlot	   *slot = ig_my_slot;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot->pid = 0;
	slot->proc = NULL;
	slot->listener[0] = '\0';
	pg_atomic_write_u64(&slot->cycle_since, 0);
	pg_atomic_write_u64(&slot->wait_until, 0);
	pg_atomic_write_u64(&slot->woken_at, 0);
	if (slot->for_good && !slot->again)
		ig_slot_free(slot);
	else if (slot->for_good || slot->stop)
	{
		slot->state = IG_SLOT_WANTED;
		slot->next_start = 0;
	}
	else
	{
		if (TimestampDifferenceExceeds(slot->started_at, GetCurrentTimestamp(), HEALTHY_AFTER))
			slot->failures = 0;
		count_failure(slot);
	}
	ConditionVariableBroadcast(&slot->gone);
	ig_slot_wake_launcher();
	LWLockRelease(ig_slots_lock);
	ig_my_slot = NULL;
}

/* Become the database's worker; false: not wanted (any more). */
bool
ig_slots_attach_worker(Oid database)
{
	IgSlot	   *slot;

	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	slot = ig_slot_find(database);
	if (slot != NULL && slot->state == IG_SLOT_STARTING && slot->holders == 0)
	{
		slot->state = IG_SLOT_RUNNING;
		slot->stop = false;
		slot->for_good = false;
		slot->pid = MyProcPid;
		slot->proc = MyProc;
		slot->started_at = GetCurrentTimestamp();
		slot->check_listener = false;
		slot->listener[0] = '\0';
		ig_my_slot = slot;
		ig_slots_set_locked(0);
		(void) ig_slots_cycle_begins();
		ig_slot_wake_launcher();
	}
	else if (slot != NULL && slot->state == IG_SLOT_STARTING)
	{
		/* Somebody took hold of it in between; that is no failure. */
		slot->state = IG_SLOT_WANTED;
		slot->next_start = 0;
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(ig_slots_lock);

	if (ig_my_slot == NULL)
		return false;
	before_shmem_exit(detach_worker, (Datum) 0);
	return true;
}

/*
 * There seems to be nothing to do in this database.  Who asks for a worker from
 * here on is not to be missed: the caller looks once more.
 */
void
ig_slots_about_to_leave(void)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	ig_my_slot->again = false;
	LWLockRelease(ig_slots_lock);
}

/*
 * End without being started again, unless somebody asked for a worker since
 * ig_slots_about_to_leave, or "again" says that there is something to do.
 */
void
ig_slots_leave(bool again)
{
	LWLockAcquire(ig_slots_lock, LW_EXCLUSIVE);
	ig_my_slot->for_good = true;
	if (again)
		ig_my_slot->again = true;
	LWLockRelease(ig_slots_lock);
}

/* Whether somebody wants this worker to end. */
bool
ig_slots_stop_requested(void)
{
	bool		stop;

	LWLockAcquire(ig_slots_lock, LW_SHARED);
	stop = ig_my_slot->stop;
	LWLockRelease(ig_slots_lock);
	return stop;
}

/* Where this worker counts. */
IgCounterSet *
ig_slots_my_counters(void)
{
	return &ig_my_slot->counters;
}

/* Tell who waits that requests of this database changed. */
void
ig_slots_broadcast(void)
{
	ConditionVariableBroadcast(&ig_slots->changed[MyDatabaseId % CHANGED_COUNT]);
}
