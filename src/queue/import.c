/*-------------------------------------------------------------------------
 *
 * import.c
 *	  Requests that were made elsewhere.
 *
 * Such a request gets its row at once; its title, signers and documents come
 * with the first read of its context.  From then on it is like any other, but
 * the content of its documents is not here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "launcher/commit_actions.h"
#include "queue/credentials.h"
#include "queue/import.h"
#include "queue/queue.h"
#include "util/bytes.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "util/uuid.h"

PG_FUNCTION_INFO_V1(ignisign_import);

/* Insert a request that was made elsewhere; false: it is here already. */
static bool
insert_imported(const pg_uuid_t *id, const char *signature_request_id, const char *owner, const char *server)
{
	static IgStatement insert = {
		.sql = "WITH imported AS ("
		"INSERT INTO ignisign.request (id, owner, server, title, signature_method, delivery, signer_count, "
		"signature_request_id, sent_at) "
		"SELECT $1, $2, $3, $4, '', 'imported', 0, $4, now() "
		"WHERE NOT EXISTS (SELECT FROM ignisign.request r WHERE r.signature_request_id = $4) "
		"ON CONFLICT DO NOTHING RETURNING id) "
		"INSERT INTO ignisign.event (request, source, kind, value) SELECT id, 'user', 'imported', $4 FROM imported",
		.types = {UUIDOID, NAMEOID, NAMEOID, TEXTOID}
	};
	Datum		values[4];

	values[0] = UUIDPGetDatum(id);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(server));
	values[3] = CStringGetTextDatum(signature_request_id);
	if (ig_spi_execute(&insert, values, NULL) != 1)
		return false;
	ig_queue_add(id, IG_OP_CONTEXT, 0, 0, "", owner, server, GetCurrentTimestamp());
	return true;
}

/*
 * ignisign_import(signature_request_id text, server name) returns uuid
 *
 * Adopt a request that was made elsewhere; returns its id here.  Errors: 22023
 * for what is not an id of the API, 23505 when it is here already; 42704, 42809,
 * 42501 for the server, IG010 without credentials.
 */
Datum
ignisign_import(PG_FUNCTION_ARGS)
{
	char	   *signature_request_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char *server = NameStr(*PG_GETARG_NAME(1));
	Oid			caller = GetUserId();
	char	   *owner = GetUserNameFromId(caller, false);
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	IgOwnerState state;

	if (!ig_api_valid_object_id(signature_request_id))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid signature request id \"%s\"", signature_request_id),
				 errhint("An id of the API has 24 hexadecimal digits; the Ignisign console shows it.")));
	signature_request_id = asc_tolower(signature_request_id, strlen(signature_request_id));
	ig_check_server(server, caller);
	ig_uuid_v7(id);

	ig_check_writable("ignisign_import()");
	ig_owner_enter(&state);
	SPI_connect();
	ig_queue_own();
	if (!insert_imported(id, signature_request_id, owner, server))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("signature request %s is here already", signature_request_id)));
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_UUID_P(id);
}

/* ---- The worker's part ---- */

/* A page of the application's requests was read. */
void
ig_import_apply_page(const IgCall *call, const IgApiResponse *response)
{
	SPI_connect();
	for (int i = 0; i < response->nitems; i++)
	{
		const IgApiListItem *item = &response->items[i];
		pg_uuid_t	id;

		CHECK_FOR_INTERRUPTS();

		/* Nobody was asked to sign a draft. */
		if (!ig_api_valid_object_id(item->signature_request_id) ||
			(item->status != NULL && strcmp(item->status, "DRAFT") == 0))
			continue;
		ig_uuid_v7(&id);
		(void) insert_imported(&id, item->signature_request_id, NameStr(call->owner), NameStr(call->server));
	}
	if (response->nitems > 0 && ig_api_has_more_pages(response))
		ig_queue_add_next_page(call);
	SPI_finish();
}

/* Fill in the request itself; false: it is not an imported one, or was filled in. */
static bool
fill_in_request(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement fill_in = {
		.sql = "UPDATE ignisign.request SET title = coalesce($2, title), signature_method = coalesce($3, signature_method), "
		"signer_count = $4, prepared_at = now() "
		"WHERE id = $1 AND delivery = 'imported' AND prepared_at IS NULL",
		.types = {UUIDOID, TEXTOID, TEXTOID, INT4OID}
	};
	Datum		values[4];
	char		nulls[5] = "    ";

	values[0] = UUIDPGetDatum(&call->request);
	values[1] = response->title ? CStringGetTextDatum(response->title) : (Datum) 0;
	nulls[1] = response->title ? ' ' : 'n';
	values[2] = response->signature_method ? CStringGetTextDatum(response->signature_method) : (Datum) 0;
	nulls[2] = response->signature_method ? ' ' : 'n';
	values[3] = Int32GetDatum(response->nsigners);
	return ig_spi_execute(&fill_in, values, nulls) == 1;
}

/* Fill in an imported request. */
void
ig_import_apply_context(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement signer = {
		.sql = "INSERT INTO ignisign.signer (request, n, email, first_name, last_name, signer_id) "
		"VALUES ($1, $2, coalesce($3, ''), $4, $5, $6)",
		.types = {UUIDOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
	};
	static IgStatement document = {
		.sql = "INSERT INTO ignisign.document (request, n, file_name, mime_type, document_id, sha256, kind) "
		"VALUES ($1, $2, coalesce($3, ''), coalesce($4, ''), $5, $7, "
		"CASE $6 WHEN 'DATA_JSON' THEN 'json' WHEN 'PRIVATE_FILE' THEN 'private' ELSE 'uploaded' END)",
		.types = {UUIDOID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID}
	};
	Datum		values[7];
	uint8_t		sha256[32];

	if (!fill_in_request(call, response))
		return;
	values[0] = UUIDPGetDatum(&call->request);
	for (int i = 0; i < response->nsigners; i++)
	{
		const IgApiContextSigner *s = &response->signers[i];
		const char *texts[] = {s->email, s->first_name, s->last_name, s->signer_id};
		char		nulls[7] = "      ";

		values[1] = Int32GetDatum(i + 1);
		for (int k = 0; k < 4; k++)
		{
			values[2 + k] = texts[k] ? CStringGetTextDatum(texts[k]) : (Datum) 0;
			nulls[2 + k] = texts[k] ? ' ' : 'n';
		}
		ig_spi_execute(&signer, values, nulls);
	}
	for (int i = 0; i < response->ndocuments; i++)
	{
		const IgApiContextDocument *d = &response->documents[i];
		const char *texts[] = {d->file_name, d->mime_type, d->document_id, d->nature};
		char		nulls[8] = "       ";

		values[1] = Int32GetDatum(i + 1);
		for (int k = 0; k < 4; k++)
		{
			values[2 + k] = texts[k] ? CStringGetTextDatum(texts[k]) : (Datum) 0;
			nulls[2 + k] = texts[k] ? ' ' : 'n';
		}
		if (d->document_hash != NULL && ig_api_read_sha256(d->document_hash, sha256))
			values[6] = PointerGetDatum(ig_bytea((char *) sha256, sizeof(sha256)));
		else
			nulls[6] = 'n';
		ig_spi_execute(&document, values, nulls);
	}
}
