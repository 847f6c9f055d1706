/*-------------------------------------------------------------------------
 *
 * answers.h
 *	  What has come back is applied, in the worker's transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_ANSWERS_H
#define IGNISIGN_ANSWERS_H

#include "postgres.h"

#include "flight.h"

/*
 * Apply the outcomes of flights that were digested.  Each fails alone, and is
 * then refused; one that waits for a lock is held, and is to be applied again.
 */
extern void ig_answers_apply(IgFlight **flights, int n);

#endif							/* IGNISIGN_ANSWERS_H */
