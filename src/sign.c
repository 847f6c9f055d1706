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
#include "ignisign.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "api.h"
#include "bytes.h"
#include "credentials.h"
#include "errors.h"
#include "queue.h"
#include "sign.h"
#include "spi.h"

PG_FUNCTION_INFO_V1(ignisign_sign_document);
PG_FUNCTION_INFO_V1(ignisign_sign_documents);

/* Bounds of the API, and of good sense where it tells none. */
#define MAX_TITLE_LENGTH	1024
#define MAX_NAME_LENGTH		255
#define MAX_SIGNERS			100
#define MAX_DOCUMENTS		100

/* ---- Checks ---- */

/* A NULL where a value is needed. */
static void
refuse_null(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be NULL", what),
			 errhint("A request needs a title, a document, signers, a signature method and a server.")));
}

/* Whether the text can be sent: UTF-8 without control characters. */
static bool
is_sendable(const char *text)
{
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);

	if (!ig_api_valid_utf8(utf8, strlen(utf8)))
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
				 errmsg("title has control characters or is not valid UTF-8"),
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
	if (request->nsigners == 0)
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

/* Check the documents. */
static void
check_documents(IgSignRequest *request)
{
	Size		total = 0;

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
		if (request->documents[i].content)
			total += VARSIZE_ANY_EXHDR(request->documents[i].content);
	}
	if (total > (Size) ig_max_document_size * 1024)
		ereport(ERROR,
				(errcode(IG_ERRCODE_DOCUMENT_TOO_LARGE),
				 errmsg("the documents together are too large: %zu bytes", (size_t) total),
				 errhint("ignisign.max_document_size is %d kB, and they travel in one call.", ig_max_document_size)));
}

/* ---- Rows ---- */

/* A text or NULL as a parameter. */
static void
set_text(Datum *value, char *null, const char *text)
{
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
	*null = text ? ' ' : 'n';
}

/* Insert the request and its call. */
static void
insert_request(const IgSignRequest *request, const pg_uuid_t *id, const char *owner)
{
	static IgStatement insert = {
		.sql = "INSERT INTO ignisign.request (id, owner, server, title, signature_method, signer_count) "
		"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
		.types = {UUIDOID, NAMEOID, NAMEOID, TEXTOID, TEXTOID, INT4OID}
	};
	static IgStatement queue = {
		.sql = "INSERT INTO ignisign.call (request, operation, owner, server) "
		"VALUES ($1, 'one-call-sign', $2, $3)",
		.types = {UUIDOID, NAMEOID, NAMEOID}
	};
	NameData	owner_name;
	NameData	server_name;
	Datum		values[6];

	namestrcpy(&owner_name, owner);
	namestrcpy(&server_name, request->server);
	values[0] = UUIDPGetDatum(id);
	values[1] = NameGetDatum(&owner_name);
	values[2] = NameGetDatum(&server_name);
	values[3] = CStringGetTextDatum(request->title);
	values[4] = CStringGetTextDatum(request->signature_method);
	values[5] = Int32GetDatum(request->nsigners);
	if (ig_spi_execute(&insert, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("a request with the id %s exists already",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)))),
				 errhint("Each request needs an id of its own; ignisign_id() makes one.")));
	ig_spi_execute(&queue, values, NULL);
}

