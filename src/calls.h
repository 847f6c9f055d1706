/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Calls that belong to no request: asked for and answered one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_CALLS_H
#define IGNISIGN_CALLS_H

#include "postgres.h"

#include "flight.h"

/* Store the answer of such a call; in the worker's transaction. */
extern void ig_apply_result(IgFlight *flight);

#endif							/* IGNISIGN_CALLS_H */
