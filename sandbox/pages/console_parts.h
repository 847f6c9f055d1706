/*-------------------------------------------------------------------------
 *
 * console_parts.h
 *	  What the pages of the console share: head, foot, rows page by page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CONSOLE_PARTS_H
#define SB_CONSOLE_PARTS_H

#include "http/call.h"
#include "model/store.h"

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

extern void sb_console_begin(SbBuffer *html, const char *path, const char *title);
extern void sb_console_end(SbResponse *response, SbBuffer *html);
extern SbRows sb_rows_of(SbCall *call, size_t total);
extern void sb_add_pager(SbBuffer *html, const SbRows *rows, const char *query);
extern const char *sb_title_of(const SbRequest *request);
extern void sb_add_request_link(SbBuffer *html, const SbRequest *request);

#endif							/* SB_CONSOLE_PARTS_H */
