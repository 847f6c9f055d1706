/*-------------------------------------------------------------------------
 *
 * webhooks.c
 *	  The endpoints of the API for webhooks: registration, the delivery log, and
 *	  the verification of deliveries.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/webhooks.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_PER_PAGE 20

/* ---- Endpoints ---- */

/* Answer with all endpoints of the application, the newest last. */
static void
answer_endpoints(const App *app, Answer *answer)
{
	cJSON	   *list = cJSON_CreateArray();

	for (size_t i = 0; i < nendpoints; i++)
	{
		const Endpoint *endpoint = endpoints[i];
		cJSON	   *json;

		if (endpoint->app != app || endpoint->deleted)
			continue;
		json = cJSON_CreateObject();
		cJSON_AddStringToObject(json, "_id", endpoint->id);
		cJSON_AddStringToObject(json, "url", endpoint->url);
		if (endpoint->description)
			cJSON_AddStringToObject(json, "description", endpoint->description);
		cJSON_AddFalseToObject(json, "isDisabled");
		add_time(json, "_createdAt", endpoint->created_at);
		cJSON_AddItemToArray(list, json);
	}
	answer_json(answer, list);
}

/* Find the endpoint that the path names; NULL, with the error. */
static Endpoint *
named_endpoint(Call *call, Answer *answer)
{
	for (size_t i = 0; i < nendpoints; i++)
	{
		if (strcmp(endpoints[i]->id, call->arguments[0]) != 0 || endpoints[i]->deleted)
			continue;
		if (endpoints[i]->app == call->app)
			return endpoints[i];
		answer_error(answer, "INVALID_CONTEXT", "The webhook is of another application", NULL);
		return NULL;
	}
	answer_error(answer, is_id(call->arguments[0]) ? "WEBHOOK_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
				 "Webhook not found", NULL);
	return NULL;
}

