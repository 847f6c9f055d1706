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

#include <signal.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "launcher/slots.h"
#include "util/wait_event.h"

/* Pause before a failed worker is started again: doubles up to the second. */
#define FIRST_RESTART_PAUSE 1000
#define LAST_RESTART_PAUSE	60000

/* A worker that lived this long is healthy: its next failure is a first one. */
#define HEALTHY_AFTER		60000

/* How long a holder waits for the worker to end by itself, and in all. */
#define HOLD_PATIENCE		2000
#define HOLD_TIMEOUT		10000

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

static IgSlots *slots = NULL;
static LWLock *slots_lock = NULL;
static IgSlot *my_slot = NULL;	/* of the worker or the listener */

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
	slots = ShmemInitStruct("ignisign slots", slots_size(), &found);
	slots_lock = &GetNamedLWLockTranche("ignisign")->lock;
	if (!found)
	{
		memset(slots, 0, slots_size());
		slots->nslots = ig_max_databases;
		for (int i = 0; i < CHANGED_COUNT; i++)
			ConditionVariableInit(&slots->changed[i]);
		for (int i = 0; i < slots->nslots; i++)
		{
			IgSlot	   *slot = &slots->slot[i];

			ConditionVariableInit(&slot->gone);
			pg_atomic_init_u64(&slot->heartbeat, 0);
			pg_atomic_init_u64(&slot->cycle_since, 0);
			pg_atomic_init_u64(&slot->wait_until, 0);
			pg_atomic_init_u64(&slot->woken_at, 0);
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
	return slots != NULL;
}

/* Find a database's slot; the lock is held. */
static IgSlot *
find_slot(Oid database)
{
	for (int i = 0; i < slots->nslots; i++)
	{
		IgSlot	   *slot = &slots->slot[i];

		if (slot->database == database)
			return slot;
	}
	return NULL;
}

/* Find or take a slot; the lock is held exclusively.  NULL: none is left. */
static IgSlot *
take_slot(Oid database)
{
	IgSlot	   *slot = find_slot(database);

	if (slot == NULL)
	{
		slot = find_slot(InvalidOid);
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
static void
free_slot(IgSlot *slot)
{
	slot->state = IG_SLOT_FREE;
	if (slot->holders == 0)
		slot->database = InvalidOid;
}

/* Wake the launcher; the lock is held. */
static void
wake_launcher(void)
{
	if (slots->launcher)
		SetLatch(&slots->launcher->procLatch);
}

/*
 * Wake the slot's worker; the lock is held, shared will do: whoever writes
 * "again" at the same time writes the same, and one time of waking is as good as
 * another.
 */
static void
wake_worker(IgSlot *slot)
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

	if (slots == NULL)
		return;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = take_slot(database);
	if (slot == NULL)
		ereport(LOG,
				(errmsg("ignisign: no worker for the database \"%s\": ignisign.max_databases (%d) is reached",
						name, slots->nslots),
				 errhint("Its queue is kept. Increase ignisign.max_databases and restart the server.")));
	else if (slot->state == IG_SLOT_RUNNING)
		wake_worker(slot);
	else if (slot->state != IG_SLOT_STARTING)
	{
		slot->state = IG_SLOT_WANTED;
		slot->failures = 0;
		slot->next_start = 0;
		wake_launcher();
	}
	LWLockRelease(slots_lock);
}

/* Wake a database's worker, or ask for one where there is none. */
void
ig_slots_wake(Oid database, const char *name)
{
	IgSlot	   *slot;
	bool		known;

	if (slots == NULL)
		return;

	LWLockAcquire(slots_lock, LW_SHARED);
	slot = find_slot(database);
	known = (slot != NULL && slot->state != IG_SLOT_FREE);
	if (known && slot->state == IG_SLOT_RUNNING)
		wake_worker(slot);
	LWLockRelease(slots_lock);

	if (!known)
		ig_slots_want(database, name);
}

/* Copy what is known of a database's worker; false: nothing is. */
bool
ig_slots_view(Oid database, IgSlotView *view)
{
	IgSlot	   *slot;

	memset(view, 0, sizeof(*view));
	if (slots == NULL)
		return false;

	LWLockAcquire(slots_lock, LW_SHARED);
	slot = find_slot(database);
	if (slot != NULL)
	{
		view->state = slot->state;
		view->database = slot->database;
		view->pid = slot->pid;
		view->failures = slot->failures;
		view->next_start = slot->next_start;
		view->started_at = slot->pid != 0 ? slot->started_at : 0;
		view->heartbeat = pg_atomic_read_u64(&slot->heartbeat);
		view->cycle_since = pg_atomic_read_u64(&slot->cycle_since);
		view->wait_until = pg_atomic_read_u64(&slot->wait_until);
		view->woken_at = pg_atomic_read_u64(&slot->woken_at);
		strlcpy(view->listener, slot->listener, sizeof(view->listener));
	}
	LWLockRelease(slots_lock);
	return slot != NULL;
}

/* Copy the n-th of a database's counters; false: they are not in use. */
bool
ig_slots_counters(Oid database, int n, IgCounters *copy)
{
	IgSlot	   *slot;
	bool		used;

	if (slots == NULL)
		return false;

	LWLockAcquire(slots_lock, LW_SHARED);
	slot = find_slot(database);
	used = slot != NULL && ig_counters_read(&slot->counters.of[n], copy);
	LWLockRelease(slots_lock);
	return used;
}

/* Whether there is a launcher. */
bool
ig_slots_launcher_running(void)
{
	return slots != NULL && slots->launcher != NULL;
}

/* Where to wait for a change in a database's requests. */
ConditionVariable *
ig_slots_changed(Oid database)
{
	return &slots->changed[database % CHANGED_COUNT];
}

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

	if (slots == NULL)
		return;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = take_slot(database);
	if (slot != NULL)
	{
		slot->holders++;
		slot->stop = true;
		if (slot->state == IG_SLOT_RUNNING)
			SetLatch(&slot->proc->procLatch);
	}
	LWLockRelease(slots_lock);
	if (slot == NULL)
		return;

	/* The slot cannot go to another database while it is held. */
	ConditionVariablePrepareToSleep(&slot->gone);
	for (;;)
	{
		bool		busy;
		int			pid;

		LWLockAcquire(slots_lock, LW_SHARED);
		busy = (slot->state == IG_SLOT_STARTING || slot->state == IG_SLOT_RUNNING);
		pid = slot->pid;
		LWLockRelease(slots_lock);
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

	if (slots == NULL)
		return;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot != NULL && slot->holders > 0 && --slot->holders == 0)
	{
		slot->stop = false;
		if (slot->state == IG_SLOT_FREE)
			free_slot(slot);
		else if (slot->state == IG_SLOT_RUNNING)
			wake_worker(slot);
		wake_launcher();
	}
	LWLockRelease(slots_lock);
}

/* The launcher is gone. */
static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slots->launcher = NULL;
	LWLockRelease(slots_lock);
}

