/*-------------------------------------------------------------------------
 *
 * console.h
 *	  The parts of the console.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_CONSOLE_H
#define SANDBOX_CONSOLE_H

#include "pages/html.h"
#include "delivery/webhooks.h"

/* Some rows of many, of which the newest come first. */
typedef struct Rows
{
	size_t		total;
	size_t		page;			/* from 1 */
	size_t		pages;
	size_t		first;			/* how many rows come before those of the page */
	size_t		count;			/* how many the page has */
} Rows;

#define ROWS_PER_PAGE 25

/* console.c: the page of the query, and links to those before and after it. */
extern Rows rows_of(Call *call, size_t total);
extern void add_pager(Buffer *html, const Rows *rows, const char *query);
extern void add_request_link(Buffer *html, const Request *request);

/* console_log.c: events with their deliveries, and calls. */
extern void add_endpoints(Buffer *html);
extern void add_events(Buffer *html, Call *call, const Request *request);
extern void add_calls(Buffer *html, Call *call, const Request *request);

#endif							/* SANDBOX_CONSOLE_H */
