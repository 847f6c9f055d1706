/*-------------------------------------------------------------------------
 *
 * responses.h
 *	  What has come back is applied, in the worker's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_ANSWERS_H
#define IGNISIGN_ANSWERS_H

#include "postgres.h"

#include "worker/execution.h"

/*
 * Apply the outcomes of executions that were digested.  Each fails alone.  One that waits
 * for trouble to pass is held, and is to be applied again at its next_try.
 */
extern void ig_responses_apply(IgExecution **executions, int n);

#endif							/* IGNISIGN_ANSWERS_H */