/*
 * Become the launcher.  Workers that an earlier launcher registered and that
 * did not attach yet are started again: a slot admits one worker only.
 */
void
ig_slots_attach_launcher(void)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slots->launcher = MyProc;
	for (int i = 0; i < slots->nslots; i++)
	{
		if (slots->slot[i].state == IG_SLOT_STARTING)
			slots->slot[i].state = IG_SLOT_WANTED;
	}
	LWLockRelease(slots_lock);
	before_shmem_exit(detach_launcher, (Datum) 0);
}

/*
 * The database whose worker is to be registered now, marked STARTING, or
 * InvalidOid; then *next is when to ask again, or 0 for not before the latch
 * is set.  One starts at a time: a server with many databases may have few
 * background worker slots, and most databases turn out to need none.
 */
Oid
ig_slots_next_to_start(TimestampTz now, TimestampTz *next)
{
	Oid			database = InvalidOid;
	IgSlot	   *chosen = NULL;

	*next = 0;
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	for (int i = 0; i < slots->nslots; i++)
	{
		IgSlot	   *slot = &slots->slot[i];

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
	LWLockRelease(slots_lock);
	return database;
}

/* A worker could not be registered; returns how often in a row. */
int
ig_slots_start_failed(Oid database)
{
	IgSlot	   *slot;
	int			failures = 0;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot != NULL && slot->state == IG_SLOT_STARTING)
	{
		count_failure(slot);
		failures = slot->failures;
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(slots_lock);
	return failures;
}

/* A registered worker ended; had it attached, it has said so itself. */
void
ig_slots_worker_ended(Oid database)
{
	(void) ig_slots_start_failed(database);
}

/* The database is gone. */
void
ig_slots_forget(Oid database)
{
	IgSlot	   *slot;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot != NULL && slot->state != IG_SLOT_RUNNING)
	{
		free_slot(slot);
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(slots_lock);
}

/* The worker ends, for whatever reason. */
static void
detach_worker(int code, Datum arg)
{
	IgSlot	   *slot = my_slot;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot->pid = 0;
	slot->proc = NULL;
	slot->listener[0] = '\0';
	pg_atomic_write_u64(&slot->cycle_since, 0);
	pg_atomic_write_u64(&slot->wait_until, 0);
	pg_atomic_write_u64(&slot->woken_at, 0);
	if (slot->for_good && !slot->again)
		free_slot(slot);
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
	wake_launcher();
	LWLockRelease(slots_lock);
	my_slot = NULL;
}

/* Become the database's worker; false: not wanted (any more). */
bool
ig_slots_attach_worker(Oid database)
{
	IgSlot	   *slot;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
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
		my_slot = slot;
		ig_slots_cycle_begins();
		wake_launcher();
	}
	else if (slot != NULL && slot->state == IG_SLOT_STARTING)
	{
		/* Somebody took hold of it in between; that is no failure. */
		slot->state = IG_SLOT_WANTED;
		slot->next_start = 0;
		ConditionVariableBroadcast(&slot->gone);
	}
	LWLockRelease(slots_lock);

	if (my_slot == NULL)
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
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	my_slot->again = false;
	LWLockRelease(slots_lock);
}

