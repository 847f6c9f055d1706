/*-------------------------------------------------------------------------
 *
 * html.h
 *	  Pages for people: text that is escaped, and what all pages share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_HTML_H
#define SB_HTML_H

#include "http/response.h"
#include "util/buffer.h"

/*
 * Append HTML.  The format is markup; a text that is put in for %s is escaped, so
 * that it can stand between tags and in an attribute between double quotes.  Only
 * %s, %d and %zu are known.
 */
extern void sb_html_add(SbBuffer *html, const char *format,...) __attribute__((format(printf, 2, 3)));

/* Append a time, to the minute or to the millisecond, or a dash for 0; a number of bytes as people write it; a status. */
extern void sb_html_time(SbBuffer *html, int64_t ms, bool exact);
extern void sb_html_size(SbBuffer *html, size_t size);
extern void sb_html_status(SbBuffer *html, const char *status);

/* A page: what comes before its content, and after; then it is the response. */
extern void sb_page_begin(SbBuffer *html, const char *state, const char *title, bool console);
extern void sb_page_end(SbResponse *response, int status, SbBuffer *html);

/* What a page may load and do, as a Content-Security-Policy. */
extern void sb_response_policy(SbResponse *response, const char *policy);

/* A page that says only this. */
extern void sb_respond_notice(SbResponse *response, int status, const char *title, const char *text);

#endif							/* SB_HTML_H */
