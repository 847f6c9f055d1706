/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  ignisign_purge(): forgetting what is no longer needed, kind by kind.
 *
 * Nothing here touches a request that is not closed, and nothing but the kind
 * "proofs" touches a proof.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "spi.h"

PG_FUNCTION_INFO_V1(ignisign_purge);

/* What is forgotten of what is older than $1; the rows returned are counted. */
static struct
{
	const char *name;
	IgStatement statement;
}			kinds[] = {
	{"attempts", {
		.sql = "DELETE FROM ignisign.attempt WHERE started_at < $1 RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"calls", {
		.sql = "WITH gone AS (DELETE FROM ignisign.call WHERE state = 'dead' AND created_at < $1 RETURNING request), "
		"file AS (DELETE FROM ignisign.document d USING gone g WHERE d.request = g.request "
		"AND NOT EXISTS (SELECT FROM ignisign.request r WHERE r.id = d.request)) "
		"SELECT FROM gone",
		.types = {TIMESTAMPTZOID}
	}},
	{"deliveries", {
		/* Also those that came while their callback went. */
		.sql = "DELETE FROM ignisign.delivery d WHERE created_at < $1 AND (state = 'dead' "
		"OR NOT EXISTS (SELECT FROM ignisign.callback b WHERE b.id = d.callback)) RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"documents", {
		.sql = "UPDATE ignisign.document d SET content = NULL FROM ignisign.request r "
		"WHERE r.id = d.request AND r.closed_at < $1 AND d.content IS NOT NULL RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"events", {
		.sql = "WITH gone AS (DELETE FROM ignisign.event e USING ignisign.request r "
		"WHERE r.id = e.request AND r.closed_at < $1 AND e.at < $1 "
		"AND NOT EXISTS (SELECT FROM ignisign.delivery d JOIN ignisign.callback b ON b.id = d.callback "
		"WHERE d.request = e.request AND d.event = e.id AND d.state <> 'dead') RETURNING e.request, e.id), "
		"delivery AS (DELETE FROM ignisign.delivery d USING gone g WHERE d.request = g.request AND d.event = g.id) "
		"SELECT FROM gone",
		.types = {TIMESTAMPTZOID}
	}},
	{"proofs", {
		.sql = "DELETE FROM ignisign.proof WHERE fetched_at < $1 RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"requests", {
		.sql = "WITH gone AS (DELETE FROM ignisign.request r WHERE r.closed_at < $1 "
		"AND NOT EXISTS (SELECT FROM ignisign.proof p WHERE p.request = r.id) "
		"AND NOT EXISTS (SELECT FROM ignisign.call c WHERE c.request = r.id AND c.state <> 'dead') "
		"AND NOT EXISTS (SELECT FROM ignisign.delivery d JOIN ignisign.callback b ON b.id = d.callback "
		"WHERE d.request = r.id AND d.state <> 'dead') "
		"RETURNING r.id), "
		"signer AS (DELETE FROM ignisign.signer x USING gone g WHERE x.request = g.id), "
		"session AS (DELETE FROM ignisign.session x USING gone g WHERE x.request = g.id), "
		"document AS (DELETE FROM ignisign.document x USING gone g WHERE x.request = g.id), "
		"event AS (DELETE FROM ignisign.event x USING gone g WHERE x.request = g.id), "
		"attempt AS (DELETE FROM ignisign.attempt x USING gone g WHERE x.request = g.id), "
		"delivery AS (DELETE FROM ignisign.delivery x USING gone g WHERE x.request = g.id), "
		"call AS (DELETE FROM ignisign.call x USING gone g WHERE x.request = g.id) "
		"SELECT FROM gone",
		.types = {TIMESTAMPTZOID}
	}},
	{"results", {
		.sql = "DELETE FROM ignisign.result WHERE answered_at < $1 RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"signers", {
		.sql = "WITH closed AS (SELECT id FROM ignisign.request WHERE closed_at < $1), "
		"recipient AS (UPDATE ignisign.request r SET recipients = NULL FROM closed c "
		"WHERE r.id = c.id AND r.recipients IS NOT NULL), "
		"session AS (DELETE FROM ignisign.session s USING closed c WHERE s.request = c.id), "
		"delivery AS (UPDATE ignisign.delivery d SET last_error = 'purged' FROM closed c "
		"WHERE d.request = c.id AND d.last_error <> 'purged'), "
		"event AS (UPDATE ignisign.event e SET value = 'purged' FROM closed c "
		"WHERE e.request = c.id AND e.kind = 'signed' AND e.value <> 'purged') "
		"UPDATE ignisign.signer s SET email = 'purged', first_name = NULL, last_name = NULL, "
		"external_id = NULL, inputs = NULL FROM closed c "
		"WHERE s.request = c.id AND s.email <> 'purged' RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}},
	{"webhooks", {
		.sql = "DELETE FROM ignisign.webhook WHERE received_at < $1 AND state <> 'unverified' RETURNING 1",
		.types = {TIMESTAMPTZOID}
	}}
};

/* The statement of a kind. */
static IgStatement *
find_kind(const char *what)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (pg_strcasecmp(kinds[i].name, what) == 0)
			return &kinds[i].statement;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for parameter \"what\": \"%s\"", what),
			 errhint("Valid values are attempts, calls, deliveries, documents, events, proofs, requests, results, signers and webhooks.")));
}

/*
 * ignisign_purge(what text, older_than interval) returns bigint
 *
 * Forget what of this kind is older; returns how many rows were deleted or, of
 * documents and signers, emptied.  Errors: 22023 for an unknown kind or a
 * negative interval, 42501 for who is not the extension's owner.
 */
Datum
ignisign_purge(PG_FUNCTION_ARGS)
{
	IgStatement *statement = find_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz now = GetCurrentTimestamp();
	Oid			caller = GetUserId();
	IgOwnerState state;
	Datum		cutoff;
	uint64		n;

	cutoff = DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(1));
	if (DatumGetTimestampTz(cutoff) > now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("older_than must not be negative")));

	ig_check_writable("ignisign_purge()");
	ig_owner_enter(&state);
	if (!has_privs_of_role(caller, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to purge"),
				 errhint("Only the extension's owner can.")));
	SPI_connect();
	n = ig_spi_execute(statement, &cutoff, NULL);
	SPI_finish();
	ig_owner_leave(&state);
	PG_RETURN_INT64((int64) n);
}
