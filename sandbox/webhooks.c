/*-------------------------------------------------------------------------
 *
 * webhooks.c
 *	  Webhook endpoints, the events sent to them, and their delivery.
 *
 * What happens to requests is noted as an event for each endpoint of the
 * application that wants it.  One thread delivers: it brings open requests up to
 * date while somebody listens, and posts what is pending, in order, each with a
 * token that can be checked once.
 *
 *-------------------------------------------------------------------------
 */
#include "state.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 20
#define DELIVERY_TIMEOUT_MS 5000L
#define EVENTS_PER_PAGE 20

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

typedef struct Event
{
	char		id[ID_LENGTH + 1];
	Endpoint   *endpoint;
	char	   *topic;
	char	   *action;
	char	   *nature;
	cJSON	   *content;
	int64_t		created_at;
	int64_t		due;			/* 0: nothing to deliver */
	int			attempts;
	int			status;			/* of the last delivery; 0: there was none */
} Event;

typedef struct Token
{
	char		text[2 * ID_LENGTH + 8];
	App		   *app;
	int64_t		expires_at;
	bool		consumed;
} Token;

static Endpoint **endpoints;
static size_t nendpoints;
static Event **events;
static size_t nevents;
static Token **tokens;
static size_t ntokens;
static WebhookMode mode;
static _Atomic bool stopping;
static pthread_t thread;

/* Make room for one more pointer. */
static void *
grown(void *array, size_t n)
{
	return (n & (n + 1)) == 0 ? xrealloc(array, (n + 1) * 2 * sizeof(void *)) : array;
}

/* ---- Events ---- */

static bool
wants(const Endpoint *endpoint, const App *app, const char *topic)
{
	const cJSON *item;
	bool		listed = endpoint->topics == NULL;

	if (endpoint->deleted || endpoint->app != app ||
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(endpoint->muted, topic)))
		return false;
	cJSON_ArrayForEach(item, endpoint->topics)
		listed = listed || strcmp(item->valuestring, topic) == 0 || strcmp(item->valuestring, "ALL") == 0;
	return listed;
}

/* Note an event; the content is taken over. */
void
emit(App *app, const char *topic, const char *action, const char *nature, cJSON *content)
{
	for (size_t i = 0; i < nendpoints; i++)
	{
		Event	   *event;

		if (!wants(endpoints[i], app, topic))
			continue;
		event = xcalloc(1, sizeof(Event));
		make_id(event->id);
		event->endpoint = endpoints[i];
		event->topic = xstrdup(topic);
		event->action = xstrdup(action);
		event->nature = xstrdup(nature);
		event->content = cJSON_Duplicate(content, true);
		event->created_at = now_ms();
		event->due = event->created_at + mode.delay;
		events = grown(events, nevents);
		events[nevents++] = event;
		state_note(STATE_EVENT, event);
	}
	cJSON_Delete(content);
}

/* An id that a message has only where there is one. */
static void
add_external_id(cJSON *content, const char *name, const char *id)
{
	if (id)
		cJSON_AddStringToObject(content, name, id);
}

/* Note what has happened to a request. */
void
emit_request(Request *request, const char *action)
{
	cJSON	   *content = cJSON_CreateObject();
	const char *external_id = get_text(request->settings, "externalId");

	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	cJSON_AddStringToObject(content, "status", request->status);
	add_external_id(content, "signatureRequestExternalId", external_id);
	add_external_id(content, "initialSignatureRequestId", get_text(request->settings, "initialSignatureRequestId"));
	if (strcmp(action, "LAUNCHED") == 0)
		cJSON_AddItemToObject(content, "signers", describe_parties(request));
	emit(request->app, "SIGNATURE_REQUEST", action, strcmp(action, "FAILED") == 0 ? "ERROR" : "SUCCESS", content);
}

/* Note that a signer has signed the documents of a request. */
void
emit_signatures(Request *request, const Party *party)
{
	for (int i = 0; i < request->ndocuments; i++)
	{
		cJSON	   *content = cJSON_CreateObject();
		char		id[ID_LENGTH + 1];

		cJSON_AddStringToObject(content, "appId", request->app->app_id);
		cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
		cJSON_AddStringToObject(content, "documentNature", request->documents[i]->nature);
		cJSON_AddStringToObject(content, "signerId", party->signer->id);
		cJSON_AddStringToObject(content, "documentId", request->documents[i]->id);
		cJSON_AddStringToObject(content, "signatureRequestId", request->id);
		signature_id(request->documents[i], party->signer, id);
		cJSON_AddStringToObject(content, "signatureId", id);
		add_external_id(content, "signerExternalId", party->signer->external_id);
		add_external_id(content, "documentExternalId", request->documents[i]->external_id);
		add_external_id(content, "signatureRequestExternalId", get_text(request->settings, "externalId"));
		emit(request->app, "SIGNATURE", "FINALIZED", "SUCCESS", content);
	}
}

