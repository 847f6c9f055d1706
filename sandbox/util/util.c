/*-------------------------------------------------------------------------
 *
 * util.c
 *	  Memory, text, time, ids, encodings.
 *
 *-------------------------------------------------------------------------
 */
#include "util/util.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

void
sb_sha256(const void *data, size_t length, uint8_t hash[32])
{
	SHA256(data, length, hash);
}

char *
sb_to_hex(const uint8_t *data, size_t length)
{
	char	   *text = sb_malloc(2 * length + 1);

	for (size_t i = 0; i < length; i++)
		sprintf(text + 2 * i, "%02x", data[i]);
	text[2 * length] = '\0';
	return text;
}

char *
sb_to_base64(const uint8_t *data, size_t length)
{
	char	   *text = sb_malloc((length + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *) text, data, (int) length);
	return text;
}

uint8_t *
sb_from_base64(const char *text, size_t length, size_t *size)
{
	uint8_t    *data;
	size_t		padding = 0;

	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	if (length == 0 || length % 4 != 0)
		return NULL;
	for (size_t i = 0; i < length - padding; i++)
	{
		if (!isalnum((unsigned char) text[i]) && text[i] != '+' && text[i] != '/')
			return NULL;
	}
	data = sb_malloc(length / 4 * 3);
	if (EVP_DecodeBlock(data, (const unsigned char *) text, (int) length) < 0)
	{
		free(data);
		return NULL;
	}
	*size = length / 4 * 3 - padding;
	return data;
}

bool
sb_valid_utf8(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;

	for (size_t i = 0; i < length;)
	{
		int			more = s[i] < 0x80 ? 0 : s[i] >= 0xC2 && s[i] <= 0xDF ? 1 :
			s[i] >= 0xE0 && s[i] <= 0xEF ? 2 : s[i] >= 0xF0 && s[i] <= 0xF4 ? 3 : -1;

		if (more < 0 || length - i <= (size_t) more)
			return false;
		for (int j = 1; j <= more; j++)
		{
			if ((s[i + j] & 0xC0) != 0x80)
				return false;
		}
		if ((s[i] == 0xE0 && s[i + 1] < 0xA0) || (s[i] == 0xED && s[i + 1] > 0x9F) ||
			(s[i] == 0xF0 && s[i + 1] < 0x90) || (s[i] == 0xF4 && s[i + 1] > 0x8F))
			return false;
		i += (size_t) more + 1;
	}
	return true;
}
