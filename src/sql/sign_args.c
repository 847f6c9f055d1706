/*-------------------------------------------------------------------------
 *
 * sign_args.c
 *	  The arguments of ignisign_sign(): arrays of rows, and jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "errors.h"
#include "sql/sign.h"
#include "util/bytes.h"
#include "util/uuid.h"

PG_FUNCTION_INFO_V1(ignisign_sign_document);
PG_FUNCTION_INFO_V1(ignisign_sign_documents);

/* A NULL where a value is needed. */
static void
refuse_null(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be NULL", what),
			 errhint("A request needs a title, a document, signers, a signature method and a server.")));
}

/* A field of a composite value as text, or NULL. */
static char *
text_field(HeapTupleHeader row, const char *name)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, name, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* A field that is a boolean; false when it is NULL. */
static bool
bool_field(HeapTupleHeader row, const char *name)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, name, &isnull);

	return !isnull && DatumGetBool(value);
}

/* A field that is a date, as in ISO 8601, or NULL. */
static char *
date_field(HeapTupleHeader row, const char *name)
{
	bool		isnull;
	Datum		value = GetAttributeByName(row, name, &isnull);
	char		text[MAXDATELEN + 1];

	if (isnull)
		return NULL;
	JsonEncodeDateTime(text, value, DATEOID, NULL);
	return pstrdup(text);
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
		signers[i].external_id = text_field(rows[i], "external_id");
		signers[i].inputs[0] = text_field(rows[i], "phone_number");
		signers[i].inputs[1] = text_field(rows[i], "nationality");
		signers[i].inputs[2] = date_field(rows[i], "birth_date");
		signers[i].inputs[3] = text_field(rows[i], "birth_place");
		signers[i].inputs[4] = text_field(rows[i], "birth_country");
		signers[i].approver = bool_field(rows[i], "approver");
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
		{"signerProfileId", &signer->signer_profile_id},
		{"externalId", &signer->external_id}
	};

	for (int i = 0; i < (int) lengthof(members); i++)
	{
		if ((int) strlen(members[i].key) == length && strncmp(members[i].key, key, length) == 0)
			return members[i].value;
	}
	for (int k = 0; k < IG_SIGN_INPUTS; k++)
	{
		if ((int) strlen(ig_sign_inputs[k]) == length && strncmp(ig_sign_inputs[k], key, length) == 0)
			return &signer->inputs[k];
	}
	return NULL;
}

/* Read one signer, the n-th, from the iterator, after its object began. */
static void
read_signer(JsonbIterator **it, IgSignSigner *signer, int n)
{
	JsonbValue	value;

	while (JsonbIteratorNext(it, &value, true) == WJB_KEY)
	{
		char	   *key = pnstrdup(value.val.string.val, value.val.string.len);
		char	  **member = signer_member(signer, key, value.val.string.len);

		if (strcmp(key, "approver") == 0)
		{
			(void) JsonbIteratorNext(it, &value, true);
			if (value.type != jbvBool)
				ereport(ERROR,
						(errcode(IG_ERRCODE_INVALID_SIGNER),
						 errmsg("field \"approver\" of signer %d is not true or false", n)));
			signer->approver = value.val.boolean;
			continue;
		}
		if (member == NULL)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("unknown field \"%s\" of signer %d", key, n),
					 errhint("Valid fields are email, firstName, lastName, signerProfileId, externalId, phoneNumber, nationality, birthDate, birthPlace, birthCountry and approver.")));
		(void) JsonbIteratorNext(it, &value, true);
		if (value.type == jbvNull)
			continue;
		if (value.type != jbvString)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_SIGNER),
					 errmsg("field \"%s\" of signer %d is not a string", key, n),
					 errhint("All fields of a signer but approver are strings.")));
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

/* An array of text, none of it NULL; 0: it is empty. */
Datum
ig_text_array_argument(Datum value, const char *name)
{
	ArrayType  *array = DatumGetArrayTypePCopy(value);

	/* Of character varying, it is the same but for this. */
	ARR_ELEMTYPE(array) = TEXTOID;
	if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array without NULLs", name)));
	return ARR_NDIM(array) == 0 ? (Datum) 0 : PointerGetDatum(array);
}

/* An argument that is an array of text; 0: there is none. */
static Datum
text_array(FunctionCallInfo fcinfo, int argno, const char *name)
{
	return PG_ARGISNULL(argno) ? (Datum) 0 : ig_text_array_argument(PG_GETARG_DATUM(argno), name);
}

/* The arguments that all forms of ignisign_sign() have after the server. */
static void
get_options(FunctionCallInfo fcinfo, int first, IgSignRequest *request)
{
	request->description = optional_text(fcinfo, first);
	request->language = optional_text(fcinfo, first + 1);
	if (!PG_ARGISNULL(first + 2))
		request->expires_at = PG_GETARG_TIMESTAMPTZ(first + 2);
	request->recipients = text_array(fcinfo, first + 3, "recipients");
	request->external_id = optional_text(fcinfo, first + 4);
	request->statements = text_array(fcinfo, first + 5, "statements");
	request->delivery = optional_text(fcinfo, first + 6);
}

/* A document from ignisign.new_document. */
static void
get_document(HeapTupleHeader row, IgSignDocument *document)
{
	bool		isnull;
	Datum		content = GetAttributeByName(row, "content", &isnull);
	Datum		data;

	document->content = isnull ? NULL : DatumGetByteaPP(content);
	document->file_name = text_field(row, "file_name");
	document->mime_type = text_field(row, "mime_type");
	document->url = text_field(row, "url");
	document->label = text_field(row, "label");
	document->description = text_field(row, "description");
	document->external_id = text_field(row, "external_id");
	document->document_id = text_field(row, "document_id");
	if (bool_field(row, "private"))
		document->kind = IG_SIGN_PRIVATE;
	data = GetAttributeByName(row, "data", &isnull);
	if (!isnull)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(jsonb_out, data));

		if (document->content || document->url || document->document_id || document->kind == IG_SIGN_PRIVATE)
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_DOCUMENT),
					 errmsg("a document in JSON has no other content and is not private")));
		text = pg_server_to_any(text, strlen(text), PG_UTF8);
		document->kind = IG_SIGN_JSON;
		document->content = ig_bytea(text, strlen(text));
		document->mime_type = pstrdup("application/json");
	}
	if (document->document_id)
		document->kind = IG_SIGN_UPLOADED;
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
 * mime_type text, signature_method text, server name, description text,
 * language text, expires_at timestamptz, recipients text[], external_id text,
 * statements text[], delivery text) returns uuid
 *
 * Queue a request for one document.  file_name, mime_type and all from
 * description on may be NULL.
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
	get_options(fcinfo, 7, &request);
	request.documents = &document;
	request.ndocuments = 1;
	return sign_under_new_id(&request);
}

/*
 * ignisign_sign(title text, documents ignisign.new_document[], signers,
 * signature_method text, server name, the same options) returns uuid
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
		get_document(rows[i], &request.documents[i]);
	get_signers(fcinfo, 2, &request);
	request.signature_method = text_to_cstring(PG_GETARG_TEXT_PP(3));
	request.server = NameStr(*PG_GETARG_NAME(4));
	get_options(fcinfo, 5, &request);
	return sign_under_new_id(&request);
}
