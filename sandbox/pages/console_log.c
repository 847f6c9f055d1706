/*-------------------------------------------------------------------------
 *
 * console_log.c
 *	  What the console shows of events, their deliveries, and calls.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/console_log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/journal.h"
#include "delivery/webhook_store.h"
#include "http/call.h"
#include "model/store.h"
#include "pages/console_parts.h"
#include "pages/html.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/json.h"

/* Add the cell of a row that says which request it is about; NULL: none that is known. */
static void
add_request_cell(SbBuffer *html, const SbRequest *request)
{
	sb_html_add(html, "<td data-label=\"Request\">");
	if (request)
		sb_add_request_link(html, request);
	sb_html_add(html, "</td>");
}

/* ---- Endpoints ---- */

/* Where an endpoint is, without its path and what identifies its owner. */
static void
add_place(SbBuffer *html, const char *url)
{
	const char *host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
	size_t		length = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', length);
	size_t		user = at ? (size_t) (at + 1 - host) : 0;
	char	   *place = sb_psprintf("%.*s%.*s%s", (int) (host - url), url, (int) (length - user), host + user,
									host[length] ? "/\342\200\246" : "");

	sb_html_add(html, "<bdi>%s</bdi>", place);
	free(place);
}

/* Add the names of topics: the strings of an array, or the true members of an object. */
static void
add_topics(SbBuffer *html, const cJSON *topics)
{
	const cJSON *topic;
	const char *comma = "";

	cJSON_ArrayForEach(topic, topics)
	{
		if (topic->string && !cJSON_IsTrue(topic))
			continue;
		sb_html_add(html, "%s%s", comma, topic->string ? topic->string : topic->valuestring);
		comma = ", ";
	}
}