/* Register an endpoint. */
static void
register_endpoint(Call *call, const Field *fields, Answer *answer)
{
	cJSON	   *body;
	Endpoint   *endpoint;

	if (!check_app(call, answer) || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	endpoint = add_endpoint();
	make_id(endpoint->id);
	endpoint->app = call->app;
	endpoint->created_at = now_ms();
	set_text(&endpoint->url, get_text(body, "url"));
	set_text(&endpoint->description, get_text(body, "description"));
	endpoint->topics = cJSON_DetachItemFromObjectCaseSensitive(body, "topics");
	cJSON_Delete(body);
	state_note(STATE_ENDPOINT, endpoint);
	answer_endpoints(call->app, answer);
}

/* POST .../webhooks */
void
create_webhook(Call *call, Answer *answer)
{
	static const Field fields[] = {{"url", 'u', true}, {"description", 's', false}, {NULL, 0, false}};

	register_endpoint(call, fields, answer);
}

/* POST .../webhooks/endpoints */
void
create_webhook_for_topics(Call *call, Answer *answer)
{
	static const Field fields[] = {
		{"url", 'u', true}, {"description", 's', false}, {"topics", 'Q', false}, {NULL, 0, false}
	};

	register_endpoint(call, fields, answer);
}

/* GET .../webhooks */
void
list_webhooks(Call *call, Answer *answer)
{
	if (check_app(call, answer))
		answer_endpoints(call->app, answer);
}

/* PUT /v4/webhooks/:webhookId */
void
update_webhook(Call *call, Answer *answer)
{
	static const Field fields[] = {{"url", 'u', true}, {"description", 's', false}, {NULL, 0, false}};
	Endpoint   *endpoint = named_endpoint(call, answer);
	cJSON	   *body;

	if (endpoint == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	set_text(&endpoint->url, get_text(body, "url"));
	if (get_text(body, "description"))
		set_text(&endpoint->description, get_text(body, "description"));
	state_note(STATE_ENDPOINT, endpoint);
	cJSON_Delete(body);
	answer_endpoints(call->app, answer);
}

/* DELETE /v4/webhooks/:webhookId */
void
delete_webhook(Call *call, Answer *answer)
{
	Endpoint   *endpoint = named_endpoint(call, answer);

	if (endpoint == NULL)
		return;
	endpoint->deleted = true;
	state_note(STATE_ENDPOINT, endpoint);
	answer_endpoints(call->app, answer);
}

/* POST /v4/webhooks/:webhookId/disabled-events */
void
mute_webhook(Call *call, Answer *answer)
{
	static const Field fields[] = {{"topics", 'o', true}, {NULL, 0, false}};
	Endpoint   *endpoint = named_endpoint(call, answer);
	cJSON	   *body;
	const cJSON *topic;

	if (endpoint == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	cJSON_ArrayForEach(topic, cJSON_GetObjectItemCaseSensitive(body, "topics"))
	{
		if (is_topic(topic->string) && cJSON_IsBool(topic))
			continue;
		cJSON_Delete(body);
		answer_error(answer, "BODY_VALIDATION_FAILED", "topics must be true or false by topic", NULL);
		return;
	}
	cJSON_Delete(endpoint->muted);
	endpoint->muted = cJSON_DetachItemFromObjectCaseSensitive(body, "topics");
	state_note(STATE_ENDPOINT, endpoint);
	cJSON_Delete(body);
	answer_json(answer, cJSON_CreateObject());
}

/* ---- The delivery log ---- */

const char *
delivery_state(const Event *event)
{
	if (event->status == 0 && event->attempts == 0)
		return "PENDING";
	return event->status >= 200 && event->status <= 299 ? "SUCCESS" : "FAILED";
}

static cJSON *
describe_event(const Event *event)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "_id", event->id);
	cJSON_AddStringToObject(json, "appId", event->endpoint->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", event->endpoint->app->app_env);
	cJSON_AddStringToObject(json, "webhookId", event->endpoint->id);
	add_message_fields(json, event);
	if (event->status != 0)
	{
		cJSON	   *response = cJSON_AddObjectToObject(json, "response");

		cJSON_AddNumberToObject(response, "status", event->status);
		cJSON_AddStringToObject(response, "statusText", event->status < 300 ? "OK" : "Error");
	}
	cJSON_AddStringToObject(json, "status", delivery_state(event));
	add_time(json, "_createdAt", event->created_at);
	return json;
}

/* GET /v4/webhooks/:webhookId/events?filter=&page= */
void
webhook_events(Call *call, Answer *answer)
{
	Endpoint   *endpoint = named_endpoint(call, answer);
	char		filter[16] = "ALL";
	size_t		page;
	size_t		total = 0;
	cJSON	   *json;
	cJSON	   *list;
	cJSON	   *paging;

	if (endpoint == NULL || !query_page(call, 1, &page, answer))
		return;
	query_value(call->query, "filter", filter, sizeof(filter));
	if (strcmp(filter, "ALL") != 0 && strcmp(filter, "SUCCESS") != 0 && strcmp(filter, "FAILED") != 0)
	{
		answer_error(answer, "QUERY_VALIDATION_FAILED", "filter must be ALL, SUCCESS or FAILED", NULL);
		return;
	}
	json = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(json, "events");
	for (size_t i = nevents; i-- > 0;)
	{
		if (events[i]->endpoint != endpoint ||
			(strcmp(filter, "ALL") != 0 && strcmp(filter, delivery_state(events[i])) != 0))
			continue;
		if (total >= (page - 1) * EVENTS_PER_PAGE && total < page * EVENTS_PER_PAGE)
			cJSON_AddItemToArray(list, describe_event(events[i]));
		total++;
	}
	paging = cJSON_AddObjectToObject(json, "searchData");
	cJSON_AddNumberToObject(paging, "total", (double) total);
	cJSON_AddNumberToObject(paging, "page", (double) page);
	cJSON_AddNumberToObject(paging, "nbEventsPerPage", EVENTS_PER_PAGE);
	answer_json(answer, json);
}

/* Find the event that the path names; NULL, with the error. */
static Event *
named_event(Call *call, Answer *answer)
{
	Endpoint   *endpoint = named_endpoint(call, answer);

	if (endpoint == NULL)
		return NULL;
	for (size_t i = 0; i < nevents; i++)
	{
		if (events[i]->endpoint == endpoint && strcmp(events[i]->id, call->arguments[1]) == 0)
			return events[i];
	}
	answer_error(answer, is_id(call->arguments[1]) ? "WEBHOOK_EVENT_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
				 "Webhook event not found", NULL);
	return NULL;
}

/* GET /v4/webhooks/:webhookId/events/:eventId */
void
webhook_event(Call *call, Answer *answer)
{
	Event	   *event = named_event(call, answer);

	if (event)
		answer_json(answer, describe_event(event));
}

/* POST /v4/webhooks/:webhookId/events/:eventId/resend */
void
resend_webhook_event(Call *call, Answer *answer)
{
	static const Field none[] = {{NULL, 0, false}};
	Event	   *event = named_event(call, answer);
	cJSON	   *body;

	if (event == NULL || (body = parse_fields(call, none, answer)) == NULL)
		return;
	cJSON_Delete(body);
	event->due = now_ms();
	event->attempts = 0;
	state_note(STATE_EVENT, event);
	answer_json(answer, cJSON_CreateObject());
}

/* ---- Verification ---- */

/* POST /v4/tokens/webhook-verification/checking-consumption */
void
verify_webhook(Call *call, Answer *answer)
{
	static const Field fields[] = {
		{"token", 'w', false}, {"verificationToken", 'w', false}, {"appId", 'w', true},
		{"appEnv", 'v', true}, {NULL, 0, false}
	};
	cJSON	   *body = parse_fields(call, fields, answer);
	cJSON	   *json;
	const char *text;
	Token	   *token = NULL;
	bool		bad_target;
	bool		expired;
	bool		consumed;

	if (body == NULL)
		return;
	text = get_text(body, "token") ? get_text(body, "token") : get_text(body, "verificationToken");
	if (text == NULL)
	{
		cJSON_Delete(body);
		answer_error(answer, "BODY_VALIDATION_FAILED", "token is missing", NULL);
		return;
	}
	for (size_t i = ntokens; token == NULL && i-- > 0;)
	{
		if (strcmp(tokens[i]->text, text) == 0)
			token = tokens[i];
	}
	bad_target = token != NULL &&
		(token->app != call->app || strcmp(get_text(body, "appId"), token->app->app_id) != 0 ||
		 strcmp(get_text(body, "appEnv"), token->app->app_env) != 0);
	expired = token != NULL && token->expires_at <= now_ms();
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
		state_note(STATE_TOKEN, token);
	}
	cJSON_Delete(body);
	answer_json(answer, json);
}
