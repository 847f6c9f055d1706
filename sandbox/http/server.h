/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The HTTP server: collects a call, lets it be handled, and sends the response.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SERVER_H
#define SB_SERVER_H

#include "http/fault.h"

/* Handles a call; false: the connection is to be closed. */
typedef bool SbDispatch (SbCall *call, SbResponse *response, SbFault *fault);

extern bool sb_http_start(SbDispatch *dispatch_call);
extern void sb_http_stop(void);

#endif							/* SB_SERVER_H */
