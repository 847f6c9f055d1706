/*-------------------------------------------------------------------------
 *
 * signing_documents.c
 *	  The documents of a signing page: shown, or given to be saved.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/signing_documents.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "http/response.h"
#include "model/store.h"
#include "pages/html.h"
#include "pages/signing_view.h"
#include "util/buffer.h"
#include "util/encoding.h"

#define MAX_SHOWN_JSON 20000

/* The name of a document for people. */
static const char *
document_name(const SbDocument *document)
{
	return document->file_name ? document->file_name : document->label ? document->label : "Document";
}

/* Whether browsers are asked to show it; anything else they are to save. */
static bool
is_shown(const SbDocument *document)
{
	return document->content != NULL && document->nature != NULL && strncmp(document->nature, "PDF", 3) == 0;
}

/* A name as a header takes it (RFC 8187), to be freed. */
static char *
header_name(const char *name)
{
	SbBuffer	text = {0};

	sb_buffer_add(&text, "", 0);
	for (; *name; name++)
	{
		if (isalnum((unsigned char) *name) || strchr("-._~", *name) != NULL)
			sb_buffer_add(&text, name, 1);
		else
			sb_buffer_printf(&text, "%%%02X", (unsigned char) *name);
	}
	return text.data;
}

/*
 * Respond with a document of the request.  Its type is whatever the application
 * said, so that browsers are told it of a PDF only; they must not take a file for a
 * page of this server.
 */
void
sb_respond_document(SbCall *call, const SbView *view, SbResponse *response)
{
	const SbDocument *document = NULL;
	char	   *name;
	char		value[8];
	bool		shown;

	for (int i = 0; i < view->request->ndocuments; i++)
	{
		if (strcmp(view->request->documents[i]->id, view->document) == 0)
			document = view->request->documents[i];
	}
	if (document == NULL || document->content == NULL)
	{
		sb_respond_notice(response, 404, "No such document", "It may have been removed since its time is over.");
		return;
	}
	shown = is_shown(document) && !sb_query_value(call->query, "download", value, sizeof(value));
	name = header_name(document_name(document));
	sb_response_header(response, "Content-Disposition", "%s; filename*=UTF-8''%s", shown ? "inline" : "attachment", name);
	free(name);
	sb_response_policy(response, !shown ? "default-src 'none'; frame-ancestors 'none'; sandbox" :
					   view->embedded ? "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors *" :
					   "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'");
	response->status = 200;
	response->content_type = is_shown(document) ? "application/pdf" : "application/octet-stream";
	sb_buffer_add(&response->body, document->content, document->size);
}

/* Data in JSON, as people can read it; false: there is too much of it. */
static bool
add_json(SbBuffer *html, const SbDocument *document)
{
	cJSON	   *json = document->size <= MAX_SHOWN_JSON ?
		cJSON_ParseWithLength((const char *) document->content, document->size) : NULL;
	char	   *text = json ? cJSON_Print(json) : NULL;

	if (text != NULL)
		sb_html_add(html, "<pre class=\"data\" tabindex=\"0\">%s</pre>\n", text);
	cJSON_free(text);
	cJSON_Delete(json);
	return text != NULL;
}

/* Where a document's content would be. */
static void
add_content(SbBuffer *html, const SbView *view, const SbDocument *document)
{
	const char *name = document_name(document);

	if (document->content == NULL)
	{
		sb_html_add(html, "<p class=\"nothing\">%s</p>\n", document->cleaned ?
					"The document was removed, since its time is over." :
					"The document is not here: its sender keeps it, and has given only its SHA-256.");
		return;
	}
	if (is_shown(document))
		sb_html_add(html,
					"<object class=\"viewer\" type=\"application/pdf\" data=\"%s/documents/%s#navpanes=0&amp;view=FitH\" aria-label=\"%s\">\n"
					"<p class=\"nothing\">Your browser does not show PDF in a page. "
					"<a class=\"button\" href=\"%s/documents/%s\">Open the document</a></p>\n"
					"</object>\n",
					view->path, document->id, name, view->path, document->id);
	else if (strcmp(document->nature, "DATA_JSON") != 0 || !add_json(html, document))
		sb_html_add(html, "<p class=\"nothing\">A file of this kind is not shown here: download it, and read it before you sign.</p>\n");
}

static void
add_one_document(SbBuffer *html, const SbView *view, const SbDocument *document)
{
	char	   *hash = sb_to_hex(document->hash, sizeof(document->hash));

	sb_html_add(html, "<article class=\"document\" aria-label=\"%s\">\n<header>\n<h3><bdi>%s</bdi></h3>\n",
				document_name(document), document_name(document));
	if (document->description)
		sb_html_add(html, "<p dir=\"auto\">%s</p>\n", document->description);
	if (document->content)
	{
		sb_html_add(html, "<p class=\"minor\">");
		if (document->mime_type)
			sb_html_add(html, "<bdi>%s</bdi>, ", document->mime_type);
		sb_html_size(html, document->size);
		sb_html_add(html, "</p>\n<a class=\"button\" href=\"%s/documents/%s?download=1\" download>Download"
					"<span class=\"hidden\"> %s</span></a>\n", view->path, document->id, document_name(document));
	}
	sb_html_add(html, "</header>\n");
	add_content(html, view, document);
	sb_html_add(html, "<p class=\"minor hash\">SHA-256 <code>%s</code></p>\n</article>\n", hash);
	free(hash);
}

void
sb_add_documents(SbBuffer *html, const SbView *view)
{
	const SbRequest *request = view->request;

	sb_html_add(html, "<section class=\"documents\" aria-labelledby=\"documents\">\n<h2 id=\"documents\">%s</h2>\n",
				request->ndocuments == 1 ? "The document" : "The documents");
	for (int i = 0; i < request->ndocuments; i++)
		add_one_document(html, view, request->documents[i]);
	sb_html_add(html, "</section>\n");
}
