/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  What is done to requests and calls by hand: refresh, sync, cancel, remind,
 *	  retry, discard, resolve, adopt.
 *
 * They act on what the caller may see.  What he may not see does not exist
 * for him, and is reported like that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "errors.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/apply.h"
#include "queue/queue.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "worker/account_state.h"

PG_FUNCTION_INFO_V1(ignisign_refresh);
PG_FUNCTION_INFO_V1(ignisign_sync);
PG_FUNCTION_INFO_V1(ignisign_retry);
PG_FUNCTION_INFO_V1(ignisign_retry_request);
PG_FUNCTION_INFO_V1(ignisign_discard);
PG_FUNCTION_INFO_V1(ignisign_discard_request);
PG_FUNCTION_INFO_V1(ignisign_resolve);
PG_FUNCTION_INFO_V1(ignisign_cancel);
PG_FUNCTION_INFO_V1(ignisign_resend_email);
PG_FUNCTION_INFO_V1(ignisign_adopt);

/* Note in the request's history what a person decided. */
static void
add_event(const pg_uuid_t *request, const char *kind, const char *value, const char *detail)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.event (request, source, kind, value, detail) "
		"SELECT id, 'user', $2, $3, $4 FROM ignisign.request WHERE id = $1",
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[4];
	char		nulls[5] = "    ";

	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(kind);
	values[2] = value ? CStringGetTextDatum(value) : (Datum) 0;
	values[3] = CStringGetTextDatum(detail);
	if (value == NULL)
		nulls[2] = 'n';
	ig_spi_execute(&add, values, nulls);
}

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
		add_event(DatumGetUUIDP(values[0]), action == ACTION_RETRY ? "retried" : "discarded",
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

/* The request is at Ignisign under this id. */
static void
resolve_as_sent(const pg_uuid_t *id, const char *signature_request_id)
{
	static IgStatement sent = {
		.sql = "UPDATE ignisign.request SET signature_request_id = $2, sent_at = now() WHERE id = $1",
		.types = {UUIDOID, TEXTOID}
	};
	static IgStatement finish = {
		.sql = "DELETE FROM ignisign.call WHERE request = $1 AND operation = 'one-call-sign'",
		.types = {UUIDOID}
	};
	Datum		values[2];
	Datum		key = UUIDPGetDatum(id);

	values[0] = ig_array(UUIDOID, &key, NULL, 1);
	values[1] = ig_text_array(&signature_request_id, 1);
	ig_apply_claim_ids(values);
	values[0] = key;
	values[1] = CStringGetTextDatum(signature_request_id);
	ig_spi_execute(&sent, values, NULL);
	ig_spi_execute(&finish, values, NULL);
}

/*
 * ignisign_resolve(request uuid, signature_request_id text) returns void
 *
 * Decide a call whose outcome is unknown.  NULL for the id means that the
 * request is not there.  Errors: 22004 for a NULL request, 22023 for what is
 * not an id, IG012, 55000 when no outcome is unknown, 23505 when the id is
 * another request's.
 */
Datum
ignisign_resolve(PG_FUNCTION_ARGS)
{
	static IgStatement unknown = {
		.sql = "SELECT FROM ignisign.call WHERE request = $1 AND operation = 'one-call-sign' AND state = 'unknown' FOR UPDATE",
		.types = {UUIDOID}
	};
	static IgStatement again = {
		.sql = "WITH unsent AS (UPDATE ignisign.request SET signature_request_id = NULL "
		"WHERE id = $1 AND sent_at IS NULL AND signature_request_id IS NOT NULL) "
		"UPDATE ignisign.call SET state = 'pending', run_at = now(), looks = 0, http_status = NULL, code = NULL "
		"WHERE request = $1 AND operation = 'one-call-sign'",
		.types = {UUIDOID}
	};
	Oid			caller = GetUserId();
	const pg_uuid_t *id;
	char	   *signature_request_id = NULL;
	char	   *old_id;
	char	   *owner;
	char	   *server;
	IgOwnerState state;
	Datum		value;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("request must not be NULL")));
	id = PG_GETARG_UUID_P(0);
	if (!PG_ARGISNULL(1))
	{
		/* The API writes ids in lower case; as text they are compared with these. */
		signature_request_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
		signature_request_id = asc_tolower(signature_request_id, strlen(signature_request_id));
		if (!ig_api_valid_object_id(signature_request_id))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid signature request id \"%s\"", signature_request_id),
					 errhint("An id of the API has 24 hexadecimal digits; the Ignisign console shows it.")));
	}

	ig_check_writable("ignisign_resolve()");
	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_request(id, caller, &owner, &old_id);
	value = UUIDPGetDatum(id);
	if (ig_spi_execute(&unknown, &value, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the outcome of the request is not unknown"),
				 errhint("Only a request in the state \"unknown\" can be resolved.")));
	if (signature_request_id)
	{
		resolve_as_sent(id, signature_request_id);
		ig_queue_add(id, IG_OP_CONTEXT, 0, 0, "", owner, server, GetCurrentTimestamp());
	}
	else
		ig_spi_execute(&again, &value, NULL);
	add_event(id, "resolved", signature_request_id, GetUserNameFromId(caller, false));
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}

