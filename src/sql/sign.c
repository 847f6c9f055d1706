/*-------------------------------------------------------------------------
 *
 * sign.c
 *	  ignisign_sign(): check what is to be signed, and queue it.
 *
 * All that can be known without the API is checked here, where the caller can
 * still do something about it.  What is queued is sent after COMMIT.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "errors.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "queue/credentials.h"
#include "queue/inputs.h"
#include "queue/queue.h"
#include "queue/staged.h"
#include "sql/sign.h"
#include "util/bytes.h"
#include "util/encoding.h"
#include "util/spi.h"
#include "util/user_context.h"

/* Bounds of the API, and of good sense where it tells none. */
#define MAX_TITLE_LENGTH	1024
#define MAX_NAME_LENGTH		255
#define MAX_SIGNERS			100
#define MAX_DOCUMENTS		100

/* A PDF's beginning is looked for in so many bytes, as readers do. */
#define PDF_HEAD			1024

/* Most bytes of a body that the vendor's own client sends. */
#define MAX_ONE_CALL		50000000

/* Requests that are queued together: so many, with so many bytes. */
#define MAX_ROWS			256
#define MAX_BYTES			(1024 * 1024)

/* ---- Checks ---- */

/* Whether the text can be sent: UTF-8 without control characters. */
static bool
is_sendable(const char *text)
{
	char	   *utf8 = ig_to_wire(text);

	if (utf8 == NULL || !ig_api_valid_utf8(utf8, strlen(utf8)))
		return false;
	for (; *text; text++)
	{
		if ((unsigned char) *text < ' ' || *text == 127)
			return false;
	}
	return true;
}

/* Check the title. */
static void
check_title(const char *title)
{
	if (title[0] == '\0' || strspn(title, " \t\r\n") == strlen(title))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_TITLE),
				 errmsg("title must not be empty"),
				 errhint("The title is what the signers see first.")));
	if (pg_mbstrlen(title) > MAX_TITLE_LENGTH)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_TITLE),
				 errmsg("title is too long"),
				 errhint("It must not have more than %d characters.", MAX_TITLE_LENGTH)));
	if (!is_sendable(title))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_TITLE),
				 errmsg("title has control characters or cannot be converted to UTF-8"),
				 errhint("It is one line of text.")));
}

/* Check the signature method. */
static void
check_method(const char *method)
{
	if (!ig_api_known_signature_method(method))
		ereport(ERROR,
				(errcode(IG_ERRCODE_UNKNOWN_METHOD),
				 errmsg("unknown signature method \"%s\"", method),
				 errhint("Valid methods are SIMPLE_STD, ADVANCED_SMS, ADVANCED_STD and QUALIFIED_STD.")));
}

/* Check an optional name of a signer. */
static void
check_name(const char *what, int n, const char *name)
{
	if (name == NULL)
		return;
	if (name[0] == '\0' || pg_mbstrlen(name) > MAX_NAME_LENGTH || !is_sendable(name))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_SIGNER),
				 errmsg("invalid %s of signer %d", what, n),
				 errhint("It must have 1 to %d characters, all of them printable; leave it NULL where it is not known.",
						 MAX_NAME_LENGTH)));
}

/* Check the signers. */
static void
check_signers(const IgSignRequest *request)
{
	int			nsigning = 0;

	for (int i = 0; i < request->nsigners; i++)
		nsigning += request->signers[i].approver ? 0 : 1;
	if (nsigning == 0)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SIGNER),
				 errmsg("there is no signer"),
				 errhint("Give at least one, as in signers => ARRAY[ignisign_signer('ann@example.com', 'Ann', 'Lee')].")));
	if (request->nsigners > MAX_SIGNERS)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_SIGNER),
				 errmsg("there are too many signers"),
				 errhint("A request can have %d.", MAX_SIGNERS)));

	for (int i = 0; i < request->nsigners; i++)
	{
		const IgSignSigner *signer = &request->signers[i];

		if (signer->email == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("e-mail address of signer %d must not be NULL", i + 1),
					 errhint("Ignisign reaches signers by e-mail.")));
		if (!ig_api_valid_email(signer->email) || !is_sendable(signer->email))
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_EMAIL),
					 errmsg("invalid e-mail address \"%s\" of signer %d", signer->email, i + 1),
					 errhint("An address looks like ann@example.com.")));
		for (int j = 0; j < i; j++)
		{
			if (pg_strcasecmp(signer->email, request->signers[j].email) == 0)
				ereport(ERROR,
						(errcode(IG_ERRCODE_DUPLICATE_EMAIL),
						 errmsg("signers %d and %d have the same e-mail address \"%s\"",
								j + 1, i + 1, signer->email),
						 errhint("Each signer is one person with an address of their own.")));
		}
		check_name("first name", i + 1, signer->first_name);
		check_name("last name", i + 1, signer->last_name);
		if (signer->signer_profile_id && !ig_api_valid_object_id(signer->signer_profile_id))
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("invalid signer profile id \"%s\" of signer %d", signer->signer_profile_id, i + 1),
					 errhint("An id of the API has 24 hexadecimal digits.")));
	}
}

