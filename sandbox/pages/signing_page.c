/*-------------------------------------------------------------------------
 *
 * signing_page.c
 *	  The page at the link that a signer or an approver gets.
 *
 * Its path, /sign/REQUEST/SIGNER/TOKEN, is all that it takes: who has it may look,
 * and sign or refuse.  There are no cookies, so another site can make a browser do
 * nothing without the token; a form that comes from elsewhere is refused
 * nevertheless.  GET changes nothing.  A path that is wrong in any way is not
 * found, whatever is wrong with it.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/html.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FORM 8192
#define MAX_REASON 500			/* characters */
#define MAX_SHOWN_JSON 20000

/* What a link leads to. */
typedef struct View
{
	SbRequest  *request;
	SbParticipant *participant;
	bool		approver;
	bool		embedded;		/* may be in a frame of the application's */
	char		path[256];		/* of the page */
	char		document[SB_ID_LENGTH + 1]; /* or empty: the page itself */
} View;

/* How things stand for the one who looks. */
typedef struct Standing
{
	const char *tone;			/* good, bad, busy, plain */
	const char *word;			/* for the title */
	const char *heading;
	const char *text;
} Standing;

/* Find what a path leads to; false: nothing, or somebody else's. */
static bool
find_view(const char *path, View *view)
{
	char		request[SB_ID_LENGTH + 1];
	char		signer[SB_ID_LENGTH + 1];
	char		token[64];
	int			length = 0;
	int			end = 0;

	memset(view, 0, sizeof(*view));
	if (sscanf(path, "/sign/%24[0-9a-f]/%24[0-9a-f]/%63[0-9a-z_]%n/documents/%24[0-9a-f]%n",
			   request, signer, token, &length, view->document, &end) < 3)
		return false;
	if (path[view->document[0] ? end : length] != '\0' || (view->document[0] && end == 0))
		return false;
	view->request = sb_request_by_id(request);
	view->participant = view->request ? sb_participant_by_token(view->request, signer, token) : NULL;
	if (view->participant == NULL || view->participant->signer->revoked)
		return false;
	view->approver = sb_is_approver(view->request, view->participant);
	view->embedded = view->participant->signer->profile->embedded && !view->approver;
	snprintf(view->path, sizeof(view->path), "%.*s", length, path);
	sb_update_status(view->request);
	return true;
}

/* The request of its own that a signer of an individualized one got. */
static const SbRequest *
child_of(const View *view)
{
	for (size_t i = sb_request_count(); i-- > 0;)
	{
		const SbRequest *request = sb_request_by_number(i);
		const char *parent = sb_get_text(request->settings, "initialSignatureRequestId");

		if (parent != NULL && strcmp(parent, view->request->id) == 0 &&
			sb_participant_by_token(request, view->participant->signer->id, view->participant->token) != NULL)
			return request;
	}
	return NULL;
}

/* ---- Documents ---- */

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
static void
respond_document(SbCall *call, const View *view, SbResponse *response)
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
add_content(SbBuffer *html, const View *view, const SbDocument *document)
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
add_one_document(SbBuffer *html, const View *view, const SbDocument *document)
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

/* ---- Who ---- */

/* The name of somebody, or the e-mail address of one without. */
static void
add_name(SbBuffer *html, const SbSigner *signer)
{
	const char *first = signer->inputs[SB_SIGNER_FIRST_NAME];
	const char *last = signer->inputs[SB_SIGNER_LAST_NAME];

	if (first == NULL && last == NULL)
		sb_html_add(html, "<bdi>%s</bdi>", signer->inputs[SB_SIGNER_EMAIL]);
	else
		sb_html_add(html, "<bdi>%s%s%s</bdi>", first ? first : "", first && last ? " " : "", last ? last : "");
}

/* A list of those who are asked, and what they have done. */
static void
add_participants(SbBuffer *html, const View *view, const SbParticipant *participants, int count, const char *heading, const char *done)
{
	if (count == 0)
		return;
	sb_html_add(html, "<h2>%s</h2>\n<ul class=\"participants\">\n", heading);
	for (int i = 0; i < count; i++)
	{
		const SbParticipant *participant = &participants[i];

		sb_html_add(html, "<li><span>");
		add_name(html, participant->signer);
		sb_html_add(html, participant == view->participant ? " <em>(you)</em></span> " : "</span> ");
		if (participant->refused_at != 0)
			sb_html_add(html, "<span class=\"chip bad\">refused</span>");
		else if (participant->signed_at != 0)
			sb_html_add(html, "<span class=\"chip good\">%s</span>", done);
		else
			sb_html_add(html, "<span class=\"chip plain\">not yet</span>");
		if (participant->signed_at != 0 || participant->refused_at != 0)
		{
			sb_html_add(html, "<span class=\"minor\">");
			sb_html_time(html, participant->refused_at ? participant->refused_at : participant->signed_at, false);
			sb_html_add(html, "</span>");
		}
		sb_html_add(html, "</li>\n");
	}
	sb_html_add(html, "</ul>\n");
}

