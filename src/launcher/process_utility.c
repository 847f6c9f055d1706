/*-------------------------------------------------------------------------
 *
 * process_utility.c
 *	  Commands on databases and extensions that concern the workers.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and SET TABLESPACE, and CREATE
 * DATABASE ... TEMPLATE refuse a database that somebody is connected to.  A
 * worker is not to be in their way: it is held off while such a command runs.
 * Only who may run the command can make it so; anybody else gets the
 * command's own error without disturbing anything.  It is let in again when the
 * transaction has ended, so that it never meets a database that is half gone.
 *
 * Commands with an API key are shown without it, and guard.c refuses what must
 * not be attached to the extension's tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/user.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "launcher/process_utility.h"
#include "launcher/slots.h"
#include "util/guard.h"
#include "util/redact.h"

PG_FUNCTION_INFO_V1(ignisign_installed);

static ProcessUtility_hook_type prev_process_utility = NULL;
static object_access_hook_type prev_object_access = NULL;

/* Whether the current role owns the database. */
static bool
owns_database(Oid database)
{
	return ig_object_ownercheck(DatabaseRelationId, database, GetUserId());
}

/* Whether the current role may copy the database, as createdb() has it. */
static bool
may_copy_database(Oid database)
{
	HeapTuple	tuple;
	bool		may = false;

	if (!superuser())
	{
		tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
		if (HeapTupleIsValid(tuple))
		{
			may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
			ReleaseSysCache(tuple);
		}
		if (!may)
			return false;
	}

	may = owns_database(database);
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		may = may || ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return may;
}

/* The string value of an option, or NULL. */
static char *
find_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/* The database that the command must have for itself, or InvalidOid. */
static Oid
database_to_hold(Node *parsetree)
{
	Oid			database = InvalidOid;

	switch (nodeTag(parsetree))
	{
		case T_DropdbStmt:
			database = get_database_oid(castNode(DropdbStmt, parsetree)->dbname, true);
			break;
		case T_RenameStmt:
			{
				RenameStmt *stmt = castNode(RenameStmt, parsetree);

				if (stmt->renameType == OBJECT_DATABASE)
					database = get_database_oid(stmt->subname, true);
				break;
			}
		case T_AlterDatabaseStmt:
			{
				AlterDatabaseStmt *stmt = castNode(AlterDatabaseStmt, parsetree);

				if (find_option(stmt->options, "tablespace"))
					database = get_database_oid(stmt->dbname, true);
				break;
			}
		case T_CreatedbStmt:
			{
				CreatedbStmt *stmt = castNode(CreatedbStmt, parsetree);
				char	   *source = find_option(stmt->options, "template");

				database = get_database_oid(source ? source : "template1", true);
				if (OidIsValid(database) && !may_copy_database(database))
					database = InvalidOid;
				return database;
			}
		default:
			return InvalidOid;
	}

	if (OidIsValid(database) && !owns_database(database))
		database = InvalidOid;
	return database;
}

/* The database whose settings for the listener the command changes, or InvalidOid. */
static Oid
database_to_check(Node *parsetree)
{
	const char *name;
	VariableSetStmt *set;

	if (IsA(parsetree, AlterDatabaseSetStmt))
	{
		name = castNode(AlterDatabaseSetStmt, parsetree)->dbname;
		set = castNode(AlterDatabaseSetStmt, parsetree)->setstmt;
	}
	else if (IsA(parsetree, AlterRoleSetStmt))
	{
		name = castNode(AlterRoleSetStmt, parsetree)->database;
		set = castNode(AlterRoleSetStmt, parsetree)->setstmt;
	}
	else
		return InvalidOid;
	if (name == NULL ||
		(set->name != NULL && pg_strncasecmp(set->name, "ignisign.webhook_", 17) != 0))
		return InvalidOid;
	return get_database_oid(name, true);
}

