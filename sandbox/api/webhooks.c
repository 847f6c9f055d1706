/*-------------------------------------------------------------------------
 *
 * webhooks.c
 *	  The endpoints of the API for webhooks: registration, the delivery log, and
 *	  the verification of deliveries.
 *
 *-------------------------------------------------------------------------
 */
#include "api/webhooks.h"

#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "api/lookup.h"
#include "api/validate.h"
#include "delivery/events.h"
#include "delivery/webhook_store.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/state.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/json.h"

#define EVENTS_PER_PAGE 20

/* ---- Endpoints ---- */

/* Respond with all endpoints of the application, the newest last. */
static void
respond_endpoints(const SbApp *app, SbResponse *response)
{
	cJSON	   *list = cJSON_CreateArray();

	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		const SbEndpoint *endpoint = sb_endpoints[i];
		cJSON	   *json;

		if (endpoint->app != app || endpoint->deleted)
			continue;
		json = cJSON_CreateObject();
		cJSON_AddStringToObject(json, "_id", endpoint->id);
		cJSON_AddStringToObject(json, "url", endpoint->url);
		if (endpoint->description)
			cJSON_AddStringToObject(json, "description", endpoint->description);
		cJSON_AddFalseToObject(json, "isDisabled");
		sb_add_time(json, "_createdAt", endpoint->created_at);
		cJSON_AddItemToArray(list, json);
	}
	sb_respond_json(response, list);
}

/* Find the endpoint that the path names; NULL, with the error. */
static SbEndpoint *
named_endpoint(SbCall *call, SbResponse *response)
{
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		if (strcmp(sb_endpoints[i]->id, call->arguments[0]) != 0 || sb_endpoints[i]->deleted)
			continue;
		if (sb_endpoints[i]->app == call->app)
			return sb_endpoints[i];
		sb_respond_error(response, "INVALID_CONTEXT", "The webhook is of another application", NULL);
		return NULL;
	}
	sb_respond_error(response, sb_is_id(call->arguments[0]) ? "WEBHOOK_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Webhook not found", NULL);
	return NULL;
}

/* Register an endpoint. */
static void
register_endpoint(SbCall *call, const SbField *fields, SbResponse *response)
{
	cJSON	   *body;
	SbEndpoint *endpoint;

	if (!sb_check_app(call, response) || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	endpoint = sb_add_endpoint();
	sb_make_id(endpoint->id);
	endpoint->app = call->app;
	endpoint->created_at = sb_now_ms();
	sb_set_text(&endpoint->url, sb_get_text(body, "url"));
	sb_set_text(&endpoint->description, sb_get_text(body, "description"));
	endpoint->topics = cJSON_DetachItemFromObjectCaseSensitive(body, "topics");
	cJSON_Delete(body);
	sb_state_append(SB_STATE_ENDPOINT, endpoint);
	respond_endpoints(call->app, response);
}

/* POST .../webhooks */
void
sb_create_webhook(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"url", 'u', true}, {"description", 's', false}, {NULL, 0, false}};

	register_endpoint(call, fields, response);
}

/* POST .../webhooks/endpoints */
void
sb_create_webhook_for_topics(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {
		{"url", 'u', true}, {"description", 's', false}, {"topics", 'Q', false}, {NULL, 0, false}
	};

	register_endpoint(call, fields, response);
}

/* GET .../webhooks */
void
sb_list_webhooks(SbCall *call, SbResponse *response)
{
	if (sb_check_app(call, response))
		respond_endpoints(call->app, response);
}

/* PUT /v4/webhooks/:webhookId */
void
sb_update_webhook(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"url", 'u', true}, {"description", 's', false}, {NULL, 0, false}};
	SbEndpoint *endpoint = named_endpoint(call, response);
	cJSON	   *body;

	if (endpoint == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	sb_set_text(&endpoint->url, sb_get_text(body, "url"));
	if (sb_get_text(body, "description"))
		sb_set_text(&endpoint->description, sb_get_text(body, "description"));
	sb_state_append(SB_STATE_ENDPOINT, endpoint);
	cJSON_Delete(body);
	respond_endpoints(call->app, response);
}

