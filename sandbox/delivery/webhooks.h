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

typedef struct Endpoint
{
	char		id[ID_LENGTH + 1];
	App		   *app;
	char	   *url;
	char	   *description;	/* or NULL */
	cJSON	   *topics;			/* those that it wants, or NULL: all */
	cJSON	   *muted;			/* {"TOPIC": true}, or NULL */
	int64_t		created_at;
	bool		deleted;
} Endpoint;

/* One delivery of an event. */
typedef struct Delivery
{
	int64_t		time;
	int64_t		duration;
	int			status;			/* 0: no answer */
} Delivery;

/* So many are kept of each event. */
#define MAX_DELIVERIES 10

typedef struct Event
{
	char		id[ID_LENGTH + 1];
	Endpoint   *endpoint;
	char	   *topic;
	char	   *action;
	char	   *nature;
	cJSON	   *content;
	cJSON	   *error;			/* or NULL */
	int64_t		created_at;
	int64_t		due;			/* 0: nothing to deliver */
	int			attempts;
	int			status;			/* of the last delivery; 0: there was none */
	Delivery	deliveries[MAX_DELIVERIES]; /* the latest, oldest first */
	int			ndeliveries;
} Event;

typedef struct Token
{
	char		text[2 * ID_LENGTH + 8];
	App		   *app;
	int64_t		expires_at;
	bool		consumed;
} Token;

extern Endpoint **endpoints;
extern size_t nendpoints;
extern Event **events;
extern size_t nevents;
extern Token **tokens;
extern size_t ntokens;

/* A new one, empty, at the end of the others. */
extern Endpoint *add_endpoint(void);
extern Event *add_event(void);
extern Token *add_token(void);

/* How deliveries go wrong (delivery.c). */
extern WebhookMode webhook_mode;

extern const char *delivery_state(const Event *event);

/* Add what an event is about, as its message and the list of events have it (events.c). */
extern void add_message_fields(cJSON *json, const Event *event);

#endif							/* SANDBOX_WEBHOOKS_H */
