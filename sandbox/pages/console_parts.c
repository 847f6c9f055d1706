/*-------------------------------------------------------------------------
 *
 * console_parts.c
 *	  What the pages of the console share: head, foot, rows page by page.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/console_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "http/response.h"
#include "model/store.h"
#include "pages/html.h"
#include "util/buffer.h"

void
sb_console_begin(SbBuffer *html, const char *path, const char *title)
{
	static const struct
	{
		const char *path;
		const char *name;
	}			parts[] = {{"/console", "Requests"}, {"/console/events", "Events"}, {"/console/calls", "Calls"}};

	sb_page_begin(html, "Console", title, true);
	sb_html_add(html, "<nav class=\"tabs\" aria-label=\"Console\"><ul class=\"wide\">\n");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		sb_html_add(html, strcmp(path, parts[i].path) == 0 ? "<li><a href=\"%s\" aria-current=\"page\">%s</a></li>\n" :
					"<li><a href=\"%s\">%s</a></li>\n", parts[i].path, parts[i].name);
	sb_html_add(html, "<li class=\"last\"><button id=\"live\" type=\"button\" hidden></button></li>\n</ul></nav>\n"
				"<main id=\"main\" class=\"wide console\">\n");
}

void
sb_console_end(SbResponse *response, SbBuffer *html)
{
	sb_html_add(html, "</main>\n");
	sb_response_policy(response, "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
					   "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
	sb_page_end(response, 200, html);
}

/* The page of the query; one that there is not, is the last or the first. */
SbRows
sb_rows_of(SbCall *call, size_t total)
{
	SbRows		rows = {.total = total, .page = 1, .pages = (total + SB_ROWS_PER_PAGE - 1) / SB_ROWS_PER_PAGE};
	char		value[16];

	if (sb_query_value(call->query, "page", value, sizeof(value)))
		rows.page = isdigit((unsigned char) value[0]) ? strtoul(value, NULL, 10) : 1;
	if (rows.pages == 0)
		rows.pages = 1;
	if (rows.page > rows.pages)
		rows.page = rows.pages;
	if (rows.page == 0)
		rows.page = 1;
	rows.first = (rows.page - 1) * SB_ROWS_PER_PAGE;
	rows.count = total - rows.first < SB_ROWS_PER_PAGE ? total - rows.first : SB_ROWS_PER_PAGE;
	return rows;
}

/* Add links to the pages around; "query" is what else the query has, with an & at its end. */
void
sb_add_pager(SbBuffer *html, const SbRows *rows, const char *query)
{
	if (rows->pages == 1)
		return;
	sb_html_add(html, "<nav class=\"pager\" aria-label=\"Pages\">\n");
	if (rows->page > 1)
		sb_html_add(html, "<a class=\"button\" rel=\"prev\" href=\"?%spage=%zu\">Newer</a>\n", query, rows->page - 1);
	sb_html_add(html, "<span>Page %zu of %zu</span>\n", rows->page, rows->pages);
	if (rows->page < rows->pages)
		sb_html_add(html, "<a class=\"button\" rel=\"next\" href=\"?%spage=%zu\">Older</a>\n", query, rows->page + 1);
	sb_html_add(html, "</nav>\n");
}

const char *
sb_title_of(const SbRequest *request)
{
	return request->title && request->title[0] ? request->title : "(no title)";
}

void
sb_add_request_link(SbBuffer *html, const SbRequest *request)
{
	sb_html_add(html, "<a href=\"/console/requests/%s\"><bdi>%s</bdi></a>", request->id, sb_title_of(request));
}
