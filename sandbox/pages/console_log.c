/*-------------------------------------------------------------------------
 *
 * console_log.c
 *	  What the console shows of events, their deliveries, and calls.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/console.h"
#include "admin/journal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Add the cell of a row that says which request it is about; NULL: none that is known. */
static void
add_request_cell(Buffer *html, const Request *request)
{
	html_add(html, "<td data-label=\"Request\">");
	if (request)
		add_request_link(html, request);
	html_add(html, "</td>");
}

/* ---- Endpoints ---- */

/* Where an endpoint is, without its path and what identifies its owner. */
static void
add_place(Buffer *html, const char *url)
{
	const char *host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
	size_t		length = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', length);
	size_t		user = at ? (size_t) (at + 1 - host) : 0;
	char	   *place = xprintf("%.*s%.*s%s", (int) (host - url), url, (int) (length - user), host + user,
								host[length] ? "/\342\200\246" : "");

	html_add(html, "<bdi>%s</bdi>", place);
	free(place);
}

/* Add the names of topics: the strings of an array, or the true members of an object. */
static void
add_topics(Buffer *html, const cJSON *topics)
{
	const cJSON *topic;
	const char *comma = "";

	cJSON_ArrayForEach(topic, topics)
	{
		if (topic->string && !cJSON_IsTrue(topic))
			continue;
		html_add(html, "%s%s", comma, topic->string ? topic->string : topic->valuestring);
		comma = ", ";
	}
}

