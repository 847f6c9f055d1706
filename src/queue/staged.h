/*-------------------------------------------------------------------------
 *
 * staged.h
 *	  Staged delivery: a draft that is published when all is there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_STAGED_H
#define IGNISIGN_STAGED_H

#include "postgres.h"

#include "queue/credentials.h"
#include "queue/queue.h"

/* All of these run as the extension's owner, between SPI_connect and SPI_finish. */

/*
 * Check what a request that was just stored will send, and raise an error for
 * what the API does not take.
 */
extern void ig_staged_check(const pg_uuid_t *request);

/* Queue the steps of a request that can be taken now. */
extern void ig_staged_advance(const pg_uuid_t *request);

/*
 * The fields of a step, as JSON in the database's encoding, in the given
 * memory context; NULL when it has none.
 */
extern char *ig_staged_values(const pg_uuid_t *request, IgOperation step, int document, int signer,
							  const IgApiKey *key, MemoryContext context);

/* Record that a step was taken, and queue those that follow. */
extern void ig_staged_apply(const IgCall *call, const IgApiResponse *response);

#endif							/* IGNISIGN_STAGED_H */
