/*-------------------------------------------------------------------------
 *
 * signing_session.h
 *	  What a page of one's own needs to let a signer sign.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SIGNING_SESSION_H
#define IGNISIGN_SIGNING_SESSION_H

#include "postgres.h"

#include "queue/queue.h"

/*
 * Keep what a response brings for embedded signers: one that makes a signer, or
 * publishes a request.  In the worker's transaction.
 */
extern void ig_signing_session_keep(const IgCall *call, const IgApiResponse *response);

#endif							/* IGNISIGN_SIGNING_SESSION_H */
