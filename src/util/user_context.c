/*-------------------------------------------------------------------------
 *
 * user_context.c
 *	  Act as the extension's owner, for statements on its own tables.
 *
 * The functions run with the rights of their caller, whom they check; what
 * they then read and write in the schema "ignisign" is done as the owner of
 * that schema, as referential-integrity triggers do for their tables.  The
 * search_path is pinned, so that no object of a caller can be meant.  It is a
 * security-restricted operation: should anything of another role run in it after
 * all, it can leave nothing behind in the session that would run later with more
 * rights.  guard.c has what may be attached to the tables at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "guc.h"
#include "util/user_context.h"

/* Look up the owner of the schema "ignisign". */
Oid
ig_extension_owner(void)
{
	HeapTuple	tuple;
	Oid			owner;

	tuple = SearchSysCache1(NAMESPACENAME, CStringGetDatum(IG_EXTENSION));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema \"%s\" does not exist", IG_EXTENSION),
				 errhint("Run CREATE EXTENSION ignisign in this database.")));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Refuse to run a function that writes where nothing can be written. */
void
ig_check_writable(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
}

/* Become the extension's owner. */
void
ig_owner_enter(IgOwnerState *state)
{
	Oid			owner = ig_extension_owner();

	GetUserIdAndSecContext(&state->user, &state->sec_context);
	SetUserIdAndSecContext(owner,
						   state->sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	state->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Restore the settings, but not the role yet. */
void
ig_owner_restore_settings(const IgOwnerState *state)
{
	AtEOXact_GUC(false, state->guc_level);
}

/* Become again the role that entered. */
void
ig_owner_restore_role(const IgOwnerState *state)
{
	SetUserIdAndSecContext(state->user, state->sec_context);
}

/* Both. */
void
ig_owner_leave(const IgOwnerState *state)
{
	ig_owner_restore_settings(state);
	ig_owner_restore_role(state);
}