void
sb_add_endpoints(SbBuffer *html)
{
	if (sb_nendpoints == 0)
	{
		sb_html_add(html, "<p class=\"nothing\">Nobody listens: there is no webhook endpoint, and events are noted for endpoints only.</p>\n");
		return;
	}
	sb_html_add(html, "<h2>Endpoints</h2>\n<table>\n<thead><tr><th scope=\"col\">Where</th><th scope=\"col\">Description</th><th scope=\"col\">Topics</th>"
				"<th scope=\"col\">Muted</th><th scope=\"col\">State</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < sb_nendpoints; i++)
	{
		const SbEndpoint *endpoint = sb_endpoints[i];

		sb_html_add(html, "<tr><th scope=\"row\" data-label=\"Where\">");
		add_place(html, endpoint->url);
		sb_html_add(html, "</th><td data-label=\"Description\" dir=\"auto\">%s</td><td data-label=\"Topics\">",
					endpoint->description ? endpoint->description : "");
		if (endpoint->topics)
			add_topics(html, endpoint->topics);
		else
			sb_html_add(html, "all");
		sb_html_add(html, "</td><td data-label=\"Muted\">");
		add_topics(html, endpoint->muted);
		sb_html_add(html, "</td><td data-label=\"State\"><span class=\"chip %s\">%s</span></td></tr>\n",
					endpoint->deleted ? "plain" : "good", endpoint->deleted ? "removed" : "registered");
	}
	sb_html_add(html, "</tbody>\n</table>\n<h2>Events and their deliveries</h2>\n");
}

/* ---- Events ---- */

/* Whether the value of such a name may be a secret. */
static bool
is_secret(const char *name)
{
	static const char *const parts[] = {"token", "secret", "url", "key", "password"};

	for (size_t i = 0; name != NULL && i < sizeof(parts) / sizeof(parts[0]); i++)
	{
		if (strcasestr(name, parts[i]) != NULL)
			return true;
	}
	return false;
}

/* Put something else in the place of secrets. */
static void
hide_secrets(cJSON *json)
{
	for (cJSON *item = json ? json->child : NULL; item != NULL; item = item->next)
	{
		if (cJSON_IsString(item) && is_secret(item->string))
			cJSON_SetValuestring(item, "-");
		else
			hide_secrets(item);
	}
}

/* Add JSON as text; NULL: nothing. */
static void
add_json(SbBuffer *html, const cJSON *json)
{
	cJSON	   *copy = json ? cJSON_Duplicate(json, true) : NULL;
	char	   *text;

	if (copy == NULL)
		return;
	hide_secrets(copy);
	text = cJSON_Print(copy);
	sb_html_add(html, "<pre class=\"data\">%s</pre>\n", text);
	cJSON_free(text);
	cJSON_Delete(copy);
}

static void
add_delivery(SbBuffer *html, const SbDelivery *delivery)
{
	sb_html_add(html, "<li>");
	sb_html_time(html, delivery->time, true);
	if (delivery->status == 0)
		sb_html_add(html, " <span>no answer</span>");
	else
		sb_html_add(html, " <span>HTTP %d</span>", delivery->status);
	sb_html_add(html, " <span class=\"minor\">%d ms</span></li>\n", (int) delivery->duration);
}

static void
add_event_row(SbBuffer *html, const SbEvent *event, bool with_request)
{
	const char *id = sb_get_text(event->content, "signatureRequestId");
	const SbRequest *request = id ? sb_request_by_id(id) : NULL;

	sb_html_add(html, "<tr><td data-label=\"Time\">");
	sb_html_time(html, event->created_at, true);
	sb_html_add(html, "</td><th scope=\"row\" data-label=\"Event\">%s <strong>%s</strong>", event->topic, event->action);
	if (strcmp(event->nature, "SUCCESS") != 0)
		sb_html_add(html, " %s", event->nature);
	sb_html_add(html, "</th>");
	if (with_request)
		add_request_cell(html, request);
	sb_html_add(html, "<td data-label=\"To\">");
	add_place(html, event->endpoint->url);
	sb_html_add(html, "</td><td data-label=\"Delivery\"><details id=\"event-%s\">\n<summary>", event->id);
	sb_html_status(html, sb_event_state(event));
	sb_html_add(html, " %d %s</summary>\n", event->attempts, event->attempts == 1 ? "attempt" : "attempts");
	if (event->attempts > event->ndeliveries)
		sb_html_add(html, "<p class=\"minor\">The last %d:</p>\n", event->ndeliveries);
	sb_html_add(html, "<ol class=\"history\">\n");
	for (int i = 0; i < event->ndeliveries; i++)
		add_delivery(html, &event->deliveries[i]);
	if (event->due != 0 && !event->endpoint->deleted)
	{
		sb_html_add(html, "<li>");
		sb_html_time(html, event->due, true);
		sb_html_add(html, " <span>is next</span></li>\n");
	}
	sb_html_add(html, "</ol>\n");
	add_json(html, event->content);
	add_json(html, event->error);
	sb_html_add(html, "</details></td></tr>\n");
}

/* Whether an event is about a request (NULL: about anything). */
static bool
is_about(const SbEvent *event, const SbRequest *request)
{
	const char *id = sb_get_text(event->content, "signatureRequestId");

	return request == NULL || (id != NULL && strcmp(id, request->id) == 0);
}

/* Add a page of the events, newest first; all of one request, without pages. */
void
sb_add_events(SbBuffer *html, SbCall *call, const SbRequest *request)
{
	size_t		total = 0;
	size_t		seen = 0;
	SbRows		rows;

	for (size_t i = 0; i < sb_nevents; i++)
		total += is_about(sb_events[i], request);
	rows = sb_rows_of(call, total);
	if (request)
		rows = (SbRows) {.total = total, .pages = 1, .count = total};
	if (total == 0)
	{
		sb_html_add(html, "<p class=\"nothing\">None yet.</p>\n");
		return;
	}
	sb_html_add(html, "<table>\n<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Event</th>");
	if (request == NULL)
		sb_html_add(html, "<th scope=\"col\">Request</th>");
	sb_html_add(html, "<th scope=\"col\">To</th><th scope=\"col\">Delivery</th></tr></thead>\n<tbody>\n");
	for (size_t i = sb_nevents; i-- > 0 && seen < rows.first + rows.count;)
	{
		if (is_about(sb_events[i], request) && seen++ >= rows.first)
			add_event_row(html, sb_events[i], request == NULL);
	}
	sb_html_add(html, "</tbody>\n</table>\n");
	sb_add_pager(html, &rows, "");
}

/* ---- Calls ---- */

/* The request that a call made or names; NULL: none. */
static const SbRequest *
request_of(const SbEntry *entry)
{
	static const char prefix[] = "/v4/signature-requests/";
	char		id[SB_ID_LENGTH + 1] = "";

	if (entry->created[0])
		return sb_request_by_id(entry->created);
	if (strncmp(entry->path, prefix, strlen(prefix)) == 0)
		strncpy(id, entry->path + strlen(prefix), SB_ID_LENGTH);
	return sb_is_id(id) ? sb_request_by_id(id) : NULL;
}

/* Whether a call made or names a request, or one of its documents. */
static bool
names(const SbEntry *entry, const SbRequest *request)
{
	if (strcmp(entry->created, request->id) == 0 || strstr(entry->path, request->id) != NULL)
		return true;
	for (int i = 0; i < request->ndocuments; i++)
	{
		if (strstr(entry->path, request->documents[i]->id) != NULL)
			return true;
	}
	return false;
}

/* What was to go wrong with a call, without the part of a bearer that chose it. */
static void
add_fault(SbBuffer *html, const char *fault)
{
	for (const char *word = fault; *word; word += strspn(word, " "))
	{
		size_t		length = strcspn(word, " ");

		if (strncmp(word, "for=", 4) != 0)
		{
			char	   *copy = sb_psprintf("%.*s ", (int) length, word);

			sb_html_add(html, "%s", copy);
			free(copy);
		}
		word += length;
	}
}

static void
add_call_row(SbBuffer *html, const SbEntry *entry, bool with_request)
{
	const SbRequest *request = with_request ? request_of(entry) : NULL;
	char	   *path = sb_psprintf("%.*s", (int) strcspn(entry->path, "?"), entry->path);

	sb_html_add(html, "<tr><td data-label=\"Time\">");
	sb_html_time(html, entry->time, true);
	sb_html_add(html, "</td><th scope=\"row\" data-label=\"Operation\">%s</th><td data-label=\"Call\"><code>%s %s</code></td><td data-label=\"Answer\">",
				entry->operation[0] ? entry->operation : "(none)", entry->method, path);
	if (entry->status != 0)
		sb_html_add(html, "<span class=\"chip %s\">%d</span>", entry->status < 400 ? "good" : "bad", entry->status);
	if (entry->broken)
		sb_html_add(html, " <span class=\"chip bad\">%s</span>", entry->broken);
	sb_html_add(html, " <span class=\"minor\">%d ms</span>", (int) entry->duration);
	if (entry->fault)
	{
		sb_html_add(html, " <span class=\"minor\">fault: ");
		add_fault(html, entry->fault);
		sb_html_add(html, "</span>");
	}
	sb_html_add(html, "</td>");
	if (with_request)
		add_request_cell(html, request);
	sb_html_add(html, "</tr>\n");
	free(path);
}

/* Add a page of the calls, newest first; all that name one request, without pages. */
void
sb_add_calls(SbBuffer *html, SbCall *call, const SbRequest *request)
{
	size_t		total = request ? 0 : sb_journal_size();
	size_t		seen = 0;
	SbRows		rows;

	for (size_t i = 0; request != NULL && i < sb_journal_size(); i++)
		total += names(sb_journal_entry(i), request);
	rows = sb_rows_of(call, total);
	if (request)
		rows = (SbRows) {.total = total, .pages = 1, .count = total};
	if (total == 0)
	{
		sb_html_add(html, "<p class=\"nothing\">None yet.</p>\n");
		return;
	}
	sb_html_add(html, "<table>\n<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Operation</th><th scope=\"col\">Call</th>"
				"<th scope=\"col\">Answer</th>");
	if (request == NULL)
		sb_html_add(html, "<th scope=\"col\">Request</th>");
	sb_html_add(html, "</tr></thead>\n<tbody>\n");
	for (size_t i = sb_journal_size(); i-- > 0 && seen < rows.first + rows.count;)
	{
		const SbEntry *entry = sb_journal_entry(i);

		if ((request == NULL || names(entry, request)) && seen++ >= rows.first)
			add_call_row(html, entry, request == NULL);
	}
	sb_html_add(html, "</tbody>\n</table>\n");
	sb_add_pager(html, &rows, "");
}
