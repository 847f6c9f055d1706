/*-------------------------------------------------------------------------
 *
 * events.h
 *	  What happens to requests, as an event for each endpoint of the application
 *	  that wants it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_EVENTS_H
#define SB_EVENTS_H

#include "delivery/webhook_store.h"
#include "model/store.h"

extern void sb_emit_event(SbApp *app, const char *topic, const char *action, const char *nature, cJSON *content);
extern void sb_emit_request(SbRequest *request, const char *action);
extern void sb_emit_signatures(SbRequest *request, const SbParticipant *participant);
extern void sb_emit_refusal(SbRequest *request, const SbParticipant *participant);
extern void sb_emit_proof(SbRequest *request);
extern cJSON *sb_describe_participants(const SbRequest *request);

/* Add what an event is about, as its message and the list of events have it. */
extern void sb_add_message_fields(cJSON *json, const SbEvent *event);

#endif							/* SB_EVENTS_H */
