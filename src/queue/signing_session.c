/*-------------------------------------------------------------------------
 *
 * signing_session.c
 *	  What a page of one's own needs to let a signer sign.
 *
 * A session is kept by Ignisign's id of the signer: the response to a request in
 * one call brings tokens before the context tells who has which id, and so may a
 * webhook.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "queue/access.h"
#include "queue/signing_session.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_session);

/* Keep what a response brings: signers and tokens, or one signer's secret. */
void
ig_signing_session_keep(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement store = {
		.sql = "INSERT INTO ignisign.session AS o (request, signer_id, token, auth_secret) "
		"SELECT DISTINCT ON (u.signer_id) $1, u.signer_id, u.token, u.auth_secret "
		"FROM unnest($2, $3, $4) AS u (signer_id, token, auth_secret) "
		"ON CONFLICT (request, signer_id) DO UPDATE SET token = coalesce(excluded.token, o.token), "
		"auth_secret = coalesce(excluded.auth_secret, o.auth_secret)",
		.types = {UUIDOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	int			n = response->nembedded;
	const char **ids = palloc((n + 1) * sizeof(char *));
	const char **tokens = palloc((n + 1) * sizeof(char *));
	const char **secrets = palloc0((n + 1) * sizeof(char *));
	Datum		values[4];

	for (int i = 0; i < n; i++)
	{
		ids[i] = response->embedded[i].signer_id;
		tokens[i] = response->embedded[i].token;
	}
	if (response->signer_id != NULL && response->auth_secret != NULL)
	{
		ids[n] = response->signer_id;
		tokens[n] = NULL;
		secrets[n++] = response->auth_secret;
	}
	if (n == 0)
		return;
	SPI_connect();
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = ig_text_array(ids, n);
	values[2] = ig_text_array(tokens, n);
	values[3] = ig_text_array(secrets, n);
	ig_spi_execute(&store, values, NULL);
	SPI_finish();
}

/*
 * ignisign_session(request uuid) returns setof record
 *
 * What a page of one's own needs to let embedded signers sign: one row for each
 * of them whose profile is such, as soon as it is known which signer has which
 * id.  Errors: IG012 when there is no such request.
 */
Datum
ignisign_session(PG_FUNCTION_ARGS)
{
	static IgStatement read = {
		.sql = "SELECT r.owner::text, s.n, r.signature_request_id, s.signer_id, o.token, o.auth_secret "
		"FROM ignisign.request r "
		"LEFT JOIN (ignisign.session o JOIN ignisign.signer s ON s.request = o.request AND s.signer_id = o.signer_id) "
		"ON o.request = r.id "
		"WHERE r.id = $1 ORDER BY s.n",
		.types = {UUIDOID}
	};
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	Datum		value = UUIDPGetDatum(id);
	IgOwnerState state;
	uint64		n;

	InitMaterializedSRF(fcinfo, 0);
	ig_owner_enter(&state);
	SPI_connect();
	n = ig_spi_execute(&read, &value, NULL);
	if (n == 0 || !ig_may_see(caller, ig_spi_text(0, 1, CurrentMemoryContext)))
		ig_no_such_request(id);
	for (uint64 i = 0; i < n; i++)
	{
		Datum		values[5];
		bool		nulls[5];

		for (int c = 0; c < 5; c++)
			values[c] = ig_spi_datum(i, c + 2, &nulls[c]);
		if (!nulls[0])
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	ig_owner_leave(&state);
	return (Datum) 0;
}
