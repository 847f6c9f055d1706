/*-------------------------------------------------------------------------
 *
 * sign_rows.c
 *	  The rows that a request to sign consists of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "queue/insert.h"
#include "queue/queue.h"
#include "queue/tombstone.h"
#include "sql/sign.h"
#include "util/bytes.h"

/* The constraint that keeps ids apart. */
#define REQUEST_KEY "request_pkey"

/* ---- What a row is recognized by ---- */

/* Add a text or NULL, so that no other sequence of texts looks the same. */
static void
add_text(StringInfo fields, const char *text)
{
	if (text)
		appendStringInfo(fields, "%zu:%s", strlen(text), text);
	else
		appendStringInfoChar(fields, '-');
}

/* Add the elements of an array of text, of which 0 is none. */
static void
add_texts(StringInfo fields, Datum array)
{
	Datum	   *elements;
	int			n = 0;

	if (array != (Datum) 0)
		deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	appendStringInfo(fields, "[%d]", n);
	for (int i = 0; i < n; i++)
		add_text(fields, TextDatumGetCString(elements[i]));
}

/* Compute the SHA-256 of a document's content, once. */
static void
hash_document(IgSignDocument *document)
{
	if (document->content != NULL && document->sha256 == NULL)
		document->sha256 = ig_sha256(VARDATA_ANY(document->content), VARSIZE_ANY_EXHDR(document->content));
}

/* Compute the fingerprint of a request. */
bytea *
ig_sign_fingerprint(IgSignRequest *request, const pg_uuid_t *id)
{
	StringInfoData fields;

	initStringInfo(&fields);
	appendBinaryStringInfo(&fields, (const char *) id->data, UUID_LEN);
	add_text(&fields, request->title);
	add_text(&fields, request->signature_method);
	add_text(&fields, request->description);
	add_text(&fields, request->language);
	add_text(&fields, request->external_id);
	add_text(&fields, request->delivery);
	appendStringInfo(&fields, INT64_FORMAT, request->expires_at);
	add_texts(&fields, request->recipients);
	add_texts(&fields, request->statements);
	appendStringInfo(&fields, "[%d]", request->nsigners);
	for (int i = 0; i < request->nsigners; i++)
	{
		const IgSignSigner *signer = &request->signers[i];

		add_text(&fields, signer->email);
		add_text(&fields, signer->first_name);
		add_text(&fields, signer->last_name);
		add_text(&fields, signer->signer_profile_id);
		add_text(&fields, signer->external_id);
		for (int k = 0; k < IG_SIGN_INPUTS; k++)
			add_text(&fields, signer->inputs[k]);
		appendStringInfo(&fields, "%d", signer->approver);
	}
	appendStringInfo(&fields, "[%d]", request->ndocuments);
	for (int i = 0; i < request->ndocuments; i++)
	{
		IgSignDocument *document = &request->documents[i];

		hash_document(document);
		appendStringInfo(&fields, "%d%d", document->kind, document->sha256 != NULL);
		if (document->sha256)
			appendBinaryStringInfo(&fields, VARDATA(document->sha256), VARSIZE(document->sha256) - VARHDRSZ);
		add_text(&fields, document->file_name);
		add_text(&fields, document->mime_type);
		add_text(&fields, document->url);
		add_text(&fields, document->label);
		add_text(&fields, document->description);
		add_text(&fields, document->external_id);
		add_text(&fields, document->document_id);
	}
	request->fingerprint = ig_sha256(fields.data, fields.len);
	pfree(fields.data);
	return request->fingerprint;
}

/* ---- Rows ---- */

/* A text or NULL as a column's value. */
static void
set_text(Datum *value, char *null, const char *text)
{
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
	*null = text ? ' ' : 'n';
}

/* A Datum, 0 for NULL, as a column's value. */
static void
set_datum(Datum *value, char *null, Datum datum)
{
	*value = datum;
	*null = datum != (Datum) 0 ? ' ' : 'n';
}

/* No requests. */
static void
init_requests(IgRows *rows)
{
	static IgInsert insert = {
		.table = "request",
		.columns = {"id", "owner", "server", "title", "signature_method", "signer_count", "delivery",
		"description", "language", "external_id", "expires_at", "recipients", "statements", "fingerprint"}
	};
	static IgInsert insert_1_0 = {
		.table = "request",
		.columns = {"id", "owner", "server", "title", "signature_method", "signer_count", "delivery",
		"description", "language", "external_id", "expires_at", "recipients", "statements"}
	};

	ig_rows_init(rows, ig_keeps_tombstones() ? &insert : &insert_1_0);
}

/* Add the row of a request. */
static void
add_request(IgRows *rows, const IgSignRequest *request, const pg_uuid_t *id, Name owner, Name server)
{
	Datum		values[14];
	char		nulls[15] = "              ";
	int			nsigning = 0;

	for (int i = 0; i < request->nsigners; i++)
		nsigning += request->signers[i].approver ? 0 : 1;
	values[0] = UUIDPGetDatum(id);
	values[1] = NameGetDatum(owner);
	values[2] = NameGetDatum(server);
	values[3] = CStringGetTextDatum(request->title);
	values[4] = CStringGetTextDatum(request->signature_method);
	values[5] = Int32GetDatum(nsigning);
	values[6] = CStringGetTextDatum(request->delivery);
	set_text(&values[7], &nulls[7], request->description);
	set_text(&values[8], &nulls[8], request->language);
	set_text(&values[9], &nulls[9], request->external_id);
	set_datum(&values[10], &nulls[10], TimestampTzGetDatum(request->expires_at));
	set_datum(&values[11], &nulls[11], request->recipients);
	set_datum(&values[12], &nulls[12], request->statements);
	values[13] = PointerGetDatum(request->fingerprint); /* there is no such column in version 1.0 */
	ig_rows_add(rows, values, nulls);
}

