/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  The little of the Test Anything Protocol that the unit tests need.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int	tap_count;
static int	tap_failures;

/* Report whether something holds. */
static inline bool
ok(bool holds, const char *what)
{
	printf("%s %d - %s\n", holds ? "ok" : "not ok", ++tap_count, what);
	fflush(stdout);
	if (!holds)
		tap_failures++;
	return holds;
}

/* Report whether two texts, which may be NULL, are the same. */
static inline bool
is(const char *got, const char *expected, const char *what)
{
	bool		same = got && expected ? strcmp(got, expected) == 0 : got == expected;

	if (!ok(same, what))
		printf("# got: %s\n# expected: %s\n", got ? got : "NULL", expected ? expected : "NULL");
	return same;
}

/* Print the plan; returns the exit status. */
static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures != 0;
}

#endif							/* TAP_H */
