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
typedef struct SbRows
{
	size_t		total;
	size_t		page;			/* from 1 */
	size_t		pages;
	size_t		first;			/* how many rows come before those of the page */
	size_t		count;			/* how many the page has */
} SbRows;

#define SB_ROWS_PER_PAGE 25

/* console.c: the page of the query, and links to those before and after it. */
extern SbRows sb_rows_of(SbCall *call, size_t total);
extern void sb_add_pager(SbBuffer *html, const SbRows *rows, const char *query);
extern void sb_add_request_link(SbBuffer *html, const SbRequest *request);

/* console_log.c: events with their deliveries, and calls. */
extern void sb_add_endpoints(SbBuffer *html);
extern void sb_add_events(SbBuffer *html, SbCall *call, const SbRequest *request);
extern void sb_add_calls(SbBuffer *html, SbCall *call, const SbRequest *request);

#endif							/* SANDBOX_CONSOLE_H */
