/*-------------------------------------------------------------------------
 *
 * queue_owner.c
 *	  Which database owns the queue.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "queue/queue.h"
#include "util/spi.h"

/* Columns of ignisign.origin, which has few rows; its first three tell a database. */
enum
{
	ORIGIN_SYSTEM = 1,
	ORIGIN_DATABASE = 2,
	ORIGIN_NAME = 3,
	ORIGIN_SINCE = 5
};

/*
 * Whether the queue has an owner, and (ours) whether it is this database; *other is
 * the name of another one, of the first that there is.  Each cycle of the worker and each
 * request asks that, so it is read without a statement.
 */
static bool
read_owner(bool *ours, char **other)
{
	Relation	rel = table_open(get_relname_relid("origin", get_namespace_oid(IG_EXTENSION, false)), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = ig_table_beginscan(rel, snapshot);
	TimestampTz first = 0;
	bool		found = false;
	bool		isnull;

	*ours = false;
	*other = NULL;
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		TimestampTz since = DatumGetTimestampTz(slot_getattr(slot, ORIGIN_SINCE, &isnull));

		found = true;
		if (DatumGetInt64(slot_getattr(slot, ORIGIN_SYSTEM, &isnull)) == (int64) GetSystemIdentifier() &&
			DatumGetObjectId(slot_getattr(slot, ORIGIN_DATABASE, &isnull)) == MyDatabaseId)
			continue;
		if (*other == NULL || since < first)
		{
			*other = pstrdup(NameStr(*DatumGetName(slot_getattr(slot, ORIGIN_NAME, &isnull))));
			first = since;
		}
	}
	*ours = found && *other == NULL;
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/* Make this database the owner of its queue, unless it has one. */
void
ig_queue_own(void)
{
	static IgStatement insert = {
		.sql = "INSERT INTO ignisign.origin (system_identifier, database, database_name, timeline) "
		"SELECT $1, d.oid, d.datname, $3 FROM pg_catalog.pg_database d WHERE d.oid = $2 "
		"AND NOT EXISTS (SELECT FROM ignisign.origin)",
		.types = {INT8OID, OIDOID, INT8OID}
	};
	Datum		values[3] = {
		Int64GetDatum((int64) GetSystemIdentifier()),
		ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum((int64) GetWALInsertionTimeLine())
	};
	bool		ours;
	char	   *other;

	if (read_owner(&ours, &other))
		return;
	SPI_connect();
	ig_spi_execute(&insert, values, NULL);
	SPI_finish();
}

/*
 * Whether the queue is this database's own: the first request that was made
 * here left a row that says so.  A copy from elsewhere brings another row along,
 * or, while pg_restore is at work, calls without any row.
 */
bool
ig_queue_is_ours(char **other)
{
	bool		ours;

	(void) read_owner(&ours, other);
	return ours;
}
