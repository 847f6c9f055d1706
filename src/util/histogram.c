/*-------------------------------------------------------------------------
 *
 * histogram.c
 *	  How long calls take: a distribution that has a fixed size.
 *
 * Knows nothing of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#include "util/histogram.h"

#include <math.h>

/* Classes for each doubling; the first ends at so many microseconds. */
#define CLASSES_PER_DOUBLING	4
#define FIRST_END				1000.0

/* Where a class ends. */
double
ig_histogram_end(int klass)
{
	return FIRST_END * exp2((double) klass / CLASSES_PER_DOUBLING);
}

/* Add a duration; the last class has no end. */
void
ig_histogram_add(IgHistogram *histogram, int64_t duration)
{
	int			klass = 0;

	if (duration < 0)
		duration = 0;
	while (klass < IG_HISTOGRAM_CLASSES - 1 && (double) duration > ig_histogram_end(klass))
		klass++;
	histogram->count[klass]++;
	histogram->n++;
	histogram->sum += duration;
	if (duration > histogram->max)
		histogram->max = duration;
}

/* A quantile: within a class, durations are taken to be spread evenly. */
double
ig_histogram_quantile(const IgHistogram *histogram, double share)
{
	double		rank = share * (double) histogram->n;
	double		before = 0;

	for (int i = 0; i < IG_HISTOGRAM_CLASSES; i++)
	{
		double		count = (double) histogram->count[i];
		double		begin = i == 0 ? 0 : ig_histogram_end(i - 1);
		double		end = ig_histogram_end(i);

		if (count > 0 && before + count >= rank)
		{
			/* Nothing is longer than the longest. */
			if (i == IG_HISTOGRAM_CLASSES - 1 || end > (double) histogram->max)
				end = (double) histogram->max;
			if (begin > end)
				begin = end;
			return begin + (end - begin) * (rank - before) / count;
		}
		before += count;
	}
	return (double) histogram->max;
}
