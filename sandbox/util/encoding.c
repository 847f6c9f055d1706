/*-------------------------------------------------------------------------
 *
 * encoding.c
 *	  Hashes, hexadecimal digits, base64, UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#include "util/encoding.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"

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

/* Base64 as JWS and JWT have it: another alphabet, and no padding. */
char *
sb_to_base64url(const void *data, size_t length)
{
	char	   *text = sb_to_base64(data, length);

	for (char *c = text; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	text[strcspn(text, "=")] = '\0';
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
