/*-------------------------------------------------------------------------
 *
 * webhooks.h
 *	  Webhook endpoints, the events sent to them, and the tokens of deliveries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_WEBHOOKS_H
#define SANDBOX_WEBHOOKS_H

#include "model/state.h"

typedef struct SbEndpoint
{
	char		id[SB_ID_LENGTH + 1];
	SbApp	   *app;
	char	   *url;
	char	   *description;	/* or NULL */
	cJSON	   *topics;			/* those that it wants, or NULL: all */
	cJSON	   *muted;			/* {"TOPIC": true}, or NULL */
	int64_t		created_at;
	bool		deleted;
} SbEndpoint;

/* One delivery of an event. */
typedef struct SbDelivery
{
	int64_t		time;
	int64_t		duration;
	int			status;			/* 0: no response */
} SbDelivery;

/* So many are kept of each event. */
#define SB_MAX_DELIVERIES 10

typedef struct SbEvent
{
	char		id[SB_ID_LENGTH + 1];
	SbEndpoint *endpoint;
	char	   *topic;
	char	   *action;
	char	   *nature;
	cJSON	   *content;
	cJSON	   *error;			/* or NULL */
	int64_t		created_at;
	int64_t		due;			/* 0: nothing to deliver */
	int			attempts;
	int			status;			/* of the last delivery; 0: there was none */
	SbDelivery	deliveries[SB_MAX_DELIVERIES];	/* the latest, oldest first */
	int			ndeliveries;
} SbEvent;

typedef struct SbToken
{
	char		text[2 * SB_ID_LENGTH + 8];
	SbApp	   *app;
	int64_t		expires_at;
	bool		consumed;
} SbToken;

extern SbEndpoint **sb_endpoints;
extern size_t sb_nendpoints;
extern SbEvent **sb_events;
extern size_t sb_nevents;
extern SbToken **sb_tokens;
extern size_t sb_ntokens;

/* A new one, empty, at the end of the others. */
extern SbEndpoint *sb_add_endpoint(void);
extern SbEvent *sb_add_event(void);
extern SbToken *sb_add_token(void);

/* How deliveries go wrong (delivery.c). */
extern SbDeliveryMode sb_delivery_mode;

extern const char *sb_event_state(const SbEvent *event);

/* Add what an event is about, as its message and the list of events have it (events.c). */
extern void sb_add_message_fields(cJSON *json, const SbEvent *event);

#endif							/* SANDBOX_WEBHOOKS_H */