/* DELETE /v4/webhooks/:webhookId */
void
sb_delete_webhook(SbCall *call, SbResponse *response)
{
	SbEndpoint *endpoint = named_endpoint(call, response);

	if (endpoint == NULL)
		return;
	endpoint->deleted = true;
	sb_state_append(SB_STATE_ENDPOINT, endpoint);
	respond_endpoints(call->app, response);
}

/* POST /v4/webhooks/:webhookId/disabled-events */
void
sb_mute_webhook(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"topics", 'o', true}, {NULL, 0, false}};
	SbEndpoint *endpoint = named_endpoint(call, response);
	cJSON	   *body;
	const cJSON *topic;

	if (endpoint == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	cJSON_ArrayForEach(topic, cJSON_GetObjectItemCaseSensitive(body, "topics"))
	{
		if (sb_is_topic(topic->string) && cJSON_IsBool(topic))
			continue;
		cJSON_Delete(body);
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "topics must be true or false by topic", NULL);
		return;
	}
	cJSON_Delete(endpoint->muted);
	endpoint->muted = cJSON_DetachItemFromObjectCaseSensitive(body, "topics");
	sb_state_append(SB_STATE_ENDPOINT, endpoint);
	cJSON_Delete(body);
	sb_respond_json(response, cJSON_CreateObject());
}

/* ---- The delivery log ---- */

static cJSON *
describe_event(const SbEvent *event)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "_id", event->id);
	cJSON_AddStringToObject(json, "appId", event->endpoint->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", event->endpoint->app->app_env);
	cJSON_AddStringToObject(json, "webhookId", event->endpoint->id);
	sb_add_message_fields(json, event);
	if (event->status != 0)
	{
		cJSON	   *last = cJSON_AddObjectToObject(json, "response");

		cJSON_AddNumberToObject(last, "status", event->status);
		cJSON_AddStringToObject(last, "statusText", event->status < 300 ? "OK" : "Error");
	}
	cJSON_AddStringToObject(json, "status", sb_event_state(event));
	sb_add_time(json, "_createdAt", event->created_at);
	return json;
}

/* GET /v4/webhooks/:webhookId/events?filter=&page= */
void
sb_webhook_events(SbCall *call, SbResponse *response)
{
	SbEndpoint *endpoint = named_endpoint(call, response);
	char		filter[16] = "ALL";
	size_t		page;
	size_t		total = 0;
	cJSON	   *json;
	cJSON	   *list;
	cJSON	   *paging;

	if (endpoint == NULL || !sb_query_page(call, 1, &page, response))
		return;
	sb_query_value(call->query, "filter", filter, sizeof(filter));
	if (strcmp(filter, "ALL") != 0 && strcmp(filter, "SUCCESS") != 0 && strcmp(filter, "FAILED") != 0)
	{
		sb_respond_error(response, "QUERY_VALIDATION_FAILED", "filter must be ALL, SUCCESS or FAILED", NULL);
		return;
	}
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "events");
	for (size_t i = sb_nevents; i-- > 0;)
	{
		if (sb_events[i]->endpoint != endpoint ||
			(strcmp(filter, "ALL") != 0 && strcmp(filter, sb_event_state(sb_events[i])) != 0))
			continue;
		if (total >= (page - 1) * EVENTS_PER_PAGE && total < page * EVENTS_PER_PAGE)
			cJSON_AddItemToArray(list, describe_event(sb_events[i]));
		total++;
	}
	paging = cJSON_AddObjectToObject(json, "searchData");
	cJSON_AddNumberToObject(paging, "total", (double) total);
	cJSON_AddNumberToObject(paging, "page", (double) page);
	cJSON_AddNumberToObject(paging, "nbEventsPerPage", EVENTS_PER_PAGE);
	sb_respond_json(response, json);
}