/* Insert all signers. */
static void
insert_signers(const IgSignRequest *request, const pg_uuid_t *id)
{
	static IgStatement insert = {
		.sql = "INSERT INTO ignisign.signer (request, n, email, first_name, last_name, signer_profile_id) "
		"SELECT $1, n, email, first_name, last_name, signer_profile_id "
		"FROM unnest($2, $3, $4, $5) WITH ORDINALITY "
		"AS s (email, first_name, last_name, signer_profile_id, n)",
		.types = {UUIDOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	int			n = request->nsigners;
	const char **column[4];
	Datum		values[5];

	for (int c = 0; c < 4; c++)
		column[c] = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		column[0][i] = request->signers[i].email;
		column[1][i] = request->signers[i].first_name;
		column[2][i] = request->signers[i].last_name;
		column[3][i] = request->signers[i].signer_profile_id;
	}
	values[0] = UUIDPGetDatum(id);
	for (int c = 0; c < 4; c++)
		values[c + 1] = ig_text_array(column[c], n);
	ig_spi_execute(&insert, values, NULL);
}

/* Insert a document. */
void
ig_insert_document(const IgSignDocument *document, int n, const pg_uuid_t *id)
{
	static IgStatement insert = {
		.sql = "INSERT INTO ignisign.document (request, n, file_name, mime_type, content, url, sha256, size) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		.types = {UUIDOID, INT4OID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, BYTEAOID, INT8OID}
	};
	Datum		values[8];
	char		nulls[9] = "        ";

	values[0] = UUIDPGetDatum(id);
	values[1] = Int32GetDatum(n);
	values[2] = CStringGetTextDatum(document->file_name);
	values[3] = CStringGetTextDatum(document->mime_type);
	values[4] = PointerGetDatum(document->content);
	set_text(&values[5], &nulls[5], document->url);
	if (document->content != NULL)
	{
		values[6] = PointerGetDatum(ig_sha256(VARDATA_ANY(document->content), VARSIZE_ANY_EXHDR(document->content)));
		values[7] = Int64GetDatum((int64) VARSIZE_ANY_EXHDR(document->content));
	}
	else
		nulls[4] = nulls[6] = nulls[7] = 'n';
	ig_spi_execute(&insert, values, nulls);
}

/* Check a request as the current role, and queue it. */
void
ig_sign(IgSignRequest *request, const pg_uuid_t *id)
{
	Oid			caller = GetUserId();
	char	   *owner = GetUserNameFromId(caller, false);
	IgOwnerState state;

	check_title(request->title);
	check_method(request->signature_method);
	check_signers(request);
	check_documents(request);
	ig_check_server(request->server, caller);

	ig_owner_enter(&state);
	SPI_connect();
	ig_queue_own();
	insert_request(request, id, owner);
	insert_signers(request, id);
	for (int i = 0; i < request->ndocuments; i++)
		ig_insert_document(&request->documents[i], i + 1, id);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
}

/* Whether there is a request with this id. */
bool
ig_request_exists(const pg_uuid_t *id)
{
	static IgStatement find = {
		.sql = "SELECT FROM ignisign.request WHERE id = $1",
		.types = {UUIDOID}
	};
	IgOwnerState state;
	Datum		value = UUIDPGetDatum(id);
	bool		found;

	ig_owner_enter(&state);
	SPI_connect();
	found = ig_spi_execute(&find, &value, NULL) > 0;
	SPI_finish();
	ig_owner_leave(&state);
	return found;
}

/* ---- Arguments ---- */

/* A field of a composite value as text, or NULL. */
static char *
text_field(HeapTupleHeader row, const char *name)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, name, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The elements of a one-dimensional array of rows; none of them is NULL. */
static HeapTupleHeader *
array_rows(Datum array, const char *what, int *n)
{
	ArrayType  *rows = DatumGetArrayTypeP(array);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	HeapTupleHeader *result;

	if (ARR_NDIM(rows) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be a one-dimensional array", what)));
	get_typlenbyvalalign(ARR_ELEMTYPE(rows), &length, &by_value, &align);
	deconstruct_array(rows, ARR_ELEMTYPE(rows), length, by_value, align, &values, &nulls, n);
	result = palloc(Max(*n, 1) * sizeof(HeapTupleHeader));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain NULL", what),
					 errhint("Leave out what is not there.")));
		result[i] = DatumGetHeapTupleHeader(values[i]);
	}
	return result;
}

/* Signers from an array of ignisign.new_signer. */
static IgSignSigner *
signers_from_array(Datum array, int *nsigners)
{
	HeapTupleHeader *rows = array_rows(array, "signers", nsigners);
	IgSignSigner *signers = palloc0(Max(*nsigners, 1) * sizeof(IgSignSigner));

	for (int i = 0; i < *nsigners; i++)
	{
		signers[i].email = text_field(rows[i], "email");
		signers[i].first_name = text_field(rows[i], "first_name");
		signers[i].last_name = text_field(rows[i], "last_name");
		signers[i].signer_profile_id = text_field(rows[i], "signer_profile_id");
	}
	return signers;
}

/* Where a member of a signer in jsonb is to be stored, or NULL. */
static char **
signer_member(IgSignSigner *signer, const char *key, int length)
{
	struct
	{
		const char *key;
		char	  **value;
	}			members[] = {
		{"email", &signer->email},
		{"firstName", &signer->first_name},
		{"lastName", &signer->last_name},
		{"signerProfileId", &signer->signer_profile_id}
	};

	for (int i = 0; i < (int) lengthof(members); i++)
	{
		if ((int) strlen(members[i].key) == length && strncmp(members[i].key, key, length) == 0)
			return members[i].value;
	}
	return NULL;
}

/* Read one signer, the n-th, from the iterator, after its object began. */
static void
read_signer(JsonbIterator **it, IgSignSigner *signer, int n)
{
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(it, &value, true)) == WJB_KEY)
	{
		char	   *key = pnstrdup(value.val.string.val, value.val.string.len);
		char	  **member = signer_member(signer, key, value.val.string.len);

		if (member == NULL)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("unknown field \"%s\" of signer %d", key, n),
					 errhint("Valid fields are email, firstName, lastName and signerProfileId.")));
		(void) JsonbIteratorNext(it, &value, true);
		if (value.type == jbvNull)
			continue;
		if (value.type != jbvString)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("field \"%s\" of signer %d is not a string", key, n),
					 errhint("All fields of a signer are strings.")));
		*member = pnstrdup(value.val.string.val, value.val.string.len);
	}
}

