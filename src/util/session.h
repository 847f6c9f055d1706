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

/* Handler of SIGTERM: end at the next cycle, or at once in a transaction. */
extern void ig_session_sigterm(SIGNAL_ARGS);

/* Override what a database or role may have set for its own sessions. */
extern void ig_session_init(void);

/* The part of that which is for callbacks and the launcher, too. */
extern void ig_session_name(void);

/*
 * Begin a transaction with a snapshot; the activity is what pg_stat_activity
 * shows.  The memory context that is current stays so, to the end and beyond.
 */
extern void ig_session_begin(const char *activity);
extern void ig_session_commit(void);

/* Abort it after an error, which is reported and forgotten. */
extern void ig_session_abort(void);

/*
 * Who may sign can lock rows of theirs for as long as a transaction of theirs
 * lasts.  The worker serves all, and waits for a lock only so long.
 */
#define IG_LOCK_PATIENCE	"50ms"
#define IG_SHORT_PATIENCE	"5ms"

/* From when a row was locked until that is tried again, in ms: nobody tells when the lock goes. */
#define IG_LOCKED_PAUSE		1000

/*
 * Do something in a subtransaction.  Returns the error that undid it, in the
 * current memory context, or NULL; that the session is to end is raised.
 */
extern ErrorData *ig_session_try(void (*work) (void *arg), void *arg, const char *patience);

/*
 * The same with a short patience, for what can be done later.  False: a lock was in the
 * way, or another error, which is logged.
 */
extern bool ig_session_unless_locked(void (*work) (void *arg), void *arg);

/* Whether something was undone by a lock since the last time that this was asked. */
extern bool ig_session_met_lock(void);

/* In a transaction: the extension, locked; InvalidOid: it is not there (any more). */
extern Oid	ig_session_extension(void);

/* When statistics are due, 0: there are none; report them if they are due. */
extern TimestampTz ig_session_report_at(void);
extern void ig_session_report(void);

#endif							/* IGNISIGN_SESSION_H */
