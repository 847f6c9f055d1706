/*-------------------------------------------------------------------------
 *
 * histogram.h
 *	  How long calls take: a distribution that has a fixed size.
 *
 * Four classes for each doubling, from 1 ms to 65 s: what is read from it is off
 * by a tenth at most.  All zero, it is empty.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_HISTOGRAM_H
#define IGNISIGN_HISTOGRAM_H

#include <stdint.h>

#define IG_HISTOGRAM_CLASSES	65

typedef struct IgHistogram
{
	int64_t		n;
	int64_t		sum;			/* microseconds, as all of it */
	int64_t		max;
	int64_t		count[IG_HISTOGRAM_CLASSES];
} IgHistogram;

/* Add a duration in microseconds. */
extern void ig_histogram_add(IgHistogram *histogram, int64_t duration);

/* The duration that a class holds at most, in microseconds; the last has no end. */
extern double ig_histogram_end(int klass);

/* The duration that this share of all, 0 to 1, did not exceed; 0 if there are none. */
extern double ig_histogram_quantile(const IgHistogram *histogram, double share);

#endif							/* IGNISIGN_HISTOGRAM_H */
