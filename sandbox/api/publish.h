/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  What a call that publishes a request does and responds with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_PUBLISH_H
#define SB_PUBLISH_H

#include "http/call.h"
#include "model/store.h"

extern void sb_publish_in_call(SbCall *call, SbRequest *request);
extern void sb_respond_published(SbResponse *response, const SbRequest *request);

#endif							/* SB_PUBLISH_H */
