/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  What others may attach to the extension's tables: the rules, and what is
 *	  refused when it is made.
 *
 * Statements on these tables run with their owner's rights, in the worker and in
 * the functions.  PostgreSQL lets a role that has the privilege REFERENCES or
 * TRIGGER on a table attach to it what such statements run: the action of a
 * foreign key deletes rows of another table, and the triggers of that table run
 * as the role that the statement runs as.  GRANT ALL gives both privileges.  So
 * the rules are narrower here:
 *
 * - A foreign key of another table references ignisign.request(id) or nothing.
 *	 NO ACTION and RESTRICT change no row, so they run no trigger.  The column is a
 *	 uuid: of another type, a cast of its owner would run with our rights.
 * - Only the owner of a table creates triggers on it.
 * - Nothing is deferrable: what is checked at COMMIT would run outside of the
 *	 security-restricted operation, and PostgreSQL refuses it within one.
 * - Only the owner of the schema, and roles with its privileges, create relations
 *	 in it.
 * - Only the owner of a table, and roles with its privileges, empty it by TRUNCATE.
 *
 * "Our tables" are those of the schema, and those that inherit from them, such as
 * partitions.  Only the owner of a table attaches an index, a rule, a policy, a
 * default and such to it; guard_check.c looks whose functions these use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guc.h"
#include "util/guard.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_check_truncate);

/* ---- The rules ---- */

/*
 * The topmost table in the schema that a table inherits from, or the table itself;
 * InvalidOid: it is not one of ours.
 */
static Oid
find_root(Oid table, Oid schema)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			root = InvalidOid;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (!OidIsValid(root) && HeapTupleIsValid(tuple = systable_getnext(scan)))
		root = find_root(((Form_pg_inherits) GETSTRUCT(tuple))->inhparent, schema);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!OidIsValid(root) && get_rel_namespace(table) == schema)
		root = table;
	return root;
}

/* The owner of a table. */
static Oid
table_owner(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* The column of a constraint that has one; else 0. */
static AttrNumber
single_column(HeapTuple constraint, AttrNumber which)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(CONSTROID, constraint, which, &isnull);
	ArrayType  *columns;

	if (isnull)
		return 0;
	columns = DatumGetArrayTypeP(value);
	return ARR_NDIM(columns) == 1 && ARR_DIMS(columns)[0] == 1 ? ((AttrNumber *) ARR_DATA_PTR(columns))[0] : 0;
}

/* Whether a foreign key's action changes nothing. */
static bool
changes_nothing(char action)
{
	return action == FKCONSTR_ACTION_NOACTION || action == FKCONSTR_ACTION_RESTRICT;
}

/* Whether a foreign key to a table of ours may be another table's. */
static bool
key_is_allowed(HeapTuple constraint, Oid root)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(constraint);
	AttrNumber	column = single_column(constraint, Anum_pg_constraint_conkey);
	AttrNumber	referenced = single_column(constraint, Anum_pg_constraint_confkey);

	return column != 0 && referenced != 0 &&
		strcmp(get_rel_name(root), "request") == 0 &&
		strcmp(get_attname(form->confrelid, referenced, false), "id") == 0 &&
		getBaseType(get_atttype(form->conrelid, column)) == UUIDOID &&
		changes_nothing(form->confdeltype) && changes_nothing(form->confupdtype);
}

/* What the rules say of a constraint. */
IgGuardVerdict
ig_guard_decide(HeapTuple constraint, Oid schema, Oid *referenced)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(constraint);
	Oid			root;

	*referenced = InvalidOid;
	if (form->contype == CONSTRAINT_FOREIGN)
	{
		root = find_root(form->confrelid, schema);
		if (OidIsValid(root) &&
			!(OidIsValid(find_root(form->conrelid, schema)) &&
			  table_owner(form->conrelid) == ig_extension_owner()))
		{
			*referenced = form->confrelid;
			return key_is_allowed(constraint, root) && !form->condeferrable ? IG_GUARD_ALLOWED : IG_GUARD_FOREIGN_KEY;
		}
	}
	if (form->condeferrable && OidIsValid(form->conrelid) && OidIsValid(find_root(form->conrelid, schema)))
		return IG_GUARD_DEFERRABLE;
	return IG_GUARD_ALLOWED;
}

