/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  Memory, and text or bytes that grow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_BUFFER_H
#define SB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text or bytes that grow; a NUL always follows them. */
typedef struct SbBuffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} SbBuffer;

/* Like the functions of C, but they end the program when memory is used up. */
extern void *sb_malloc(size_t size);
extern void *sb_calloc(size_t count, size_t size);
extern void *sb_realloc(void *pointer, size_t size);
extern char *sb_strdup(const char *text);
extern char *sb_psprintf(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void sb_set_text(char **field, const char *text);

extern void sb_buffer_add(SbBuffer *buffer, const void *data, size_t length);
extern void sb_buffer_printf(SbBuffer *buffer, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void sb_buffer_free(SbBuffer *buffer);

#endif							/* SB_BUFFER_H */
