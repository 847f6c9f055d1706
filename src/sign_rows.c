/*-------------------------------------------------------------------------
 *
 * sign_rows.c
 *	  The rows that a request to sign consists of.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "bytes.h"
#include "compat.h"
#include "insert.h"
#include "sign.h"

/* The constraint that keeps ids apart. */
#define REQUEST_KEY "request_pkey"

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

/* Insert the row of the request. */
static void
insert_request(const IgSignRequest *request, const pg_uuid_t *id, const char *owner)
{
	static IgInsert insert = {
		.table = "request",
		.columns = {"id", "owner", "server", "title", "signature_method", "signer_count", "delivery",
			"description", "language", "external_id", "expires_at", "recipients", "statements"}
	};
	NameData	owner_name;
	NameData	server_name;
	Datum		values[13];
	char		nulls[14] = "             ";
	int			nsigning = 0;

	for (int i = 0; i < request->nsigners; i++)
		nsigning += request->signers[i].approver ? 0 : 1;
	namestrcpy(&owner_name, owner);
	namestrcpy(&server_name, request->server);
	values[0] = UUIDPGetDatum(id);
	values[1] = NameGetDatum(&owner_name);
	values[2] = NameGetDatum(&server_name);
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
	ig_insert(&insert, values, nulls);
}

/* The same, saying in our words that there is one with this id. */
static void
try_insert_request(const IgSignRequest *request, const pg_uuid_t *id, const char *owner)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		insert_request(request, id, owner);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->constraint_name == NULL ||
			strcmp(error->constraint_name, REQUEST_KEY) != 0)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("a request with the id %s exists already",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)))),
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

/* Insert the n-th signer. */
static void
insert_signer(const IgSignSigner *signer, int n, const pg_uuid_t *id)
{
	static IgInsert insert = {
		.table = "signer",
		.columns = {"request", "n", "email", "first_name", "last_name", "signer_profile_id", "external_id",
			"approver", "inputs"}
	};
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
	ig_insert(&insert, values, nulls);
}

/* Store a document. */
void
ig_insert_document(const IgSignDocument *document, int n, const pg_uuid_t *id)
{
	static IgInsert insert = {
		.table = "document",
		.columns = {"request", "n", "file_name", "mime_type", "content", "url", "sha256", "size",
			"kind", "label", "description", "external_id", "document_id", "uploaded_at"}
	};
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
		values[6] = PointerGetDatum(ig_sha256(VARDATA_ANY(document->content), VARSIZE_ANY_EXHDR(document->content)));
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
	ig_insert(&insert, values, nulls);
}

/* Store a request with its signers and documents. */
void
ig_insert_request(const IgSignRequest *request, const pg_uuid_t *id, const char *owner)
{
	try_insert_request(request, id, owner);
	for (int i = 0; i < request->nsigners; i++)
		insert_signer(&request->signers[i], i + 1, id);
	for (int i = 0; i < request->ndocuments; i++)
		ig_insert_document(&request->documents[i], i + 1, id);
}