/* Whether the text has the form of a MIME type. */
static bool
is_mime_type(const char *text)
{
	const char *slash = strchr(text, '/');

	if (slash == NULL || slash == text || slash[1] == '\0' || strlen(text) > MAX_NAME_LENGTH)
		return false;
	for (; *text; text++)
	{
		if ((unsigned char) *text <= ' ' || (unsigned char) *text >= 127)
			return false;
	}
	return true;
}

/* Check a document's content or URL. */
static void
check_content(const IgSignDocument *document, int n)
{
	if (document->kind == IG_SIGN_UPLOADED)
	{
		if (document->content != NULL || document->url != NULL ||
			!ig_api_valid_object_id(document->document_id))
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_DOCUMENT),
					 errmsg("invalid id of document %d", n),
					 errhint("Give the documentId of an uploaded document, of 24 hexadecimal digits, and no content.")));
		return;
	}
	if (document->content == NULL && document->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("document %d has neither content nor a URL", n),
				 errhint("Give one of them.")));
	if (document->content != NULL && document->url != NULL)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("document %d has both content and a URL", n),
				 errhint("Give one of them.")));
	if (document->url != NULL)
	{
		if ((pg_strncasecmp(document->url, "https://", 8) != 0 &&
			 pg_strncasecmp(document->url, "http://", 7) != 0) ||
			!is_sendable(document->url) || strlen(document->url) > 2048)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_DOCUMENT),
					 errmsg("invalid URL of document %d", n),
					 errhint("It must start with https:// or http://, and Ignisign must be able to download it.")));
		return;
	}
	if (VARSIZE_ANY_EXHDR(document->content) == 0)
		ereport(ERROR,
				(errcode(IG_ERRCODE_EMPTY_DOCUMENT),
				 errmsg("document %d is empty", n),
				 errhint("It must have at least one byte.")));
	if (VARSIZE_ANY_EXHDR(document->content) > (Size) ig_max_document_size * 1024)
		ereport(ERROR,
				(errcode(IG_ERRCODE_DOCUMENT_TOO_LARGE),
				 errmsg("document %d is too large: %zu bytes", n, (size_t) VARSIZE_ANY_EXHDR(document->content)),
				 errhint("ignisign.max_document_size is %d kB.", ig_max_document_size)));
}

/* Check one of several documents, and complete what may be left out. */
void
ig_check_document(IgSignDocument *document, int n, int of)
{
	check_content(document, n);
	if (document->mime_type == NULL)
		document->mime_type = pstrdup(
									  ig_api_sniff_mime_type(document->content ? (uint8 *) VARDATA_ANY(document->content) : NULL,
															 document->content ? VARSIZE_ANY_EXHDR(document->content) : 0,
															 document->file_name ? document->file_name : document->url));
	if (!is_mime_type(document->mime_type))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("invalid MIME type \"%s\" of document %d", document->mime_type, n),
				 errhint("A MIME type looks like application/pdf.")));
	if (document->file_name == NULL)
		document->file_name = psprintf("document%s%s", of > 1 ? psprintf("-%d", n) : "",
									   strcmp(document->mime_type, "application/pdf") == 0 ? ".pdf" : "");
	if (document->file_name[0] == '\0' || pg_mbstrlen(document->file_name) > MAX_NAME_LENGTH ||
		!is_sendable(document->file_name))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("invalid file name of document %d", n),
				 errhint("It must have 1 to %d characters, all of them printable.", MAX_NAME_LENGTH)));
}

/* Check what depends on the kind of a document that is signed. */
static void
check_kind(const IgSignDocument *document, int n)
{
	static const char begin[] = "%PDF-";

	if (document->kind == IG_SIGN_PRIVATE && document->label == NULL)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("private document %d has no label", n),
				 errhint("The signers see its label in place of its content.")));
	if (document->kind == IG_SIGN_FILE && document->content != NULL &&
		strcmp(document->mime_type, "application/pdf") == 0 &&
		memmem(VARDATA_ANY(document->content), Min(VARSIZE_ANY_EXHDR(document->content), PDF_HEAD),
			   begin, strlen(begin)) == NULL)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("document %d is not a PDF", n),
				 errhint("Its MIME type or file name says so. Give it the right one, or content that begins with %%PDF-.")));
}