/* ---- When something is made ---- */

/* Call with a row of a catalog that may be new in this command. */
static void
with_row(Oid catalog, Oid index, AttrNumber oid_column, Oid object, void (*check) (HeapTuple tuple, Oid schema))
{
	Oid			schema = get_namespace_oid(IG_EXTENSION, true);
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(schema))
		return;
	rel = table_open(catalog, AccessShareLock);
	ScanKeyInit(&key, oid_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		check(tuple, schema);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* A table's name for messages. */
static const char *
table_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table));
}

/* Refuse what is deferrable. */
static void
refuse_deferrable(const char *what, Oid table)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("\"%s\" on table %s must not be deferrable", what, table_name(table)),
			 errdetail("Statements on tables of ignisign are security-restricted operations, in which nothing can be deferred.")));
}

/* Refuse a constraint that the rules do not allow. */
static void
check_constraint(HeapTuple tuple, Oid schema)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	Oid			referenced;

	switch (ig_guard_decide(tuple, schema, &referenced))
	{
		case IG_GUARD_ALLOWED:
			break;
		case IG_GUARD_DEFERRABLE:
			refuse_deferrable(NameStr(form->conname), form->conrelid);
			break;
		case IG_GUARD_FOREIGN_KEY:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_FOREIGN_KEY),
					 errmsg("foreign key \"%s\" of table %s must not reference table %s in this way",
							NameStr(form->conname), table_name(form->conrelid), table_name(referenced)),
					 errdetail("What a foreign key does is executed with the rights of the referenced table's owner."),
					 errhint(IG_GUARD_KEY_RULE)));
			break;
	}
}

/* A constraint was made or altered. */
void
ig_guard_constraint(Oid constraint)
{
	with_row(ConstraintRelationId, ConstraintOidIndexId, Anum_pg_constraint_oid, constraint, check_constraint);
}

/*
 * Refuse a trigger on a table of ours to a role that is not its owner, and one that
 * is deferrable to all.
 */
static void
check_trigger(HeapTuple tuple, Oid schema)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

	if (form->tgisinternal || !OidIsValid(find_root(form->tgrelid, schema)))
		return;
	if (!ig_object_ownercheck(RelationRelationId, form->tgrelid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table %s to create a trigger on it", get_rel_name(form->tgrelid)),
				 errdetail("A trigger on a table of ignisign is executed with its owner's rights."),
				 errhint("Have functions called with ignisign_on().")));
	if (form->tgdeferrable)
		refuse_deferrable(NameStr(form->tgname), form->tgrelid);
}

/* A trigger was made. */
void
ig_guard_trigger(Oid trigger)
{
	with_row(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, trigger, check_trigger);
}

/* Refuse a relation in the schema to a role that has not the privileges of its owner. */
static void
check_relation(HeapTuple tuple, Oid schema)
{
	Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

	if (form->relnamespace == schema && !has_privs_of_role(GetUserId(), ig_extension_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of schema %s to create or alter \"%s\" in it", IG_EXTENSION, NameStr(form->relname)),
				 errhint("Create it in another schema.")));
}

/* A relation was made, altered or moved. */
void
ig_guard_relation(Oid relation)
{
	with_row(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relation, check_relation);
}

/* Refuse TRUNCATE to a role that has not the privileges of the table's owner. */
static void
check_truncate(Oid table)
{
	if (!has_privs_of_role(GetUserId(), table_owner(table)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table %s to empty it", table_name(table)),
				 errdetail("TRUNCATE would remove the rows of all roles."),
				 errhint("ignisign_purge() removes what is old.")));
}

/* A table is about to be emptied. */
void
ig_guard_truncate(Oid relation)
{
	Oid			schema = get_namespace_oid(IG_EXTENSION, true);

	if (OidIsValid(schema) && OidIsValid(find_root(relation, schema)))
		check_truncate(relation);
}

/*
 * ignisign.check_truncate() returns trigger
 *
 * The same where the library is not preloaded, so that there are no hooks.
 */
Datum
ignisign_check_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("ignisign.check_truncate() can only be called as a trigger of TRUNCATE")));
	check_truncate(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(NULL);
}