/* Find the event that the path names; NULL, with the error. */
static SbEvent *
named_event(SbCall *call, SbResponse *response)
{
	SbEndpoint *endpoint = named_endpoint(call, response);

	if (endpoint == NULL)
		return NULL;
	for (size_t i = 0; i < sb_nevents; i++)
	{
		if (sb_events[i]->endpoint == endpoint && strcmp(sb_events[i]->id, call->arguments[1]) == 0)
			return sb_events[i];
	}
	sb_respond_error(response, sb_is_id(call->arguments[1]) ? "WEBHOOK_EVENT_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Webhook event not found", NULL);
	return NULL;
}

/* GET /v4/webhooks/:webhookId/events/:eventId */
void
sb_webhook_event(SbCall *call, SbResponse *response)
{
	SbEvent    *event = named_event(call, response);

	if (event)
		sb_respond_json(response, describe_event(event));
}

/* POST /v4/webhooks/:webhookId/events/:eventId/resend */
void
sb_resend_webhook_event(SbCall *call, SbResponse *response)
{
	static const SbField none[] = {{NULL, 0, false}};
	SbEvent    *event = named_event(call, response);
	cJSON	   *body;

	if (event == NULL || (body = sb_parse_fields(call, none, response)) == NULL)
		return;
	cJSON_Delete(body);
	event->due = sb_now_ms();
	event->attempts = 0;
	sb_state_append(SB_STATE_EVENT, event);
	sb_respond_json(response, cJSON_CreateObject());
}

/* ---- Verification ---- */

/* POST /v4/tokens/webhook-verification/checking-consumption */
void
sb_verify_webhook(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {
		{"token", 'w', false}, {"verificationToken", 'w', false}, {"appId", 'w', true},
		{"appEnv", 'v', true}, {NULL, 0, false}
	};
	cJSON	   *body = sb_parse_fields(call, fields, response);
	cJSON	   *json;
	const char *text;
	SbToken    *token = NULL;
	bool		bad_target;
	bool		expired;
	bool		consumed;

	if (body == NULL)
		return;
	text = sb_get_text(body, "token") ? sb_get_text(body, "token") : sb_get_text(body, "verificationToken");
	if (text == NULL)
	{
		cJSON_Delete(body);
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "token is missing", NULL);
		return;
	}
	for (size_t i = sb_ntokens; token == NULL && i-- > 0;)
	{
		if (strcmp(sb_tokens[i]->text, text) == 0)
			token = sb_tokens[i];
	}
	bad_target = token != NULL &&
		(token->app != call->app || strcmp(sb_get_text(body, "appId"), token->app->app_id) != 0 ||
		 strcmp(sb_get_text(body, "appEnv"), token->app->app_env) != 0);
	expired = token != NULL && token->expires_at <= sb_now_ms();
	consumed = token != NULL && token->consumed;
	json = cJSON_CreateObject();
	cJSON_AddBoolToObject(json, "isValid", token != NULL && !bad_target && !expired && !consumed);
	cJSON_AddNullToObject(json, "context");
	cJSON_AddBoolToObject(json, "notFound", token == NULL);
	cJSON_AddBoolToObject(json, "alreadyConsumed", consumed);
	cJSON_AddBoolToObject(json, "badTarget", bad_target);
	cJSON_AddBoolToObject(json, "isExpired", expired);
	cJSON_AddFalseToObject(json, "badRelatedId");
	cJSON_AddBoolToObject(json, "haveBeenConsumed", token != NULL);
	if (token != NULL && !bad_target)
	{
		token->consumed = true;
		sb_state_append(SB_STATE_TOKEN, token);
	}
	cJSON_Delete(body);
	sb_respond_json(response, json);
}
