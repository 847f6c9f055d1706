/*-------------------------------------------------------------------------
 *
 * connect.c
 *	  ignisign_connect() and ignisign_grant(): the commands on servers, user
 *	  mappings and privileges that a newcomer would have to look up.
 *
 * These two run with the rights of their caller.  The commands on servers and
 * mappings are not written as text but called as the parser would, so that no
 * statement with an API key in it is ever made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "errors.h"
#include "guc.h"
#include "queue/credentials.h"
#include "util/redact.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_connect);
PG_FUNCTION_INFO_V1(ignisign_grant);
PG_FUNCTION_INFO_V1(ignisign_grant_again);

/* Make an option, with the action that ALTER takes. */
static DefElem *
make_option(const char *name, const char *value, DefElemAction action)
{
	DefElem    *option = makeDefElem(pstrdup(name), value ? (Node *) makeString(pstrdup(value)) : NULL, -1);

	option->defaction = action;
	return option;
}

/* Whether a list of options has this one. */
static bool
has_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, name) == 0)
			return true;
	}
	return false;
}

/* The role as the grammar names it; NULL means the current one. */
static RoleSpec *
make_role(const char *name)
{
	RoleSpec   *role = makeNode(RoleSpec);

	role->location = -1;
	if (name == NULL)
		role->roletype = ROLESPEC_CURRENT_USER;
	else if (strcmp(name, "public") == 0)
		role->roletype = ROLESPEC_PUBLIC;
	else
	{
		role->roletype = ROLESPEC_CSTRING;
		role->rolename = pstrdup(name);
	}
	return role;
}

/* Create the server, or change its base URL. */
static void
connect_server(const char *name, const char *base_url)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server == NULL)
	{
		CreateForeignServerStmt *create = makeNode(CreateForeignServerStmt);

		create->servername = pstrdup(name);
		create->fdwname = pstrdup(IG_FDW);
		if (base_url)
			create->options = list_make1(make_option("base_url", base_url, DEFELEM_UNSPEC));
		CreateForeignServer(create);
		return;
	}
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, IG_FDW) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" exists and is not one of the foreign data wrapper \"%s\"", name, IG_FDW),
				 errhint("Choose another name, as in ignisign_connect('<API key>', server => 'signing').")));
	if (base_url)
	{
		AlterForeignServerStmt *alter = makeNode(AlterForeignServerStmt);

		alter->servername = pstrdup(name);
		alter->options = list_make1(make_option("base_url", base_url,
												has_option(server->options, "base_url") ? DEFELEM_SET : DEFELEM_ADD));
		AlterForeignServer(alter);
	}
}

/* Create the mapping, or change its key. */
static void
connect_mapping(const char *server_name, RoleSpec *role, const char *api_key)
{
	Oid			role_oid = role->roletype == ROLESPEC_PUBLIC ? InvalidOid : get_rolespec_oid(role, false);
	ForeignServer *server = GetForeignServerByName(server_name, false);
	HeapTuple	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role_oid),
										ObjectIdGetDatum(server->serverid));
	List	   *old = NIL;
	AlterUserMappingStmt *alter;
	Datum		options;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
	{
		CreateUserMappingStmt *create = makeNode(CreateUserMappingStmt);

		create->user = role;
		create->servername = pstrdup(server_name);
		create->options = list_make1(make_option("api_key", api_key, DEFELEM_UNSPEC));
		CreateUserMapping(create);
		return;
	}

	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	if (!isnull)
		old = untransformRelOptions(options);
	ReleaseSysCache(tuple);

	alter = makeNode(AlterUserMappingStmt);
	alter->user = role;
	alter->servername = pstrdup(server_name);
	alter->options = list_make1(make_option("api_key", api_key,
											has_option(old, "api_key") ? DEFELEM_SET : DEFELEM_ADD));
	if (has_option(old, "api_key_file"))
		alter->options = lappend(alter->options, make_option("api_key_file", NULL, DEFELEM_DROP));
	AlterUserMapping(alter);
}

/*
 * ignisign_connect(api_key text, base_url text, server name, for_role name)
 * returns text
 *
 * Create or change a server and a user mapping.  base_url NULL leaves the
 * server as it is, or gives a new one the default; for_role NULL is the
 * current role, "public" everybody.  Returns what the key stands for.  Errors:
 * 22004 for a NULL key or server; those of the validator; those of CREATE
 * SERVER and CREATE USER MAPPING for who may not; 25006 where nothing can be
 * written.
 */
Datum
ignisign_connect(PG_FUNCTION_ARGS)
{
	const char *name;
	const char *base_url = NULL;
	const char *role = NULL;
	char	   *api_key;
	char	   *problem;
	IgAccount  *account;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", PG_ARGISNULL(0) ? "api_key" : "server")));
	api_key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	name = NameStr(*PG_GETARG_NAME(2));
	if (!PG_ARGISNULL(1))
		base_url = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (!PG_ARGISNULL(3))
		role = NameStr(*PG_GETARG_NAME(3));

	/* Commands see to that themselves, but none is run here. */
	ig_check_writable("ignisign_connect()");
	ig_redact_activity();
	connect_server(name, base_url);
	CommandCounterIncrement();
	connect_mapping(name, make_role(role), api_key);
	CommandCounterIncrement();

	account = ig_account_load(name, role ? role : GetUserNameFromId(GetUserId(), false), &problem);
	if (account == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("could not connect: %s", problem),
				 errhidestmt(true)));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s %s at %s", account->key.app_id,
											  account->key.app_env, account->base_url)));
}