/* Where people can look at a proof: a token, and a page of the vendor's. */
static void
add_proof_link(cJSON *json, const char *token_name, const char *url_name, const Request *request)
{
	char		token[ID_LENGTH + 1];
	char	   *url;

	make_id(token);
	url = xprintf("https://sign.ignisign.io/signature-requests/%s/proofs?t=%s", request->id, token);
	cJSON_AddStringToObject(json, token_name, token);
	cJSON_AddStringToObject(json, url_name, url);
	free(url);
}

/* Note that the proofs of a request are there. */
void
emit_proof(Request *request)
{
	cJSON	   *content = cJSON_CreateObject();
	cJSON	   *list;

	cJSON_AddStringToObject(content, "appId", request->app->app_id);
	cJSON_AddStringToObject(content, "appEnv", request->app->app_env);
	cJSON_AddStringToObject(content, "signatureRequestId", request->id);
	list = cJSON_AddArrayToObject(content, "documents");
	for (int i = 0; i < request->ndocuments; i++)
	{
		cJSON	   *document = cJSON_CreateObject();

		cJSON_AddStringToObject(document, "documentId", request->documents[i]->id);
		add_external_id(document, "documentExternalId", request->documents[i]->external_id);
		add_proof_link(document, "token", "url", request);
		cJSON_AddItemToArray(list, document);
	}
	add_proof_link(content, "signatureProofToken", "signatureProofUrl", request);
	emit(request->app, "SIGNATURE_PROOF", "GENERATED", "SUCCESS", content);
}

/* ---- Delivery ---- */

/* A new token for one delivery. */
static const char *
make_token(App *app)
{
	Token	   *token = xcalloc(1, sizeof(Token));

	memcpy(token->text, "wt_", 3);
	make_id(token->text + 3);
	make_id(token->text + 3 + ID_LENGTH);
	token->app = app;
	token->expires_at = now_ms() + options.token_lifetime;
	tokens = grown(tokens, ntokens);
	tokens[ntokens++] = token;
	state_note(STATE_TOKEN, token);
	return token->text;
}

/* What a message that tells of an error has more than others. */
static void
add_error(cJSON *json, const Event *event)
{
	if (strcmp(event->nature, "ERROR") == 0)
		cJSON_AddStringToObject(cJSON_AddObjectToObject(json, "error"), "errorCode", "SIGNATURE_REQUEST_FAILED");
}