/* ProcessUtility_hook. */
static void
process_utility(PlannedStmt *pstmt, const char *query_string,
				bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *query_env,
				DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *parsetree = pstmt->utilityStmt;
	ProcessUtility_hook_type next = prev_process_utility ? prev_process_utility : standard_ProcessUtility;
	Oid			held = InvalidOid;
	Oid			checked = database_to_check(parsetree);
	char	   *wanted = NULL;
	bool		commit_prepared = false;

	if (context == PROCESS_UTILITY_TOPLEVEL && !RecoveryInProgress())
	{
		held = database_to_hold(parsetree);
		if (IsA(parsetree, CreatedbStmt))
			wanted = pstrdup(castNode(CreatedbStmt, parsetree)->dbname);
		else if (IsA(parsetree, AlterDatabaseStmt))
			wanted = pstrdup(castNode(AlterDatabaseStmt, parsetree)->dbname);
		else if (IsA(parsetree, TransactionStmt))
			commit_prepared = castNode(TransactionStmt, parsetree)->kind == TRANS_STMT_COMMIT_PREPARED;
	}

	if (OidIsValid(held))
		ig_hold_until_end(held);

	ig_redact_activity();
	query_string = ig_redact_statement(query_string);
	next(pstmt, query_string, read_only_tree, context, params, query_env, dest, qc);

	/*
	 * The copy of a database may have the extension, too, and one that allows connections again may have a
	 * queue.
	 */
	if (wanted != NULL)
	{
		Oid			database = get_database_oid(wanted, true);

		if (OidIsValid(database))
			ig_want_at_commit(database, wanted);
	}

	/* It may be to listen, or not to. */
	if (OidIsValid(checked))
		ig_check_listener_at_commit(checked);

	/* What was queued in the prepared transaction is there now. */
	if (commit_prepared)
		ig_slots_wake(MyDatabaseId, get_database_name(MyDatabaseId));

	/* No hook tells of a GRANT; calls may be held back for want of one. */
	if (IsA(parsetree, GrantStmt) &&
		castNode(GrantStmt, parsetree)->objtype == OBJECT_FOREIGN_SERVER)
		ig_wake_at_commit();
}

/* Have guard.c look at what may be attached to a table of ours. */
static void
guard(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id)
{
	bool		made = access == OAT_POST_CREATE || access == OAT_POST_ALTER;

	if (made && class_id == ConstraintRelationId)
		ig_guard_constraint(object_id);
	else if (access == OAT_POST_CREATE && class_id == TriggerRelationId)
		ig_guard_trigger(object_id);
	else if (made && class_id == RelationRelationId && sub_id == 0)
		ig_guard_relation(object_id);
	else if (access == OAT_TRUNCATE && class_id == RelationRelationId)
		ig_guard_truncate(object_id);
}

/*
 * object_access_hook: after DROP EXTENSION the worker looks and ends; after a
 * change of servers, mappings or roles it may be able to send what it could not.
 */
static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id,
			  int sub_id, void *arg)
{
	IgSlotView	view;

	if (prev_object_access)
		prev_object_access(access, class_id, object_id, sub_id, arg);

	guard(access, class_id, object_id, sub_id);
	if (access == OAT_DROP && class_id == ExtensionRelationId &&
		object_id == get_extension_oid(IG_EXTENSION, true))
		ig_wake_at_commit();
	else if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER) &&
			 (class_id == ForeignServerRelationId || class_id == UserMappingRelationId ||
			  (class_id == AuthIdRelationId && ig_slots_view(MyDatabaseId, &view))))
		ig_wake_at_commit();
}

/* Install the hooks; called while the module is preloaded. */
void
ig_utility_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
}

/*
 * ignisign.installed() returns void
 *
 * Last step of the install script: have the worker started at COMMIT.  The
 * queue gets its owner with the first request, because pg_restore runs this,
 * too, before it brings another database's queue.
 */
Datum
ignisign_installed(PG_FUNCTION_ARGS)
{
	if (ig_slots_available())
		ig_wake_at_commit();
	else
		ereport(WARNING,
				(errmsg("ignisign is not in shared_preload_libraries: calls are queued, but no worker can send them"),
				 errhint("Set shared_preload_libraries = 'ignisign' in postgresql.conf, beside what is there already, and restart the server.")));

	PG_RETURN_VOID();
}
