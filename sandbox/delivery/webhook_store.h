/*-------------------------------------------------------------------------
 *
 * webhook_store.h
 *	  Webhook endpoints, their events and the tokens of deliveries, in memory and
 *	  in the state file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_WEBHOOK_STORE_H
#define SB_WEBHOOK_STORE_H

#include <cjson/cJSON.h>

#include "model/apps.h"
#include "util/clock.h"

/* Kinds of records in the state file. */
#define SB_STATE_ENDPOINT	'W'
#define SB_STATE_EVENT		'E'
#define SB_STATE_TOKEN		'T'

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

/* At most this many are kept of each event. */
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

extern const char *sb_event_state(const SbEvent *event);

/* How deliveries go wrong; all zero: not at all. */
typedef struct SbDeliveryMode
{
	bool		duplicate;		/* each is made twice */
	bool		reverse;		/* the newest comes first */
	bool		drop;			/* none arrives */
	bool		bad_token;
	int64_t		delay;			/* ms */
} SbDeliveryMode;

extern SbDeliveryMode sb_delivery_mode;

extern void sb_webhook_store_register(void);

#endif							/* SB_WEBHOOK_STORE_H */
