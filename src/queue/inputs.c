/*-------------------------------------------------------------------------
 *
 * inputs.c
 *	  What a signer profile needs to know of a signer.
 *
 * A signer's profile may need a name, a phone number and so on.  That a request
 * lacks one is better known before it is sent.  What was answered not long ago
 * is kept, and the check is made at once; else the profile's needs are asked for
 * first, once for each profile of a request, and the sending is queued when all
 * responses have come.  Which signers have been checked stands in their rows.
 *
 * Only inputs that a signer here can have are looked for: what else a profile
 * may need is Ignisign's to judge.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "errors.h"
#include "queue/inputs.h"
#include "queue/staged.h"
#include "util/spi.h"

const char *const ig_sign_inputs[IG_SIGN_INPUTS] = {
	"phoneNumber", "nationality", "birthDate", "birthPlace", "birthCountry"
};

/* So long what a profile needs is taken as known. */
#define LIFETIME "1 day"

/* Whether p tells what the profile of a signer s of a request r needs; it is one, or any (NULL). */
#define PROFILE_IS_KNOWN \
	"p.server = r.server AND p.owner = r.owner AND p.signer_profile_id = s.signer_profile_id " \
	"AND p.read_at > now() - interval '" LIFETIME "' AND ($2 IS NULL OR s.signer_profile_id = $2) "

/* What is missing of the signers with a profile; NULL: nothing, as far as that is known. */
static char *
missing_inputs(const pg_uuid_t *request, const char *profile_id, MemoryContext context)
{
	static IgStatement read = {
		.sql = "SELECT string_agg(format('signer %s lacks %s, which signer profile %s needs', "
		"m.n, m.inputs, m.signer_profile_id), '; ' ORDER BY m.n) FROM ("
		"SELECT s.n, s.signer_profile_id, string_agg(i.name, ', ' ORDER BY i.position) AS inputs "
		"FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id, ignisign.signer_profile p, "
		"LATERAL (SELECT u.name, min(u.position) AS position "
		"FROM unnest(p.inputs_needed) WITH ORDINALITY AS u (name, position) GROUP BY u.name) AS i "
		"WHERE r.id = $1 AND " PROFILE_IS_KNOWN "AND CASE i.name "
		"WHEN 'email' THEN false WHEN 'firstName' THEN s.first_name IS NULL WHEN 'lastName' THEN s.last_name IS NULL "
		"ELSE i.name = ANY ($3) AND NOT coalesce(s.inputs ? i.name, false) END "
		"GROUP BY s.n, s.signer_profile_id) m",
		.types = {UUIDOID, TEXTOID, TEXTARRAYOID}
	};
	Datum		values[3];
	char		nulls[4] = "   ";

	values[0] = UUIDPGetDatum(request);
	values[1] = profile_id ? CStringGetTextDatum(profile_id) : (Datum) 0;
	nulls[1] = profile_id ? ' ' : 'n';
	values[2] = ig_text_array(ig_sign_inputs, IG_SIGN_INPUTS);
	ig_spi_execute(&read, values, nulls);
	return ig_spi_text(0, 1, context);
}

/* Note that the signers with a profile have what it needs. */
static void
mark_checked(const pg_uuid_t *request, const char *profile_id)
{
	static IgStatement mark = {
		.sql = "UPDATE ignisign.signer s SET checked_at = now() FROM ignisign.request r, ignisign.signer_profile p "
		"WHERE s.request = $1 AND r.id = $1 AND s.checked_at IS NULL AND " PROFILE_IS_KNOWN,
		.types = {UUIDOID, TEXTOID}
	};
	Datum		values[2];

	values[0] = UUIDPGetDatum(request);
	values[1] = profile_id ? CStringGetTextDatum(profile_id) : (Datum) 0;
	ig_spi_execute(&mark, values, profile_id ? "  " : " n");
}

