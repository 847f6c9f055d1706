/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What ignisign_stats() tells of calls: counters in shared memory, server
 *	  by server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_COUNTERS_H
#define IGNISIGN_COUNTERS_H

#include "postgres.h"

#include "storage/spin.h"
#include "utils/timestamp.h"

#include "util/histogram.h"
#include "util/policy.h"

/* Servers of a database that are counted apart; the others are together. */
#define IG_COUNTED_SERVERS	8

/* What is kept of an error. */
#define IG_COUNTED_ERROR	256

/* How an attempt ended. */
typedef enum IgCounted
{
	IG_COUNTED_SUCCESS,			/* answered, if only that it is not ready yet */
	IG_COUNTED_FAILURE,			/* it is tried again */
	IG_COUNTED_REFUSAL,			/* of the call or the account, for good */
	IG_COUNTED_LOSS,			/* what became of it has to be looked for */
	IG_COUNTED_OUTCOMES
} IgCounted;

/* One server's; written by the worker of the database alone. */
typedef struct IgCounters
{
	slock_t		mutex;			/* protects all that follows */
	NameData	server;			/* empty: all others */
	TimestampTz since;			/* 0: not in use */

	/* Counted up. */
	int64		calls;			/* that were begun */
	int64		ended[IG_COUNTED_OUTCOMES];
	int64		bytes_sent;
	int64		bytes_received;
	IgHistogram latency;		/* of those that were answered */

	/* As of now. */
	int			in_flight;
	int			failing;		/* failures of the server in a row */
	IgBreaker	breaker;
	IgTokenBucket bucket;
	int64		rate;			/* calls in 1000 s, 0: no limit */

	/* The last one that was no success. */
	NameData	error_owner;	/* role whose call it was */
	TimestampTz error_at;
	char		error[IG_COUNTED_ERROR];
} IgCounters;

/* A database's. */
typedef struct IgCounterSet
{
	IgCounters	of[IG_COUNTED_SERVERS + 1]; /* the last: all others */
} IgCounterSet;

/* Begin from nothing; nobody else uses it. */
extern void ig_counters_reset(IgCounterSet *set);

/* For the worker: the counters of a server, found or made; NULL: those of all others. */
extern IgCounters *ig_counters_of(IgCounterSet *set, const char *server);

/* For the worker: they are no longer wanted; another server may get them. */
extern void ig_counters_free(IgCounters *counters);

/* For the worker: a call begins. */
extern void ig_counters_started(IgCounters *counters);

/* For the worker: it was no success, says this text of a role's call. */
extern void ig_counters_error(IgCounters *counters, const char *owner, const char *error, TimestampTz at);

/* For whoever looks: a copy of one that is in use; false: it is not. */
extern bool ig_counters_read(IgCounters *counters, IgCounters *copy);

#endif							/* IGNISIGN_COUNTERS_H */
