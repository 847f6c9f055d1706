/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  What a cycle of the worker takes up: scans, calls, refreshes, log-ins.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_CLAIM_H
#define IGNISIGN_CLAIM_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

/* Have *next be this time, unless it is sooner; 0: there is none. */
extern void ig_look_again(TimestampTz *next, TimestampTz at);

/* Calls may have been queued that no claim has seen. */
extern void ig_claim_look(void);

/*
 * Take up what is due, as executions that are still to be built; *next is when
 * there will be more, unless it is sooner.  What is claimed is under way as
 * soon as the transaction commits.
 */
extern List *ig_claim(TimestampTz now, TimestampTz *next);

#endif							/* IGNISIGN_CLAIM_H */
