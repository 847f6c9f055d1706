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

#include "likeness.h"
#include "reconcile.h"

/* A request at Ignisign that may be one of ours. */
typedef struct IgCandidate
{
	char	   *id;
	IgLikeness	likeness;		/* the title as listed, the rest once it is read */
	bool		read;
	bool		gone;			/* claimed by a row */
	bool		taken;
} IgCandidate;

struct IgScan
{
	MemoryContext context;
	IgLane	   *lane;
	TimestampTz begun_at;
	TimestampTz sent_since;		/* when the first of them was sent */
	TimestampTz since;			/* the same by the API's clock, and some more */
	char	  **titles;			/* as they are in the rows */
	char	  **likely_titles;	/* as they are compared, in order */
	int			ntitles;
	int64	   *due;			/* ids of the calls that were due */
	int			ndue;
	bool		listed;			/* all pages have been read */
	bool		failed;
	int			failures;		/* reads that failed, one after another */
	TimestampTz not_before;		/* of the next read; 0: at once */
	int			outstanding;
	int			page;			/* to be read next */
	int			pages_read;
	int64		seen;			/* requests on them */
	int			step;			/* 1: newest first; -1: backwards; 0: not known */
	bool		disordered;		/* the list is in no order of time */
	TimestampTz edge;			/* time next to the page to be read; 0: not known */
	List	   *candidates;
	int			next;			/* candidate to be read */
	List	   *again;			/* candidates whose read failed */
};

/* qsort comparator of strings. */
extern int	ig_scan_compare_strings(const void *a, const void *b);

/*
 * A page of the list has come (reconcile_list.c); before the first one: its
 * answer tells how far the API's clock is behind ours.
 */
extern void ig_scan_take_page(IgScan *scan, const IgApiAnswer *answer);
extern void ig_scan_heed_clock(IgScan *scan, const IgTransfer *transfer);

/*
 * Which is which (reconcile_decide.c), in a transaction.  What a row knows, and
 * what was listed twice, is left out before contexts are read; the last one
 * decides, when all is known that can be.
 */
extern void ig_scan_drop_known(IgScan *scan);
extern void ig_scan_drop_repeated(IgScan *scan);
extern void ig_scan_decide(void *scan);

#endif							/* IGNISIGN_RECONCILE_INTERNAL_H */