/* Check the documents. */
static void
check_documents(IgSignRequest *request)
{
	Size		total = 0;
	int			json = 0;		/* number of the one that is data */

	if (request->ndocuments == 0)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_DOCUMENT),
				 errmsg("there is no document"),
				 errhint("Give at least one, as in documents => ARRAY[ignisign_document(content, 'lease.pdf')].")));
	if (request->ndocuments > MAX_DOCUMENTS)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_DOCUMENT),
				 errmsg("there are too many documents"),
				 errhint("A request can have %d.", MAX_DOCUMENTS)));

	for (int i = 0; i < request->ndocuments; i++)
	{
		ig_check_document(&request->documents[i], i + 1, request->ndocuments);
		check_kind(&request->documents[i], i + 1);
		if (request->documents[i].kind == IG_SIGN_JSON && json != 0)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_DOCUMENT),
					 errmsg("documents %d and %d are both data in JSON", json, i + 1),
					 errhint("A request can have one; put the data together.")));
		if (request->documents[i].kind == IG_SIGN_JSON)
			json = i + 1;
		if (request->documents[i].content)
			total += VARSIZE_ANY_EXHDR(request->documents[i].content);
	}
	if (total > (Size) ig_max_document_size * 1024 && strcmp(request->delivery, "one-call") == 0)
		ereport(ERROR,
				(errcode(IG_ERRCODE_DOCUMENT_TOO_LARGE),
				 errmsg("the documents together are too large: %zu bytes", (size_t) total),
				 errhint("ignisign.max_document_size is %d kB, and they travel in one call; delivery => 'staged' sends them one by one.",
						 ig_max_document_size)));
}

/* The bytes of a text or NULL. */
static Size
text_size(const char *text)
{
	return text ? strlen(text) : 0;
}

/* The bytes of an array or none. */
static Size
array_size(Datum array)
{
	return array == (Datum) 0 ? 0 : toast_raw_datum_size(array);
}

/* Check that the texts together have a size to be sent in one piece. */
static void
check_size(const IgSignRequest *request)
{
	Size		total = text_size(request->title) + text_size(request->description) + text_size(request->language) +
		text_size(request->external_id) + array_size(request->recipients) + array_size(request->statements);

	for (int i = 0; i < request->nsigners; i++)
	{
		total += text_size(request->signers[i].external_id);
		for (int k = 0; k < IG_SIGN_INPUTS; k++)
			total += text_size(request->signers[i].inputs[k]);
	}
	for (int i = 0; i < request->ndocuments; i++)
		total += text_size(request->documents[i].label) + text_size(request->documents[i].description) +
			text_size(request->documents[i].external_id);
	if (total > (Size) ig_max_request_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the texts of the request are too large: %zu bytes", (size_t) total),
				 errhint("ignisign.max_request_size is %d kB.", ig_max_request_size)));
}

/* What of the request one call cannot carry; NULL: nothing. */
static const char *
needs_stages(const IgSignRequest *request)
{
	Size		total = 0;

	if (request->description)
		return "a description";
	if (request->language)
		return "a language";
	if (request->external_id)
		return "an external id";
	if (request->expires_at != 0)
		return "a time of expiry";
	if (request->recipients != (Datum) 0)
		return "recipients";
	if (request->statements != (Datum) 0)
		return "statements";
	for (int i = 0; i < request->nsigners; i++)
	{
		if (request->signers[i].approver)
			return "an approver";
		if (request->signers[i].external_id)
			return "an external id of a signer";
		for (int k = 0; k < IG_SIGN_INPUTS; k++)
		{
			if (request->signers[i].inputs[k])
				return ig_sign_inputs[k];
		}
	}
	for (int i = 0; i < request->ndocuments; i++)
	{
		const IgSignDocument *document = &request->documents[i];

		if (document->kind != IG_SIGN_FILE)
			return "a document that is not sent as a file";
		if (document->label || document->description || document->external_id)
			return "a label, description or external id of a document";
		if (document->content)
			total += VARSIZE_ANY_EXHDR(document->content);
	}
	return total / 3 * 4 > MAX_ONE_CALL ? "more than 50 MB in base64" : NULL;
}

