/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  Hashes, hexadecimal digits, base64, UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ENCODING_H
#define SB_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern void sb_sha256(const void *data, size_t length, uint8_t hash[32]);

/* The text is to be freed. */
extern char *sb_to_hex(const uint8_t *data, size_t length);
extern char *sb_to_base64(const uint8_t *data, size_t length);
extern char *sb_to_base64url(const void *data, size_t length);

/* Strict: alphabet, padding, no white space.  NULL: it is not base64. */
extern uint8_t *sb_from_base64(const char *text, size_t length, size_t *size);

extern bool sb_valid_utf8(const char *text, size_t length);

#endif							/* SB_ENCODING_H */