/* Execute a command. */
static void
execute(const char *command)
{
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not execute: %s", command);
}

/*
 * ignisign_grant(role name, server name) returns void
 *
 * Let a role ("public": everybody) sign through a server and see its own
 * requests.  Errors: those of GRANT, for who may not or names what is not
 * there.
 */
Datum
ignisign_grant(PG_FUNCTION_ARGS)
{
	const char *role_name = NameStr(*PG_GETARG_NAME(0));
	const char *server = NameStr(*PG_GETARG_NAME(1));
	const char *role = strcmp(role_name, "public") == 0 ? "PUBLIC" : quote_identifier(role_name);
	int			guc_level = NewGUCNestLevel();
	char	   *list;

	/* As the caller, but without meaning the caller's objects. */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);

	SPI_connect();
	execute(psprintf("GRANT USAGE ON FOREIGN SERVER %s TO %s", quote_identifier(server), role));
	execute(psprintf("GRANT USAGE ON SCHEMA ignisign TO %s", role));
	execute(psprintf("GRANT SELECT ON ignisign.request, ignisign.signer, ignisign.document, "
					 "ignisign.proof, ignisign.call, ignisign.result, ignisign.webhook, ignisign.endpoint, "
					 "ignisign.attempt, ignisign.event, ignisign.callback, ignisign.delivery, "
					 "ignisign.parked, ignisign.signer_profile, ignisign.requests TO %s", role));

	execute(psprintf("GRANT USAGE ON TYPE ignisign.new_signer, ignisign.new_document TO %s", role));

	/* The functions for everyday use, as the extension has them. */
	if (SPI_execute("SELECT pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::pg_catalog.text, ', ') "
					"FROM pg_catalog.pg_proc p "
					"JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass "
					"AND d.objid = p.oid AND d.deptype = 'e' "
					"JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass "
					"AND e.oid = d.refobjid AND e.extname = 'ignisign' "
					"WHERE p.proname NOT IN ('ignisign_connect', 'ignisign_grant', 'ignisign_adopt', 'ignisign_reassign_server', 'ignisign_purge', "
					"'ignisign_fdw_validator', 'installed', 'grant_again', 'origin_changed', 'event_added', 'request_deleted', 'check_tables', 'check_truncate')", true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not list the functions of the extension");
	list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist", IG_EXTENSION)));
	execute(psprintf("GRANT EXECUTE ON FUNCTION %s TO %s", list, role));
	SPI_finish();
	AtEOXact_GUC(false, guc_level);

	PG_RETURN_VOID();
}

/* Give a function's privileges to roles that had them before. */
static void
grant_to(const char *function, Acl *acl)
{
	static IgStatement list = {
		.sql = "SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END, "
		"a.is_grantable FROM pg_catalog.aclexplode($1) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee "
		"WHERE a.grantee = 0 OR r.oid IS NOT NULL",
		.types = {ACLITEMARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = PointerGetDatum(acl);
	List	   *commands = NIL;
	ListCell   *lc;
	uint64		n;

	SPI_connect();
	n = ig_spi_execute(&list, &value, NULL);
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		bool		grantable = DatumGetBool(ig_spi_datum(i, 2, &isnull));
		char	   *role = ig_spi_text(i, 1, context);
		MemoryContext old = MemoryContextSwitchTo(context);

		commands = lappend(commands, psprintf("GRANT EXECUTE ON FUNCTION %s TO %s%s", function, role,
											  grantable ? " WITH GRANT OPTION" : ""));
		MemoryContextSwitchTo(old);
	}
	foreach(lc, commands)
		execute(lfirst(lc));
	SPI_finish();
}

/*
 * ignisign.grant_again(function regprocedure, acl aclitem[]) returns void
 *
 * For update scripts: a function that had to be dropped and made anew is again
 * for the roles that it was for.  What these were granted was not the
 * extension's doing, and is not to be taken for that, or pg_dump would leave it
 * out.  Errors: 55000 outside of such a script.
 */
Datum
ignisign_grant_again(PG_FUNCTION_ARGS)
{
	int			guc_level = NewGUCNestLevel();

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ignisign.grant_again() is for the extension's update scripts")));

	/* The script runs with the schema of the functions, where others' operators may be. */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	creating_extension = false;
	PG_TRY();
	{
		grant_to(DatumGetCString(DirectFunctionCall1(regprocedureout, PG_GETARG_DATUM(0))),
				 PG_GETARG_ACL_P(1));
	}
	PG_FINALLY();
	{
		creating_extension = true;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, guc_level);
	PG_RETURN_VOID();
}
