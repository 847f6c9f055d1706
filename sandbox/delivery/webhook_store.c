/*-------------------------------------------------------------------------
 *
 * webhook_store.c
 *	  Endpoints, events and tokens, in memory and in the file.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/webhooks.h"

#include <stdlib.h>
#include <string.h>

Endpoint  **endpoints;
size_t		nendpoints;
Event	  **events;
size_t		nevents;
Token	  **tokens;
size_t		ntokens;

/* Make room for one more pointer. */
static void *
grown(void *array, size_t n)
{
	return (n & (n + 1)) == 0 ? xrealloc(array, (n + 1) * 2 * sizeof(void *)) : array;
}

Endpoint *
add_endpoint(void)
{
	endpoints = grown(endpoints, nendpoints);
	return endpoints[nendpoints++] = xcalloc(1, sizeof(Endpoint));
}

Event *
add_event(void)
{
	events = grown(events, nevents);
	return events[nevents++] = xcalloc(1, sizeof(Event));
}

Token *
add_token(void)
{
	tokens = grown(tokens, ntokens);
	return tokens[ntokens++] = xcalloc(1, sizeof(Token));
}

/* Forget all endpoints, events and tokens. */
void
webhooks_reset(void)
{
	for (size_t i = 0; i < nevents; i++)
	{
		free(events[i]->topic);
		free(events[i]->action);
		free(events[i]->nature);
		cJSON_Delete(events[i]->content);
		cJSON_Delete(events[i]->error);
		free(events[i]);
	}
	for (size_t i = 0; i < nendpoints; i++)
	{
		free(endpoints[i]->url);
		free(endpoints[i]->description);
		cJSON_Delete(endpoints[i]->topics);
		cJSON_Delete(endpoints[i]->muted);
		free(endpoints[i]);
	}
	for (size_t i = 0; i < ntokens; i++)
		free(tokens[i]);
	free(events);
	free(endpoints);
	free(tokens);
	events = NULL;
	endpoints = NULL;
	tokens = NULL;
	nevents = nendpoints = ntokens = 0;
	memset(&webhook_mode, 0, sizeof(webhook_mode));
}

/* Find an endpoint; NULL: it is not there. */
static Endpoint *
endpoint_by_id(const char *id)
{
	for (size_t i = 0; i < nendpoints; i++)
	{
		if (strcmp(endpoints[i]->id, id) == 0)
			return endpoints[i];
	}
	return NULL;
}

void
record_endpoint(Record *record, void *object)
{
	Endpoint   *endpoint = object;
	char		id[ID_LENGTH + 1] = "";

	if (endpoint != NULL)
		memcpy(id, endpoint->id, sizeof(id));
	record_id(record, id);
	if (endpoint == NULL && (endpoint = endpoint_by_id(id)) == NULL)
	{
		endpoint = add_endpoint();
		memcpy(endpoint->id, id, sizeof(id));
	}
	record_app(record, &endpoint->app);
	record_text(record, &endpoint->url);
	record_text(record, &endpoint->description);
	record_json(record, &endpoint->topics);
	record_json(record, &endpoint->muted);
	record_number(record, &endpoint->created_at);
	record_flag(record, &endpoint->deleted);
}

void
record_event(Record *record, void *object)
{
	Event	   *event = object;
	char		id[ID_LENGTH + 1] = "";
	char		endpoint[ID_LENGTH + 1] = "";

	if (event != NULL)
	{
		memcpy(id, event->id, sizeof(id));
		memcpy(endpoint, event->endpoint->id, sizeof(endpoint));
	}
	record_id(record, id);
	for (size_t i = nevents; event == NULL && i-- > 0;)
	{
		if (strcmp(events[i]->id, id) == 0)
			event = events[i];
	}
	if (event == NULL)
	{
		event = add_event();
		memcpy(event->id, id, sizeof(id));
	}
	record_id(record, endpoint);
	record_text(record, &event->topic);
	record_text(record, &event->action);
	record_text(record, &event->nature);
	record_json(record, &event->content);
	record_number(record, &event->created_at);
	record_number(record, &event->due);
	record_int(record, &event->attempts);
	record_int(record, &event->status);
	if (record->version >= 2)
	{
		record_json(record, &event->error);
		record_int(record, &event->ndeliveries);
		if (event->ndeliveries < 0 || event->ndeliveries > MAX_DELIVERIES)
		{
			record->bad = true;
			event->ndeliveries = 0;
		}
		for (int i = 0; i < event->ndeliveries; i++)
		{
			record_number(record, &event->deliveries[i].time);
			record_number(record, &event->deliveries[i].duration);
			record_int(record, &event->deliveries[i].status);
		}
	}
	if (record->reading && (event->endpoint = endpoint_by_id(endpoint)) == NULL)
		record->bad = true;
}

void
record_token(Record *record, void *object)
{
	Token	   *token = object;
	char	   *text = token ? xstrdup(token->text) : NULL;

	record_text(record, &text);
	for (size_t i = ntokens; token == NULL && text != NULL && i-- > 0;)
	{
		if (strcmp(tokens[i]->text, text) == 0)
			token = tokens[i];
	}
	if (token == NULL)
	{
		token = add_token();
		strncpy(token->text, text ? text : "", sizeof(token->text) - 1);
	}
	free(text);
	record_app(record, &token->app);
	record_number(record, &token->expires_at);
	record_flag(record, &token->consumed);
}

/* Note all endpoints, events and tokens. */
void
note_webhooks(void)
{
	for (size_t i = 0; i < nendpoints; i++)
		state_note(STATE_ENDPOINT, endpoints[i]);
	for (size_t i = 0; i < nevents; i++)
		state_note(STATE_EVENT, events[i]);
	for (size_t i = 0; i < ntokens; i++)
		state_note(STATE_TOKEN, tokens[i]);
}
