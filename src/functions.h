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

#include "utils/uuid.h"

#include "compat.h"

/* Whether a role sees what the role of that name owns. */
extern bool ig_may_see(Oid role, const char *owner);

/* Raise the error for a request that is not there. */
pg_noreturn extern void ig_no_such_request(const pg_uuid_t *id);

#endif							/* IGNISIGN_FUNCTIONS_H */
