/*-------------------------------------------------------------------------
 *
 * delivery.c
 *	  The delivery of events.
 *
 * One thread delivers: it brings open requests up to date while somebody listens,
 * and posts what is pending, in order, each with a token that can be checked once.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/delivery.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "delivery/events.h"
#include "delivery/mail.h"
#include "delivery/webhook_store.h"
#include "model/apps.h"
#include "model/lifecycle.h"
#include "model/state.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/options.h"
#include "util/threads.h"

#define TICK_MS 20
#define DELIVERY_TIMEOUT_MS 5000L

static _Atomic bool stopping;
static pthread_t thread;

/* A new token for one delivery. */
static const char *
make_token(SbApp *app)
{
	SbToken    *token = sb_add_token();

	memcpy(token->text, "wt_", 3);
	sb_make_id(token->text + 3);
	sb_make_id(token->text + 3 + SB_ID_LENGTH);
	token->app = app;
	token->expires_at = sb_now_ms() + sb_options.token_lifetime;
	sb_state_append(SB_STATE_TOKEN, token);
	return token->text;
}

/* What is posted for an event. */
static char *
make_message(const SbEvent *event)
{
	cJSON	   *json = cJSON_CreateObject();
	char	   *text;

	cJSON_AddStringToObject(json, "appId", event->endpoint->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", event->endpoint->app->app_env);
	sb_add_message_fields(json, event);
	cJSON_AddStringToObject(json, "verificationToken",
							sb_delivery_mode.bad_token ? "wt_forged" : make_token(event->endpoint->app));
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
	if (sb_options.webhook_ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, sb_options.webhook_ca);
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
static SbEvent *
next_event(int64_t now)
{
	SbEvent    *next = NULL;

	for (size_t i = 0; i < sb_nevents; i++)
	{
		SbEvent    *event = sb_events[sb_delivery_mode.reverse ? sb_nevents - 1 - i : i];

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
print_delivery(const SbEvent *event)
{
	char		status[16] = "no answer";

	if (event->status != 0)
		snprintf(status, sizeof(status), "%d", event->status);
	printf("webhook %s %s: %s, delivery %d\n", event->topic, event->action, status, event->attempts);
	fflush(stdout);
}

/* Record how the delivery that has just been made, went. */
static void
record_delivery(SbEvent *event, int64_t started)
{
	if (event->ndeliveries == SB_MAX_DELIVERIES)
		memmove(&event->deliveries[0], &event->deliveries[1], --event->ndeliveries * sizeof(SbDelivery));
	event->deliveries[event->ndeliveries++] = (SbDelivery) {started, sb_now_ms() - started, event->status};
}

/* Deliver one event; the lock is held, but not while the network is waited for. */
static void
deliver(SbEvent *event)
{
	int64_t		started = sb_now_ms();
	char	   *url = sb_strdup(event->endpoint->url);
	char	   *messages[2];
	int			count = sb_delivery_mode.duplicate ? 2 : 1;
	bool		drop = sb_delivery_mode.drop;
	char		id[SB_ID_LENGTH + 1];
	int			status = 0;

	memcpy(id, event->id, sizeof(id));
	event->due = 0;
	for (int n = 0; n < count; n++)
		messages[n] = make_message(event);

	/* While there is no lock everything may be forgotten. */
	pthread_mutex_unlock(&sb_lock);
	for (int n = 0; n < count; n++)
	{
		status = drop ? 0 : post(url, messages[n]);
		cJSON_free(messages[n]);
	}
	pthread_mutex_lock(&sb_lock);
	free(url);
	for (size_t i = 0; i < sb_nevents; i++)
	{
		if (strcmp(sb_events[i]->id, id) != 0)
			continue;
		event = sb_events[i];
		event->status = status;
		event->attempts++;
		record_delivery(event, started);
		if (sb_options.verbose)
			print_delivery(event);
		if ((status < 200 || status > 299) && event->attempts <= sb_options.webhook_retries)
			event->due = sb_now_ms() + sb_options.webhook_retry_delay;
		sb_state_append(SB_STATE_EVENT, event);
	}
}

/* Whether anybody is to be told what happens. */
static bool
anybody_listens(void)
{
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		if (!sb_endpoints[i]->deleted)
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
		SbEvent    *event;

		pthread_mutex_lock(&sb_lock);
		for (size_t i = 0; anybody_listens() && i < sb_request_count(); i++)
			sb_update_status(sb_request_by_number(i));
		while (!stopping && (event = next_event(sb_now_ms())) != NULL)
			deliver(event);
		sb_state_flush();
		pthread_mutex_unlock(&sb_lock);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* Observe requests, and keep endpoints and events in the state file. */
void
sb_delivery_register(void)
{
	static const SbObserver observer = {
		.changed = sb_emit_request,
		.asked = sb_invite,
		.signed_by = sb_emit_signatures,
		.refused = sb_emit_refusal,
		.proof_made = sb_emit_proof
	};

	sb_lifecycle_observe(&observer);
	sb_webhook_store_register();
}

/* Start to deliver. */
bool
sb_delivery_start(void)
{
	return pthread_create(&thread, NULL, run, NULL) == 0;
}

void
sb_delivery_stop(void)
{
	stopping = true;
	pthread_join(thread, NULL);
}
