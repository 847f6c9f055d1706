/*-------------------------------------------------------------------------
 *
 * ahead.h
 *	  Calls that are claimed before there is a slot for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_AHEAD_H
#define IGNISIGN_AHEAD_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "worker/execution.h"

/*
 * Keep executions that were claimed ahead, and are built, until there is a slot; returns
 * until when at most, or 0.
 */
extern TimestampTz ig_ahead_keep(List *executions);

/* Whether there are any. */
extern bool ig_ahead_any(void);

/*
 * A transfer has ended well: if an execution of its account state is kept, and may start now, that
 * one takes its slot, and is returned; else NULL.  Needs no transaction.
 */
extern IgExecution *ig_ahead_relieve(IgExecution *ended, TimestampTz now);

/* Those that may start now, for other reasons, with their slots taken.  Needs a transaction. */
extern List *ig_ahead_board(TimestampTz now);

/*
 * Give back the calls of those that may not start, or of all: they are pending as they
 * were before they were claimed.  Those whose rows are locked are kept.  Returns when
 * to look again, or 0.  Needs a transaction.
 */
extern TimestampTz ig_ahead_give_back(bool all, TimestampTz now);

#endif							/* IGNISIGN_AHEAD_H */