/* ---- How it stands ---- */

/* Whether one of them has refused. */
static bool
any_refused(const SbParticipant *participants, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (participants[i].refused_at != 0)
			return true;
	}
	return false;
}

/* How things stand for one who has signed or approved. */
static Standing
standing_after(const View *view)
{
	const char *status = view->request->status;
	Standing	standing = {"good", "Signed", "You have signed", NULL};

	if (view->approver)
		standing = (Standing) {"good", "Approved", "You have approved", NULL};
	if (strcmp(status, "IN_PROGRESS") == 0)
		standing.text = "Others still have to sign. There is nothing more for you to do.";
	else if (strcmp(status, "PROCESSING") == 0)
		standing.text = "All have signed. The request is being completed.";
	else if (strcmp(status, "COMPLETED") == 0)
		standing.text = "The request is completed.";
	else
	{
		standing.tone = "plain";
		standing.text = "The request has ended since, without being completed.";
	}
	return standing;
}

/* How things stand for one who cannot sign, for want of time or of others. */
static Standing
standing_before(const View *view)
{
	static const struct
	{
		const char *status;
		Standing	standing;
	}			known[] = {
		{"LAUNCHING", {"busy", "Not open yet", "Not open yet", "The request is being prepared. Come back in a moment."}},
		{"READY", {"busy", "Not open yet", "Not open yet", "The request opens later, at a time that its sender has chosen."}},
		{"IN_PROGRESS", {"busy", "Not your turn yet", "It is not your turn yet",
		"Others have to approve the request before you can sign. You get an e-mail when they have."}},
		{"PROCESSING", {"plain", "Closed", "Closed without your signature", "The request was completed before you signed."}},
		{"COMPLETED", {"plain", "Closed", "Closed without your signature", "The request was completed before you signed."}},
		{"EXPIRED", {"plain", "Expired", "This request has expired", "Its time was over before it was signed. Ask its sender for another one."}},
		{"CANCELLED", {"plain", "Cancelled", "This request was cancelled", "Its sender has withdrawn it. You need not do anything."}},
		{"LAUNCH_ERROR", {"bad", "Failed", "This request could not be opened", "Ask its sender for another one."}}
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcmp(known[i].status, view->request->status) == 0)
			return known[i].standing;
	}
	if (any_refused(view->request->participants, view->request->nparticipants) ||
		any_refused(view->request->approvers, view->request->napprovers))
		return (Standing) {"bad", "Refused", "This request was refused", "Somebody else has refused it, which has ended it."};
	return (Standing) {"bad", "Failed", "This request has failed", "It cannot be signed any more. Ask its sender for another one."};
}

static Standing
find_standing(const View *view)
{
	if (view->participant->refused_at != 0)
		return (Standing) {"bad", "Refused", "You have refused", "The request has ended, and its sender is told."};
	if (view->participant->signed_at != 0)
		return standing_after(view);
	if (!sb_may_sign(view->request, view->participant))
		return standing_before(view);
	if (view->approver)
		return (Standing) {"busy", "To approve", "Please approve", "Read what is to be signed, then approve it or refuse."};
	return (Standing) {"busy", "To sign", "Please sign", "Read what is to be signed, then sign or refuse."};
}

/* ---- The page ---- */

/* Add the boxes that have to be ticked. */
static void
add_statements(SbBuffer *html, const SbRequest *request)
{
	const cJSON *statement;
	int			n = 0;

	cJSON_ArrayForEach(statement, cJSON_GetObjectItemCaseSensitive(request->settings, "statements"))
	{
		sb_html_add(html, "<label class=\"statement\"><input type=\"checkbox\" name=\"statement%d\" value=\"yes\" required> "
					"<span dir=\"auto\">%s</span></label>\n", n++, sb_get_text(statement, "labelMd"));
	}
}

/* Add what there is to do. */
static void
add_forms(SbBuffer *html, const View *view)
{
	sb_html_add(html, "<form method=\"post\">\n");
	if (!view->approver)
		add_statements(html, view->request);
	sb_html_add(html,
				"<button class=\"main\" name=\"action\" value=\"sign\">%s</button>\n"
				"</form>\n"
				"<details>\n<summary>Refuse</summary>\n"
				"<form method=\"post\">\n"
				"<label for=\"reason\">Why? <span class=\"minor\">You need not say it. The sender can read it.</span></label>\n"
				"<textarea id=\"reason\" name=\"reason\" rows=\"3\" maxlength=\"%d\"></textarea>\n"
				"<p class=\"minor\">To refuse ends the request for all who were asked.</p>\n"
				"<button class=\"danger\" name=\"action\" value=\"refuse\">Refuse to %s</button>\n"
				"</form>\n</details>\n",
				view->approver ? "Approve" : "Sign", MAX_REASON, view->approver ? "approve" : "sign");
}

