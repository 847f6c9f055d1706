/*-------------------------------------------------------------------------
 *
 * queue_stats.c
 *	  Figures of what is still to be done: ignisign_queue_stats() of the calls,
 *	  ignisign_callback_stats() of the functions that are called.
 *
 * Figures only: members of pg_monitor get them of all roles, and so need no right
 * to the rows, which say whose contract it is about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/tuplestore.h"

#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_queue_stats);
PG_FUNCTION_INFO_V1(ignisign_callback_stats);

/* Whether what a role owns is the caller's to see, or all is. */
#define VISIBLE(owner) \
	"($2 OR EXISTS (SELECT FROM pg_catalog.pg_roles o " \
	"WHERE o.rolname = " owner " AND pg_catalog.pg_has_role($1, o.oid, 'USAGE')))"

/*
 * Return the rows of a statement, which is run as the extension's owner.  Its
 * parameters are the caller, and whether that is a member of pg_monitor.
 */
static Datum
return_rows(FunctionCallInfo fcinfo, IgStatement *statement)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	Datum		values[2] = {ObjectIdGetDatum(caller), BoolGetDatum(has_privs_of_role(caller, ROLE_PG_MONITOR))};
	IgOwnerState state;
	uint64		n;

	InitMaterializedSRF(fcinfo, 0);
	ig_owner_enter(&state);
	SPI_connect();
	n = ig_spi_execute(statement, values, NULL);
	for (uint64 i = 0; i < n; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	ig_owner_leave(&state);
	return (Datum) 0;
}

/*
 * ignisign_queue_stats() returns setof record
 *
 * The calls that the caller may see, by server, operation and state.
 */
Datum
ignisign_queue_stats(PG_FUNCTION_ARGS)
{
	static IgStatement count = {
		.sql = "SELECT c.server, c.operation, c.state, pg_catalog.count(*), "
		"pg_catalog.min(c.created_at), pg_catalog.min(c.claimed_at) "
		"FROM ignisign.call c WHERE " VISIBLE("c.owner") " "
		"GROUP BY c.server, c.operation, c.state",
		.types = {OIDOID, BOOLOID}
	};

	return return_rows(fcinfo, &count);
}

/*
 * ignisign_callback_stats() returns setof record
 *
 * The callbacks that the caller may see, and how many of their calls are still to
 * be made, or were given up.
 */
Datum
ignisign_callback_stats(PG_FUNCTION_ARGS)
{
	static IgStatement count = {
		.sql = "SELECT c.id, c.function, c.owner, c.problem, "
		"pg_catalog.count(*) FILTER (WHERE d.state = 'pending'), "
		"pg_catalog.count(*) FILTER (WHERE d.state = 'running'), "
		"pg_catalog.count(*) FILTER (WHERE d.state = 'dead'), "
		"pg_catalog.count(*) FILTER (WHERE d.state <> 'dead' AND d.attempts > 0), "
		"pg_catalog.min(d.run_at) FILTER (WHERE d.state = 'pending') "
		"FROM ignisign.callback c LEFT JOIN ignisign.delivery d ON d.callback = c.id "
		"WHERE " VISIBLE("c.owner") " GROUP BY c.id",
		.types = {OIDOID, BOOLOID}
	};

	return return_rows(fcinfo, &count);
}