/* Signers from jsonb: an array of objects, or one object. */
IgSignSigner *
ig_signers_from_jsonb(Datum datum, int *nsigners)
{
	Jsonb	   *jsonb = DatumGetJsonbP(datum);
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	IgSignSigner *signers;

	*nsigners = 0;
	if (!JB_ROOT_IS_ARRAY(jsonb) || JB_ROOT_IS_SCALAR(jsonb))
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_SIGNER),
				 errmsg("signers must be a JSON array"),
				 errhint("As in [{\"email\": \"ann@example.com\", \"firstName\": \"Ann\", \"lastName\": \"Lee\"}].")));
	signers = palloc0(Max(JB_ROOT_COUNT(jsonb), 1) * sizeof(IgSignSigner));
	(void) JsonbIteratorNext(&it, &value, false);	/* WJB_BEGIN_ARRAY */
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_END_ARRAY)
	{
		if (token != WJB_BEGIN_OBJECT)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("signer %d is not a JSON object", *nsigners + 1),
					 errhint("As in {\"email\": \"ann@example.com\", \"firstName\": \"Ann\", \"lastName\": \"Lee\"}.")));
		read_signer(&it, &signers[*nsigners], *nsigners + 1);
		(*nsigners)++;
	}
	return signers;
}

/* Signers from an argument of either type. */
static void
get_signers(FunctionCallInfo fcinfo, int argno, IgSignRequest *request)
{
	if (get_fn_expr_argtype(fcinfo->flinfo, argno) == JSONBOID)
		request->signers = ig_signers_from_jsonb(PG_GETARG_DATUM(argno), &request->nsigners);
	else
		request->signers = signers_from_array(PG_GETARG_DATUM(argno), &request->nsigners);
}

/* An optional argument as text. */
static char *
optional_text(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* Check that the arguments of these numbers and names are not NULL. */
static void
check_not_null(FunctionCallInfo fcinfo, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (names[i] != NULL && PG_ARGISNULL(i))
			refuse_null(names[i]);
	}
}

/* Queue the request under a new id, which is returned. */
static Datum
sign_under_new_id(IgSignRequest *request)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	ig_uuid_v7(id);
	ig_sign(request, id);
	return UUIDPGetDatum(id);
}

/*
 * ignisign_sign(title text, document bytea, signers, file_name text,
 * mime_type text, signature_method text, server name) returns uuid
 *
 * Queue a request for one document.  file_name and mime_type may be NULL.
 * Errors: 22004 for another NULL; IG001 to IG011, see docs/reference.md;
 * 42704, 42809, 42501 for the server.
 */
Datum
ignisign_sign_document(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"title", "document", "signers", NULL, NULL, "signature_method", "server"
	};
	IgSignDocument document;
	IgSignRequest request;

	check_not_null(fcinfo, names, lengthof(names));
	memset(&request, 0, sizeof(request));
	memset(&document, 0, sizeof(document));
	request.title = text_to_cstring(PG_GETARG_TEXT_PP(0));
	document.content = PG_GETARG_BYTEA_PP(1);
	get_signers(fcinfo, 2, &request);
	document.file_name = optional_text(fcinfo, 3);
	document.mime_type = optional_text(fcinfo, 4);
	request.signature_method = text_to_cstring(PG_GETARG_TEXT_PP(5));
	request.server = NameStr(*PG_GETARG_NAME(6));
	request.documents = &document;
	request.ndocuments = 1;
	return sign_under_new_id(&request);
}

/*
 * ignisign_sign(title text, documents ignisign.new_document[], signers,
 * signature_method text, server name) returns uuid
 *
 * Queue a request for several documents.  Errors as above.
 */
Datum
ignisign_sign_documents(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		"title", "documents", "signers", "signature_method", "server"
	};
	IgSignRequest request;
	HeapTupleHeader *rows;

	check_not_null(fcinfo, names, lengthof(names));
	memset(&request, 0, sizeof(request));
	request.title = text_to_cstring(PG_GETARG_TEXT_PP(0));
	rows = array_rows(PG_GETARG_DATUM(1), "documents", &request.ndocuments);
	request.documents = palloc0(Max(request.ndocuments, 1) * sizeof(IgSignDocument));
	for (int i = 0; i < request.ndocuments; i++)
	{
		bool		isnull;
		Datum		content = GetAttributeByName(rows[i], "content", &isnull);

		request.documents[i].content = isnull ? NULL : DatumGetByteaPP(content);
		request.documents[i].file_name = text_field(rows[i], "file_name");
		request.documents[i].mime_type = text_field(rows[i], "mime_type");
		request.documents[i].url = text_field(rows[i], "url");
	}
	get_signers(fcinfo, 2, &request);
	request.signature_method = text_to_cstring(PG_GETARG_TEXT_PP(3));
	request.server = NameStr(*PG_GETARG_NAME(4));
	return sign_under_new_id(&request);
}
