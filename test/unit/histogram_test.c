/* Tests of histogram.c. */
#include "util/histogram.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static bool
is_near(double value, double expected, double share)
{
	return fabs(value - expected) <= expected * share;
}

static void
test_empty(void)
{
	IgHistogram histogram = {0};

	ok(ig_histogram_quantile(&histogram, 0.5) == 0, "of nothing, every quantile is 0");
	ig_histogram_add(&histogram, -5);
	ok(histogram.n == 1 && histogram.sum == 0, "a clock that was set back makes no negative duration");
}

static void
test_ends(void)
{
	IgHistogram histogram = {0};

	ok(ig_histogram_end(0) == 1000 && ig_histogram_end(4) == 2000 && ig_histogram_end(60) == 32768000,
	   "every fourth class ends at twice the time");
	ig_histogram_add(&histogram, 2000);
	ig_histogram_add(&histogram, 2001);
	ok(histogram.count[4] == 1 && histogram.count[5] == 1, "a class holds what takes as long as its end");
}

static void
test_quantiles(void)
{
	IgHistogram histogram = {0};

	/* 1 ms to 10 s, evenly. */
	for (int ms = 1; ms <= 10000; ms++)
		ig_histogram_add(&histogram, ms * 1000);
	ok(histogram.n == 10000 && histogram.max == 10000000, "all are counted");
	ok(histogram.sum == (int64_t) 10000 * 10001 / 2 * 1000, "and summed up");
	ok(is_near(ig_histogram_quantile(&histogram, 0.5), 5e6, 0.1), "the median");
	ok(is_near(ig_histogram_quantile(&histogram, 0.95), 9.5e6, 0.1), "95 of 100");
	ok(is_near(ig_histogram_quantile(&histogram, 0.99), 9.9e6, 0.1), "99 of 100");
	ok(ig_histogram_quantile(&histogram, 1) == 1e7, "all");
}

static void
test_one(void)
{
	IgHistogram histogram = {0};

	ig_histogram_add(&histogram, 300000);
	ok(is_near(ig_histogram_quantile(&histogram, 0.5), 300000, 0.2), "one is its own median");
	ok(ig_histogram_quantile(&histogram, 0.99) <= 300000, "nothing is longer than the longest");
	memset(&histogram, 0, sizeof(histogram));
	ig_histogram_add(&histogram, INT64_C(3600) * 1000000);
	ok(ig_histogram_quantile(&histogram, 1) == 3.6e9, "an hour is in the last class");
	ok(histogram.count[IG_HISTOGRAM_CLASSES - 1] == 1, "which has no end");
	memset(&histogram, 0, sizeof(histogram));
	ig_histogram_add(&histogram, 200);
	ok(ig_histogram_quantile(&histogram, 0.5) <= 200, "what takes less than a millisecond is in the first");
}

int
main(void)
{
	test_empty();
	test_ends();
	test_quantiles();
	test_one();
	return done_testing();
}
