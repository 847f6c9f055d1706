/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Which requests a role may see, and the locks that functions take on them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_ACCESS_H
#define IGNISIGN_ACCESS_H

#include "postgres.h"

#include "utils/uuid.h"

#include "compat.h"

/* Whether a role sees what the role of that name owns. */
extern bool ig_may_see(Oid role, const char *owner);

/* Raise the error for a request that is not there. */
pg_noreturn extern void ig_no_such_request(const pg_uuid_t *id);

/* Raise the error for a number that none of its signers has. */
pg_noreturn extern void ig_no_such_signer(int signer);

/*
 * Lock a request and return its server; owner and signature_request_id are set.  Raises an
 * error for a request that is not there.  As the extension's owner, between SPI_connect
 * and SPI_finish.
 */
extern char *ig_lock_request(const pg_uuid_t *id, Oid caller, char **owner, char **signature_request_id);

/*
 * Lock a request that Ignisign knows, and return its server; owner and
 * signature_request_id are set.  Raises an error for one that is not there, or
 * that was not sent.  As the extension's owner, between SPI_connect and
 * SPI_finish.
 */
extern char *ig_lock_sent_request(const pg_uuid_t *id, Oid caller, char **owner, char **signature_request_id);

#endif							/* IGNISIGN_ACCESS_H */
