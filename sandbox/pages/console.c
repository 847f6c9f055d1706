/*-------------------------------------------------------------------------
 *
 * console.c
 *	  The console: pages that show what the sandbox holds and does.
 *
 * They only show.  Keys, logins, tokens, links to sign at, and the paths of webhook
 * endpoints, which are secrets of their owners, are on none of them.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/console.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "http/response.h"
#include "model/lifecycle.h"
#include "model/store.h"
#include "pages/console_log.h"
#include "pages/console_parts.h"
#include "pages/html.h"
#include "util/buffer.h"
#include "util/encoding.h"
#include "util/json.h"

static const char *const statuses[] = {
	"DRAFT", "LAUNCHING", "READY", "IN_PROGRESS", "PROCESSING", "COMPLETED", "CHILDREN_GENERATED",
	"CANCELLED", "EXPIRED", "FAILED", "LAUNCH_ERROR"
};

/* ---- The list of requests ---- */

/* Add a form that chooses a status. */
static void
add_filter(SbBuffer *html, const char *status)
{
	sb_html_add(html, "<form method=\"get\" action=\"/console\" class=\"filter\">\n<label for=\"status\">Status</label>\n"
				"<select id=\"status\" name=\"status\">\n<option value=\"\">all</option>\n");
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		sb_html_add(html, strcmp(statuses[i], status) == 0 ? "<option selected>%s</option>\n" : "<option>%s</option>\n", statuses[i]);
	sb_html_add(html, "</select>\n<button>Show</button>\n</form>\n");
}

static void
add_request_row(SbBuffer *html, const SbRequest *request)
{
	int			signatures = 0;

	for (int i = 0; i < request->nparticipants; i++)
		signatures += request->participants[i].signed_at != 0;
	sb_html_add(html, "<tr><th scope=\"row\" data-label=\"Title\">");
	sb_add_request_link(html, request);
	sb_html_add(html, "</th><td data-label=\"Status\">");
	sb_html_status(html, request->status);
	sb_html_add(html, "</td><td data-label=\"Signed\">%d of %d</td><td data-label=\"Proof\">", signatures, request->nparticipants);
	sb_html_status(html, request->proof_status);
	sb_html_add(html, "</td><td data-label=\"Made\">");
	sb_html_time(html, request->created_at, true);
	sb_html_add(html, "</td></tr>\n");
}

/* The requests of a status ("": of any), newest first, to be freed. */
static SbRequest **
find_requests(const char *status, size_t *total)
{
	SbRequest **list = sb_calloc(sb_request_count(), sizeof(SbRequest *));

	*total = 0;
	for (size_t i = sb_request_count(); i-- > 0;)
	{
		SbRequest  *request = sb_request_by_number(i);

		if (status[0])
			sb_update_status(request);
		if (!status[0] || strcmp(request->status, status) == 0)
			list[(*total)++] = request;
	}
	return list;
}

