/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  ignisign_resolve(), ignisign_adopt(): what only a person can decide.
 *
 * ignisign_resolve() decides whether a call without a response was sent.
 * ignisign_adopt() makes this database the owner of a queue that was copied here.
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
#include "utils/formatting.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/apply.h"
#include "queue/queue.h"
#include "queue/suspended.h"
#include "queue/user_event.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_resolve);
PG_FUNCTION_INFO_V1(ignisign_adopt);

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
	ig_add_user_event(id, "resolved", signature_request_id, GetUserNameFromId(caller, false));
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
	ig_suspended_clear_all();

	/* Nobody else does what was queued or under way elsewhere when it was copied. */
	(void) ig_queue_mark_unverified(look_at);
	ig_queue_find_orphaned(&orphaned, true);
	ig_queue_recover_orphaned(&orphaned, look_at, true);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}
