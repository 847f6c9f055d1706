/*-------------------------------------------------------------------------
 *
 * guard_wait.h
 *	  A worker waits until nothing is wrong with the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_GUARD_WAIT_H
#define IGNISIGN_GUARD_WAIT_H

#include "postgres.h"

/*
 * In a worker, outside of a transaction: wait until there is no problem.  Ends the
 * process if that is asked for meanwhile.
 */
extern void ig_guard_wait(void);

#endif							/* IGNISIGN_GUARD_WAIT_H */
