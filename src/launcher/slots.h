/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Shared memory: one slot for each database that has, or is to have, a
 *	  worker, and the requests that backends make of the launcher.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SLOTS_H
#define IGNISIGN_SLOTS_H

#include "postgres.h"

#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "launcher/counters.h"

typedef enum IgSlotState
{
	IG_SLOT_FREE,
	IG_SLOT_WANTED,				/* the launcher is to start a worker */
	IG_SLOT_STARTING,			/* registered, not attached yet */
	IG_SLOT_RUNNING				/* worker attached */
} IgSlotState;

/* How a listener ended. */
typedef enum IgListenerEnd
{
	IG_LISTENER_FAILED,
	IG_LISTENER_IDLE,			/* there is nothing to listen on */
	IG_LISTENER_AGAIN			/* a new one is to be started at once */
} IgListenerEnd;

/* What there is to say of a listener, at most. */
#define IG_LISTENER_TEXT	256

/* A copy of a slot, for those who look. */
typedef struct IgSlotView
{
	IgSlotState state;
	int			pid;
	int			failures;
	TimestampTz next_start;
	TimestampTz started_at;
	TimestampTz heartbeat;		/* of the worker, as all that follows; 0: never */
	TimestampTz cycle_since;	/* it is in a cycle since then; 0: in none */
	TimestampTz wait_until;		/* it is to wake up by itself; 0: it is not */
	TimestampTz woken_at;		/* it was woken, and has not begun a cycle; 0: no */
	TimestampTz locked_since;	/* locks are in its way since then; 0: none is */
	char		listener[IG_LISTENER_TEXT]; /* empty: there is none */
} IgSlotView;

extern void ig_slots_init(void);

/* Whether the module was preloaded, so that the shared memory is there. */
extern bool ig_slots_available(void);

/* For backends. */
extern void ig_slots_want(Oid database, const char *name);
extern void ig_slots_wake(Oid database, const char *name);
extern bool ig_slots_view(Oid database, IgSlotView *view);
extern bool ig_slots_counters(Oid database, int n, IgCounters *copy);
extern bool ig_slots_launcher_running(void);
extern void ig_slots_hold(Oid database);
extern void ig_slots_release(Oid database);
extern ConditionVariable *ig_slots_changed(Oid database);

/* For the launcher. */
extern void ig_slots_attach_launcher(void);
extern Oid	ig_slots_next_to_start(TimestampTz now, TimestampTz *next);
extern int	ig_slots_start_failed(Oid database);
extern void ig_slots_forget(Oid database);

/* For the worker. */
extern bool ig_slots_attach_worker(Oid database);
extern void ig_slots_about_to_leave(void);
extern void ig_slots_leave(bool again);
extern bool ig_slots_stop_requested(void);
extern void ig_slots_broadcast(void);
extern IgCounterSet *ig_slots_my_counters(void);

/* For the worker: signs of life. */
extern bool ig_slots_cycle_begins(void);
extern bool ig_slots_is_woken(void);
extern void ig_slots_cycle_ends(void);
extern void ig_slots_rests(TimestampTz until);
extern void ig_slots_set_locked(TimestampTz since);

/* For the worker and the listener. */
extern void ig_slots_set_listener(const char *text);

/* For backends: the worker is to look whether there is to be a listener. */
extern void ig_slots_check_listener(Oid database);

/* For the worker: whether it is to look so; how the last listener ended. */
extern bool ig_slots_take_listener_check(void);
extern IgListenerEnd ig_slots_listener_end(void);

/* For the listener. */
extern bool ig_slots_attach_listener(Oid database);
extern void ig_slots_leave_listener(IgListenerEnd end);

/* launcher.c */
extern void ig_launcher_register(void);

/*
 * Register a worker of a database, of this kind: its main function is
 * ignisign_KIND_main.  We are told when it starts and ends.  False: there is no
 * room for it.
 */
extern bool ig_register_worker(const char *kind, Oid database, BackgroundWorkerHandle **handle);
extern PGDLLEXPORT void ignisign_launcher_main(Datum arg);

#endif							/* IGNISIGN_SLOTS_H */
