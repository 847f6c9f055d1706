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
	Request    *request;
	Party	   *party;
	bool		approver;
	bool		embedded;		/* may be in a frame of the application's */
	char		path[256];		/* of the page */
	char		document[ID_LENGTH + 1];	/* or empty: the page itself */
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
	char		request[ID_LENGTH + 1];
	char		signer[ID_LENGTH + 1];
	char		token[64];
	int			length = 0;
	int			end = 0;

	memset(view, 0, sizeof(*view));
	if (sscanf(path, "/sign/%24[0-9a-f]/%24[0-9a-f]/%63[0-9a-z_]%n/documents/%24[0-9a-f]%n",
			   request, signer, token, &length, view->document, &end) < 3)
		return false;
	if (path[view->document[0] ? end : length] != '\0' || (view->document[0] && end == 0))
		return false;
	view->request = request_by_id(request);
	view->party = view->request ? party_by_token(view->request, signer, token) : NULL;
	if (view->party == NULL || view->party->signer->revoked)
		return false;
	view->approver = is_approver(view->request, view->party);
	view->embedded = view->party->signer->profile->embedded && !view->approver;
	snprintf(view->path, sizeof(view->path), "%.*s", length, path);
	advance(view->request);
	return true;
}

/* The request of its own that a signer of an individualized one got. */
static const Request *
child_of(const View *view)
{
	for (size_t i = request_count(); i-- > 0;)
	{
		const Request *request = request_by_number(i);
		const char *parent = get_text(request->settings, "initialSignatureRequestId");

		if (parent != NULL && strcmp(parent, view->request->id) == 0 &&
			party_by_token(request, view->party->signer->id, view->party->token) != NULL)
			return request;
	}
	return NULL;
}

/* ---- Documents ---- */

/* The name of a document for people. */
static const char *
document_name(const Document *document)
{
	return document->file_name ? document->file_name : document->label ? document->label : "Document";
}

/* Whether browsers are asked to show it; anything else they are to save. */
static bool
is_shown(const Document *document)
{
	return document->content != NULL && document->nature != NULL && strncmp(document->nature, "PDF", 3) == 0;
}

/* A name as a header takes it (RFC 8187), to be freed. */
static char *
header_name(const char *name)
{
	Buffer		text = {0};

	buffer_add(&text, "", 0);
	for (; *name; name++)
	{
		if (isalnum((unsigned char) *name) || strchr("-._~", *name) != NULL)
			buffer_add(&text, name, 1);
		else
			buffer_printf(&text, "%%%02X", (unsigned char) *name);
	}
	return text.data;
}

/*
 * Answer with a document of the request.  Its type is whatever the application
 * said, so that browsers are told it of a PDF only; they must not take a file for a
 * page of this server.
 */
static void
answer_document(Call *call, const View *view, Answer *answer)
{
	const Document *document = NULL;
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
		answer_notice(answer, 404, "No such document", "It may have been removed since its time is over.");
		return;
	}
	shown = is_shown(document) && !query_value(call->query, "download", value, sizeof(value));
	name = header_name(document_name(document));
	answer_header(answer, "Content-Disposition", "%s; filename*=UTF-8''%s", shown ? "inline" : "attachment", name);
	free(name);
	answer_policy(answer, !shown ? "default-src 'none'; frame-ancestors 'none'; sandbox" :
				  view->embedded ? "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors *" :
				  "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'");
	answer->status = 200;
	answer->content_type = is_shown(document) ? "application/pdf" : "application/octet-stream";
	buffer_add(&answer->body, document->content, document->size);
}

/* Data in JSON, as people can read it; false: there is too much of it. */
static bool
add_json(Buffer *html, const Document *document)
{
	cJSON	   *json = document->size <= MAX_SHOWN_JSON ?
		cJSON_ParseWithLength((const char *) document->content, document->size) : NULL;
	char	   *text = json ? cJSON_Print(json) : NULL;

	if (text != NULL)
		html_add(html, "<pre class=\"data\" tabindex=\"0\">%s</pre>\n", text);
	cJSON_free(text);
	cJSON_Delete(json);
	return text != NULL;
}

