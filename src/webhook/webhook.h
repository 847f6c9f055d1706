/*-------------------------------------------------------------------------
 *
 * webhook.h
 *	  Receiving events: messages, and the delivery log of an endpoint.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_WEBHOOK_H
#define IGNISIGN_WEBHOOK_H

#include "postgres.h"

#include "queue/queue.h"

/*
 * Take a message, in UTF-8, for the account that a role has on a server, whose
 * rights are checked.  Sets the id of its row, the same if it came before.  Raises
 * the errors of ignisign_webhook().
 */
extern void ig_webhook_take(const char *body, size_t length, const char *server, Oid role, pg_uuid_t *id);

/* Both run in the worker's transaction. */

/*
 * The API said whether a message is genuine.  False: there is none, it was
 * somebody else's question.
 */
extern bool ig_webhook_apply_verdict(const IgCall *call, const IgApiResponse *response);

/* A page of a delivery log was read; queues the reading of the next one. */
extern void ig_webhook_apply_log(const IgCall *call, const IgApiResponse *response);

#endif							/* IGNISIGN_WEBHOOK_H */
