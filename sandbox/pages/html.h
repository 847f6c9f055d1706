/*-------------------------------------------------------------------------
 *
 * html.h
 *	  Pages for people: text that is escaped, and what all pages share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_HTML_H
#define SANDBOX_HTML_H

#include "sandbox.h"

/*
 * Append HTML.  The format is markup; a text that is put in for %s is escaped, so
 * that it can stand between tags and in an attribute between double quotes.  Only
 * %s, %d and %zu are known.
 */
extern void html_add(Buffer *html, const char *format,...) __attribute__((format(printf, 2, 3)));

/* Append a time, to the minute or to the millisecond, or a dash for 0; a number of bytes as people write it; a status. */
extern void html_time(Buffer *html, int64_t ms, bool exact);
extern void html_size(Buffer *html, size_t size);
extern void html_status(Buffer *html, const char *status);

/* A page: what comes before its content, and after; then it is the answer. */
extern void page_begin(Buffer *html, const char *state, const char *title, bool console);
extern void page_end(Answer *answer, int status, Buffer *html);

/* What a page may load and do, as a Content-Security-Policy. */
extern void answer_policy(Answer *answer, const char *policy);

/* A page that says only this. */
extern void answer_notice(Answer *answer, int status, const char *title, const char *text);

#endif							/* SANDBOX_HTML_H */
