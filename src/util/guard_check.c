/*-------------------------------------------------------------------------
 *
 * guard_check.c
 *	  What is attached to the extension's tables: a check of the catalogs.
 *
 * guard.c refuses what is not allowed when it is made, but its hooks exist only
 * where the library is preloaded, and an object can be older than the rules.  So
 * the same is looked for in the catalogs, and with it what only the owner of the
 * tables can have done:
 *
 * - a table of another role than the owner of the schema: that role creates
 *	 triggers on it;
 * - anything on a table, such as an index, a default, a CHECK, a rule, a trigger or
 *	 a policy, that uses a function, a type or another object of a role that is
 *	 neither the owner nor a superuser: that role can replace it.
 *
 * Such an object holds the worker, and the functions that delete rows raise an
 * error.  What was found is kept until a table of ours changes: PostgreSQL
 * invalidates its cache entry when a key, a trigger or an index comes or goes.
 *
 * The check reads catalogs only, so it runs nothing of anybody's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "guc.h"
#include "util/guard.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_check_tables);

/* What was found; all in its context. */
static MemoryContext found_context;
static bool known = false;		/* it is still so */
static bool changed = false;	/* a table has changed since we began to look */
static Oid	known_owner;		/* of the schema, at that time */
static Oid *tables;				/* our tables, at that time */
static int	ntables;
static IgGuardProblem *problem;
static List *keys;

/* ---- What was found before ---- */

/* Relcache callback: a table has changed, or (0) all may have. */
static void
forget(Datum arg, Oid relation)
{
	if (!known || !OidIsValid(relation))
		changed = true;
	for (int i = 0; !changed && i < ntables; i++)
		changed = (tables[i] == relation);
	if (changed)
		known = false;
}

