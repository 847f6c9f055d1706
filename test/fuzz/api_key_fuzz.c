/*-------------------------------------------------------------------------
 *
 * api_key_fuzz.c
 *	  Fuzz target: API keys, where texts have them, and tokens of a login.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "api/api.h"
#include "util/secrets.h"

/* Whether a text repeats the secret of a key, or what may be one. */
static bool
repeats_secret(const char *error, const char *key)
{
	const char *secret = strrchr(key, '_');

	return secret != NULL && strlen(secret) > 20 && strstr(error, secret) != NULL;
}

/* Secrets are found and overwritten, and nothing else changes.  A key is always found. */
static void
try_hiding(const char *text, bool key)
{
	char	   *copy = copy_string((const uint8_t *) text, strlen(text));

	claim(!key || ig_has_secret(text));
	ig_hide_secrets(copy);
	claim(!ig_has_secret(copy));
	claim(ig_has_secret(text) || strcmp(copy, text) == 0);
	for (size_t i = 0; text[i]; i++)
		claim(copy[i] == text[i] || copy[i] == '*');
	free(copy);
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
		try_hiding(key, true);
	}
	else
	{
		claim(error[0] != '\0' && !repeats_secret(error, key));
		try_hiding(key, false);
	}
	claim(ig_api_jwt_expiry(key) >= -1);
	free(key);
	return 0;
}
