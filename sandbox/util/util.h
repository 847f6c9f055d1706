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
typedef struct Buffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} Buffer;

/* Like their namesakes, but they end the program when memory is used up. */
extern void *xmalloc(size_t size);
extern void *xcalloc(size_t count, size_t size);
extern void *xrealloc(void *pointer, size_t size);
extern char *xstrdup(const char *text);
extern char *xprintf(const char *format,...) __attribute__((format(printf, 1, 2)));

extern void buffer_add(Buffer *buffer, const void *data, size_t length);
extern void buffer_printf(Buffer *buffer, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void buffer_free(Buffer *buffer);

/* Milliseconds since 1970, by a clock that may be wrong, and as the API writes it. */
extern int64_t clock_offset;
extern int64_t now_ms(void);
extern void format_time(int64_t ms, char text[32]);

/* A new ObjectId, 24 hexadecimal digits. */
#define ID_LENGTH 24
extern void make_id(char id[ID_LENGTH + 1]);
extern bool is_id(const char *text);

extern void sha256(const void *data, size_t length, uint8_t hash[32]);
extern char *to_hex(const uint8_t *data, size_t length);
extern char *to_base64(const uint8_t *data, size_t length);

/* Strict: alphabet, padding, no white space.  NULL: it is not base64. */
extern uint8_t *from_base64(const char *text, size_t length, size_t *size);

extern bool valid_utf8(const char *text, size_t length);

#endif							/* SANDBOX_UTIL_H */