/* Choose how the request is delivered, and check that it can be. */
static void
check_delivery(IgSignRequest *request)
{
	const char *reason = needs_stages(request);

	if (request->delivery == NULL)
		request->delivery = reason ? "staged" : "one-call";
	if (strcmp(request->delivery, "one-call") != 0 && strcmp(request->delivery, "staged") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"delivery\": \"%s\"", request->delivery),
				 errhint("Valid values are one-call and staged; leave it NULL to have it chosen.")));
	if (reason && strcmp(request->delivery, "one-call") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("one call cannot carry %s", reason),
				 errhint("Use delivery => 'staged', or leave it NULL to have it chosen.")));
	if (TIMESTAMP_NOT_FINITE(request->expires_at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expires_at is not a time of the calendar"),
				 errhint("Leave it NULL for a request that does not expire.")));
	if (request->expires_at != 0 && request->expires_at <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expires_at is in the past")));
	for (int i = 0; i < request->ndocuments; i++)
	{
		if (request->documents[i].url && strcmp(request->delivery, "staged") == 0)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_DOCUMENT),
					 errmsg("document %d is given by URL, which a staged request cannot carry", i + 1),
					 errdetail("The API downloads documents for a request in one call only."),
					 errhint("Give its content.")));
	}
}

/* Whether what signer profiles need is to be checked. */
static bool
wants_inputs_checked(const IgSignRequest *request)
{
	for (int i = 0; i < request->nsigners; i++)
	{
		if (request->signers[i].signer_profile_id)
			return ig_server_checks_inputs(request->server);
	}
	return false;
}

/* ---- Queueing ---- */

/* Begin for the current role. */
void
ig_signing_begin(IgSigning *signing)
{
	memset(signing, 0, sizeof(*signing));
	ig_check_writable("ignisign_sign()");
	signing->role = GetUserId();
	namestrcpy(&signing->owner, GetUserNameFromId(signing->role, false));
	ig_sign_rows_init(&signing->rows);
}

/* Queue what was gathered. */
static void
queue_rows(IgSigning *signing)
{
	IgOwnerState state;

	if (signing->rows.requests.n == 0)
		return;
	ig_owner_enter(&state);
	if (!signing->owned)
		ig_queue_own();
	signing->owned = true;
	ig_sign_rows_insert(&signing->rows);
	ig_owner_leave(&state);
	signing->bytes = 0;
	ig_wake_at_commit();
}

/* Queue what was gathered, of which the last request is not sent in one call, or not before something is asked. */
static void
queue_steps(IgSigning *signing, const IgSignRequest *request, const pg_uuid_t *id)
{
	bool		staged = strcmp(request->delivery, "staged") == 0;
	IgOwnerState state;
	bool		ready;

	queue_rows(signing);
	ig_owner_enter(&state);
	SPI_connect();
	if (staged)
		ig_staged_check(id);

	/* Where something is to be asked first, the response has it sent. */
	ready = !wants_inputs_checked(request) || ig_inputs_check(id);
	if (ready && staged)
		ig_staged_advance(id);
	else if (ready)
	{
		ig_queue_calls_add(&signing->rows.calls, id, IG_OP_ONE_CALL_SIGN, &signing->owner, &signing->server,
						   GetCurrentTimestamp());
		ig_insert_rows(&signing->rows.calls);
	}
	SPI_finish();
	ig_owner_leave(&state);
}

/* Check a request, and add it; returns whether all are queued. */
bool
ig_signing_add(IgSigning *signing, IgSignRequest *request, const pg_uuid_t *id)
{
	if (request->fingerprint == NULL)
		ig_sign_fingerprint(request, id);
	check_title(request->title);
	check_method(request->signature_method);
	check_signers(request);
	check_delivery(request);
	check_documents(request);
	check_size(request);
	if (strcmp(request->server, NameStr(signing->server)) != 0)
	{
		queue_rows(signing);
		ig_check_server(request->server, signing->role);
		namestrcpy(&signing->server, request->server);
	}

	ig_sign_rows_add(&signing->rows, request, id, &signing->owner, &signing->server);
	for (int i = 0; i < request->ndocuments; i++)
	{
		if (request->documents[i].content)
			signing->bytes += VARSIZE_ANY_EXHDR(request->documents[i].content);
	}
	if (strcmp(request->delivery, "staged") == 0 || wants_inputs_checked(request))
	{
		queue_steps(signing, request, id);
		return true;
	}
	ig_queue_calls_add(&signing->rows.calls, id, IG_OP_ONE_CALL_SIGN, &signing->owner, &signing->server,
					   GetCurrentTimestamp());
	if (signing->rows.requests.n < MAX_ROWS && signing->bytes < MAX_BYTES)
		return false;
	queue_rows(signing);
	return true;
}

/* Queue the rest. */
void
ig_signing_end(IgSigning *signing)
{
	queue_rows(signing);
}

/* One request. */
void
ig_sign(IgSignRequest *request, const pg_uuid_t *id)
{
	IgSigning	signing;

	ig_signing_begin(&signing);
	(void) ig_signing_add(&signing, request, id);
	ig_signing_end(&signing);
}
