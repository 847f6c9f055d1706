/*-------------------------------------------------------------------------
 *
 * threads.c
 *	  What threads share: the lock, and pauses that the end of the program cuts
 *	  short.
 *
 *-------------------------------------------------------------------------
 */
#include "util/threads.h"

#include <stdatomic.h>
#include <time.h>

#include "util/clock.h"

pthread_mutex_t sb_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool ending;

/* Sleep, but not beyond the end of the program; false: that has come. */
bool
sb_pause_ms(int64_t ms)
{
	int64_t		end = sb_now_ms() + ms;

	while (!ending && sb_now_ms() < end)
	{
		int64_t		left = end - sb_now_ms();
		struct timespec nap = {0, (long) (left < 20 ? left : 20) * 1000000};

		if (left > 0)
			nanosleep(&nap, NULL);
	}
	return !ending;
}

/* Let nothing pause any more. */
void
sb_end_pauses(void)
{
	ending = true;
}

/* Whether the program ends. */
bool
sb_ending(void)
{
	return ending;
}
