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

/* A call of the queue, with its row locked. */
typedef struct LockedCall
{
	pg_uuid_t	request;
	int64		id;
	char	   *state;
	char	   *owner;
	char	   *operation;
	bool		confirmed;		/* the API has carried it out; see ig_call_confirmed() */
} LockedCall;

/* Lock the calls of a request, or if that is NULL, the call with this id.  Needs SPI. */
static LockedCall *
lock_calls(const pg_uuid_t *request, int64 id, int *n)
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
	Datum		value = request ? UUIDPGetDatum(request) : Int64GetDatum(id);
	LockedCall *calls;

	*n = (int) ig_spi_execute(request ? &by_request : &by_id, &value, NULL);
	calls = palloc(Max(*n, 1) * sizeof(LockedCall));
	for (int i = 0; i < *n; i++)
	{
		LockedCall *call = &calls[i];
		bool		isnull;

		call->request = *DatumGetUUIDP(ig_spi_datum(i, 1, &isnull));
		call->id = ig_spi_int64(i, 2, 0);
		call->state = ig_spi_text(i, 3, CurrentMemoryContext);
		call->owner = ig_spi_text(i, 4, CurrentMemoryContext);
		call->operation = ig_spi_text(i, 5, CurrentMemoryContext);
		call->confirmed = DatumGetBool(ig_spi_datum(i, 6, &isnull));
	}
	return calls;
}

/*
 * Whether the action applies to a call.  If it does not, and "must" is set, that is an
 * error.
 */
static bool
check_call(Action action, const LockedCall *call, bool must)
{
	bool		dead = strcmp(call->state, "dead") == 0;

	if (action == ACTION_RETRY && dead && call->confirmed && !may_repeat(call->operation))
	{
		if (must)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("call %lld has been carried out", (long long) call->id),
					 errdetail("Its response could not be recorded."),
					 errhint("ignisign_discard() drops it; ask again if it is to be made again.")));
		return false;
	}
	if (dead || strcmp(call->state, action == ACTION_RETRY ? "unknown" : "pending") == 0)
		return true;
	if (must)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("call %lld is %s", (long long) call->id, call->state),
				 action == ACTION_RETRY ?
				 errhint("Only a dead call can be retried, and an unknown one looked for; the others are at work.") :
				 errhint("Only a dead or pending call can be discarded; an unknown one can be decided with ignisign_resolve().")));
	return false;
}

/* Do it to a call, and add an event to its request's history.  Needs SPI. */
static void
act_on_call(Action action, const LockedCall *call, Oid caller)
{
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
	Datum		values[2] = {UUIDPGetDatum(&call->request), Int64GetDatum(call->id)};

	ig_spi_execute(action == ACTION_RETRY ? &retry : &discard, values, NULL);
	ig_add_user_event(&call->request, action == ACTION_RETRY ? "retried" : "discarded",
					  call->operation, GetUserNameFromId(caller, false));
}

/*
 * Act on the calls of a request, or if that is NULL, on the call with this id.  Returns
 * on how many calls it acted.  Errors: 55000 for a call with this id in another state,
 * IG012 if the caller sees no such call or request.
 */
static int
act_on_calls(Action action, const pg_uuid_t *request, int64 id)
{
	Oid			caller = GetUserId();
	IgOwnerState state;
	LockedCall *calls;
	int			n;
	int			visible = 0;
	int			done = 0;

	ig_check_writable(action == ACTION_RETRY ? "ignisign_retry()" : "ignisign_discard()");
	ig_owner_enter(&state);
	SPI_connect();
	calls = lock_calls(request, id, &n);
	for (int i = 0; i < n; i++)
	{
		if (!ig_may_see(caller, calls[i].owner))
			continue;
		visible++;
		if (!check_call(action, &calls[i], request == NULL))
			continue;
		act_on_call(action, &calls[i], caller);
		done++;
	}

	/* The request may be there without a call. */
	if (visible == 0 && request != NULL)
	{
		char	   *owner;
		char	   *signature_request_id;

		(void) ig_lock_request(request, caller, &owner, &signature_request_id);
	}
	SPI_finish();
	ig_owner_leave(&state);

	if (visible == 0 && request == NULL)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("there is no call %lld", (long long) id),
				 errhint("SELECT * FROM ignisign.call shows those that are still to be made.")));
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
