/*-------------------------------------------------------------------------
 *
 * reassign.c
 *	  ignisign_reassign(): give what is one role's to another.
 *
 * Roles are kept by name, so that a dump carries them.  A role that was renamed
 * is another one here: its calls are held back, and nobody sees its rows, until
 * they are given to it under its new name.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "spi.h"

PG_FUNCTION_INFO_V1(ignisign_reassign);

/* Raise an error unless the caller may; as the extension's owner. */
static void
check_reassign(Oid caller, const char *old_role, const char *new_role)
{
	Oid			old_oid = get_role_oid(old_role, true);
	Oid			new_oid = get_role_oid(new_role, false);

	/* For a role that is gone the extension's owner stands in. */
	if (has_privs_of_role(caller, OidIsValid(old_oid) ? old_oid : GetUserId()) &&
		has_privs_of_role(caller, new_oid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to reassign the requests of role \"%s\"", old_role),
			 OidIsValid(old_oid) ?
			 errhint("Only roles with privileges of both roles can.") :
			 errhint("There is no such role any more, so only the extension's owner can.")));
}

/*
 * ignisign_reassign(old_role name, new_role name) returns bigint
 *
 * Give requests, and all else that is the old role's, to the new one; returns how
 * many requests that are.  What is kept of signer profiles is read anew.  A
 * callback goes along if its function is the new role's.  Raises 42501 unless
 * the caller has the privileges of both; 42704 if there is no new role; 55006
 * while calls of the old one are under way, whose answers are for it.
 */
Datum
ignisign_reassign(PG_FUNCTION_ARGS)
{
	static IgStatement reassign = {
		.sql = "WITH requests AS (UPDATE ignisign.request SET owner = $2 WHERE owner = $1 RETURNING 1), "
		"calls AS (UPDATE ignisign.call SET owner = $2 WHERE owner = $1 RETURNING state), "
		"results AS (UPDATE ignisign.result SET owner = $2 WHERE owner = $1), "
		"webhooks AS (UPDATE ignisign.webhook SET owner = $2 WHERE owner = $1), "
		"endpoints AS (UPDATE ignisign.endpoint SET owner = $2 WHERE owner = $1), "
		"attempts AS (UPDATE ignisign.attempt SET owner = $2 WHERE owner = $1), "
		"callbacks AS (UPDATE ignisign.callback c SET owner = $2 FROM pg_catalog.pg_proc p "
		"WHERE c.owner = $1 AND p.oid = to_regprocedure(c.function || '(uuid,jsonb)') AND pg_get_userbyid(p.proowner) = $2), "
		"profiles AS (DELETE FROM ignisign.signer_profile WHERE owner = $1), "
		"parked AS (DELETE FROM ignisign.parked WHERE owner = $1) "
		"SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM calls WHERE state = 'sending')",
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	const char *old_role = NameStr(*PG_GETARG_NAME(0));
	const char *new_role = NameStr(*PG_GETARG_NAME(1));
	IgOwnerState state;
	Oid			caller = GetUserId();
	int64		requests = 0;
	int64		sending = 0;

	ig_check_writable("ignisign_reassign()");
	ig_owner_enter(&state);
	check_reassign(caller, old_role, new_role);
	if (strcmp(old_role, new_role) != 0)
	{
		SPI_connect();
		ig_spi_execute(&reassign, values, NULL);
		requests = ig_spi_int64(0, 1, 0);
		sending = ig_spi_int64(0, 2, 0);
		SPI_finish();
	}
	ig_owner_leave(&state);
	if (sending > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("calls of role \"%s\" are under way", old_role),
				 errhint("Try again in a moment.")));

	ig_wake_at_commit();
	PG_RETURN_INT64(requests);
}
