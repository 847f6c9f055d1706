/*-------------------------------------------------------------------------
 *
 * proofs.c
 *	  Which proofs are fetched, and when.
 *
 * A proof is of a whole document, or of one signer's signature under it.  Once
 * a request is completed the worker fetches those that the server option
 * proof_types names; any other is fetched when it is asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "errors.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/proofs.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_fetch_proof);

/*
 * Queue the retrieval of the proofs that the account wants.  Some types exist
 * for some kinds of documents only: a document is not asked for the others.
 */
void
ig_proofs_queue(const IgCall *call, const IgAccount *account)
{
	static IgStatement queue = {
		.sql = "INSERT INTO ignisign.call (request, operation, document, signer, proof_type, owner, server) "
		"SELECT d.request, CASE WHEN t.of_signer THEN 'signer-proof' ELSE 'proof' END, d.n, coalesce(s.n, 0), "
		"t.proof_type, r.owner, r.server "
		"FROM ignisign.document d JOIN ignisign.request r ON r.id = d.request "
		"CROSS JOIN unnest($2, $3) AS t (proof_type, of_signer) "
		"LEFT JOIN ignisign.signer s ON t.of_signer AND s.request = d.request "
		"AND s.signed_at IS NOT NULL AND s.signer_id IS NOT NULL "
		"WHERE d.request = $1 AND d.document_id IS NOT NULL AND (s.n IS NOT NULL OR NOT t.of_signer) "
		"AND CASE WHEN t.proof_type = 'PDF_WITH_SIGNATURES' THEN d.kind <> 'json' "
		"WHEN t.proof_type IN ('SIGNED_DATA', 'JWSATT', 'JADESATT') THEN d.kind = 'json' "
		"WHEN t.proof_type = 'PADES_ATTACHED' THEN d.kind <> 'private' AND d.mime_type = 'application/pdf' "
		"ELSE true END "
		"AND NOT EXISTS (SELECT FROM ignisign.proof p WHERE p.request = d.request AND p.document = d.n "
		"AND p.proof_type = t.proof_type AND p.signer = coalesce(s.n, 0)) "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO NOTHING",
		.types = {UUIDOID, TEXTARRAYOID, BOOLARRAYOID}
	};
	int			n = account->nproof_types;
	Datum	   *of_signer = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[3];

	for (int i = 0; i < n; i++)
		of_signer[i] = BoolGetDatum(ig_api_known_signer_proof_type(account->proof_types[i]));
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = ig_text_array((const char *const *) account->proof_types, n);
	values[2] = ig_array(BOOLOID, of_signer, NULL, n);
	ig_spi_execute(&queue, values, NULL);
}

/* Check that the type is known, and that a signer is named where it needs one. */
static IgOperation
check_type(const char *type, int signer)
{
	bool		of_signer = ig_api_known_signer_proof_type(type);

	if (!of_signer && !ig_api_known_proof_type(type))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown proof type \"%s\"", type),
				 errhint("Valid proof types are %s.", IG_API_PROOF_TYPES)));
	if (of_signer && signer == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a proof of type %s is of one signer", type),
				 errhint("Give the signer's number, as in ignisign.signer.")));
	if (!of_signer && signer != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a proof of type %s is of all signers", type),
				 errhint("Leave out the signer.")));
	return of_signer ? IG_OP_SIGNER_PROOF : IG_OP_PROOF;
}

/* Check that the request has such a document, and Ignisign an id for it. */
static void
check_document(const pg_uuid_t *id, int document)
{
	static IgStatement read = {
		.sql = "SELECT document_id IS NOT NULL FROM ignisign.document WHERE request = $1 AND n = $2",
		.types = {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(id), Int32GetDatum(document)};
	bool		isnull;

	if (ig_spi_execute(&read, values, NULL) != 1)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("the request has no document %d", document),
				 errhint("Documents are numbered from 1, as in ignisign.document.")));
	if (!DatumGetBool(ig_spi_datum(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known yet how Ignisign names document %d", document),
				 errhint("That is read soon after the request was sent.")));
}

/* Check that the request has such a signer, and that he has signed. */
static void
check_signer(const pg_uuid_t *id, int signer)
{
	static IgStatement read = {
		.sql = "SELECT approver, signed_at IS NOT NULL AND signer_id IS NOT NULL FROM ignisign.signer "
		"WHERE request = $1 AND n = $2",
		.types = {UUIDOID, INT4OID}
	};
	Datum		values[2] = {UUIDPGetDatum(id), Int32GetDatum(signer)};
	bool		isnull;

	if (ig_spi_execute(&read, values, NULL) != 1)
		ig_no_such_signer(signer);
	if (DatumGetBool(ig_spi_datum(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signer %d approves and does not sign", signer)));
	if (!DatumGetBool(ig_spi_datum(0, 2, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signer %d has not signed", signer),
				 errhint("As far as is known here; ignisign_refresh() looks again.")));
}

/* Whether the proof is here. */
static bool
is_here(const pg_uuid_t *id, const char *type, int document, int signer)
{
	static IgStatement read = {
		.sql = "SELECT FROM ignisign.proof WHERE request = $1 AND document = $2 AND proof_type = $3 AND signer = $4",
		.types = {UUIDOID, INT4OID, TEXTOID, INT4OID}
	};
	Datum		values[4] = {
		UUIDPGetDatum(id), Int32GetDatum(document), CStringGetTextDatum(type), Int32GetDatum(signer)
	};

	return ig_spi_execute(&read, values, NULL) == 1;
}

/*
 * ignisign_fetch_proof(request uuid, proof_type text, document integer,
 * signer integer) returns boolean
 *
 * Queue the retrieval of one proof, also of a request that is still open, and
 * again where the API had none yet or had refused.  False: it is here already.
 * Errors: 22023 for an unknown type, or one that needs a signer or takes none;
 * IG012 when there is no such request, document or signer; 55000 when the
 * request was not sent yet or the signer has not signed.
 */
Datum
ignisign_fetch_proof(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	char	   *type = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int			document = PG_GETARG_INT32(2);
	int			signer = PG_GETARG_INT32(3);
	IgOperation operation = check_type(type, signer);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *owner;
	char	   *server;
	char	   *signature_request_id;
	bool		here;

	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_sent_request(id, caller, &owner, &signature_request_id);
	check_document(id, document);
	if (signer != 0)
		check_signer(id, signer);
	here = is_here(id, type, document, signer);
	if (!here)
		ig_queue_add(id, operation, document, signer, type, owner, server, GetCurrentTimestamp());
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_BOOL(!here);
}
