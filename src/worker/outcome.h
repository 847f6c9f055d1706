/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What the outcome of a call means for its server and its account.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_JUDGE_H
#define IGNISIGN_JUDGE_H

#include "postgres.h"

#include "worker/execution.h"

/*
 * Count the outcome, and have the server's load control and the account's account state know
 * of it, unless they do.  Needs a transaction.
 */
extern void ig_record_outcome(IgExecution *execution, TimestampTz now);

#endif							/* IGNISIGN_JUDGE_H */
