/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  ignisign_cancel(), ignisign_resend_email(): cancel a request, remind a signer.
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
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/queue.h"
#include "queue/user_event.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_cancel);
PG_FUNCTION_INFO_V1(ignisign_resend_email);

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
	ig_add_user_event(id, "cancelled", NULL, GetUserNameFromId(caller, false));
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
	ig_add_user_event(id, "resend", psprintf("%d", signer), GetUserNameFromId(caller, false));
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_VOID();
}
