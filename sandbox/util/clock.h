/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  The time, and ids that begin with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CLOCK_H
#define SB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970, by a clock that may be wrong, and as the API writes it. */
extern int64_t sb_clock_offset;
extern int64_t sb_now_ms(void);
extern void sb_format_time(int64_t ms, char text[32]);

/* A new ObjectId, 24 hexadecimal digits. */
#define SB_ID_LENGTH 24
extern void sb_make_id(char id[SB_ID_LENGTH + 1]);
extern bool sb_is_id(const char *text);

#endif							/* SB_CLOCK_H */
