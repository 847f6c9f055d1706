/*-------------------------------------------------------------------------
 *
 * callbacks.h
 *	  Users' functions that are called when something happened.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_CALLBACKS_H
#define IGNISIGN_CALLBACKS_H

#include "postgres.h"

#include "utils/timestamp.h"

/* What a process that calls is told of its callback, in bgw_extra. */
typedef struct IgCallbackStart
{
	Oid			role;
	int64		callback;
} IgCallbackStart;

/*
 * Why a function cannot be called as the role of that name, or NULL; then
 * *role is it.  *hint is what to do about it.
 */
extern char *ig_callback_problem(const char *owner, Oid *role, char **hint);

/*
 * For the worker (callback_launch.c).  Collect, in a transaction, the callbacks
 * that have something to do; returns when to look again, or 0.  Whether a process
 * has ended since.  Start their processes, when it has committed.  End all processes, and wait for that.
 */
extern TimestampTz ig_callbacks_collect(TimestampTz now);
extern bool ig_callbacks_have_ended(void);
extern void ig_callbacks_start(void);
extern void ig_callbacks_end(void);

/* callback_worker.c */
extern PGDLLEXPORT void ignisign_callback_main(Datum arg);

#endif							/* IGNISIGN_CALLBACKS_H */
