/*-------------------------------------------------------------------------
 *
 * dispatch.h
 *	  Which part of the sandbox handles a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DISPATCH_H
#define SB_DISPATCH_H

#include "http/fault.h"

/* Handle a call; false: the connection is to be closed. */
extern bool sb_dispatch(SbCall *call, SbResponse *response, SbFault *fault);

#endif							/* SB_DISPATCH_H */