/* What is posted for an event. */
static char *
make_message(const Event *event)
{
	cJSON	   *json = cJSON_CreateObject();
	char	   *text;

	cJSON_AddStringToObject(json, "appId", event->endpoint->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", event->endpoint->app->app_env);
	cJSON_AddStringToObject(json, "topic", event->topic);
	cJSON_AddStringToObject(json, "action", event->action);
	cJSON_AddStringToObject(json, "msgNature", event->nature);
	cJSON_AddItemToObject(json, "content", cJSON_Duplicate(event->content, true));
	add_error(json, event);
	cJSON_AddStringToObject(json, "verificationToken",
							mode.bad_token ? "wt_forged" : make_token(event->endpoint->app));
	text = cJSON_PrintUnformatted(json);
	cJSON_Delete(json);
	return text;
}

static size_t
swallow(void *data, size_t size, size_t n, void *arg)
{
	(void) data;
	(void) arg;
	return size * n;
}

/* Post a message; returns the HTTP status, 0: none came. */
static int
post(const char *url, const char *message)
{
	CURL	   *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	long		status = 0;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, message);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, DELIVERY_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
	if (options.webhook_ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, options.webhook_ca);
	else
	{
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return (int) status;
}

/* The event to be delivered next; NULL: none is due. */
static Event *
next_event(int64_t now)
{
	Event	   *next = NULL;

	for (size_t i = 0; i < nevents; i++)
	{
		Event	   *event = events[mode.reverse ? nevents - 1 - i : i];

		if (event->due != 0 && event->due <= now && !event->endpoint->deleted)
		{
			next = event;
			break;
		}
	}
	return next;
}

/* Print a line for a delivery. */
static void
print_delivery(const Event *event)
{
	char		status[16] = "no answer";

	if (event->status != 0)
		snprintf(status, sizeof(status), "%d", event->status);
	printf("webhook %s %s: %s, delivery %d\n", event->topic, event->action, status, event->attempts);
	fflush(stdout);
}

/* Deliver one event; the lock is held, but not while the network is waited for. */
static void
deliver(Event *event)
{
	char	   *url = xstrdup(event->endpoint->url);
	char	   *messages[2];
	int			count = mode.duplicate ? 2 : 1;
	bool		drop = mode.drop;
	char		id[ID_LENGTH + 1];
	int			status = 0;

	memcpy(id, event->id, sizeof(id));
	event->due = 0;
	for (int n = 0; n < count; n++)
		messages[n] = make_message(event);

	/* While there is no lock everything may be forgotten. */
	pthread_mutex_unlock(&lock);
	for (int n = 0; n < count; n++)
	{
		status = drop ? 0 : post(url, messages[n]);
		cJSON_free(messages[n]);
	}
	pthread_mutex_lock(&lock);
	free(url);
	for (size_t i = 0; i < nevents; i++)
	{
		if (strcmp(events[i]->id, id) != 0)
			continue;
		event = events[i];
		event->status = status;
		event->attempts++;
		if (options.verbose)
			print_delivery(event);
		if ((status < 200 || status > 299) && event->attempts <= options.webhook_retries)
			event->due = now_ms() + options.webhook_retry_delay;
		state_note(STATE_EVENT, event);
	}
}

/* Whether anybody is to be told what happens. */
static bool
anybody_listens(void)
{
	for (size_t i = 0; i < nendpoints; i++)
	{
		if (!endpoints[i]->deleted)
			return true;
	}
	return false;
}

static void *
run(void *arg)
{
	(void) arg;
	while (!stopping)
	{
		struct timespec nap = {0, TICK_MS * 1000000L};
		Event	   *event;

		pthread_mutex_lock(&lock);
		for (size_t i = 0; anybody_listens() && i < request_count(); i++)
			advance(request_by_number(i));
		while (!stopping && (event = next_event(now_ms())) != NULL)
			deliver(event);
		state_flush();
		pthread_mutex_unlock(&lock);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* Start to deliver. */
bool
webhooks_start(void)
{
	return pthread_create(&thread, NULL, run, NULL) == 0;
}

void
webhooks_stop(void)
{
	stopping = true;
	pthread_join(thread, NULL);
}

/* How deliveries go wrong. */
void
webhooks_set_mode(const WebhookMode *new_mode)
{
	mode = *new_mode;
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
	memset(&mode, 0, sizeof(mode));
}

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
	endpoint = xcalloc(1, sizeof(Endpoint));
	make_id(endpoint->id);
	endpoint->app = call->app;
	endpoint->created_at = now_ms();
	set_text(&endpoint->url, get_text(body, "url"));
	set_text(&endpoint->description, get_text(body, "description"));
	endpoint->topics = cJSON_DetachItemFromObjectCaseSensitive(body, "topics");
	cJSON_Delete(body);
	endpoints = grown(endpoints, nendpoints);
	endpoints[nendpoints++] = endpoint;
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

static const char *
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
	cJSON_AddStringToObject(json, "topic", event->topic);
	cJSON_AddStringToObject(json, "action", event->action);
	cJSON_AddStringToObject(json, "msgNature", event->nature);
	cJSON_AddItemToObject(json, "content", cJSON_Duplicate(event->content, true));
	add_error(json, event);
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

/* ---- The file of all this ---- */

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
		endpoint = xcalloc(1, sizeof(Endpoint));
		memcpy(endpoint->id, id, sizeof(id));
		endpoints = grown(endpoints, nendpoints);
		endpoints[nendpoints++] = endpoint;
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
		event = xcalloc(1, sizeof(Event));
		memcpy(event->id, id, sizeof(id));
		events = grown(events, nevents);
		events[nevents++] = event;
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
		token = xcalloc(1, sizeof(Token));
		strncpy(token->text, text ? text : "", sizeof(token->text) - 1);
		tokens = grown(tokens, ntokens);
		tokens[ntokens++] = token;
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
