/*-------------------------------------------------------------------------
 *
 * tombstone.c
 *	  Ids that have or had a request: none of them gets another one.
 *
 * Rows that a trigger signs outlive their requests.  An UPDATE of such a row, or a
 * move to another partition, must not sign it again after its request was purged.  So
 * whatever deletes a request leaves its id in ignisign.tombstone, with what shows later
 * whether a row is the one that was signed: owner, server, and a fingerprint.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/tombstone.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_request_deleted);

/* Whether this database keeps them. */
bool
ig_keeps_tombstones(void)
{
	return OidIsValid(get_relname_relid("tombstone", get_namespace_oid(IG_EXTENSION, false)));
}

/* Copy a row of the current result; *found is in the given context. */
static void
read_used_id(uint64 row, IgUsedId *found, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		isnull;
	Datum		fingerprint;

	found->id = *DatumGetUUIDP(ig_spi_datum(row, 1, &isnull));
	found->owner = *DatumGetName(ig_spi_datum(row, 2, &isnull));
	found->server = *DatumGetName(ig_spi_datum(row, 3, &isnull));
	found->exists = DatumGetBool(ig_spi_datum(row, 4, &isnull));
	fingerprint = ig_spi_datum(row, 5, &isnull);
	found->fingerprint = isnull ? NULL : DatumGetByteaPCopy(fingerprint);
	MemoryContextSwitchTo(old);
}

/* Find ids that have or had a request. */
int
ig_find_used_ids(const Datum *ids, int n, IgUsedId **used)
{
	static IgStatement find = {
		.sql = "SELECT id, owner, server, true, fingerprint FROM ignisign.request WHERE id = ANY ($1) "
		"UNION ALL SELECT id, owner, server, false, fingerprint FROM ignisign.tombstone WHERE id = ANY ($1)",
		.types = {UUIDARRAYOID}
	};
	static IgStatement find_requests = {
		.sql = "SELECT id, owner, server, true, NULL::bytea FROM ignisign.request WHERE id = ANY ($1)",
		.types = {UUIDARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	IgOwnerState state;
	Datum		array;
	int			found;

	ig_owner_enter(&state);

	/* A plan that was made while the tables were empty is used when they are large. */
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	array = ig_array(UUIDOID, ids, NULL, n);
	found = (int) ig_spi_execute(ig_keeps_tombstones() ? &find : &find_requests, &array, NULL);
	if (found > 0)
	{
		*used = MemoryContextAlloc(context, found * sizeof(IgUsedId));
		for (int i = 0; i < found; i++)
			read_used_id(i, &(*used)[i], context);
	}
	SPI_finish();
	ig_owner_leave(&state);
	return found;
}

/* Remember a request that is deleted. */
static void
remember_row(const TriggerData *data)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.tombstone (id, owner, server, fingerprint) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (id) DO NOTHING",
		.types = {UUIDOID, NAMEOID, NAMEOID, BYTEAOID}
	};
	static const char *const columns[] = {"id", "owner", "server", "fingerprint"};
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	Datum		values[lengthof(columns)];
	char		nulls[lengthof(columns)];

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		bool		isnull;

		values[i] = SPI_getbinval(data->tg_trigtuple, desc, SPI_fnumber(desc, columns[i]), &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
	ig_spi_execute(&add, values, nulls);
}

/* Remember all requests, which are truncated. */
static void
remember_all(void)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.tombstone (id, owner, server, fingerprint) "
		"SELECT id, owner, server, fingerprint FROM ignisign.request ON CONFLICT (id) DO NOTHING"
	};

	ig_spi_execute(&add, NULL, NULL);
}

/*
 * ignisign.request_deleted() returns trigger
 *
 * Of ignisign.request, after the deletion of a row, and before TRUNCATE.
 */
Datum
ignisign_request_deleted(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	IgOwnerState state;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!(TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) ||
		  (TRIGGER_FIRED_BY_DELETE(data->tg_event) && TRIGGER_FIRED_FOR_ROW(data->tg_event))))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("ignisign.request_deleted can only be called as a trigger of ignisign.request")));

	ig_owner_enter(&state);
	if (data->tg_relation->rd_rel->relowner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("ignisign.request_deleted is no trigger for table \"%s\"",
						RelationGetRelationName(data->tg_relation))));
	SPI_connect();
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
		remember_all();
	else
		remember_row(data);
	SPI_finish();
	ig_owner_leave(&state);
	return PointerGetDatum(NULL);
}
