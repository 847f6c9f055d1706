/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Waiting for what the worker does; ignisign_wait().
 *
 * The worker broadcasts a condition variable after each commit that changed
 * requests; each time, and only then, what is waited for is looked at again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "errors.h"
#include "launcher/slots.h"
#include "queue/access.h"
#include "sql/wait.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "util/wait_event.h"

PG_FUNCTION_INFO_V1(ignisign_wait);

/* Longest single sleep; a look more does no harm. */
#define LONGEST_SLEEP_MS	(60 * 60 * 1000L)

typedef enum Goal
{
	GOAL_SENT,
	GOAL_COMPLETED,
	GOAL_CLOSED,
	GOAL_PROOF
} Goal;

/* Read what is to be waited for. */
static Goal
read_goal(const char *until)
{
	static const char *const names[] = {"SENT", "COMPLETED", "CLOSED", "PROOF"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (pg_strcasecmp(until, names[i]) == 0)
			return (Goal) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for parameter \"until\": \"%s\"", until),
			 errhint("Valid values are SENT, COMPLETED, CLOSED and PROOF.")));
}

/* Refuse to wait where nothing can come of it. */
static void
check_possible(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for a request during recovery"),
				 errhint("On a standby, look at ignisign_status() from time to time.")));
	if (!ig_slots_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no worker can run, so there is nothing to wait for"),
				 errhint("Set shared_preload_libraries = 'ignisign' in postgresql.conf and restart the server.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot wait for a request in a transaction with isolation level REPEATABLE READ or higher"),
				 errdetail("Such a transaction never sees what the worker changes."),
				 errhint("Use READ COMMITTED.")));
}

/* Judge how far the request is from its goal. */
static IgProgress
record_outcome(Goal goal, uint64 row)
{
	bool		isnull;
	bool		sent = DatumGetBool(ig_spi_datum(row, 3, &isnull));
	char	   *status = ig_spi_text(row, 4, CurrentMemoryContext);
	bool		closed = DatumGetBool(ig_spi_datum(row, 5, &isnull));
	char	   *proof_status = ig_spi_text(row, 6, CurrentMemoryContext);
	int64		documents = ig_spi_int64(row, 7, 0);
	int64		proofs = ig_spi_int64(row, 8, 0);
	int64		working = ig_spi_int64(row, 9, 0);
	int64		dead = ig_spi_int64(row, 10, 0);
	bool		completed = status != NULL && strcmp(status, "COMPLETED") == 0;

	if (!sent && working == 0)
		return IG_PROGRESS_IMPOSSIBLE;
	switch (goal)
	{
		case GOAL_SENT:
			return sent ? IG_PROGRESS_REACHED : IG_PROGRESS_POSSIBLE;
		case GOAL_COMPLETED:
			return completed ? IG_PROGRESS_REACHED :
				closed ? IG_PROGRESS_IMPOSSIBLE : IG_PROGRESS_POSSIBLE;
		case GOAL_CLOSED:
			return closed ? IG_PROGRESS_REACHED : IG_PROGRESS_POSSIBLE;
		case GOAL_PROOF:
			if (completed && proofs >= documents && documents > 0 && working == 0 && dead == 0)
				return IG_PROGRESS_REACHED;
			if ((closed && !completed) || (dead > 0 && working == 0) ||
				(proof_status != NULL && (strcmp(proof_status, "ON_ERROR") == 0 ||
										  strcmp(proof_status, "CLEANED") == 0)))
				return IG_PROGRESS_IMPOSSIBLE;
			return IG_PROGRESS_POSSIBLE;
	}
	return IG_PROGRESS_POSSIBLE;
}

/* What is waited for, and who waits. */
typedef struct Wanted
{
	const pg_uuid_t *id;
	Goal		goal;
	Oid			caller;
} Wanted;

/* Look at the request as it is now. */
static IgProgress
look(void *arg)
{
	const Wanted *wanted = arg;
	static IgStatement read = {
		.sql = "SELECT r.owner::text, r.xmin, r.sent_at IS NOT NULL, r.status, "
		"r.closed_at IS NOT NULL, r.proof_status, "
		"(SELECT count(*) FROM ignisign.document d WHERE d.request = r.id), "
		"(SELECT count(DISTINCT p.document) FROM ignisign.proof p WHERE p.request = r.id), "
		"(SELECT count(*) FROM ignisign.call c WHERE c.request = r.id AND c.state <> 'dead' "
		"AND c.operation NOT IN ('close', 'resend-email')), "
		"(SELECT count(*) FROM ignisign.call c WHERE c.request = r.id AND c.state = 'dead' "
		"AND c.operation NOT IN ('close', 'resend-email')) "
		"FROM ignisign.request r WHERE r.id = $1",
		.types = {UUIDOID}
	};
	IgOwnerState state;
	Datum		value = UUIDPGetDatum(wanted->id);
	IgProgress	progress;
	bool		isnull;

	ig_owner_enter(&state);
	SPI_connect();
	if (ig_spi_execute(&read, &value, NULL) != 1 ||
		!ig_may_see(wanted->caller, ig_spi_text(0, 1, CurrentMemoryContext)))
		ig_no_such_request(wanted->id);
	if (TransactionIdIsCurrentTransactionId(DatumGetTransactionId(ig_spi_datum(0, 2, &isnull))))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for a request in the transaction that created it"),
				 errdetail("It is sent only after COMMIT."),
				 errhint("Commit first, then wait.")));
	progress = record_outcome(wanted->goal, 0);
	SPI_finish();
	ig_owner_leave(&state);
	return progress;
}

/* The time of the timeout, or infinity. */
static TimestampTz
deadline_of(Interval *timeout)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz deadline;

	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(now),
													   IntervalPGetDatum(timeout)));
	if (deadline < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return deadline;
}

/* Wait until a look says that what is wanted is there, or will never be. */
IgProgress
ig_wait_for(IgProgress (*look_at) (void *arg), void *arg, Interval *timeout)
{
	TimestampTz deadline = deadline_of(timeout);
	ConditionVariable *changed;
	IgProgress	progress;

	check_possible();
	changed = ig_slots_changed(MyDatabaseId);
	ConditionVariablePrepareToSleep(changed);
	while ((progress = look_at(arg)) == IG_PROGRESS_POSSIBLE)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(changed, Min(left, LONGEST_SLEEP_MS), ig_wait_event(IG_WAIT_REQUEST));
	}
	ConditionVariableCancelSleep();
	return progress;
}

/*
 * ignisign_wait(request uuid, until text, timeout interval) returns boolean
 *
 * Wait until the request is SENT, COMPLETED, CLOSED (any final status) or has
 * a PROOF of each document.  True: it is.  False: the time is over, or it can
 * no longer come to that.  Errors: 22023 for an unknown goal or a negative
 * timeout, IG012 when there is no such request, 55000 in the transaction that
 * created it, during recovery, or where no worker can run, 0A000 in a
 * transaction that cannot see changes.
 */
Datum
ignisign_wait(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *id = PG_GETARG_UUID_P(0);
	Wanted		wanted = {id, read_goal(text_to_cstring(PG_GETARG_TEXT_PP(1))), GetUserId()};

	PG_RETURN_BOOL(ig_wait_for(look, &wanted, PG_GETARG_INTERVAL_P(2)) == IG_PROGRESS_REACHED);
}
