/*-------------------------------------------------------------------------
 *
 * suspended.h
 *	  Accounts whose calls are held back: the table ignisign.parked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SUSPENDED_H
#define IGNISIGN_SUSPENDED_H

#include "postgres.h"

#include "utils/timestamp.h"

/*
 * Write why the calls of a role on a server are held back, and until when; a second
 * call replaces the reason and counts.  As the extension's owner.
 */
extern void ig_suspended_set(const NameData *server, const NameData *owner, const char *reason, TimestampTz next_try);

/* They are no longer held back; and nobody's are.  As the extension's owner. */
extern void ig_suspended_clear(const NameData *server, const NameData *owner);
extern void ig_suspended_clear_all(void);

#endif							/* IGNISIGN_SUSPENDED_H */
