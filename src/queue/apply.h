/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  What a response of the API changes in the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_APPLY_H
#define IGNISIGN_APPLY_H

#include "postgres.h"

#include "api/api.h"
#include "http/http.h"
#include "queue/credentials.h"
#include "queue/queue.h"

/* A request that is known to be at Ignisign, under this id. */
typedef struct IgSent
{
	const pg_uuid_t *request;
	const char *signature_request_id;
} IgSent;

/* What is seen of a request's status. */
typedef struct IgSeen
{
	const pg_uuid_t *request;
	const char *status;
} IgSeen;

/*
 * All of these run in the worker's transaction.  source is that of the event:
 * "api" for a response to the call itself, "poll", "reconcile".
 */
extern void ig_apply_sent(const IgSent *sent, int n, const char *source);

/*
 * Have requests have their ids alone: uuids and ids as two arrays.  Raises 23505 if
 * another request has one of them.  Between SPI_connect and SPI_finish.
 */
extern void ig_apply_claim_ids(const Datum *values);

extern void ig_apply_statuses(const IgSeen *seen, int n, const char *source);

/* The same of a status that a context told: the context need not be read. */
extern void ig_apply_status_of_context(const IgSeen *seen);

/* Returns whether the context is to be read again, because a proof is due. */
extern bool ig_apply_context(const IgCall *call, const IgApiResponse *response,
							 const IgAccount *account);
extern void ig_apply_proof(const IgCall *call, IgTransfer *transfer);

/* A call that was refused for good, or given up. */
typedef struct IgDead
{
	const pg_uuid_t *request;
	const char *operation;
	const char *error;
} IgDead;

extern void ig_apply_dead(const IgDead *dead, int n);

/* Store the API's id of a request that is in doubt. */
extern void ig_apply_id(const pg_uuid_t *request, const char *signature_request_id);

#endif							/* IGNISIGN_APPLY_H */
