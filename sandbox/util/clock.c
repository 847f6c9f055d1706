/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The time, and ids that begin with it.
 *
 *-------------------------------------------------------------------------
 */
#include "util/clock.h"

#include <ctype.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t		sb_clock_offset;

int64_t
sb_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 + sb_clock_offset;
}

void
sb_format_time(int64_t ms, char text[32])
{
	time_t		seconds = ms / 1000;
	struct tm	parts;
	size_t		length;

	gmtime_r(&seconds, &parts);
	length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + length, 32 - length, ".%03dZ", (int) (ms % 1000));
}

/* Seconds, a random part of this process, and a counter, as MongoDB does. */
void
sb_make_id(char id[SB_ID_LENGTH + 1])
{
	static _Atomic uint32_t counter;
	static _Atomic uint64_t random;

	if (random == 0)
	{
		uint64_t	value;

		if (RAND_bytes((unsigned char *) &value, sizeof(value)) != 1)
			abort();
		random = value | 1;
	}
	snprintf(id, SB_ID_LENGTH + 1, "%08x%010llx%06x", (unsigned) (sb_now_ms() / 1000),
			 (unsigned long long) (random & 0xFFFFFFFFFFULL), counter++ & 0xFFFFFF);
}

bool
sb_is_id(const char *text)
{
	for (int i = 0; i < SB_ID_LENGTH; i++)
	{
		if (!isxdigit((unsigned char) text[i]))
			return false;
	}
	return text[SB_ID_LENGTH] == '\0';
}