/* Check the signers of a request, and ask for what is not known. */
bool
ig_inputs_check(const pg_uuid_t *request)
{
	static IgStatement ask = {
		.sql = "INSERT INTO ignisign.call (request, operation, signer, owner, server) "
		"SELECT r.id, 'inputs-needed', min(s.n), r.owner, r.server "
		"FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id "
		"WHERE r.id = $1 AND s.signer_profile_id IS NOT NULL AND s.checked_at IS NULL "
		"GROUP BY r.id, s.signer_profile_id",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(request);
	char	   *missing = missing_inputs(request, NULL, CurrentMemoryContext);

	if (missing)
		ereport(ERROR,
				(errcode(IG_ERRCODE_INVALID_SIGNER),
				 errmsg("%s", missing),
				 errhint("Give it, even where Ignisign knows it; ignisign_inputs_needed() reads anew what a profile needs.")));
	mark_checked(request, NULL);
	return ig_spi_execute(&ask, &value, NULL) == 0;
}

/* ---- The worker's part ---- */

/* Keep what a profile needs, if the response is about that one; returns the profile's id. */
static char *
keep(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement store = {
		.sql = "INSERT INTO ignisign.signer_profile AS p (server, owner, signer_profile_id, inputs_needed, optional_inputs) "
		"SELECT $1, $2, coalesce($3::jsonb ->> 'signerProfileId', "
		"(SELECT s.signer_profile_id FROM ignisign.signer s WHERE s.request = $4 AND s.n = $5)), $6, $7 "
		"ON CONFLICT (server, owner, signer_profile_id) DO UPDATE SET inputs_needed = excluded.inputs_needed, "
		"optional_inputs = excluded.optional_inputs, read_at = excluded.read_at "
		"RETURNING signer_profile_id",
		.types = {NAMEOID, NAMEOID, TEXTOID, UUIDOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID}
	};
	Datum		values[7];
	char		nulls[8] = "       ";
	char	   *profile_id;

	values[0] = NameGetDatum(&call->server);
	values[1] = NameGetDatum(&call->owner);
	values[2] = call->args ? CStringGetTextDatum(call->args) : (Datum) 0;
	nulls[2] = call->args ? ' ' : 'n';
	values[3] = UUIDPGetDatum(&call->request);
	values[4] = Int32GetDatum(call->signer);
	values[5] = ig_text_array(response->inputs_needed, response->ninputs_needed);
	values[6] = ig_text_array(response->optional_inputs, response->noptional_inputs);
	ig_spi_execute(&store, values, nulls);
	profile_id = ig_spi_text(0, 1, CurrentMemoryContext);
	if (response->signer_profile_id != NULL && ig_api_compare_ids(response->signer_profile_id, profile_id) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the response is about another signer profile than the one that was asked for")));
	return profile_id;
}

/* Keep the response to a user's question. */
void
ig_inputs_keep(const IgCall *call, const IgApiResponse *response)
{
	SPI_connect();
	(void) keep(call, response);
	SPI_finish();
}

/* Queue the sending of a request of which all is known that was to be asked. */
static void
queue_sending(const pg_uuid_t *request)
{
	static IgStatement send = {
		.sql = "INSERT INTO ignisign.call (request, operation, owner, server) "
		"SELECT id, 'one-call-sign', owner, server FROM ignisign.request "
		"WHERE id = $1 AND delivery = 'one-call' AND sent_at IS NULL AND closed_at IS NULL "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO NOTHING",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(request);

	ig_spi_execute(&send, &value, NULL);
	ig_staged_advance(request);
}

/* Apply the response to a question for a request. */
char *
ig_inputs_apply(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement unchecked = {
		.sql = "SELECT FROM ignisign.signer WHERE request = $1 AND signer_profile_id IS NOT NULL AND checked_at IS NULL LIMIT 1",
		.types = {UUIDOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = UUIDPGetDatum(&call->request);
	char	   *profile_id;
	char	   *missing;

	SPI_connect();
	profile_id = keep(call, response);
	missing = missing_inputs(&call->request, profile_id, context);
	if (missing == NULL)
	{
		mark_checked(&call->request, profile_id);
		if (ig_spi_execute(&unchecked, &value, NULL) == 0)
			queue_sending(&call->request);
	}
	SPI_finish();
	return missing;
}
