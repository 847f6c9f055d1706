/*-------------------------------------------------------------------------
 *
 * import.h
 *	  Requests that were made elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_IMPORT_H
#define IGNISIGN_IMPORT_H

#include "postgres.h"

#include "queue/queue.h"

/*
 * These run in the worker's transaction.  A page of the application's requests
 * was read: import those that are not known; queues the reading of the next.
 */
extern void ig_import_apply_page(const IgCall *call, const IgApiResponse *response);

/* Between SPI_connect and SPI_finish: fill in an imported request, once. */
extern void ig_import_apply_context(const IgCall *call, const IgApiResponse *response);

#endif							/* IGNISIGN_IMPORT_H */
