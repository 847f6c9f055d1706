/*-------------------------------------------------------------------------
 *
 * functions.h
 *	  Who may see what.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_FUNCTIONS_H
#define IGNISIGN_FUNCTIONS_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"

/* Whether a role sees what the role of that name owns. */
extern bool ig_may_see(Oid role, const char *owner);

/* Raise the error for a request that is not there. */
pg_noreturn extern void ig_no_such_request(const pg_uuid_t *id);

/* Raise the error for a number that none of its signers has. */
pg_noreturn extern void ig_no_such_signer(int signer);

/*
 * Lock a request that Ignisign knows, and return its server; owner and
 * signature_request_id are set.  Raises an error for one that is not there, or
 * that was not sent.  As the extension's owner, between SPI_connect and
 * SPI_finish.
 */
extern char *ig_lock_sent_request(const pg_uuid_t *id, Oid caller, char **owner, char **signature_request_id);

/* How far what is waited for has come. */
typedef enum IgProgress
{
	IG_PROGRESS_REACHED,
	IG_PROGRESS_POSSIBLE,
	IG_PROGRESS_IMPOSSIBLE
} IgProgress;

/*
 * Wait, up to the timeout, until a look says that it is reached or impossible.
 * Looks again after each commit of the worker.  Raises an error where nothing
 * can come of it: see ignisign_wait().
 */
extern IgProgress ig_wait_for(IgProgress (*look_at) (void *arg), void *arg, Interval *timeout);

#endif							/* IGNISIGN_FUNCTIONS_H */