/* Add what is known of the request besides its documents. */
static void
add_facts(SbBuffer *html, const View *view)
{
	const SbRequest *request = view->request;
	const SbSigner *signer = view->participant->signer;

	sb_html_add(html, "<dl class=\"facts\">\n<div><dt>For</dt><dd>");
	add_name(html, signer);
	if (signer->inputs[SB_SIGNER_FIRST_NAME] || signer->inputs[SB_SIGNER_LAST_NAME])
		sb_html_add(html, " <span class=\"minor\"><bdi>%s</bdi></span>", signer->inputs[SB_SIGNER_EMAIL]);
	sb_html_add(html, "</dd></div>\n<div><dt>Sent</dt><dd>");
	sb_html_time(html, request->launched_at ? request->launched_at : request->published_at, false);
	sb_html_add(html, "</dd></div>\n");
	if (request->expires_at != 0)
	{
		sb_html_add(html, "<div><dt>Open until</dt><dd>");
		sb_html_time(html, request->expires_at, false);
		sb_html_add(html, "</dd></div>\n");
	}
	sb_html_add(html, "<div><dt>Method</dt><dd>%s</dd></div>\n</dl>\n", request->method ? request->method : "");
}

static void
add_documents(SbBuffer *html, const View *view)
{
	const SbRequest *request = view->request;

	sb_html_add(html, "<section class=\"documents\" aria-labelledby=\"documents\">\n<h2 id=\"documents\">%s</h2>\n",
				request->ndocuments == 1 ? "The document" : "The documents");
	for (int i = 0; i < request->ndocuments; i++)
		add_one_document(html, view, request->documents[i]);
	sb_html_add(html, "</section>\n");
}

/* Add how things stand, what there is to do, and what is known of the request. */
static void
add_part(SbBuffer *html, const View *view, const Standing *standing, const char *problem)
{
	const SbRequest *request = view->request;

	sb_html_add(html, "<section class=\"part\" aria-labelledby=\"standing\">\n");
	if (problem)
		sb_html_add(html, "<p class=\"problem\" role=\"alert\">%s</p>\n", problem);
	sb_html_add(html, "<div class=\"standing %s\" role=\"status\">\n<h2 id=\"standing\">%s</h2>\n<p>%s</p>\n",
				standing->tone, standing->heading, standing->text);
	if (view->participant->reason)
		sb_html_add(html, "<p>Your reason: <q dir=\"auto\">%s</q></p>\n", view->participant->reason);
	sb_html_add(html, "</div>\n");
	if (sb_may_sign(request, view->participant))
		add_forms(html, view);
	add_facts(html, view);
	add_participants(html, view, request->approvers, request->napprovers, "Who approves", "approved");
	add_participants(html, view, request->participants, request->nparticipants, "Who signs", "signed");
	sb_html_add(html, "</section>\n");
}

/*
 * Respond with the page; "problem" is what went wrong with a form, or NULL.  What is
 * to be done comes after what is to be read before; else how things stand is first.
 */
static void
respond_view(const View *view, int status, const char *problem, SbResponse *response)
{
	const char *title = view->request->title ? view->request->title : "Signature request";
	const char *description = sb_get_text(view->request->settings, "description");
	Standing	standing = find_standing(view);
	bool		open = sb_may_sign(view->request, view->participant) && problem == NULL;
	SbBuffer	html = {0};

	sb_page_begin(&html, standing.word, title, false);
	sb_html_add(&html, "<main id=\"main\" class=\"wide\">\n<h1 dir=\"auto\">%s</h1>\n"
				"<p class=\"lead\"><span class=\"chip %s\">%s</span> ", title, standing.tone, standing.word);
	add_name(&html, view->participant->signer);
	sb_html_add(&html, "</p>\n");
	if (description)
		sb_html_add(&html, "<p class=\"description\" dir=\"auto\">%s</p>\n", description);
	sb_html_add(&html, "<div class=\"sheet\">\n");
	if (open)
		add_documents(&html, view);
	add_part(&html, view, &standing, problem);
	if (!open)
		add_documents(&html, view);
	sb_html_add(&html, "</div>\n</main>\n");
	sb_response_policy(response, view->embedded ?
					   "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'self'; frame-src 'self'; "
					   "base-uri 'none'; form-action 'self'; frame-ancestors *" :
					   "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'self'; frame-src 'self'; "
					   "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
	sb_page_end(response, status, &html);
}

/* ---- Forms ---- */

/* Go on with a page, by GET. */
static void
respond_redirect(SbResponse *response, const char *path)
{
	response->status = 303;
	sb_response_header(response, "Location", "%s", path);
	sb_response_header(response, "Cache-Control", "no-store");
}

/* Whether all boxes are ticked. */
static bool
has_statements(const SbCall *call, const SbRequest *request)
{
	int			count = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(request->settings, "statements"));

	for (int i = 0; i < count; i++)
	{
		char		name[32];
		char		value[8];

		snprintf(name, sizeof(name), "statement%d", i);
		if (!sb_query_value(call->body, name, value, sizeof(value)) || strcmp(value, "yes") != 0)
			return false;
	}
	return true;
}