/*
 * End without being started again, unless somebody asked for a worker since
 * ig_slots_about_to_leave, or "again" says that there is something to do.
 */
void
ig_slots_leave(bool again)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	my_slot->for_good = true;
	if (again)
		my_slot->again = true;
	LWLockRelease(slots_lock);
}

/* Whether somebody wants this worker to end. */
bool
ig_slots_stop_requested(void)
{
	bool		stop;

	LWLockAcquire(slots_lock, LW_SHARED);
	stop = my_slot->stop;
	LWLockRelease(slots_lock);
	return stop;
}

/* Where this worker counts. */
IgCounterSet *
ig_slots_my_counters(void)
{
	return &my_slot->counters;
}

/*
 * The worker begins a cycle, and reads what it was woken for.  The exchange is a barrier:
 * whoever wakes it later is noted again.
 */
void
ig_slots_cycle_begins(void)
{
	TimestampTz now = GetCurrentTimestamp();

	pg_atomic_write_u64(&my_slot->heartbeat, now);
	pg_atomic_write_u64(&my_slot->cycle_since, now);
	(void) pg_atomic_exchange_u64(&my_slot->woken_at, 0);
}

/* Whether it was woken, and has not begun a cycle since. */
bool
ig_slots_is_woken(void)
{
	return pg_atomic_read_u64(&my_slot->woken_at) != 0;
}

/* It has ended the cycle. */
void
ig_slots_cycle_ends(void)
{
	pg_atomic_write_u64(&my_slot->cycle_since, 0);
}

/* It rests until then, or, if that is 0, until it is woken. */
void
ig_slots_rests(TimestampTz until)
{
	pg_atomic_write_u64(&my_slot->heartbeat, GetCurrentTimestamp());
	pg_atomic_write_u64(&my_slot->wait_until, until);
}

/* Tell who waits that requests of this database changed. */
void
ig_slots_broadcast(void)
{
	ConditionVariableBroadcast(&slots->changed[MyDatabaseId % CHANGED_COUNT]);
}

/* Have the worker look whether there is to be a listener. */
void
ig_slots_check_listener(Oid database)
{
	IgSlot	   *slot;

	if (slots == NULL)
		return;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot != NULL && slot->state == IG_SLOT_RUNNING)
	{
		slot->check_listener = true;
		SetLatch(&slot->proc->procLatch);
	}
	LWLockRelease(slots_lock);
}

/* Whether the worker is to look; asked once, it is not any more. */
bool
ig_slots_take_listener_check(void)
{
	bool		check;

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	check = my_slot->check_listener;
	my_slot->check_listener = false;
	LWLockRelease(slots_lock);
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

	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	slot = find_slot(database);
	if (slot != NULL && slot->state == IG_SLOT_RUNNING)
	{
		slot->listener_end = IG_LISTENER_FAILED;
		my_slot = slot;
	}
	LWLockRelease(slots_lock);
	return my_slot != NULL;
}

/* The listener ends, and says so. */
void
ig_slots_leave_listener(IgListenerEnd end)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	my_slot->listener_end = end;
	LWLockRelease(slots_lock);
}

/* How the last listener ended. */
IgListenerEnd
ig_slots_listener_end(void)
{
	IgListenerEnd end;

	LWLockAcquire(slots_lock, LW_SHARED);
	end = my_slot->listener_end;
	LWLockRelease(slots_lock);
	return end;
}

/* What there is to say of the listener; empty: there is none. */
void
ig_slots_set_listener(const char *text)
{
	LWLockAcquire(slots_lock, LW_EXCLUSIVE);
	strlcpy(my_slot->listener, text, sizeof(my_slot->listener));
	LWLockRelease(slots_lock);
}
