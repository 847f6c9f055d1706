/*-------------------------------------------------------------------------
 *
 * reconcile_internal.h
 *	  What the files reconcile*.c share: a scan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_RECONCILE_INTERNAL_H
#define IGNISIGN_RECONCILE_INTERNAL_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "queue/apply.h"
#include "worker/fingerprint.h"
#include "worker/reconcile.h"

/* An id of the API, with its zero byte. */
#define IG_OBJECT_ID_SIZE	25

/* A request at Ignisign that may be one of ours; an entry of a hash table. */
typedef struct IgCandidate
{
	char		id[IG_OBJECT_ID_SIZE];	/* the key */
	TimestampTz created;		/* 0: not known */
	IgFingerprint fingerprint;
	struct IgOurs *taker;		/* which of ours it is, or NULL */
} IgCandidate;

struct IgScan
{
	MemoryContext context;
	IgAccountState *account_state;
	TimestampTz begun_at;
	TimestampTz sent_since;		/* when the first of them was sent */
	TimestampTz since;			/* the same by the API's clock, and some more */
	int64	   *due;			/* ids of the calls that were due, in order */
	int			ndue;
	bool		listed;			/* all pages have been read */
	bool		failed;
	const char *problem;		/* why it failed, for a person, or NULL */
	const char *bound;			/* which setting ended it, or NULL */
	int			failures;		/* reads that failed, one after another */
	TimestampTz not_before;		/* of the next read; 0: at once */
	int			outstanding;
	int			page;			/* to be read next */
	int			pages_read;
	int64		seen;			/* requests on them */
	int			step;			/* 1: newest first; -1: backwards; 0: not known */
	bool		disordered;		/* the list is in no order of time */
	TimestampTz edge;			/* time next to the page to be read; 0: not known */
	const char *gap;			/* why the list is not whole, or NULL */
	HTAB	   *candidates;
	List	   *fresh;			/* candidates since ig_scan_drop_known */
	IgCandidate **queue;		/* those to be read; set once all are listed */
	int			nqueue;
	int			next;			/* of the queue */
	List	   *again;			/* candidates to be read next: their read failed, or a round begins */
	int			round;			/* in which candidates are read, from 1 */
	List	   *incomplete;		/* candidates to be read in the next round */
};

/*
 * A page of the list has come (reconcile_list.c); before the first one: its
 * response tells how far the API's clock is behind ours.
 */
extern void ig_scan_take_page(IgScan *scan, const IgApiResponse *response);
extern void ig_scan_heed_clock(IgScan *scan, const IgTransfer *transfer);

/* Read a time as the API writes it; false: it cannot be read. */
extern bool ig_scan_read_time(const char *text, TimestampTz *result);

/*
 * Which is which (reconcile_decide.c), in a transaction.  What a row knows is
 * left out before contexts are read: of the candidates that are new, or of all.
 * The last function decides, when all is known that can be.
 */
extern void ig_scan_drop_known(IgScan *scan, bool all);
extern void ig_scan_decide(void *scan);

/*
 * Write what was decided (reconcile.c): which calls were found, with their ids; and
 * what becomes of the others.
 */
extern void ig_scan_settle(IgScan *scan, const IgSent *sent, const IgCall *const *found, int nsent,
						   IgReschedule *left, int nleft);

#endif							/* IGNISIGN_RECONCILE_INTERNAL_H */
