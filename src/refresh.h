/*-------------------------------------------------------------------------
 *
 * refresh.h
 *	  When which open requests have their status refreshed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_REFRESH_H
#define IGNISIGN_REFRESH_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "flight.h"

/* When to collect next; 0: nothing is open.  Needs a transaction. */
extern TimestampTz ig_refresh_next(TimestampTz now);

/* Batches that are due, at most about "max" of them.  Needs a transaction. */
extern List *ig_refresh_collect(TimestampTz now, int max);

/* The API refuses a batch: its halves are tried. */
extern void ig_refresh_refused(const IgBatch *batch);

#endif							/* IGNISIGN_REFRESH_H */
