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

/*
 * A statement as it may be shown: a copy in the current context, of the same
 * length, in which keys, secrets and tokens are overwritten, or the text itself
 * where there are none.
 */
extern const char *ig_redact_statement(const char *text);

/* Have pg_stat_activity show what the session does now in that way. */
extern void ig_redact_activity(void);

#endif							/* IGNISIGN_REDACT_H */