/* Where a document's content would be. */
static void
add_content(Buffer *html, const View *view, const Document *document)
{
	const char *name = document_name(document);

	if (document->content == NULL)
	{
		html_add(html, "<p class=\"nothing\">%s</p>\n", document->cleaned ?
				 "The document was removed, since its time is over." :
				 "The document is not here: its sender keeps it, and has given only its SHA-256.");
		return;
	}
	if (is_shown(document))
		html_add(html,
				 "<object class=\"viewer\" type=\"application/pdf\" data=\"%s/documents/%s#navpanes=0&amp;view=FitH\" aria-label=\"%s\">\n"
				 "<p class=\"nothing\">Your browser does not show PDF in a page. "
				 "<a class=\"button\" href=\"%s/documents/%s\">Open the document</a></p>\n"
				 "</object>\n",
				 view->path, document->id, name, view->path, document->id);
	else if (strcmp(document->nature, "DATA_JSON") != 0 || !add_json(html, document))
		html_add(html, "<p class=\"nothing\">A file of this kind is not shown here: download it, and read it before you sign.</p>\n");
}

static void
add_one_document(Buffer *html, const View *view, const Document *document)
{
	char	   *hash = to_hex(document->hash, sizeof(document->hash));

	html_add(html, "<article class=\"document\" aria-label=\"%s\">\n<header>\n<h3><bdi>%s</bdi></h3>\n",
			 document_name(document), document_name(document));
	if (document->description)
		html_add(html, "<p dir=\"auto\">%s</p>\n", document->description);
	if (document->content)
	{
		html_add(html, "<p class=\"minor\">");
		if (document->mime_type)
			html_add(html, "<bdi>%s</bdi>, ", document->mime_type);
		html_size(html, document->size);
		html_add(html, "</p>\n<a class=\"button\" href=\"%s/documents/%s?download=1\" download>Download"
				 "<span class=\"hidden\"> %s</span></a>\n", view->path, document->id, document_name(document));
	}
	html_add(html, "</header>\n");
	add_content(html, view, document);
	html_add(html, "<p class=\"minor hash\">SHA-256 <code>%s</code></p>\n</article>\n", hash);
	free(hash);
}

/* ---- Who ---- */

/* The name of somebody, or the e-mail address of one without. */
static void
add_name(Buffer *html, const Signer *signer)
{
	const char *first = signer->inputs[SIGNER_FIRST_NAME];
	const char *last = signer->inputs[SIGNER_LAST_NAME];

	if (first == NULL && last == NULL)
		html_add(html, "<bdi>%s</bdi>", signer->inputs[SIGNER_EMAIL]);
	else
		html_add(html, "<bdi>%s%s%s</bdi>", first ? first : "", first && last ? " " : "", last ? last : "");
}

/* A list of those who are asked, and what they have done. */
static void
add_parties(Buffer *html, const View *view, const Party *parties, int count, const char *heading, const char *done)
{
	if (count == 0)
		return;
	html_add(html, "<h2>%s</h2>\n<ul class=\"parties\">\n", heading);
	for (int i = 0; i < count; i++)
	{
		const Party *party = &parties[i];

		html_add(html, "<li><span>");
		add_name(html, party->signer);
		html_add(html, party == view->party ? " <em>(you)</em></span> " : "</span> ");
		if (party->refused_at != 0)
			html_add(html, "<span class=\"chip bad\">refused</span>");
		else if (party->signed_at != 0)
			html_add(html, "<span class=\"chip good\">%s</span>", done);
		else
			html_add(html, "<span class=\"chip plain\">not yet</span>");
		if (party->signed_at != 0 || party->refused_at != 0)
		{
			html_add(html, "<span class=\"minor\">");
			html_time(html, party->refused_at ? party->refused_at : party->signed_at, false);
			html_add(html, "</span>");
		}
		html_add(html, "</li>\n");
	}
	html_add(html, "</ul>\n");
}

/* ---- How it stands ---- */

/* Whether one of them has refused. */
static bool
any_refused(const Party *parties, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (parties[i].refused_at != 0)
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
	if (any_refused(view->request->parties, view->request->nparties) ||
		any_refused(view->request->approvers, view->request->napprovers))
		return (Standing) {"bad", "Refused", "This request was refused", "Somebody else has refused it, which has ended it."};
	return (Standing) {"bad", "Failed", "This request has failed", "It cannot be signed any more. Ask its sender for another one."};
}

static Standing
find_standing(const View *view)
{
	if (view->party->refused_at != 0)
		return (Standing) {"bad", "Refused", "You have refused", "The request has ended, and its sender is told."};
	if (view->party->signed_at != 0)
		return standing_after(view);
	if (!may_act(view->request, view->party))
		return standing_before(view);
	if (view->approver)
		return (Standing) {"busy", "To approve", "Please approve", "Read what is to be signed, then approve it or refuse."};
	return (Standing) {"busy", "To sign", "Please sign", "Read what is to be signed, then sign or refuse."};
}

/* ---- The page ---- */

