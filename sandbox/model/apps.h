/*-------------------------------------------------------------------------
 *
 * apps.h
 *	  Applications, one for each API key, and their signer profiles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_APPS_H
#define SB_APPS_H

#include <stdbool.h>

#include "util/clock.h"

#define SB_NPROFILES 4

/* A signer profile: what it needs to know of a signer, and how the signer signs. */
typedef struct SbProfile
{
	char		id[SB_ID_LENGTH + 1];
	const char *name;
	const char *const *inputs_needed;
	const char *const *optional_inputs;
	bool		embedded;
} SbProfile;

typedef struct SbApp
{
	char		app_id[64];
	char		app_env[16];
	char	   *key;
	char	   *secret;			/* for logins, or NULL */
	SbProfile	profiles[SB_NPROFILES]; /* the first is the default */
} SbApp;

extern void sb_add_app(const char *key);
extern SbApp *sb_first_app(void);
extern SbApp *sb_last_app(void);
extern SbApp *sb_app_by_id(const char *app_id, const char *app_env);
extern SbApp *sb_app_by_key(const char *key);
extern const SbProfile *sb_profile_by_id(const SbApp *app, const char *id);

#endif							/* SB_APPS_H */
