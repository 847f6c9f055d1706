/*-------------------------------------------------------------------------
 *
 * webhook_store.c
 *	  Webhook endpoints, their events and the tokens of deliveries, in memory and
 *	  in the state file.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/webhook_store.h"

#include <stdlib.h>
#include <string.h>

#include "model/record.h"
#include "model/state.h"
#include "util/buffer.h"
#include "util/clock.h"

SbEndpoint **sb_endpoints;
size_t		sb_nendpoints;
SbEvent   **sb_events;
size_t		sb_nevents;
SbToken   **sb_tokens;
size_t		sb_ntokens;
SbDeliveryMode sb_delivery_mode;

/* Make room for one more pointer. */
static void *
grown(void *array, size_t n)
{
	return (n & (n + 1)) == 0 ? sb_realloc(array, (n + 1) * 2 * sizeof(void *)) : array;
}

SbEndpoint *
sb_add_endpoint(void)
{
	sb_endpoints = grown(sb_endpoints, sb_nendpoints);
	return sb_endpoints[sb_nendpoints++] = sb_calloc(1, sizeof(SbEndpoint));
}

SbEvent *
sb_add_event(void)
{
	sb_events = grown(sb_events, sb_nevents);
	return sb_events[sb_nevents++] = sb_calloc(1, sizeof(SbEvent));
}

SbToken *
sb_add_token(void)
{
	sb_tokens = grown(sb_tokens, sb_ntokens);
	return sb_tokens[sb_ntokens++] = sb_calloc(1, sizeof(SbToken));
}

/* Forget all endpoints, events and tokens. */
static void
forget_all(void)
{
	for (size_t i = 0; i < sb_nevents; i++)
	{
		free(sb_events[i]->topic);
		free(sb_events[i]->action);
		free(sb_events[i]->nature);
		cJSON_Delete(sb_events[i]->content);
		cJSON_Delete(sb_events[i]->error);
		free(sb_events[i]);
	}
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		free(sb_endpoints[i]->url);
		free(sb_endpoints[i]->description);
		cJSON_Delete(sb_endpoints[i]->topics);
		cJSON_Delete(sb_endpoints[i]->muted);
		free(sb_endpoints[i]);
	}
	for (size_t i = 0; i < sb_ntokens; i++)
		free(sb_tokens[i]);
	free(sb_events);
	free(sb_endpoints);
	free(sb_tokens);
	sb_events = NULL;
	sb_endpoints = NULL;
	sb_tokens = NULL;
	sb_nevents = sb_nendpoints = sb_ntokens = 0;
	memset(&sb_delivery_mode, 0, sizeof(sb_delivery_mode));
}

/* Find an endpoint; NULL: it is not there. */
static SbEndpoint *
endpoint_by_id(const char *id)
{
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		if (strcmp(sb_endpoints[i]->id, id) == 0)
			return sb_endpoints[i];
	}
	return NULL;
}

static void
record_endpoint(SbRecord *record, void *object)
{
	SbEndpoint *endpoint = object;
	char		id[SB_ID_LENGTH + 1] = "";

	if (endpoint != NULL)
		memcpy(id, endpoint->id, sizeof(id));
	sb_record_id(record, id);
	if (endpoint == NULL && (endpoint = endpoint_by_id(id)) == NULL)
	{
		endpoint = sb_add_endpoint();
		memcpy(endpoint->id, id, sizeof(id));
	}
	sb_record_app(record, &endpoint->app);
	sb_record_text(record, &endpoint->url);
	sb_record_text(record, &endpoint->description);
	sb_record_json(record, &endpoint->topics);
	sb_record_json(record, &endpoint->muted);
	sb_record_number(record, &endpoint->created_at);
	sb_record_flag(record, &endpoint->deleted);
}

static void
record_event(SbRecord *record, void *object)
{
	SbEvent    *event = object;
	char		id[SB_ID_LENGTH + 1] = "";
	char		endpoint[SB_ID_LENGTH + 1] = "";

	if (event != NULL)
	{
		memcpy(id, event->id, sizeof(id));
		memcpy(endpoint, event->endpoint->id, sizeof(endpoint));
	}
	sb_record_id(record, id);
	for (size_t i = sb_nevents; event == NULL && i-- > 0;)
	{
		if (strcmp(sb_events[i]->id, id) == 0)
			event = sb_events[i];
	}
	if (event == NULL)
	{
		event = sb_add_event();
		memcpy(event->id, id, sizeof(id));
	}
	sb_record_id(record, endpoint);
	sb_record_text(record, &event->topic);
	sb_record_text(record, &event->action);
	sb_record_text(record, &event->nature);
	sb_record_json(record, &event->content);
	sb_record_number(record, &event->created_at);
	sb_record_number(record, &event->due);
	sb_record_int(record, &event->attempts);
	sb_record_int(record, &event->status);
	if (record->version >= 2)
	{
		sb_record_json(record, &event->error);
		sb_record_int(record, &event->ndeliveries);
		if (event->ndeliveries < 0 || event->ndeliveries > SB_MAX_DELIVERIES)
		{
			record->bad = true;
			event->ndeliveries = 0;
		}
		for (int i = 0; i < event->ndeliveries; i++)
		{
			sb_record_number(record, &event->deliveries[i].time);
			sb_record_number(record, &event->deliveries[i].duration);
			sb_record_int(record, &event->deliveries[i].status);
		}
	}
	if (record->reading && (event->endpoint = endpoint_by_id(endpoint)) == NULL)
		record->bad = true;
}

static void
record_token(SbRecord *record, void *object)
{
	SbToken    *token = object;
	char	   *text = token ? sb_strdup(token->text) : NULL;

	sb_record_text(record, &text);
	for (size_t i = sb_ntokens; token == NULL && text != NULL && i-- > 0;)
	{
		if (strcmp(sb_tokens[i]->text, text) == 0)
			token = sb_tokens[i];
	}
	if (token == NULL)
	{
		token = sb_add_token();
		strncpy(token->text, text ? text : "", sizeof(token->text) - 1);
	}
	free(text);
	sb_record_app(record, &token->app);
	sb_record_number(record, &token->expires_at);
	sb_record_flag(record, &token->consumed);
}

/* Append all endpoints, events and tokens. */
static void
append_all(void)
{
	for (size_t i = 0; i < sb_nendpoints; i++)
		sb_state_append(SB_STATE_ENDPOINT, sb_endpoints[i]);
	for (size_t i = 0; i < sb_nevents; i++)
		sb_state_append(SB_STATE_EVENT, sb_events[i]);
	for (size_t i = 0; i < sb_ntokens; i++)
		sb_state_append(SB_STATE_TOKEN, sb_tokens[i]);
}

/* Keep endpoints, events and tokens in the state file. */
void
sb_webhook_store_register(void)
{
	static const SbStatePart part = {
		.kinds = {
			{SB_STATE_ENDPOINT, record_endpoint},
			{SB_STATE_EVENT, record_event},
			{SB_STATE_TOKEN, record_token}
		},
		.append_all = append_all,
		.forget = forget_all
	};

	sb_state_register(&part);
}

/* How the deliveries of an event went, as the API says it. */
const char *
sb_event_state(const SbEvent *event)
{
	if (event->status == 0 && event->attempts == 0)
		return "PENDING";
	return event->status >= 200 && event->status <= 299 ? "SUCCESS" : "FAILED";
}
