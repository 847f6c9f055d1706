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

#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

typedef enum IgSlotState
{
	IG_SLOT_FREE,
	IG_SLOT_WANTED,				/* the launcher is to start a worker */
	IG_SLOT_STARTING,			/* registered, not attached yet */
	IG_SLOT_RUNNING				/* worker attached */
} IgSlotState;

/* A copy of a slot, for those who look. */
typedef struct IgSlotView
{
	IgSlotState state;
	Oid			database;
	int			pid;
	int			failures;
	TimestampTz next_start;
} IgSlotView;

extern void ig_slots_init(void);

/* Whether the module was preloaded, so that the shared memory is there. */
extern bool ig_slots_available(void);

/* For backends. */
extern void ig_slots_want(Oid database);
extern void ig_slots_wake(Oid database);
extern bool ig_slots_view(Oid database, IgSlotView *view);
extern bool ig_slots_launcher_running(void);
extern void ig_slots_hold(Oid database);
extern void ig_slots_release(Oid database);
extern ConditionVariable *ig_slots_changed(Oid database);

/* For the launcher. */
extern void ig_slots_attach_launcher(void);
extern Oid	ig_slots_next_to_start(TimestampTz now, TimestampTz *next);
extern int	ig_slots_start_failed(Oid database);
extern void ig_slots_worker_ended(Oid database);
extern void ig_slots_forget(Oid database);

/* For the worker. */
extern bool ig_slots_attach_worker(Oid database);
extern void ig_slots_about_to_leave(void);
extern void ig_slots_leave(bool again);
extern bool ig_slots_stop_requested(void);
extern void ig_slots_broadcast(void);

/* launcher.c */
extern void ig_launcher_register(void);
extern PGDLLEXPORT void ignisign_launcher_main(Datum arg);

#endif							/* IGNISIGN_SLOTS_H */
