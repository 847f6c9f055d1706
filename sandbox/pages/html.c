/*-------------------------------------------------------------------------
 *
 * html.c
 *	  Pages for people: text that is escaped, and what all pages share.
 *
 * What others gave is text, never markup: it gets into a page only through
 * sb_html_add(), which escapes it.  Pages load nothing from elsewhere, and no script
 * or style stands in them, so that their policy can forbid all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http/response.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"

#define REPLACEMENT "\357\277\275"	/* U+FFFD */

/* The length of the UTF-8 character at the start of the text; 0: it is none. */
static size_t
character_length(const char *text)
{
	for (size_t length = 1; length <= 4; length++)
	{
		if (sb_valid_utf8(text, length))
			return length;
		if (text[length] == '\0')
			break;
	}
	return 0;
}

/*
 * Append text.  Bytes that are no UTF-8 and control characters, which file names
 * may have, are replaced.
 */
static void
add_escaped(SbBuffer *html, const char *text)
{
	while (*text)
	{
		size_t		length = character_length(text);
		const char *entity = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : *text == '>' ? "&gt;" :
			*text == '"' ? "&quot;" : *text == '\'' ? "&#39;" : NULL;

		if (entity == NULL && (length == 0 || (length == 1 && ((unsigned char) *text < ' ' || *text == 0x7F) &&
											   strchr("\t\n\r", *text) == NULL)))
			entity = REPLACEMENT;
		if (entity != NULL)
			sb_buffer_add(html, entity, strlen(entity));
		else
			sb_buffer_add(html, text, length);
		text += length > 0 ? length : 1;
	}
}

void
sb_html_add(SbBuffer *html, const char *format,...)
{
	va_list		args;
	const char *percent;

	va_start(args, format);
	while ((percent = strchr(format, '%')) != NULL)
	{
		sb_buffer_add(html, format, (size_t) (percent - format));
		format = percent + 2;
		if (percent[1] == 's')
			add_escaped(html, va_arg(args, const char *));
		else if (percent[1] == 'd')
			sb_buffer_printf(html, "%d", va_arg(args, int));
		else
		{
			sb_buffer_printf(html, "%zu", va_arg(args, size_t));
			format++;
		}
	}
	va_end(args);
	sb_buffer_add(html, format, strlen(format));
}

void
sb_html_time(SbBuffer *html, int64_t ms, bool exact)
{
	time_t		seconds = ms / 1000;
	struct tm	parts;
	char		machine[32];
	char		human[64];

	if (ms == 0)
	{
		sb_html_add(html, "\342\200\223");
		return;
	}
	sb_format_time(ms, machine);
	gmtime_r(&seconds, &parts);
	if (exact)
		snprintf(human, sizeof(human), "%.10s %.12s", machine, machine + 11);
	else
		strftime(human, sizeof(human), "%-d %b %Y, %H:%M UTC", &parts);
	sb_html_add(html, "<time datetime=\"%s\">%s</time>", machine, human);
}

void
sb_html_size(SbBuffer *html, size_t size)
{
	if (size < 1000)
		sb_html_add(html, size == 1 ? "%zu byte" : "%zu bytes", size);
	else
		sb_buffer_printf(html, size < 1000000 ? "%.1f kB" : "%.1f MB",
						 (double) size / (size < 1000000 ? 1000 : 1000000));
}

/* How a status is coloured; the word itself is always there, too. */
static const char *
tone_of(const char *status)
{
	static const struct
	{
		const char *status;
		const char *tone;
	}			tones[] = {
		{"COMPLETED", "good"}, {"CREATED", "good"}, {"SUCCESS", "good"},
		{"IN_PROGRESS", "busy"}, {"PROCESSING", "busy"}, {"LAUNCHING", "busy"}, {"READY", "busy"}, {"PENDING", "busy"},
		{"FAILED", "bad"}, {"LAUNCH_ERROR", "bad"}, {"ON_ERROR", "bad"}
	};

	for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++)
	{
		if (strcmp(tones[i].status, status) == 0)
			return tones[i].tone;
	}
	return "plain";
}

void
sb_html_status(SbBuffer *html, const char *status)
{
	sb_html_add(html, "<span class=\"chip %s\">%s</span>", tone_of(status), status);
}

/*
 * The head of a page.  The title says first what the state is, or the part of the
 * console (which has a script), since that is what differs between tabs.
 */
void
sb_page_begin(SbBuffer *html, const char *state, const char *title, bool console)
{
	sb_html_add(html,
				"<!DOCTYPE html>\n"
				"<html lang=\"en\">\n"
				"<head>\n"
				"<meta charset=\"utf-8\">\n"
				"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
				"<meta name=\"color-scheme\" content=\"light dark\">\n"
				"<title>%s: %s</title>\n"
				"<link rel=\"icon\" href=\"/page/icon.svg\" type=\"image/svg+xml\">\n"
				"<link rel=\"stylesheet\" href=\"/page/style.css\">\n",
				state, title);
	if (console)
		sb_html_add(html,
					"<script src=\"/page/console.js\" defer></script>\n"
					"<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n");
	sb_html_add(html,
				"</head>\n"
				"<body>\n"
				"<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
				"<header class=\"top\"><p class=\"wide\">"
				"<strong>ignisign sandbox</strong> <span>%s</span></p></header>\n",
				console ? "Console, to read only" : "For tests: signatures made here have no legal value");
}

void
sb_response_policy(SbResponse *response, const char *policy)
{
	sb_response_header(response, "Content-Security-Policy", "%s", policy);
	sb_response_header(response, "X-Content-Type-Options", "nosniff");
	sb_response_header(response, "Referrer-Policy", "same-origin");
	sb_response_header(response, "Cache-Control", "no-store");
}

/* The end of a page; the buffer is taken over. */
void
sb_page_end(SbResponse *response, int status, SbBuffer *html)
{
	sb_html_add(html, "</body>\n</html>\n");
	response->status = status;
	response->content_type = "text/html; charset=utf-8";
	sb_buffer_free(&response->body);
	response->body = *html;
	memset(html, 0, sizeof(*html));
}

void
sb_respond_notice(SbResponse *response, int status, const char *title, const char *text)
{
	SbBuffer	html = {0};

	sb_page_begin(&html, "ignisign sandbox", title, false);
	sb_html_add(&html, "<main id=\"main\" class=\"notice\">\n<h1>%s</h1>\n<p>%s</p>\n</main>\n", title, text);
	sb_response_policy(response, "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
					   "frame-ancestors 'none'");
	sb_page_end(response, status, &html);
}