/* The reason of a form, trimmed, to be freed; NULL: none; false: it is not text, or too long. */
static bool
read_reason(const SbCall *call, char **reason)
{
	char		text[MAX_FORM + 1];
	char	   *start = text;
	size_t		characters = 0;
	size_t		length;

	*reason = NULL;
	if (!sb_query_value(call->body, "reason", text, sizeof(text)))
		return true;
	while (isspace((unsigned char) *start))
		start++;
	length = strlen(start);
	while (length > 0 && isspace((unsigned char) start[length - 1]))
		start[--length] = '\0';
	for (size_t i = 0; i < length; i++)
		characters += (start[i] & 0xC0) != 0x80;
	if (!sb_valid_utf8(start, length) || characters > MAX_REASON)
		return false;
	if (length > 0)
		*reason = sb_strdup(start);
	return true;
}

/* Take a form. */
static void
take_form(SbCall *call, const View *view, SbResponse *response)
{
	SbParticipant *participant = view->participant;
	char		action[16] = "";
	bool		signing;
	char	   *reason;

	sb_query_value(call->body, "action", action, sizeof(action));
	signing = strcmp(action, "sign") == 0;
	if (!signing && strcmp(action, "refuse") != 0)
		respond_view(view, 400, "The form says neither to sign nor to refuse. Nothing was done.", response);
	else if (signing ? participant->signed_at != 0 : participant->refused_at != 0)
		respond_redirect(response, view->path);	/* sent twice */
	else if (!sb_may_sign(view->request, participant))
		respond_view(view, 409, "That is not possible any more, or not yet. Nothing was done.", response);
	else if (!read_reason(call, &reason))
		respond_view(view, 400, "The reason is too long, or is not text. Nothing was done.", response);
	else
	{
		if (!signing)
			sb_refuse(view->request, participant, reason);
		else if (view->approver || has_statements(call, view->request))
			sb_sign_or_approve(view->request, participant);
		else
			respond_view(view, 400, "To sign, agree to all statements. Nothing was done.", response);
		free(reason);
		if (response->status == 0)
			respond_redirect(response, view->path);
	}
}

/* GET, HEAD or POST /sign/... */
void
sb_signing_page(SbCall *call, SbResponse *response)
{
	bool		get = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
	bool		post = strcmp(call->method, "POST") == 0;
	const SbRequest *child;
	View		view;

	if (!find_view(call->path, &view))
		sb_respond_notice(response, 404, "This link leads nowhere",
						  "It may be incomplete: use the whole link of your e-mail. Or what it led to is no longer there.");
	else if (!get && !(post && view.document[0] == '\0'))
	{
		sb_respond_notice(response, 405, "That is not possible", "A page can only be looked at, and its form be sent.");
		sb_response_header(response, "Allow", view.document[0] ? "GET, HEAD" : "GET, HEAD, POST");
	}
	else if (strcmp(view.request->status, "CHILDREN_GENERATED") == 0 && (child = child_of(&view)) != NULL)
	{
		char	   *path = sb_psprintf("/sign/%s/%s/%s", child->id, view.participant->signer->id, view.participant->token);

		respond_redirect(response, path);
		free(path);
	}
	else if (view.document[0])
		respond_document(call, &view, response);
	else if (get)
		respond_view(&view, 200, NULL, response);
	else if (!sb_same_site(call))
		sb_respond_notice(response, 403, "This form came from elsewhere", "Open the link of your e-mail, and use the form there.");
	else if (call->content_type == NULL || strcmp(call->content_type, "application/x-www-form-urlencoded") != 0)
		sb_respond_notice(response, 415, "That is not the form", "Open the link of your e-mail, and use the form there.");
	else if (call->body_too_large || call->body_length > MAX_FORM)
		sb_respond_notice(response, 413, "That is too much", "Open the link of your e-mail, and use the form there.");
	else
		take_form(call, &view, response);
}