/* The calls that send a request. */
#define SENDING_CALLS \
	"FROM ignisign.call WHERE request = $1 " \
	"AND operation NOT IN ('context', 'proof', 'signer-proof', 'close', 'resend-email')"

/*
 * Drop the calls that were to send a request, if it is certain that nobody was
 * asked to sign: false if somebody was or may have been.
 *
 * Whoever waits for a call that is being finished does not see the step that
 * takes its place, so what was locked is counted again.
 */
static bool
drop_unsent(const pg_uuid_t *id)
{
	static IgStatement lock = {
		.sql = "SELECT state, operation = 'publish' AND attempts > 0 "
		"AND (http_status BETWEEN 400 AND 499 AND http_status NOT IN (401, 403, 408, 425, 429)) IS NOT TRUE "
		SENDING_CALLS " FOR UPDATE",
		.types = {UUIDOID}
	};
	static IgStatement again = {
		.sql = "SELECT " SENDING_CALLS,
		.types = {UUIDOID}
	};
	static IgStatement drop = {
		.sql = "DELETE FROM ignisign.call WHERE request = $1",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(id);
	uint64		n;
	bool		isnull;

	do
	{
		n = ig_spi_execute(&lock, &value, NULL);
		for (uint64 i = 0; i < n; i++)
		{
			char	   *call_state = ig_spi_text(i, 1, CurrentMemoryContext);

			if (strcmp(call_state, "pending") != 0 && strcmp(call_state, "dead") != 0)
				return false;

			/* A publication that was tried may have taken place, unless it was refused. */
			if (DatumGetBool(ig_spi_datum(i, 2, &isnull)))
				return false;
		}
	} while (ig_spi_execute(&again, &value, NULL) != n);
	ig_spi_execute(&drop, &value, NULL);
	return true;
}

/*
 * ignisign_cancel(request uuid) returns void
 *
 * Have the request closed at Ignisign; one that was not sent is discarded.
 * Errors: IG012 when there is no such request, 55000 when it is closed already,
 * or just now being sent.
 */
Datum
ignisign_cancel(PG_FUNCTION_ARGS)
{
	static IgStatement read = {
		.sql = "SELECT status, closed_at IS NOT NULL, sent_at IS NOT NULL FROM ignisign.request WHERE id = $1",
		.types = {UUIDOID}
	};
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *owner;
	char	   *signature_request_id;
	char	   *server;
	Datum		value = UUIDPGetDatum(id);
	bool		sent;
	bool		isnull;

	ig_check_writable("ignisign_cancel()");
	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_request(id, caller, &owner, &signature_request_id);
	ig_spi_execute(&read, &value, NULL);
	sent = DatumGetBool(ig_spi_datum(0, 3, &isnull));
	if (DatumGetBool(ig_spi_datum(0, 2, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the request is closed already"),
				 errdetail("Its status is %s.", ig_spi_text(0, 1, CurrentMemoryContext)),
				 errhint("Only a request that is not closed can be cancelled.")));
	if (!sent && !drop_unsent(id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the request is being sent"),
				 errhint("Wait for that with ignisign_wait(request, 'SENT'), then cancel it.")));
	if (signature_request_id != NULL)
		ig_queue_add(id, IG_OP_CLOSE, 0, 0, "", owner, server, GetCurrentTimestamp());
	add_event(id, "cancelled", NULL, GetUserNameFromId(caller, false));
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}

/* Check that the signer can be sent the invitation again. */
static void
check_resend(const pg_uuid_t *id, int signer)
{
	static IgStatement read = {
		.sql = "SELECT r.closed_at IS NOT NULL, s.signer_id IS NOT NULL, s.signed_at IS NOT NULL, "
		"EXISTS (SELECT FROM ignisign.event e WHERE e.request = r.id AND e.kind = 'resend' "
		"AND e.value = $2::text AND e.at > clock_timestamp() - interval '1 minute') "
		"FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id AND s.n = $2 WHERE r.id = $1",
		.types = {UUIDOID, INT4OID}
	};
	Datum		values[2];
	bool		isnull;

	values[0] = UUIDPGetDatum(id);
	values[1] = Int32GetDatum(signer);
	if (ig_spi_execute(&read, values, NULL) != 1)
		ig_no_such_signer(signer);
	if (DatumGetBool(ig_spi_datum(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the request is closed"),
				 errhint("There is nothing left to sign.")));
	if (!DatumGetBool(ig_spi_datum(0, 2, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known yet how Ignisign names signer %d", signer),
				 errhint("That is read soon after the request was sent.")));
	if (DatumGetBool(ig_spi_datum(0, 3, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signer %d has signed", signer),
				 errhint("Only who has not signed is reminded.")));
	if (DatumGetBool(ig_spi_datum(0, 4, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("signer %d was sent an e-mail less than a minute ago", signer),
				 errhint("Give it time to arrive.")));
}

/*
 * ignisign_resend_email(request uuid, signer integer) returns void
 *
 * Have the invitation sent again to a signer, by its number from 1.  The API
 * mails at every call, so a call is made at most once: when its response is lost
 * it is dead, and a person decides.  Errors: IG012 when there is no such
 * request or signer, 55000 when the request is closed, the signer has signed or
 * is not known yet, or was reminded less than a minute ago.
 */
Datum
ignisign_resend_email(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	int			signer = PG_GETARG_INT32(1);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *owner;
	char	   *signature_request_id;
	char	   *server;

	ig_check_writable("ignisign_resend_email()");
	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_request(id, caller, &owner, &signature_request_id);
	check_resend(id, signer);
	ig_queue_add(id, IG_OP_RESEND_EMAIL, 0, signer, "", owner, server, GetCurrentTimestamp());
	add_event(id, "resend", psprintf("%d", signer), GetUserNameFromId(caller, false));
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}

/*
 * ignisign_adopt() returns void
 *
 * Make this database the owner of its queue, unless it is.  What its former
 * owner may have sent is looked for before it is sent.  Errors: 42501 for who
 * is not the extension's owner.
 */
Datum
ignisign_adopt(PG_FUNCTION_ARGS)
{
	static IgStatement forget = {.sql = "DELETE FROM ignisign.origin"};
	TimestampTz look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ig_reconcile_delay);
	IgOwnerState state;
	IgOrphaned	orphaned;
	Oid			caller = GetUserId();
	char	   *other;

	ig_check_writable("ignisign_adopt()");
	ig_owner_enter(&state);
	if (!has_privs_of_role(caller, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to adopt the queue"),
				 errhint("Only the extension's owner can.")));
	SPI_connect();
	if (ig_queue_is_ours(&other))
	{
		/* What is under way is so here, and its worker knows. */
		SPI_finish();
		ig_owner_leave(&state);
		PG_RETURN_VOID();
	}
	ig_spi_execute(&forget, NULL, NULL);
	ig_queue_own();
	ig_accounts_clear_suspended();

	/* Nobody else does what was queued or under way elsewhere when it was copied. */
	(void) ig_queue_mark_unverified(look_at);
	ig_queue_find_orphaned(&orphaned, true);
	ig_queue_recover_orphaned(&orphaned, look_at, true);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}
