/*-------------------------------------------------------------------------
 *
 * util.h
 *	  Memory, text, time, ids, encodings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_UTIL_H
#define SANDBOX_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text or bytes that grow; always followed by a NUL. */
typedef struct SbBuffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} SbBuffer;

/* Like their namesakes, but they end the program when memory is used up. */
extern void *sb_malloc(size_t size);
extern void *sb_calloc(size_t count, size_t size);
extern void *sb_realloc(void *pointer, size_t size);
extern char *sb_strdup(const char *text);
extern char *sb_psprintf(const char *format,...) __attribute__((format(printf, 1, 2)));

extern void sb_buffer_add(SbBuffer *buffer, const void *data, size_t length);
extern void sb_buffer_printf(SbBuffer *buffer, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void sb_buffer_free(SbBuffer *buffer);

/* Milliseconds since 1970, by a clock that may be wrong, and as the API writes it. */
extern int64_t sb_clock_offset;
extern int64_t sb_now_ms(void);
extern void sb_format_time(int64_t ms, char text[32]);

/* A new ObjectId, 24 hexadecimal digits. */
#define SB_ID_LENGTH 24
extern void sb_make_id(char id[SB_ID_LENGTH + 1]);
extern bool sb_is_id(const char *text);

extern void sb_sha256(const void *data, size_t length, uint8_t hash[32]);
extern char *sb_to_hex(const uint8_t *data, size_t length);
extern char *sb_to_base64(const uint8_t *data, size_t length);

/* Strict: alphabet, padding, no white space.  NULL: it is not base64. */
extern uint8_t *sb_from_base64(const char *text, size_t length, size_t *size);

extern bool sb_valid_utf8(const char *text, size_t length);

#endif							/* SANDBOX_UTIL_H */
