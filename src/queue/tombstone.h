/*-------------------------------------------------------------------------
 *
 * tombstone.h
 *	  Ids that have or had a request: none of them gets another one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_TOMBSTONE_H
#define IGNISIGN_TOMBSTONE_H

#include "postgres.h"

#include "utils/uuid.h"

/* An id that has or had a request, and what is known of that. */
typedef struct IgUsedId
{
	pg_uuid_t	id;
	NameData	owner;
	NameData	server;
	bool		exists;			/* the request is still there */
	bytea	   *fingerprint;	/* of what it was made from; NULL: not known */
} IgUsedId;

/*
 * Find those of the ids, an array of uuid, that have or had a request, whoever owns it.
 * Returns how many; *used is in the current memory context.
 */
extern int	ig_find_used_ids(const Datum *ids, int n, IgUsedId **used);

/* Whether this database keeps fingerprints and tombstones: since version 1.1 of the extension. */
extern bool ig_keeps_tombstones(void);

#endif							/* IGNISIGN_TOMBSTONE_H */