static void
show_requests(SbCall *call, SbResponse *response)
{
	SbBuffer	html = {0};
	char		status[32] = "";
	char	   *query;
	size_t		total;
	SbRequest **list;
	SbRows		rows;

	sb_query_value(call->query, "status", status, sizeof(status));
	if (strspn(status, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != strlen(status))
		status[0] = '\0';
	list = find_requests(status, &total);
	rows = sb_rows_of(call, total);
	sb_console_begin(&html, "/console", "Requests");
	sb_html_add(&html, "<div class=\"heading\"><h1>Requests</h1> <p class=\"minor\">%zu%s%s</p></div>\n", total, status[0] ? " are " : "", status);
	add_filter(&html, status);
	if (total == 0)
		sb_html_add(&html, "<p class=\"nothing\">%s</p>\n", status[0] ? "There are none of this status." :
					"There are none yet: a call of the API makes one.");
	else
	{
		sb_html_add(&html, "<table>\n<thead><tr><th scope=\"col\">Title</th><th scope=\"col\">Status</th><th scope=\"col\">Signed</th>"
					"<th scope=\"col\">Proof</th><th scope=\"col\">Made (UTC)</th></tr></thead>\n<tbody>\n");
		for (size_t i = rows.first; i < rows.first + rows.count; i++)
		{
			sb_update_status(list[i]);
			add_request_row(&html, list[i]);
		}
		sb_html_add(&html, "</tbody>\n</table>\n");
	}
	query = status[0] ? sb_psprintf("status=%s&", status) : sb_strdup("");
	sb_add_pager(&html, &rows, query);
	free(query);
	free(list);
	sb_console_end(response, &html);
}

/* ---- One request ---- */

static void
add_fact(SbBuffer *html, const char *name, const char *value)
{
	if (value)
		sb_html_add(html, "<div><dt>%s</dt><dd><bdi>%s</bdi></dd></div>\n", name, value);
}

static void
add_facts(SbBuffer *html, const SbRequest *request)
{
	sb_html_add(html, "<dl class=\"facts\">\n");
	add_fact(html, "Id", request->id);
	add_fact(html, "External id", sb_get_text(request->settings, "externalId"));
	add_fact(html, "Made of", sb_get_text(request->settings, "initialSignatureRequestId"));
	add_fact(html, "Application", request->app->app_id);
	add_fact(html, "Environment", request->app->app_env);
	add_fact(html, "Type", request->type);
	add_fact(html, "Method", request->method);
	add_fact(html, "Language", sb_get_text(request->settings, "language"));
	add_fact(html, "Description", sb_get_text(request->settings, "description"));
	if (request->expires_at != 0)
	{
		sb_html_add(html, "<div><dt>Open until</dt><dd>");
		sb_html_time(html, request->expires_at, true);
		sb_html_add(html, "</dd></div>\n");
	}
	sb_html_add(html, "</dl>\n");
}

static void
add_participants(SbBuffer *html, const SbParticipant *participants, int count, const char *role, const char *done)
{
	for (int i = 0; i < count; i++)
	{
		const SbParticipant *participant = &participants[i];
		const SbSigner *signer = participant->signer;

		sb_html_add(html, "<tr><th scope=\"row\" data-label=\"E-mail\"><bdi>%s</bdi></th><td data-label=\"Name\"><bdi>%s %s</bdi></td>"
					"<td data-label=\"Part\">%s, %s</td><td data-label=\"State\">",
					signer->inputs[SB_SIGNER_EMAIL] ? signer->inputs[SB_SIGNER_EMAIL] : signer->id,
					signer->inputs[SB_SIGNER_FIRST_NAME] ? signer->inputs[SB_SIGNER_FIRST_NAME] : "",
					signer->inputs[SB_SIGNER_LAST_NAME] ? signer->inputs[SB_SIGNER_LAST_NAME] : "",
					role, signer->profile->embedded && strcmp(role, "signs") == 0 ? "embedded" : "by e-mail");
		sb_html_add(html, "<span class=\"chip %s\">%s</span></td></tr>\n",
					participant->refused_at ? "bad" : participant->signed_at ? "good" : "plain",
					participant->refused_at ? "refused" : participant->signed_at ? done : "not yet");
	}
}

static void
add_documents(SbBuffer *html, const SbRequest *request)
{
	sb_html_add(html, "<h2>Documents</h2>\n<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Nature</th><th scope=\"col\">Size</th>"
				"<th scope=\"col\">SHA-256</th></tr></thead>\n<tbody>\n");
	for (int i = 0; i < request->ndocuments; i++)
	{
		const SbDocument *document = request->documents[i];
		char	   *hash = sb_to_hex(document->hash, sizeof(document->hash));

		sb_html_add(html, "<tr><th scope=\"row\" data-label=\"Name\"><bdi>%s</bdi></th><td data-label=\"Nature\">%s</td><td data-label=\"Size\">",
					document->file_name ? document->file_name : document->label ? document->label : document->id,
					document->nature ? document->nature : "no content yet");
		sb_html_size(html, document->size);
		sb_html_add(html, "</td><td data-label=\"SHA-256\"><code>%s</code></td></tr>\n", document->nature ? hash : "");
		free(hash);
	}
	sb_html_add(html, "</tbody>\n</table>\n");
}

/* One thing that happened. */
typedef struct Step
{
	int64_t		time;
	const char *what;
	const char *who;			/* or NULL */
	const char *why;			/* or NULL */
} Step;

/* Insert a step where it belongs, after others of its time, unless it has not happened. */
static void
add_step(Step *steps, int *count, Step step)
{
	int			i = (*count)++;

	if (step.time == 0)
	{
		(*count)--;
		return;
	}
	for (; i > 0 && steps[i - 1].time > step.time; i--)
		steps[i] = steps[i - 1];
	steps[i] = step;
}

static void
add_signatures(Step *steps, int *count, const SbParticipant *participants, int n, const char *done)
{
	for (int i = 0; i < n; i++)
		add_step(steps, count, (Step) {participants[i].signed_at, done, participants[i].signer->inputs[SB_SIGNER_EMAIL], NULL});
}

static void
add_refusals(Step *steps, int *count, const SbParticipant *participants, int n)
{
	for (int i = 0; i < n; i++)
		add_step(steps, count, (Step) {participants[i].refused_at, "refused by", participants[i].signer->inputs[SB_SIGNER_EMAIL], participants[i].reason});
}

/* Add what happened, oldest first. */
static void
add_history(SbBuffer *html, const SbRequest *request)
{
	Step	   *steps = sb_calloc(2 * ((size_t) request->nparticipants + (size_t) request->napprovers) + 4, sizeof(Step));
	int			count = 0;

	add_step(steps, &count, (Step) {request->created_at, "made", NULL, NULL});
	add_step(steps, &count, (Step) {request->published_at, "published", NULL, NULL});
	add_step(steps, &count, (Step) {request->launched_at, "launched", NULL, NULL});
	add_signatures(steps, &count, request->approvers, request->napprovers, "approved by");
	add_signatures(steps, &count, request->participants, request->nparticipants, "signed by");
	add_refusals(steps, &count, request->approvers, request->napprovers);
	add_refusals(steps, &count, request->participants, request->nparticipants);
	add_step(steps, &count, (Step) {request->closed_at, request->status, NULL, NULL});
	sb_html_add(html, "<h2>What happened</h2>\n<ol class=\"history\">\n");
	for (int i = 0; i < count; i++)
	{
		sb_html_add(html, "<li>");
		sb_html_time(html, steps[i].time, true);
		sb_html_add(html, " <span>%s <bdi>%s</bdi>", steps[i].what, steps[i].who ? steps[i].who : "");
		if (steps[i].why)
			sb_html_add(html, " <q dir=\"auto\">%s</q>", steps[i].why);
		sb_html_add(html, "</span></li>\n");
	}
	sb_html_add(html, "</ol>\n");
	free(steps);
}

static void
show_request(SbCall *call, SbRequest *request, SbResponse *response)
{
	SbBuffer	html = {0};

	sb_update_status(request);
	sb_console_begin(&html, "", sb_title_of(request));
	sb_html_add(&html, "<p><a href=\"/console\">All requests</a></p>\n<h1 dir=\"auto\">%s</h1>\n<p class=\"lead\">", sb_title_of(request));
	sb_html_status(&html, request->status);
	sb_html_add(&html, " proof: ");
	sb_html_status(&html, request->proof_status);
	sb_html_add(&html, "</p>\n");
	add_facts(&html, request);
	if (request->nparticipants + request->napprovers > 0)
	{
		sb_html_add(&html, "<h2>Signers</h2>\n<table>\n<thead><tr><th scope=\"col\">E-mail</th><th scope=\"col\">Name</th><th scope=\"col\">Part</th>"
					"<th scope=\"col\">State</th></tr></thead>\n<tbody>\n");
		add_participants(&html, request->approvers, request->napprovers, "approves", "approved");
		add_participants(&html, request->participants, request->nparticipants, "signs", "signed");
		sb_html_add(&html, "</tbody>\n</table>\n");
	}
	if (request->ndocuments > 0)
		add_documents(&html, request);
	add_history(&html, request);
	sb_html_add(&html, "<h2>Events</h2>\n");
	sb_add_events(&html, call, request);
	sb_html_add(&html, "<h2>Calls that name it</h2>\n");
	sb_add_calls(&html, call, request);
	sb_console_end(response, &html);
}

/* GET or HEAD /console/... */
void
sb_console_page(SbCall *call, SbResponse *response)
{
	static const char requests[] = "/console/requests/";
	SbRequest  *request = strncmp(call->path, requests, strlen(requests)) == 0 ?
		sb_request_by_id(call->path + strlen(requests)) : NULL;
	SbBuffer	html = {0};

	if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
	{
		sb_respond_notice(response, 405, "The console only shows", "Nothing can be changed here.");
		sb_response_header(response, "Allow", "GET, HEAD");
	}
	else if (strcmp(call->path, "/console") == 0)
		show_requests(call, response);
	else if (request != NULL)
		show_request(call, request, response);
	else if (strcmp(call->path, "/console/events") == 0)
	{
		sb_console_begin(&html, call->path, "Events");
		sb_html_add(&html, "<h1>Events</h1>\n");
		sb_add_endpoints(&html);
		sb_add_events(&html, call, NULL);
		sb_console_end(response, &html);
	}
	else if (strcmp(call->path, "/console/calls") == 0)
	{
		sb_console_begin(&html, call->path, "Calls");
		sb_html_add(&html, "<h1>Calls of the API</h1>\n");
		sb_add_calls(&html, call, NULL);
		sb_console_end(response, &html);
	}
	else
		sb_respond_notice(response, 404, "There is no such page", "The console begins at /console.");
}
