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
#include "pages/signing_page.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "http/response.h"
#include "model/lifecycle.h"
#include "model/participants.h"
#include "model/store.h"
#include "pages/html.h"
#include "pages/signing_documents.h"
#include "pages/signing_standing.h"
#include "pages/signing_view.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"

#define MAX_FORM 8192
#define MAX_REASON 500			/* characters */

/* Find what a path leads to; false: nothing, or somebody else's. */
static bool
find_view(const char *path, SbView *view)
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
child_of(const SbView *view)
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
add_participants(SbBuffer *html, const SbView *view, const SbParticipant *participants, int count, const char *heading, const char *done)
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
add_forms(SbBuffer *html, const SbView *view)
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
add_facts(SbBuffer *html, const SbView *view)
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

/* Add how things stand, what there is to do, and what is known of the request. */
static void
add_part(SbBuffer *html, const SbView *view, const SbStanding *standing, const char *problem)
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
respond_view(const SbView *view, int status, const char *problem, SbResponse *response)
{
	const char *title = view->request->title ? view->request->title : "Signature request";
	const char *description = sb_get_text(view->request->settings, "description");
	SbStanding	standing = sb_find_standing(view);
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
		sb_add_documents(&html, view);
	add_part(&html, view, &standing, problem);
	if (!open)
		sb_add_documents(&html, view);
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
take_form(SbCall *call, const SbView *view, SbResponse *response)
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
		respond_redirect(response, view->path); /* sent twice */
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
	SbView		view;

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
		sb_respond_document(call, &view, response);
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
