/*-------------------------------------------------------------------------
 *
 * secrets.h
 *	  Find API keys, application secrets and endpoint tokens in a text.
 *
 * Nothing here knows of PostgreSQL, so that it can be tested and fuzzed alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SECRETS_H
#define IGNISIGN_SECRETS_H

#include <stdbool.h>

/* Whether the text, which can be NULL, has a secret that is not overwritten yet. */
extern bool ig_has_secret(const char *text);

/* Overwrite each secret in the text, which can be NULL; its length stays. */
extern void ig_hide_secrets(char *text);

/* Overwrite only the tokens of endpoints. */
extern void ig_hide_tokens(char *text);

#endif							/* IGNISIGN_SECRETS_H */
