/*-------------------------------------------------------------------------
 *
 * redact.h
 *	  Keep API keys and tokens of endpoints out of the server log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_REDACT_H
#define IGNISIGN_REDACT_H

extern void ig_redact_init(void);

/* Overwrite the tokens of endpoints for webhooks in a text, which may be NULL. */
extern void ig_redact_tokens(char *text);

#endif							/* IGNISIGN_REDACT_H */
