/*-------------------------------------------------------------------------
 *
 * retry_after_fuzz.c
 *	  Fuzz target: the header Retry-After.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "util/policy.h"

/* Times of the clock: the epoch, some day, and the last one. */
static const int64_t times[] = {0, INT64_C(1800000000000), INT64_MAX};

/* Read one header. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *value = copy_string(data, size);

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
	{
		int64_t		wait = ig_policy_retry_after(value, times[i]);

		claim(wait >= -1 && wait <= IG_MAX_RETRY_AFTER);
	}
	free(value);
	return 0;
}
