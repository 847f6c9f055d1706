/*-------------------------------------------------------------------------
 *
 * inputs.h
 *	  What a signer profile needs to know of a signer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_INPUTS_H
#define IGNISIGN_INPUTS_H

#include "postgres.h"

#include "queue/queue.h"

/* Inputs of a signer that only a staged request can carry, as the API names them. */
#define IG_SIGN_INPUTS 5
extern const char *const ig_sign_inputs[IG_SIGN_INPUTS];

/*
 * Check the signers of a request that was just stored, and raise an error for
 * what is known to be missing.  True: it can be sent.  False: what a profile
 * needs is asked for first.  As the extension's owner, between SPI_connect and
 * SPI_finish.
 */
extern bool ig_inputs_check(const pg_uuid_t *request);

/* The rest is the worker's, in its transaction. */

/* Keep the response to a question that a user asked. */
extern void ig_inputs_keep(const IgCall *call, const IgApiResponse *response);

/*
 * Keep the response to a question for a request, and queue its sending if nothing
 * else is to be asked.  Returns what is missing, for people, or NULL.
 */
extern char *ig_inputs_apply(const IgCall *call, const IgApiResponse *response);

#endif							/* IGNISIGN_INPUTS_H */
