/*-------------------------------------------------------------------------
 *
 * proofs.h
 *	  Which proofs are fetched, and when.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_PROOFS_H
#define IGNISIGN_PROOFS_H

#include "postgres.h"

#include "queue/credentials.h"
#include "queue/queue.h"

/*
 * Queue the retrieval of every proof that the account wants of the call's
 * request and that is not there yet.  In the worker, between SPI_connect and
 * SPI_finish.
 */
extern void ig_proofs_queue(const IgCall *call, const IgAccount *account);

#endif							/* IGNISIGN_PROOFS_H */
