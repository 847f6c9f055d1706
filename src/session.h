/*-------------------------------------------------------------------------
 *
 * session.h
 *	  What the background workers of a database share: the settings of their
 *	  sessions, their transactions, and how they end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SESSION_H
#define IGNISIGN_SESSION_H

#include "postgres.h"

#include "utils/timestamp.h"

/* Handler of SIGTERM: end at the next turn, or at once in a transaction. */
extern void ig_session_sigterm(SIGNAL_ARGS);

/* Override what a database or role may have set for its own sessions. */
extern void ig_session_init(void);

/*
 * Begin a transaction with a snapshot; the activity is what pg_stat_activity
 * shows.  The memory context that is current stays so, to the end and beyond.
 */
extern void ig_session_begin(const char *activity);
extern void ig_session_commit(void);

/* Abort it after an error, which is reported and forgotten. */
extern void ig_session_abort(void);

/* In a transaction: the extension, locked; InvalidOid: it is not there (any more). */
extern Oid	ig_session_extension(void);

/* When statistics are due, 0: there are none; report them if they are due. */
extern TimestampTz ig_session_report_at(void);
extern void ig_session_report(void);

#endif							/* IGNISIGN_SESSION_H */
