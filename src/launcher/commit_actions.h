/*-------------------------------------------------------------------------
 *
 * commit_actions.h
 *	  What the workers are told at the end of a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_COMMIT_ACTIONS_H
#define IGNISIGN_COMMIT_ACTIONS_H

#include "postgres.h"

/* Owed to the workers at the end of the current transaction (wake.c). */
extern void ig_wake_at_commit(void);
extern void ig_want_at_commit(Oid database, const char *name);
extern void ig_hold_until_end(Oid database);
extern void ig_check_listener_at_commit(Oid database);

#endif							/* IGNISIGN_COMMIT_ACTIONS_H */