void
add_endpoints(Buffer *html)
{
	if (nendpoints == 0)
	{
		html_add(html, "<p class=\"nothing\">Nobody listens: there is no webhook endpoint, and events are noted for endpoints only.</p>\n");
		return;
	}
	html_add(html, "<h2>Endpoints</h2>\n<table>\n<thead><tr><th scope=\"col\">Where</th><th scope=\"col\">Description</th><th scope=\"col\">Topics</th>"
			 "<th scope=\"col\">Muted</th><th scope=\"col\">State</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < nendpoints; i++)
	{
		const Endpoint *endpoint = endpoints[i];

		html_add(html, "<tr><th scope=\"row\" data-label=\"Where\">");
		add_place(html, endpoint->url);
		html_add(html, "</th><td data-label=\"Description\" dir=\"auto\">%s</td><td data-label=\"Topics\">",
				 endpoint->description ? endpoint->description : "");
		if (endpoint->topics)
			add_topics(html, endpoint->topics);
		else
			html_add(html, "all");
		html_add(html, "</td><td data-label=\"Muted\">");
		add_topics(html, endpoint->muted);
		html_add(html, "</td><td data-label=\"State\"><span class=\"chip %s\">%s</span></td></tr>\n",
				 endpoint->deleted ? "plain" : "good", endpoint->deleted ? "removed" : "registered");
	}
	html_add(html, "</tbody>\n</table>\n<h2>Events and their deliveries</h2>\n");
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
add_json(Buffer *html, const cJSON *json)
{
	cJSON	   *copy = json ? cJSON_Duplicate(json, true) : NULL;
	char	   *text;

	if (copy == NULL)
		return;
	hide_secrets(copy);
	text = cJSON_Print(copy);
	html_add(html, "<pre class=\"data\">%s</pre>\n", text);
	cJSON_free(text);
	cJSON_Delete(copy);
}

static void
add_delivery(Buffer *html, const Delivery *delivery)
{
	html_add(html, "<li>");
	html_time(html, delivery->time, true);
	if (delivery->status == 0)
		html_add(html, " <span>no answer</span>");
	else
		html_add(html, " <span>HTTP %d</span>", delivery->status);
	html_add(html, " <span class=\"minor\">%d ms</span></li>\n", (int) delivery->duration);
}

static void
add_event_row(Buffer *html, const Event *event, bool with_request)
{
	const char *id = get_text(event->content, "signatureRequestId");
	const Request *request = id ? request_by_id(id) : NULL;

	html_add(html, "<tr><td data-label=\"Time\">");
	html_time(html, event->created_at, true);
	html_add(html, "</td><th scope=\"row\" data-label=\"Event\">%s <strong>%s</strong>", event->topic, event->action);
	if (strcmp(event->nature, "SUCCESS") != 0)
		html_add(html, " %s", event->nature);
	html_add(html, "</th>");
	if (with_request)
		add_request_cell(html, request);
	html_add(html, "<td data-label=\"To\">");
	add_place(html, event->endpoint->url);
	html_add(html, "</td><td data-label=\"Delivery\"><details id=\"event-%s\">\n<summary>", event->id);
	html_status(html, delivery_state(event));
	html_add(html, " %d %s</summary>\n", event->attempts, event->attempts == 1 ? "attempt" : "attempts");
	if (event->attempts > event->ndeliveries)
		html_add(html, "<p class=\"minor\">The last %d:</p>\n", event->ndeliveries);
	html_add(html, "<ol class=\"history\">\n");
	for (int i = 0; i < event->ndeliveries; i++)
		add_delivery(html, &event->deliveries[i]);
	if (event->due != 0 && !event->endpoint->deleted)
	{
		html_add(html, "<li>");
		html_time(html, event->due, true);
		html_add(html, " <span>is next</span></li>\n");
	}
	html_add(html, "</ol>\n");
	add_json(html, event->content);
	add_json(html, event->error);
	html_add(html, "</details></td></tr>\n");
}

/* Whether an event is about a request (NULL: about anything). */
static bool
is_about(const Event *event, const Request *request)
{
	const char *id = get_text(event->content, "signatureRequestId");

	return request == NULL || (id != NULL && strcmp(id, request->id) == 0);
}

/* Add a page of the events, newest first; all of one request, without pages. */
void
add_events(Buffer *html, Call *call, const Request *request)
{
	size_t		total = 0;
	size_t		seen = 0;
	Rows		rows;

	for (size_t i = 0; i < nevents; i++)
		total += is_about(events[i], request);
	rows = rows_of(call, total);
	if (request)
		rows = (Rows) {.total = total, .pages = 1, .count = total};
	if (total == 0)
	{
		html_add(html, "<p class=\"nothing\">None yet.</p>\n");
		return;
	}
	html_add(html, "<table>\n<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Event</th>");
	if (request == NULL)
		html_add(html, "<th scope=\"col\">Request</th>");
	html_add(html, "<th scope=\"col\">To</th><th scope=\"col\">Delivery</th></tr></thead>\n<tbody>\n");
	for (size_t i = nevents; i-- > 0 && seen < rows.first + rows.count;)
	{
		if (is_about(events[i], request) && seen++ >= rows.first)
			add_event_row(html, events[i], request == NULL);
	}
	html_add(html, "</tbody>\n</table>\n");
	add_pager(html, &rows, "");
}

/* ---- Calls ---- */

/* The request that a call made or names; NULL: none. */
static const Request *
request_of(const Entry *entry)
{
	static const char prefix[] = "/v4/signature-requests/";
	char		id[ID_LENGTH + 1] = "";

	if (entry->created[0])
		return request_by_id(entry->created);
	if (strncmp(entry->path, prefix, strlen(prefix)) == 0)
		strncpy(id, entry->path + strlen(prefix), ID_LENGTH);
	return is_id(id) ? request_by_id(id) : NULL;
}

/* Whether a call made or names a request, or one of its documents. */
static bool
names(const Entry *entry, const Request *request)
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
add_fault(Buffer *html, const char *fault)
{
	for (const char *word = fault; *word; word += strspn(word, " "))
	{
		size_t		length = strcspn(word, " ");

		if (strncmp(word, "for=", 4) != 0)
		{
			char	   *copy = xprintf("%.*s ", (int) length, word);

			html_add(html, "%s", copy);
			free(copy);
		}
		word += length;
	}
}

static void
add_call_row(Buffer *html, const Entry *entry, bool with_request)
{
	const Request *request = with_request ? request_of(entry) : NULL;
	char	   *path = xprintf("%.*s", (int) strcspn(entry->path, "?"), entry->path);

	html_add(html, "<tr><td data-label=\"Time\">");
	html_time(html, entry->time, true);
	html_add(html, "</td><th scope=\"row\" data-label=\"Operation\">%s</th><td data-label=\"Call\"><code>%s %s</code></td><td data-label=\"Answer\">",
			 entry->operation[0] ? entry->operation : "(none)", entry->method, path);
	if (entry->status != 0)
		html_add(html, "<span class=\"chip %s\">%d</span>", entry->status < 400 ? "good" : "bad", entry->status);
	if (entry->broken)
		html_add(html, " <span class=\"chip bad\">%s</span>", entry->broken);
	html_add(html, " <span class=\"minor\">%d ms</span>", (int) entry->duration);
	if (entry->fault)
	{
		html_add(html, " <span class=\"minor\">fault: ");
		add_fault(html, entry->fault);
		html_add(html, "</span>");
	}
	html_add(html, "</td>");
	if (with_request)
		add_request_cell(html, request);
	html_add(html, "</tr>\n");
	free(path);
}

/* Add a page of the calls, newest first; all that name one request, without pages. */
void
add_calls(Buffer *html, Call *call, const Request *request)
{
	size_t		total = request ? 0 : journal_size();
	size_t		seen = 0;
	Rows		rows;

	for (size_t i = 0; request != NULL && i < journal_size(); i++)
		total += names(journal_entry(i), request);
	rows = rows_of(call, total);
	if (request)
		rows = (Rows) {.total = total, .pages = 1, .count = total};
	if (total == 0)
	{
		html_add(html, "<p class=\"nothing\">None yet.</p>\n");
		return;
	}
	html_add(html, "<table>\n<thead><tr><th scope=\"col\">Time (UTC)</th><th scope=\"col\">Operation</th><th scope=\"col\">Call</th>"
			 "<th scope=\"col\">Answer</th>");
	if (request == NULL)
		html_add(html, "<th scope=\"col\">Request</th>");
	html_add(html, "</tr></thead>\n<tbody>\n");
	for (size_t i = journal_size(); i-- > 0 && seen < rows.first + rows.count;)
	{
		const Entry *entry = journal_entry(i);

		if ((request == NULL || names(entry, request)) && seen++ >= rows.first)
			add_call_row(html, entry, request == NULL);
	}
	html_add(html, "</tbody>\n</table>\n");
	add_pager(html, &rows, "");
}