/* Insert requests, saying in our words that there is one with this id. */
static void
insert_requests(IgRows *rows)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		ig_insert_rows(rows);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->constraint_name == NULL ||
			strcmp(error->constraint_name, REQUEST_KEY) != 0 || rows->at < 0)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("a request with the id %s exists already",
						DatumGetCString(DirectFunctionCall1(uuid_out, ig_rows_value(rows, rows->at, 0)))),
				 errhint("Each request needs an id of its own; ignisign_id() makes one.")));
	}
	PG_END_TRY();
}

/* A text of a jsonb object: a key, or a value. */
static JsonbValue
jsonb_text(const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	return value;
}

/* What else the API is told of a signer, as jsonb; 0: nothing. */
static Datum
make_inputs(const IgSignSigner *signer)
{
	IgJsonbState state = {0};

	for (int i = 0; i < IG_SIGN_INPUTS; i++)
	{
		JsonbValue	key = jsonb_text(ig_sign_inputs[i]);
		JsonbValue	value;

		if (signer->inputs[i] == NULL)
			continue;
		value = jsonb_text(signer->inputs[i]);
		if (state.parseState == NULL)
			ig_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
		ig_jsonb_push(&state, WJB_KEY, &key);
		ig_jsonb_push(&state, WJB_VALUE, &value);
	}
	if (state.parseState == NULL)
		return (Datum) 0;
	ig_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(state.result));
}

/* No signers. */
static void
init_signers(IgRows *rows)
{
	static IgInsert insert = {
		.table = "signer",
		.columns = {"request", "n", "email", "first_name", "last_name", "signer_profile_id", "external_id",
		"approver", "inputs"}
	};

	ig_rows_init(rows, &insert);
}

/* Add the n-th signer. */
static void
add_signer(IgRows *rows, const IgSignSigner *signer, int n, const pg_uuid_t *id)
{
	Datum		values[9];
	char		nulls[10] = "         ";

	values[0] = UUIDPGetDatum(id);
	values[1] = Int32GetDatum(n);
	values[2] = CStringGetTextDatum(signer->email);
	set_text(&values[3], &nulls[3], signer->first_name);
	set_text(&values[4], &nulls[4], signer->last_name);
	set_text(&values[5], &nulls[5], signer->signer_profile_id);
	set_text(&values[6], &nulls[6], signer->external_id);
	values[7] = BoolGetDatum(signer->approver);
	set_datum(&values[8], &nulls[8], make_inputs(signer));
	ig_rows_add(rows, values, nulls);
}

/* No documents. */
static void
init_documents(IgRows *rows)
{
	static IgInsert insert = {
		.table = "document",
		.columns = {"request", "n", "file_name", "mime_type", "content", "url", "sha256", "size",
		"kind", "label", "description", "external_id", "document_id", "uploaded_at"}
	};

	ig_rows_init(rows, &insert);
}

/* Add the n-th document. */
static void
add_document(IgRows *rows, IgSignDocument *document, int n, const pg_uuid_t *id)
{
	static const char *const kinds[] = {"file", "json", "private", "uploaded"};
	Datum		values[14];
	char		nulls[15] = "              ";

	values[0] = UUIDPGetDatum(id);
	values[1] = Int32GetDatum(n);
	values[2] = CStringGetTextDatum(document->file_name);
	values[3] = CStringGetTextDatum(document->mime_type);
	values[4] = PointerGetDatum(document->content);
	set_text(&values[5], &nulls[5], document->url);
	if (document->content != NULL)
	{
		hash_document(document);
		values[6] = PointerGetDatum(document->sha256);
		values[7] = Int64GetDatum((int64) VARSIZE_ANY_EXHDR(document->content));
	}
	else
		nulls[4] = nulls[6] = nulls[7] = 'n';
	values[8] = CStringGetTextDatum(kinds[document->kind]);
	set_text(&values[9], &nulls[9], document->label);
	set_text(&values[10], &nulls[10], document->description);
	set_text(&values[11], &nulls[11], document->external_id);
	set_text(&values[12], &nulls[12], document->document_id);

	/* What was uploaded before is there. */
	values[13] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	nulls[13] = document->kind == IG_SIGN_UPLOADED ? ' ' : 'n';
	ig_rows_add(rows, values, nulls);
}

/* Store a document. */
void
ig_insert_document(IgSignDocument *document, int n, const pg_uuid_t *id)
{
	IgRows		rows;

	init_documents(&rows);
	add_document(&rows, document, n, id);
	ig_insert_rows(&rows);
}

/* No requests, signers and documents. */
void
ig_sign_rows_init(IgSignRows *rows)
{
	init_requests(&rows->requests);
	init_signers(&rows->signers);
	init_documents(&rows->documents);
	ig_queue_calls_init(&rows->calls);
}

/* Add a request. */
void
ig_sign_rows_add(IgSignRows *rows, const IgSignRequest *request, const pg_uuid_t *id, Name owner, Name server)
{
	add_request(&rows->requests, request, id, owner, server);
	for (int i = 0; i < request->nsigners; i++)
		add_signer(&rows->signers, &request->signers[i], i + 1, id);
	for (int i = 0; i < request->ndocuments; i++)
		add_document(&rows->documents, &request->documents[i], i + 1, id);
}

/* Insert all of them. */
void
ig_sign_rows_insert(IgSignRows *rows)
{
	insert_requests(&rows->requests);
	ig_insert_rows(&rows->signers);
	ig_insert_rows(&rows->documents);
	ig_insert_rows(&rows->calls);
}
