/*-------------------------------------------------------------------------
 *
 * webhooks.h
 *	  The endpoints of the API for webhooks: registration, the delivery log, and
 *	  the verification of deliveries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_WEBHOOKS_H
#define SB_WEBHOOKS_H

#include "http/call.h"

extern SbHandler sb_create_webhook,
			sb_create_webhook_for_topics,
			sb_list_webhooks,
			sb_update_webhook,
			sb_delete_webhook,
			sb_mute_webhook,
			sb_webhook_events,
			sb_webhook_event,
			sb_resend_webhook_event,
			sb_verify_webhook;

#endif							/* SB_WEBHOOKS_H */
