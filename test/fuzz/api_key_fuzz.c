/*-------------------------------------------------------------------------
 *
 * api_key_fuzz.c
 *	  Fuzz target: API keys, and tokens of a login.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api.h"

/* Whether a text repeats the secret of a key, or what may be one. */
static bool
repeats_secret(const char *error, const char *key)
{
	const char *secret = strrchr(key, '_');

	return secret != NULL && strlen(secret) > 20 && strstr(error, secret) != NULL;
}

/* Read one key. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *key = copy_string(data, size);
	char		error[IG_API_ERROR_SIZE] = "";
	IgApiKey	parts;

	if (ig_api_key_parse(key, &parts, error))
	{
		claim(ig_api_valid_app_id(parts.app_id));
		claim(ig_api_known_environment(parts.app_env));
		/* It goes into a header. */
		claim(strpbrk(key, "\r\n \t") == NULL && strlen(key) < 1024);
	}
	else
		claim(error[0] != '\0' && !repeats_secret(error, key));
	claim(ig_api_jwt_expiry(key) >= -1);
	free(key);
	return 0;
}