/* Start again. */
static void
reset(void)
{
	static bool registered = false;

	if (!registered)
	{
		found_context = AllocSetContextCreate(TopMemoryContext, "ignisign guard", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		registered = true;
	}
	ntables = 0;
	problem = NULL;
	keys = NIL;
	MemoryContextReset(found_context);
}

/* Note a problem, unless there is one. */
static void
note(const char *message, const char *hint)
{
	if (problem != NULL)
		return;
	problem = MemoryContextAlloc(found_context, sizeof(IgGuardProblem));
	problem->message = MemoryContextStrdup(found_context, message);
	problem->hint = MemoryContextStrdup(found_context, hint);
}

/* ---- The check ---- */

/* A column of a result as text. */
static char *
column(uint64 row, int n)
{
	return ig_spi_text(row, n, CurrentMemoryContext);
}

/* Find our tables; one of another owner is a problem. */
static void
find_tables(Oid schema, Oid owner)
{
	static IgStatement find = {
		.sql = "WITH RECURSIVE ours (oid) AS ("
		"SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace = $1 AND c.relkind IN ('r', 'p', 'f') "
		"UNION SELECT i.inhrelid FROM ours o JOIN pg_catalog.pg_inherits i ON i.inhparent = o.oid) "
		"SELECT c.oid::bigint, c.oid::regclass::text, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), "
		"pg_catalog.quote_ident(pg_catalog.pg_get_userbyid($2)), c.relowner <> $2 "
		"FROM ours o JOIN pg_catalog.pg_class c ON c.oid = o.oid ORDER BY 5 DESC, 2",
		.types = {OIDOID, OIDOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(schema), ObjectIdGetDatum(owner)};
	bool		isnull;

	ntables = (int) ig_spi_read_latest(&find, values);
	tables = MemoryContextAlloc(found_context, Max(ntables, 1) * sizeof(Oid));
	for (int i = 0; i < ntables; i++)
		tables[i] = (Oid) ig_spi_int64(i, 1, 0);
	if (ntables > 0 && DatumGetBool(ig_spi_datum(0, 5, &isnull)))
		note(psprintf("table %s belongs to role %s, schema ignisign to role %s", column(0, 2), column(0, 3), column(0, 4)),
			 psprintf("ALTER TABLE %s OWNER TO %s.", column(0, 2), column(0, 4)));
}

/* Our tables as an array. */
static Datum
tables_array(void)
{
	Datum	   *values = palloc(Max(ntables, 1) * sizeof(Datum));

	for (int i = 0; i < ntables; i++)
		values[i] = ObjectIdGetDatum(tables[i]);
	return ig_array(OIDOID, values, NULL, ntables);
}

/* Judge a constraint that a row of find_constraints() is about. */
static void
record_outcome(uint64 row, Oid schema)
{
	Oid			constraint = (Oid) ig_spi_int64(row, 1, 0);
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	IgGuardVerdict verdict;
	Oid			referenced;

	if (!HeapTupleIsValid(tuple))
		return;
	verdict = ig_guard_decide(tuple, schema, &referenced);
	if (verdict == IG_GUARD_FOREIGN_KEY)
		note(psprintf("foreign key %s must not reference table %s in this way", column(row, 2), column(row, 3)),
			 psprintf("Drop the foreign key. %s", IG_GUARD_KEY_RULE));
	else if (verdict == IG_GUARD_DEFERRABLE)
		note(psprintf("constraint %s must not be deferrable", column(row, 2)), "Drop the constraint.");
	else if (OidIsValid(referenced) && !OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->conparentid))
	{
		MemoryContext old = MemoryContextSwitchTo(found_context);
		IgGuardKey *key = palloc(sizeof(IgGuardKey));

		key->name = column(row, 2);
		key->table = ((Form_pg_constraint) GETSTRUCT(tuple))->conrelid;
		key->column = (AttrNumber) ig_spi_int64(row, 4, 0);
		keys = lappend(keys, key);
		MemoryContextSwitchTo(old);
	}
	ReleaseSysCache(tuple);
}

/* Find keys and what is deferrable: both have triggers on our tables. */
static void
find_constraints(Oid schema, Datum ours)
{
	static IgStatement find = {
		.sql = "SELECT DISTINCT c.oid::bigint, pg_catalog.format('%I of table %s', c.conname, c.conrelid::regclass), "
		"c.confrelid::regclass::text, c.conkey[1]::integer "
		"FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_constraint c ON c.oid = t.tgconstraint "
		"WHERE t.tgrelid = ANY ($1) AND (c.contype = 'f' OR t.tgdeferrable) ORDER BY 2",
		.types = {OIDARRAYOID}
	};
	uint64		n = ig_spi_read_latest(&find, &ours);

	for (uint64 i = 0; i < n; i++)
		record_outcome(i, schema);
}

/*
 * Find what uses an object of another role.  What is on a table depends on what it
 * uses, and that may depend on more, such as an operator on its function.  Who
 * owns an object is a dependency, too; only of the role that initdb made there is
 * none.
 */
static void
find_objects(Oid owner, Datum ours)
{
	static IgStatement find = {
		.sql = "WITH RECURSIVE part (classid, objid) AS ("
		"SELECT 'pg_catalog.pg_class'::regclass::oid, u.oid FROM pg_catalog.unnest($1) u (oid) "
		"UNION ALL SELECT 'pg_catalog.pg_class'::regclass, indexrelid FROM pg_catalog.pg_index WHERE indrelid = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, oid FROM pg_catalog.pg_constraint WHERE conrelid = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, oid FROM pg_catalog.pg_attrdef WHERE adrelid = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_trigger'::regclass, oid FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1) AND NOT tgisinternal "
		"UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, oid FROM pg_catalog.pg_rewrite WHERE ev_class = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, oid FROM pg_catalog.pg_policy WHERE polrelid = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::regclass, oid FROM pg_catalog.pg_statistic_ext WHERE stxrelid = ANY ($1) "
		"UNION ALL SELECT 'pg_catalog.pg_publication_rel'::regclass, oid FROM pg_catalog.pg_publication_rel WHERE prrelid = ANY ($1)), "
		"used (partclass, part, classid, objid) AS ("
		"SELECT p.classid, p.objid, p.classid, p.objid FROM part p "
		"UNION SELECT u.partclass, u.part, d.refclassid, d.refobjid "
		"FROM used u JOIN pg_catalog.pg_depend d ON d.classid = u.classid AND d.objid = u.objid "
		"WHERE d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass, "
		"'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_opclass'::regclass, 'pg_catalog.pg_opfamily'::regclass, "
		"'pg_catalog.pg_collation'::regclass, 'pg_catalog.pg_ts_config'::regclass, 'pg_catalog.pg_ts_dict'::regclass)) "
		"SELECT pg_catalog.pg_describe_object(u.partclass, u.part, 0), pg_catalog.pg_describe_object(u.classid, u.objid, 0), "
		"pg_catalog.quote_ident(r.rolname), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid($2)) "
		"FROM used u JOIN pg_catalog.pg_shdepend s ON s.classid = u.classid AND s.objid = u.objid AND s.deptype = 'o' "
		"AND s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) "
		"JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid "
		"WHERE NOT r.rolsuper AND r.oid <> $2 AND (u.classid, u.objid) <> ALL (SELECT 'pg_catalog.pg_class'::regclass::oid, t.oid FROM pg_catalog.unnest($1) t (oid)) "
		"ORDER BY 1, 2 LIMIT 1",
		.types = {OIDARRAYOID, OIDOID}
	};
	Datum		values[2] = {ours, ObjectIdGetDatum(owner)};

	if (ig_spi_read_latest(&find, values) == 1)
		note(psprintf("%s uses %s, which belongs to role %s", column(0, 1), column(0, 2), column(0, 3)),
			 psprintf("Drop what uses it, or give it to a superuser or to role %s.", column(0, 4)));
}

/* Look. */
static void
look(Oid schema, Oid owner)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ignisign guard check", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Datum		ours;

	reset();
	SPI_connect();
	old = MemoryContextSwitchTo(context);
	find_tables(schema, owner);
	ours = tables_array();
	find_constraints(schema, ours);
	find_objects(owner, ours);
	MemoryContextSwitchTo(old);
	SPI_finish();
	MemoryContextDelete(context);
}

/* The first problem, or NULL. */
const IgGuardProblem *
ig_guard_problem(void)
{
	Oid			owner = ig_extension_owner();

	/* What another session has committed counts from now on. */
	AcceptInvalidationMessages();
	if (!known || owner != known_owner)
	{
		known = false;
		changed = false;
		look(get_namespace_oid(IG_EXTENSION, false), owner);
		known_owner = owner;
		known = !changed;
	}
	return problem;
}

/* Raise an error if there is one. */
void
ig_guard_check(void)
{
	const IgGuardProblem *found = ig_guard_problem();

	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", found->message),
				 errdetail("Statements on tables of ignisign would run it with the rights of their owner, so nothing is sent or deleted."),
				 errhint("%s", found->hint)));
}

/* The foreign keys of others. */
List *
ig_guard_keys(void)
{
	(void) ig_guard_problem();
	return keys;
}

/*
 * ignisign.check_tables() returns void
 *
 * Check what is attached to the tables.  Errors: 55000 if something is not allowed.
 */
Datum
ignisign_check_tables(PG_FUNCTION_ARGS)
{
	IgOwnerState state;

	ig_owner_enter(&state);
	known = false;
	ig_guard_check();
	ig_owner_leave(&state);
	PG_RETURN_VOID();
}

/* ---- In a worker ---- */

/* Look again at the next call. */
void
ig_guard_forget(void)
{
	known = false;
}
