/*-------------------------------------------------------------------------
 *
 * redact.h
 *	  Keep API keys out of the server log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_REDACT_H
#define IGNISIGN_REDACT_H

extern void ig_redact_init(void);

#endif							/* IGNISIGN_REDACT_H */
