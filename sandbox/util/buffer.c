/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  Memory, and text or bytes that grow.
 *
 *-------------------------------------------------------------------------
 */
#include "util/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* End the program when memory is used up. */
static void *
check(void *pointer)
{
	if (pointer == NULL)
	{
		fprintf(stderr, "ignisign-sandbox: out of memory\n");
		abort();
	}
	return pointer;
}

void *
sb_malloc(size_t size)
{
	return check(malloc(size ? size : 1));
}

void *
sb_calloc(size_t count, size_t size)
{
	return check(calloc(count ? count : 1, size ? size : 1));
}

void *
sb_realloc(void *pointer, size_t size)
{
	return check(realloc(pointer, size ? size : 1));
}

char *
sb_strdup(const char *text)
{
	return check(strdup(text));
}

char *
sb_psprintf(const char *format,...)
{
	va_list		args;
	char	   *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return check(text);
}

/* Set a field to a copy of the text, which may be NULL. */
void
sb_set_text(char **field, const char *text)
{
	free(*field);
	*field = text ? sb_strdup(text) : NULL;
}

/* Append bytes. */
void
sb_buffer_add(SbBuffer *buffer, const void *data, size_t length)
{
	if (buffer->length + length + 1 > buffer->capacity)
	{
		buffer->capacity = (buffer->length + length + 1) * 2;
		buffer->data = sb_realloc(buffer->data, buffer->capacity);
	}
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

/* Append formatted text. */
void
sb_buffer_printf(SbBuffer *buffer, const char *format,...)
{
	va_list		args;
	char	   *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	text = check(text);
	sb_buffer_add(buffer, text, strlen(text));
	free(text);
}

void
sb_buffer_free(SbBuffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}
