/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share: their entry, claims, and cutting the input.
 *
 * A target stops the program where something does not hold, as the sanitizers
 * do where memory is misused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer calls this with each input. */
extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop unless something holds. */
#define claim(holds) \
	((holds) ? (void) 0 : (fprintf(stderr, "%s:%d: false: %s\n", __FILE__, __LINE__, #holds), abort()))

/* Copy bytes into memory of exactly their size, so that reading beyond is seen. */
static inline char *
copy_bytes(const uint8_t *data, size_t size)
{
	char	   *copy = malloc(size > 0 ? size : 1);

	claim(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* Copy bytes into a string of their own; it ends at the first NUL among them. */
static inline char *
copy_string(const uint8_t *data, size_t size)
{
	char	   *copy = malloc(size + 1);

	claim(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

/* Whether JSON has the escape of a NUL, which would end a string in C. */
static inline bool
has_nul_escape(const char *json)
{
	for (; *json; json++)
	{
		if (strncmp(json, "\\u0000", 6) == 0)
			return true;
		if (json[0] == '\\' && json[1] != '\0')
			json++;
	}
	return false;
}

/* Take the first line, without its end, off the input as a string. */
static inline char *
take_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
	size_t		length = end ? (size_t) (end - *data) : *size;
	char	   *line = copy_string(*data, length);

	*data += length + (end ? 1 : 0);
	*size -= length + (end ? 1 : 0);
	return line;
}

#endif							/* FUZZ_H */
