/*-------------------------------------------------------------------------
 *
 * reassign.c
 *	  Give what is one role's, or one server's, to another.
 *
 * Roles and servers are kept by name, so that a dump carries them.  One that was
 * renamed is another one here: its calls are held back, and of a role nobody sees
 * its rows, until they are given to it under its new name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "launcher/commit_actions.h"
#include "queue/credentials.h"
#include "util/spi.h"
#include "util/user_context.h"

/*
 * Have all rows in which the column is $1 be $2's, and some more; what can be read
 * anew is deleted.  Responses how many requests and how many calls under way it met.
 */
#define REASSIGN(column, more) \
	"WITH requests AS (UPDATE ignisign.request SET " column " = $2 WHERE " column " = $1 RETURNING 1), " \
	"calls AS (UPDATE ignisign.call SET " column " = $2 WHERE " column " = $1 RETURNING state), " \
	"results AS (UPDATE ignisign.result SET " column " = $2 WHERE " column " = $1), " \
	"webhooks AS (UPDATE ignisign.webhook SET " column " = $2 WHERE " column " = $1), " \
	"endpoints AS (UPDATE ignisign.endpoint SET " column " = $2 WHERE " column " = $1), " \
	"tombstones AS (UPDATE ignisign.tombstone SET " column " = $2 WHERE " column " = $1), " \
	"attempts AS (UPDATE ignisign.attempt SET " column " = $2 WHERE " column " = $1), " \
	"profiles AS (DELETE FROM ignisign.signer_profile WHERE " column " = $1), " \
	"parked AS (DELETE FROM ignisign.parked WHERE " column " = $1)" more " " \
	"SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM calls WHERE state = 'sending')"

PG_FUNCTION_INFO_V1(ignisign_reassign);
PG_FUNCTION_INFO_V1(ignisign_reassign_server);

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

/* Run one of the statements; whose they were is for an error. */
static int64
run_reassign(IgStatement *reassign, Datum *values, const char *kind, const char *name)
{
	int64		requests;
	int64		sending;

	SPI_connect();
	ig_spi_execute(reassign, values, NULL);
	requests = ig_spi_int64(0, 1, 0);
	sending = ig_spi_int64(0, 2, 0);
	SPI_finish();
	if (sending > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("calls of %s \"%s\" are under way", kind, name),
				 errhint("Try again in a moment.")));
	return requests;
}

/*
 * ignisign_reassign(old_role name, new_role name) returns bigint
 *
 * Give requests, and all else that is the old role's, to the new one; returns how
 * many requests that are.  What is kept of signer profiles is read anew.  A
 * callback goes along if its function is the new role's.  Raises 42501 unless
 * the caller has the privileges of both; 42704 if there is no new role; 55006
 * while calls of the old one are under way, whose responses are for it.
 */
Datum
ignisign_reassign(PG_FUNCTION_ARGS)
{
	static IgStatement reassign = {
		.sql = REASSIGN("owner", ", callbacks AS (UPDATE ignisign.callback c SET owner = $2 FROM pg_catalog.pg_proc p "
						"WHERE c.owner = $1 AND p.oid = to_regprocedure(c.function || '(uuid,jsonb)') AND pg_get_userbyid(p.proowner) = $2)"),
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	const char *old_role = NameStr(*PG_GETARG_NAME(0));
	const char *new_role = NameStr(*PG_GETARG_NAME(1));
	IgOwnerState state;
	Oid			caller = GetUserId();
	int64		requests = 0;

	ig_check_writable("ignisign_reassign()");
	ig_owner_enter(&state);
	check_reassign(caller, old_role, new_role);
	if (strcmp(old_role, new_role) != 0)
		requests = run_reassign(&reassign, values, "role", old_role);
	ig_owner_leave(&state);
	ig_wake_at_commit();
	PG_RETURN_INT64(requests);
}

/*
 * ignisign_reassign_server(old_server name, new_server name) returns bigint
 *
 * Give requests, and all else that is of a server that was renamed or dropped, to
 * the new one; returns how many requests that are.  What was sent with the old
 * one must be known where the new one leads to.  Raises 42501 for who is not the
 * extension's owner; 55000 while the old server exists; 42704 if there is no new
 * one; 42809 if it is another wrapper's; 55006 while calls of the old one are under
 * way; 23505 where both have one and the same request of Ignisign's.
 */
Datum
ignisign_reassign_server(PG_FUNCTION_ARGS)
{
	static IgStatement reassign = {
		.sql = REASSIGN("server", ""),
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	const char *old_server = NameStr(*PG_GETARG_NAME(0));
	IgOwnerState state;
	Oid			caller = GetUserId();
	int64		requests;

	ig_check_writable("ignisign_reassign_server()");
	(void) ig_our_server(NameStr(*PG_GETARG_NAME(1)));
	if (OidIsValid(get_foreign_server_oid(old_server, true)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("server \"%s\" exists", old_server),
				 errhint("Only what is of a server that was renamed or dropped can be given to another.")));
	ig_owner_enter(&state);
	if (!has_privs_of_role(caller, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to reassign the requests of server \"%s\"", old_server),
				 errhint("Only the extension's owner can.")));
	requests = run_reassign(&reassign, values, "server", old_server);
	ig_owner_leave(&state);
	ig_wake_at_commit();
	PG_RETURN_INT64(requests);
}
