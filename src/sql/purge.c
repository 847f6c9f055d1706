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
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "util/guard.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_purge);

/* A request, r, that can be forgotten. */
#define OLD_REQUEST \
	"r.closed_at < $1 " \
	"AND NOT EXISTS (SELECT FROM ignisign.proof p WHERE p.request = r.id) " \
	"AND NOT EXISTS (SELECT FROM ignisign.call c WHERE c.request = r.id AND c.state <> 'dead') " \
	"AND NOT EXISTS (SELECT FROM ignisign.delivery d JOIN ignisign.callback b ON b.id = d.callback " \
	"WHERE d.request = r.id AND d.state <> 'dead') "

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
			.sql = "WITH gone AS (DELETE FROM ignisign.request r WHERE " OLD_REQUEST
			"AND NOT EXISTS (SELECT FROM unnest($2) k (id) WHERE k.id = r.id) "
			"RETURNING r.id), "
			"signer AS (DELETE FROM ignisign.signer x USING gone g WHERE x.request = g.id), "
			"session AS (DELETE FROM ignisign.session x USING gone g WHERE x.request = g.id), "
			"document AS (DELETE FROM ignisign.document x USING gone g WHERE x.request = g.id), "
			"event AS (DELETE FROM ignisign.event x USING gone g WHERE x.request = g.id), "
			"attempt AS (DELETE FROM ignisign.attempt x USING gone g WHERE x.request = g.id), "
			"delivery AS (DELETE FROM ignisign.delivery x USING gone g WHERE x.request = g.id), "
			"call AS (DELETE FROM ignisign.call x USING gone g WHERE x.request = g.id) "
			"SELECT FROM gone",
			.types = {TIMESTAMPTZOID, UUIDARRAYOID}
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
	{"tombstones", {
			.sql = "DELETE FROM ignisign.tombstone WHERE purged_at < $1 RETURNING 1",
			.types = {TIMESTAMPTZOID}
	}},
	{"webhooks", {
			.sql = "DELETE FROM ignisign.webhook WHERE received_at < $1 AND state <> 'unverified' RETURNING 1",
			.types = {TIMESTAMPTZOID}
	}}
};

/*
 * Which of these requests a foreign key of another table references, as an array
 * that is added to *kept.  As the owner of that table, as the check of the key has
 * it: its expressions and indexes are not for us to evaluate.
 */
static void
find_referenced(const IgGuardKey *key, Datum requests, ArrayBuildState * *kept)
{
	Oid			types[1] = {UUIDARRAYOID};
	Relation	rel = table_open(key->table, AccessShareLock);
	char	   *column = pstrdup(quote_identifier(get_attname(key->table, key->column, false)));
	char	   *sql = psprintf("SELECT DISTINCT x.%s::pg_catalog.uuid FROM %s%s x WHERE x.%s OPERATOR(pg_catalog.=) ANY ($1)",
							   column, rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
							   quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
														  RelationGetRelationName(rel)), column);
	int			guc_level = NewGUCNestLevel();
	Oid			user;
	int			sec_context;

	GetUserIdAndSecContext(&user, &sec_context);
	SetUserIdAndSecContext(rel->rd_rel->relowner, sec_context);
	if (SPI_execute_with_args(sql, 1, types, &requests, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read table \"%s\"", RelationGetRelationName(rel));
	SetUserIdAndSecContext(user, sec_context);
	AtEOXact_GUC(false, guc_level);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		id = ig_spi_datum(i, 1, &isnull);

		*kept = accumArrayResult(*kept, id, isnull, UUIDOID, CurrentMemoryContext);
	}
	table_close(rel, NoLock);
}

/*
 * The requests that could be forgotten but for a foreign key; says how many there
 * are, and names one key.  All are locked before, so that none is referenced from
 * now on.
 */
static Datum
keep_referenced(Datum cutoff)
{
	static IgStatement lock = {
		.sql = "SELECT array_agg(id) FROM (SELECT r.id FROM ignisign.request r WHERE " OLD_REQUEST "FOR UPDATE OF r) r",
		.types = {TIMESTAMPTZOID}
	};
	static IgStatement count = {
		.sql = "SELECT count(DISTINCT id) FROM unnest($1) k (id)",
		.types = {UUIDARRAYOID}
	};
	List	   *keys = ig_guard_keys();
	ArrayBuildState *kept = NULL;
	const char *name = NULL;
	Datum		requests;
	bool		isnull = true;
	ListCell   *lc;
	int64		n;

	if (keys != NIL)
	{
		(void) ig_spi_execute(&lock, &cutoff, NULL);
		requests = ig_spi_datum(0, 1, &isnull);
	}
	if (isnull)
		return ig_array(UUIDOID, NULL, NULL, 0);

	foreach(lc, keys)
	{
		const IgGuardKey *key = lfirst(lc);

		find_referenced(key, requests, &kept);
		if (kept != NULL && name == NULL)
			name = key->name;
	}
	if (kept == NULL)
		return ig_array(UUIDOID, NULL, NULL, 0);
	requests = makeArrayResult(kept, CurrentMemoryContext);
	(void) ig_spi_execute(&count, &requests, NULL);
	n = ig_spi_int64(0, 1, 0);
	ereport(NOTICE,
			(errmsg_plural("%lld request is kept because another table references it",
						   "%lld requests are kept because other tables reference them",
						   (unsigned long) n, (long long) n),
			 errdetail("Foreign key %s references such a request.", name)));
	return requests;
}

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
			 errhint("Valid values are attempts, calls, deliveries, documents, events, proofs, requests, results, signers, tombstones and webhooks.")));
}

/*
 * ignisign_purge(what text, older_than interval) returns bigint
 *
 * Forget what of this kind is older; returns how many rows were deleted or, of
 * documents and signers, emptied.  Requests that another table references are
 * kept.  Errors: 22023 for an unknown kind or a negative interval, 42501 for a role
 * that has not the privileges of the extension's owner, 55000 while something is
 * attached to the tables that is not allowed.
 */
Datum
ignisign_purge(PG_FUNCTION_ARGS)
{
	IgStatement *statement = find_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz now = GetCurrentTimestamp();
	Oid			caller = GetUserId();
	IgOwnerState state;
	Datum		values[2];
	uint64		n;

	values[0] = DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now), PG_GETARG_DATUM(1));
	if (DatumGetTimestampTz(values[0]) > now)
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
	ig_guard_check();
	SPI_connect();
	if (statement->types[1] == UUIDARRAYOID)
		values[1] = keep_referenced(values[0]);
	n = ig_spi_execute(statement, values, NULL);
	SPI_finish();
	ig_owner_leave(&state);
	PG_RETURN_INT64((int64) n);
}