/* Add the boxes that have to be ticked. */
static void
add_statements(Buffer *html, const Request *request)
{
	const cJSON *statement;
	int			n = 0;

	cJSON_ArrayForEach(statement, cJSON_GetObjectItemCaseSensitive(request->settings, "statements"))
	{
		html_add(html, "<label class=\"statement\"><input type=\"checkbox\" name=\"statement%d\" value=\"yes\" required> "
				 "<span dir=\"auto\">%s</span></label>\n", n++, get_text(statement, "labelMd"));
	}
}

/* Add what there is to do. */
static void
add_forms(Buffer *html, const View *view)
{
	html_add(html, "<form method=\"post\">\n");
	if (!view->approver)
		add_statements(html, view->request);
	html_add(html,
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
add_facts(Buffer *html, const View *view)
{
	const Request *request = view->request;
	const Signer *signer = view->party->signer;

	html_add(html, "<dl class=\"facts\">\n<div><dt>For</dt><dd>");
	add_name(html, signer);
	if (signer->inputs[SIGNER_FIRST_NAME] || signer->inputs[SIGNER_LAST_NAME])
		html_add(html, " <span class=\"minor\"><bdi>%s</bdi></span>", signer->inputs[SIGNER_EMAIL]);
	html_add(html, "</dd></div>\n<div><dt>Sent</dt><dd>");
	html_time(html, request->launched_at ? request->launched_at : request->published_at, false);
	html_add(html, "</dd></div>\n");
	if (request->expires_at != 0)
	{
		html_add(html, "<div><dt>Open until</dt><dd>");
		html_time(html, request->expires_at, false);
		html_add(html, "</dd></div>\n");
	}
	html_add(html, "<div><dt>Method</dt><dd>%s</dd></div>\n</dl>\n", request->method ? request->method : "");
}

static void
add_documents(Buffer *html, const View *view)
{
	const Request *request = view->request;

	html_add(html, "<section class=\"documents\" aria-labelledby=\"documents\">\n<h2 id=\"documents\">%s</h2>\n",
			 request->ndocuments == 1 ? "The document" : "The documents");
	for (int i = 0; i < request->ndocuments; i++)
		add_one_document(html, view, request->documents[i]);
	html_add(html, "</section>\n");
}

/* Add how things stand, what there is to do, and what is known of the request. */
static void
add_part(Buffer *html, const View *view, const Standing *standing, const char *problem)
{
	const Request *request = view->request;

	html_add(html, "<section class=\"part\" aria-labelledby=\"standing\">\n");
	if (problem)
		html_add(html, "<p class=\"problem\" role=\"alert\">%s</p>\n", problem);
	html_add(html, "<div class=\"standing %s\" role=\"status\">\n<h2 id=\"standing\">%s</h2>\n<p>%s</p>\n",
			 standing->tone, standing->heading, standing->text);
	if (view->party->reason)
		html_add(html, "<p>Your reason: <q dir=\"auto\">%s</q></p>\n", view->party->reason);
	html_add(html, "</div>\n");
	if (may_act(request, view->party))
		add_forms(html, view);
	add_facts(html, view);
	add_parties(html, view, request->approvers, request->napprovers, "Who approves", "approved");
	add_parties(html, view, request->parties, request->nparties, "Who signs", "signed");
	html_add(html, "</section>\n");
}

/*
 * Answer with the page; "problem" is what went wrong with a form, or NULL.  What is
 * to be done comes after what is to be read before; else how things stand is first.
 */
static void
answer_view(const View *view, int status, const char *problem, Answer *answer)
{
	const char *title = view->request->title ? view->request->title : "Signature request";
	const char *description = get_text(view->request->settings, "description");
	Standing	standing = find_standing(view);
	bool		open = may_act(view->request, view->party) && problem == NULL;
	Buffer		html = {0};

	page_begin(&html, standing.word, title, false);
	html_add(&html, "<main id=\"main\" class=\"wide\">\n<h1 dir=\"auto\">%s</h1>\n"
			 "<p class=\"lead\"><span class=\"chip %s\">%s</span> ", title, standing.tone, standing.word);
	add_name(&html, view->party->signer);
	html_add(&html, "</p>\n");
	if (description)
		html_add(&html, "<p class=\"description\" dir=\"auto\">%s</p>\n", description);
	html_add(&html, "<div class=\"sheet\">\n");
	if (open)
		add_documents(&html, view);
	add_part(&html, view, &standing, problem);
	if (!open)
		add_documents(&html, view);
	html_add(&html, "</div>\n</main>\n");
	answer_policy(answer, view->embedded ?
				  "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'self'; frame-src 'self'; "
				  "base-uri 'none'; form-action 'self'; frame-ancestors *" :
				  "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'self'; frame-src 'self'; "
				  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
	page_end(answer, status, &html);
}

/* ---- Forms ---- */

/* Go on with a page, by GET. */
static void
answer_redirect(Answer *answer, const char *path)
{
	answer->status = 303;
	answer_header(answer, "Location", "%s", path);
	answer_header(answer, "Cache-Control", "no-store");
}

/* Whether all boxes are ticked. */
static bool
has_statements(const Call *call, const Request *request)
{
	int			count = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(request->settings, "statements"));

	for (int i = 0; i < count; i++)
	{
		char		name[32];
		char		value[8];

		snprintf(name, sizeof(name), "statement%d", i);
		if (!query_value(call->body, name, value, sizeof(value)) || strcmp(value, "yes") != 0)
			return false;
	}
	return true;
}

/* The reason of a form, trimmed, to be freed; NULL: none; false: it is not text, or too long. */
static bool
read_reason(const Call *call, char **reason)
{
	char		text[MAX_FORM + 1];
	char	   *start = text;
	size_t		characters = 0;
	size_t		length;

	*reason = NULL;
	if (!query_value(call->body, "reason", text, sizeof(text)))
		return true;
	while (isspace((unsigned char) *start))
		start++;
	length = strlen(start);
	while (length > 0 && isspace((unsigned char) start[length - 1]))
		start[--length] = '\0';
	for (size_t i = 0; i < length; i++)
		characters += (start[i] & 0xC0) != 0x80;
	if (!valid_utf8(start, length) || characters > MAX_REASON)
		return false;
	if (length > 0)
		*reason = xstrdup(start);
	return true;
}

/* Take a form. */
static void
take_form(Call *call, const View *view, Answer *answer)
{
	Party	   *party = view->party;
	char		action[16] = "";
	bool		signing;
	char	   *reason;

	query_value(call->body, "action", action, sizeof(action));
	signing = strcmp(action, "sign") == 0;
	if (!signing && strcmp(action, "refuse") != 0)
		answer_view(view, 400, "The form says neither to sign nor to refuse. Nothing was done.", answer);
	else if (signing ? party->signed_at != 0 : party->refused_at != 0)
		answer_redirect(answer, view->path);	/* sent twice */
	else if (!may_act(view->request, party))
		answer_view(view, 409, "That is not possible any more, or not yet. Nothing was done.", answer);
	else if (!read_reason(call, &reason))
		answer_view(view, 400, "The reason is too long, or is not text. Nothing was done.", answer);
	else
	{
		if (!signing)
			refuse(view->request, party, reason);
		else if (view->approver || has_statements(call, view->request))
			act(view->request, party);
		else
			answer_view(view, 400, "To sign, agree to all statements. Nothing was done.", answer);
		free(reason);
		if (answer->status == 0)
			answer_redirect(answer, view->path);
	}
}

/* GET, HEAD or POST /sign/... */
void
signing_page(Call *call, Answer *answer)
{
	bool		get = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
	bool		post = strcmp(call->method, "POST") == 0;
	const Request *child;
	View		view;

	if (!find_view(call->path, &view))
		answer_notice(answer, 404, "This link leads nowhere",
					  "It may be incomplete: use the whole link of your e-mail. Or what it led to is no longer there.");
	else if (!get && !(post && view.document[0] == '\0'))
	{
		answer_notice(answer, 405, "That is not possible", "A page can only be looked at, and its form be sent.");
		answer_header(answer, "Allow", view.document[0] ? "GET, HEAD" : "GET, HEAD, POST");
	}
	else if (strcmp(view.request->status, "CHILDREN_GENERATED") == 0 && (child = child_of(&view)) != NULL)
	{
		char	   *path = xprintf("/sign/%s/%s/%s", child->id, view.party->signer->id, view.party->token);

		answer_redirect(answer, path);
		free(path);
	}
	else if (view.document[0])
		answer_document(call, &view, answer);
	else if (get)
		answer_view(&view, 200, NULL, answer);
	else if (!same_site(call))
		answer_notice(answer, 403, "This form came from elsewhere", "Open the link of your e-mail, and use the form there.");
	else if (call->content_type == NULL || strcmp(call->content_type, "application/x-www-form-urlencoded") != 0)
		answer_notice(answer, 415, "That is not the form", "Open the link of your e-mail, and use the form there.");
	else if (call->body_too_large || call->body_length > MAX_FORM)
		answer_notice(answer, 413, "That is too much", "Open the link of your e-mail, and use the form there.");
	else
		take_form(call, &view, answer);
}
