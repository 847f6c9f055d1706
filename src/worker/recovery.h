/*-------------------------------------------------------------------------
 *
 * recovery.h
 *	  Recovering the calls that a predecessor left.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_RECOVERY_H
#define IGNISIGN_RECOVERY_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * At the worker's start, if the queue is this database's: find the calls that a
 * predecessor left, and recover what is possible now.  Needs a transaction.
 */
extern void ig_recovery_begin(void);

/* Recover more, if it is time.  Needs a transaction. */
extern void ig_recovery_continue(TimestampTz now);

/* When to continue, or 0 if nothing is left. */
extern TimestampTz ig_recovery_next(void);

/* Whether calls may be claimed: it is known whether another server may have sent them. */
extern bool ig_recovery_lets_claim(void);

#endif							/* IGNISIGN_RECOVERY_H */
