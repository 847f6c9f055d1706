/*-------------------------------------------------------------------------
 *
 * result.h
 *	  The response to a call that belongs to no request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_RESULT_H
#define IGNISIGN_RESULT_H

#include "postgres.h"

#include "http/http.h"
#include "queue/queue.h"

/*
 * Store the response to a call that belongs to no request, for the role that asked.
 * "json": the body is JSON, or empty.  In the worker's transaction.
 */
extern void ig_apply_result(const IgCall *call, IgTransfer *transfer, bool json);

#endif							/* IGNISIGN_RESULT_H */
