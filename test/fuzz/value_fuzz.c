/*-------------------------------------------------------------------------
 *
 * value_fuzz.c
 *	  Fuzz target: single values, such as ids, hashes, e-mail addresses, types.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api.h"

/* Look at one value as everything that it may be. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *bytes = copy_bytes(data, size);
	char	   *text = copy_string(data, size);
	uint8_t		sha256[32];

	if (ig_api_valid_utf8(bytes, size))
		claim(strlen(text) == size);
	if (ig_api_read_sha256(text, sha256))
		claim(ig_api_same_sha256(text, sha256));
	if (ig_api_valid_email(text))
		claim(strlen(text) <= 254 && strchr(text, '@') == strrchr(text, '@') && strpbrk(text, " \r\n<>,;") == NULL);
	if (ig_api_valid_object_id(text))
		claim(strlen(text) == 24);
	if (ig_api_valid_app_id(text))
		claim(strlen(text) == 42);
	claim(strchr(ig_api_sniff_mime_type((const uint8_t *) bytes, size, text), '/') != NULL);
	(void) ig_api_status_is_final(text);
	(void) ig_api_known_proof_type(text);
	free(text);
	free(bytes);
	return 0;
}
