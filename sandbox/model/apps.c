/*-------------------------------------------------------------------------
 *
 * apps.c
 *	  Applications, one for each API key, and their signer profiles.
 *
 *-------------------------------------------------------------------------
 */
#include "model/apps.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"

static SbApp *apps;
static int	napps;

/* An application for each key: skv2_<env>_<uuid>_<secret>. */
void
sb_add_app(const char *key)
{
	SbApp	   *app;
	char		env[16];
	char		uuid[37];
	uint8_t		hash[32];
	static const char *const names[] = {"By e-mail", "By e-mail and SMS", "Embedded", "By e-mail and name"};
	static const char *const email[] = {"email", NULL};
	static const char *const with_phone[] = {"email", "firstName", "lastName", "phoneNumber", NULL};
	static const char *const with_names[] = {"email", "firstName", "lastName", NULL};
	static const char *const names_and_phone[] = {"firstName", "lastName", "phoneNumber", NULL};
	static const char *const none[] = {NULL};

	if (sscanf(key, "skv2_%15[a-z]_%36[0-9a-fA-F-]_", env, uuid) != 2)
	{
		fprintf(stderr, "ignisign-sandbox: invalid API key, expected skv2_<environment>_<uuid>_<secret>\n");
		exit(2);
	}
	apps = sb_realloc(apps, (size_t) (napps + 1) * sizeof(SbApp));
	app = &apps[napps++];
	memset(app, 0, sizeof(*app));
	snprintf(app->app_id, sizeof(app->app_id), "appId_%s", uuid);
	for (int i = 0; env[i]; i++)
		app->app_env[i] = (char) toupper((unsigned char) env[i]);
	app->key = sb_strdup(key);

	/* The same at every start, for those who write it into their settings. */
	sb_sha256(key, strlen(key), hash);
	for (int i = 0; i < SB_NPROFILES; i++)
	{
		SbProfile  *profile = &app->profiles[i];
		char	   *hex = sb_to_hex(hash + 10 * i % 25, SB_ID_LENGTH / 2);

		memcpy(profile->id, hex, SB_ID_LENGTH + 1);
		free(hex);
		profile->name = names[i];
		profile->inputs_needed = i == 1 ? with_phone : i == 3 ? with_names : email;
		profile->optional_inputs = i == 1 ? none : names_and_phone;
		profile->embedded = i == 2;
	}
}

/* Find a signer profile; NULL for id: the default one. */
const SbProfile *
sb_profile_by_id(const SbApp *app, const char *id)
{
	for (int i = 0; i < SB_NPROFILES; i++)
	{
		if (id == NULL || strcmp(app->profiles[i].id, id) == 0)
			return &app->profiles[i];
	}
	return NULL;
}

/* The application of the last key. */
SbApp *
sb_last_app(void)
{
	return &apps[napps - 1];
}

/* The application of the first key. */
SbApp *
sb_first_app(void)
{
	return &apps[0];
}

SbApp *
sb_app_by_id(const char *app_id, const char *app_env)
{
	for (int i = 0; i < napps; i++)
	{
		if (strcmp(apps[i].app_id, app_id) == 0 && strcmp(apps[i].app_env, app_env) == 0)
			return &apps[i];
	}
	return NULL;
}

SbApp *
sb_app_by_key(const char *key)
{
	for (int i = 0; i < napps; i++)
	{
		if (strcmp(apps[i].key, key) == 0)
			return &apps[i];
	}
	return NULL;
}
