/*-------------------------------------------------------------------------
 *
 * sync.c
 *	  ignisign_refresh(), ignisign_sync(): read the state of requests again.
 *
 * A request or call that the caller may not see does not exist for the caller, and
 * is reported like that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/queue.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_refresh);
PG_FUNCTION_INFO_V1(ignisign_sync);

/*
 * ignisign_refresh(request uuid) returns void
 *
 * Queue a read of the request's context.  Errors: IG012 for a request that is
 * not there, 55000 for one that was not sent yet.
 */
Datum
ignisign_refresh(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *owner;
	char	   *signature_request_id;
	char	   *server;

	ig_check_writable("ignisign_refresh()");
	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_sent_request(id, caller, &owner, &signature_request_id);
	ig_queue_add(id, IG_OP_CONTEXT, 0, 0, "", owner, server, GetCurrentTimestamp());
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}

/*
 * ignisign_sync(server name) returns bigint
 *
 * Queue a read of each open request on the server (NULL: on all) that the caller
 * may see, and of each completed one of which a proof could not be had.  Returns
 * how many.
 */
Datum
ignisign_sync(PG_FUNCTION_ARGS)
{
	static IgStatement sync = {
		.sql = "INSERT INTO ignisign.call AS c (request, operation, owner, server) "
		"SELECT r.id, 'context', r.owner, r.server FROM ignisign.request r "
		"WHERE r.owner = ANY ($1) AND ($2 IS NULL OR r.server = $2) AND r.sent_at IS NOT NULL "
		"AND (r.closed_at IS NULL OR EXISTS (SELECT FROM ignisign.call d WHERE d.request = r.id "
		"AND d.operation IN ('context', 'proof', 'signer-proof') AND d.state = 'dead')) "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO UPDATE "
		"SET run_at = CASE c.state WHEN 'dead' THEN excluded.run_at ELSE least(c.run_at, excluded.run_at) END, "
		"state = 'pending', attempts = 0, waits = 0 "
		"WHERE c.state IN ('pending', 'dead')",
		.types = {NAMEARRAYOID, NAMEOID}
	};
	static IgStatement owners = {.sql = "SELECT DISTINCT owner::text FROM ignisign.request"};
	static IgStatement proofs = {
		.sql = "UPDATE ignisign.call SET state = 'pending', run_at = now(), attempts = 0, waits = 0 "
		"WHERE owner = ANY ($1) AND ($2 IS NULL OR server = $2) AND operation IN ('proof', 'signer-proof') AND state = 'dead'",
		.types = {NAMEARRAYOID, NAMEOID}
	};
	Oid			caller = GetUserId();
	IgOwnerState state;
	Datum	   *visible;
	Datum		values[2];
	char		nulls[3] = "  ";
	int			nvisible = 0;
	uint64		n;

	ig_check_writable("ignisign_sync()");
	ig_owner_enter(&state);
	SPI_connect();
	n = ig_spi_execute(&owners, NULL, NULL);
	visible = palloc((n + 1) * sizeof(Datum));
	for (uint64 i = 0; i < n; i++)
	{
		char	   *owner = ig_spi_text(i, 1, CurrentMemoryContext);

		if (ig_may_see(caller, owner))
			visible[nvisible++] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	}
	values[0] = ig_array(NAMEOID, visible, NULL, nvisible);
	values[1] = PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0);
	nulls[1] = PG_ARGISNULL(0) ? 'n' : ' ';
	n = ig_spi_execute(&sync, values, nulls);
	ig_spi_execute(&proofs, values, nulls);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_INT64((int64) n);
}
