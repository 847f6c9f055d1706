/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  ignisign_retry(), ignisign_discard(): dead calls are sent again or given up.
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
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "errors.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/queue.h"
#include "queue/user_event.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_retry);
PG_FUNCTION_INFO_V1(ignisign_retry_request);
PG_FUNCTION_INFO_V1(ignisign_discard);
PG_FUNCTION_INFO_V1(ignisign_discard_request);

/* What can be done to calls. */
typedef enum Action
{
	ACTION_RETRY,
	ACTION_DISCARD
} Action;

/* Whether an operation does no harm when it is done twice. */
static bool
may_repeat(const char *name)
{
	IgOperation operation;

	return ig_api_operation_by_name(name, &operation) && ig_api_repeatable(operation);
}

/*
 * Lock the calls of a request, or one by its id; "states" is what the action
 * applies to.  Does it, and returns to how many.  With an id, a call in another
 * state is an error.
 */
static int
act_on_calls(Action action, const pg_uuid_t *request, int64 id)
{
	static IgStatement by_request = {
		.sql = "SELECT request, id, state, owner::text, operation, " IG_CONFIRMED("")
		" FROM ignisign.call WHERE request = $1 ORDER BY id FOR UPDATE",
		.types = {UUIDOID}
	};
	static IgStatement by_id = {
		.sql = "SELECT request, id, state, owner::text, operation, " IG_CONFIRMED("")
		" FROM ignisign.call WHERE id = $1 FOR UPDATE",
		.types = {INT8OID}
	};
	static IgStatement retry = {
		.sql = "UPDATE ignisign.call SET state = CASE state WHEN 'dead' THEN 'pending' ELSE state END, run_at = now(), "
		"attempts = CASE state WHEN 'dead' THEN 0 ELSE attempts END, waits = 0 WHERE request = $1 AND id = $2",
		.types = {UUIDOID, INT8OID}
	};
	static IgStatement discard = {
		.sql = "WITH file AS (DELETE FROM ignisign.document d WHERE d.request = $1 "
		"AND NOT EXISTS (SELECT FROM ignisign.request r WHERE r.id = $1)) "
		"DELETE FROM ignisign.call WHERE request = $1 AND id = $2",
		.types = {UUIDOID, INT8OID}
	};
	Oid			caller = GetUserId();
	IgOwnerState state;
	Datum		value = request ? UUIDPGetDatum(request) : Int64GetDatum(id);
	SPITupleTable *rows;
	uint64		n;
	int			visible = 0;
	int			done = 0;

	ig_check_writable(action == ACTION_RETRY ? "ignisign_retry()" : "ignisign_discard()");
	ig_owner_enter(&state);
	SPI_connect();
	n = ig_spi_execute(request ? &by_request : &by_id, &value, NULL);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		values[2];
		char	   *call_state;
		char	   *operation;

		SPI_tuptable = rows;
		values[0] = ig_spi_datum(i, 1, &isnull);
		values[1] = ig_spi_datum(i, 2, &isnull);
		call_state = ig_spi_text(i, 3, CurrentMemoryContext);
		operation = ig_spi_text(i, 5, CurrentMemoryContext);
		if (!ig_may_see(caller, ig_spi_text(i, 4, CurrentMemoryContext)))
			continue;
		visible++;
		if (action == ACTION_RETRY && strcmp(call_state, "dead") == 0 &&
			DatumGetBool(ig_spi_datum(i, 6, &isnull)) && !may_repeat(operation))
		{
			if (request != NULL)
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("call %lld has been carried out", (long long) id),
					 errdetail("Its response could not be recorded."),
					 errhint("ignisign_discard() drops it; ask again if it is to be made again.")));
		}
		if (strcmp(call_state, "dead") != 0 &&
			strcmp(call_state, action == ACTION_RETRY ? "unknown" : "pending") != 0)
		{
			if (request != NULL)
				continue;
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("call %lld is %s", (long long) id, call_state),
					 action == ACTION_RETRY ?
					 errhint("Only a dead call can be retried, and an unknown one looked for; the others are at work.") :
					 errhint("Only a dead or pending call can be discarded; an unknown one can be decided with ignisign_resolve().")));
		}
		ig_spi_execute(action == ACTION_RETRY ? &retry : &discard, values, NULL);
		ig_add_user_event(DatumGetUUIDP(values[0]), action == ACTION_RETRY ? "retried" : "discarded",
				  operation, GetUserNameFromId(caller, false));
		done++;
	}
	SPI_finish();
	ig_owner_leave(&state);

	if (visible == 0 && request == NULL)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("there is no call %lld", (long long) id),
				 errhint("SELECT * FROM ignisign.call shows those that are still to be made.")));
	if (visible == 0)
	{
		char	   *owner;
		char	   *signature_request_id;

		ig_owner_enter(&state);
		SPI_connect();
		(void) ig_lock_request(request, caller, &owner, &signature_request_id);
		SPI_finish();
		ig_owner_leave(&state);
	}
	ig_wake_at_commit();
	return done;
}

/*
 * ignisign_retry(call bigint) returns void
 *
 * A dead call is made again; one whose outcome is unknown is looked for, and not sent.
 * Errors: IG012 when there is no such call, 55000 when it is at work, or was carried
 * out and must not be repeated.
 */
Datum
ignisign_retry(PG_FUNCTION_ARGS)
{
	(void) act_on_calls(ACTION_RETRY, NULL, PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

/*
 * ignisign_retry_request(request uuid) returns integer
 *
 * Returns how many calls of the request are made again or looked for.  Errors: IG012
 * when there is no such request.
 */
Datum
ignisign_retry_request(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(act_on_calls(ACTION_RETRY, PG_GETARG_UUID_P(0), 0));
}

/*
 * ignisign_discard(call bigint) returns void
 *
 * Errors: IG012 when there is no such call, 55000 when it is under way or its
 * outcome is unknown.
 */
Datum
ignisign_discard(PG_FUNCTION_ARGS)
{
	(void) act_on_calls(ACTION_DISCARD, NULL, PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

/*
 * ignisign_discard_request(request uuid) returns integer
 *
 * Returns how many calls of the request were dropped.  Errors: IG012 when there
 * is no such request.
 */
Datum
ignisign_discard_request(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(act_on_calls(ACTION_DISCARD, PG_GETARG_UUID_P(0), 0));
}
