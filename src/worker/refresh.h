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

#include "worker/execution.h"

/* The rounds of a server. */
typedef struct IgRounds IgRounds;

/*
 * The servers that have open requests, as they were at the last look; *again is when
 * one will be made, or 0: it was made now.  Needs a transaction.
 */
extern List *ig_refresh_servers(TimestampTz now, TimestampTz *again);

extern const char *ig_refresh_server(const IgRounds *rounds);

/* When to collect next; it may be over. */
extern TimestampTz ig_refresh_due(const IgRounds *rounds);

/* Batches that are due, at most about "max" of them.  Needs a transaction. */
extern List *ig_refresh_collect(IgRounds *rounds, TimestampTz now, int max);

/* The API refuses a batch: its halves are tried. */
extern void ig_refresh_refused(const IgBatch *batch);

#endif							/* IGNISIGN_REFRESH_H */
