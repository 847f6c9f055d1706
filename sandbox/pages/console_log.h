/*-------------------------------------------------------------------------
 *
 * console_log.h
 *	  What the console shows of events, their deliveries, and calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CONSOLE_LOG_H
#define SB_CONSOLE_LOG_H

#include "http/call.h"
#include "model/store.h"

extern void sb_add_endpoints(SbBuffer *html);
extern void sb_add_events(SbBuffer *html, SbCall *call, const SbRequest *request);
extern void sb_add_calls(SbBuffer *html, SbCall *call, const SbRequest *request);

#endif							/* SB_CONSOLE_LOG_H */
