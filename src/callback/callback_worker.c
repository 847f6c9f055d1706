/*-------------------------------------------------------------------------
 *
 * callback_worker.c
 *	  The process that calls a callback's function, as the function's owner.
 *
 * Its session is the owner's, as if they had logged in: there is nothing in it to
 * escape to.  A delivery is claimed, with its attempt counted, in a transaction
 * that commits before the function is called, so that a function that brings
 * down the process, or the server, is not called for ever.  The function has a
 * transaction of its own, in which the delivery leaves the queue: what it does in
 * the database is done once, and what it does elsewhere at least once.
 *
 * What is done here on the extension's tables is done as their owner (user_context.c),
 * with names that are qualified and a search_path that is pinned; so nothing
 * that the function leaves in the session, or does in its transaction, is meant
 * by it.  The session is discarded after each call all the same, so that each
 * finds what a new session has.
 *
 * Two timers keep the time limit: the first cancels, the second, for a function
 * that does not let itself be cancelled, ends the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "common/pg_prng.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

#include "callback/callbacks.h"
#include "compat.h"
#include "guc.h"
#include "queue/access.h"
#include "queue/queue.h"
#include "util/plans.h"
#include "util/policy.h"
#include "util/session.h"
#include "util/spi.h"
#include "util/user_context.h"

/* How long a process goes on before it gives way to others, in ms. */
#define SLICE			5000

/* From the limit of time until a function that cannot be cancelled is ended, in ms. */
#define GRACE			2000

/* Failures are logged this far apart, in ms; all are in the table. */
#define LOG_INTERVAL	1000

/* Kind of advisory locks; those of SQL are 1 and 2. */
#define LOCK_CLASS		0x4947

/* A delivery that was claimed. */
typedef struct Delivery
{
	pg_uuid_t	request;
	int64		id;
	int			attempts;		/* this one included */
	char	   *function;
	char	   *request_owner;	/* or NULL */
	Jsonb	   *event;			/* or NULL */
} Delivery;

/* What is done here as the extension's owner, within a transaction. */
typedef struct Work
{
	IgOwnerState state;
	bool		read_only;
} Work;

static MemoryContext delivery_context;	/* reset after each delivery */
static TimeoutId grace_timeout;
static int64 callback;

/* ---- On the extension's tables ---- */

/* Begin work on the extension's tables, in a transaction. */
static void
begin_work(Work *work)
{
	/* Every statement finds its rows by index, as in the worker. */
	static const char *const settings[][2] = {
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_indexscan", "on"},
		{"enable_nestloop", "on"},
		{"enable_seqscan", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"jit", "off"}
	};

	/* Whatever the owner's defaults are: it is not their work. */
	work->read_only = XactReadOnly;
	XactReadOnly = false;
	ig_owner_enter(&work->state);
	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
}

/* End it. */
static void
end_work(const Work *work)
{
	SPI_finish();
	ig_owner_leave(&work->state);
	XactReadOnly = work->read_only;
}

/*
 * Begin a transaction for such work only.  Without the extension there is none;
 * it is locked as DROP EXTENSION does, first, so that neither meets the other
 * half-way.
 */
static void
begin_transaction(Work *work)
{
	Oid			extension;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) set_config_option("lock_timeout", "0", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	extension = get_extension_oid(IG_EXTENSION, true);
	if (OidIsValid(extension))
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (!OidIsValid(extension) || get_extension_oid(IG_EXTENSION, true) != extension)
		proc_exit(0);
	XactIsoLevel = XACT_READ_COMMITTED;
	XactDeferrable = false;
	(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	begin_work(work);
}

/* Commit it. */
static void
commit_transaction(const Work *work)
{
	end_work(work);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(delivery_context);
}

/* Claim what is due first; false: nothing is. */
static bool
claim(Delivery *delivery)
{
	static IgStatement claim = {
		.sql = "WITH first AS ("
		"SELECT n.request, n.id FROM ignisign.delivery n "
		"WHERE n.callback = $1 AND n.state = 'pending' AND n.run_at BETWEEN $3 AND $2 AND NOT EXISTS ("
		"SELECT FROM ignisign.delivery p WHERE p.callback = n.callback AND p.request = n.request "
		"AND p.id < n.id AND p.state <> 'dead') "
		"ORDER BY n.run_at, n.id LIMIT 1 FOR UPDATE SKIP LOCKED), "
		"claimed AS ("
		"UPDATE ignisign.delivery d SET state = 'running', attempts = d.attempts + 1, claimed_at = $2 "
		"FROM first f WHERE d.request = f.request AND d.id = f.id "
		"RETURNING d.request, d.id, d.attempts, d.event_at, d.event, d.run_at) "
		"SELECT d.request, d.id, d.attempts, c.function, r.owner::text, "
		"CASE WHEN e.id IS NOT NULL THEN jsonb_build_object('id', e.id, 'request', e.request, 'event', e.kind, "
		"'at', e.at, 'source', e.source, 'previous', e.previous, 'value', e.value, 'detail', e.detail) END, d.run_at "
		"FROM claimed d JOIN ignisign.callback c ON c.id = $1 "
		"LEFT JOIN ignisign.request r ON r.id = d.request "
		"LEFT JOIN ignisign.event e ON e.request = d.request AND e.at = d.event_at AND e.id = d.event",
		.types = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
	};

	/* Not to pass again what was delivered before, which the index still has. */
	static TimestampTz begin = DT_NOBEGIN;
	Work		work;
	Datum		values[3];
	bool		found;
	bool		isnull;

	begin_transaction(&work);
	values[0] = Int64GetDatum(callback);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[2] = TimestampTzGetDatum(begin);
	found = ig_spi_execute(&claim, values, NULL) == 1;
	if (!found && begin != DT_NOBEGIN)
	{
		/* What was committed late may be due earlier. */
		begin = DT_NOBEGIN;
		values[2] = TimestampTzGetDatum(begin);
		found = ig_spi_execute(&claim, values, NULL) == 1;
	}
	if (found)
	{
		Datum		event;
		MemoryContext old;

		memcpy(&delivery->request, DatumGetUUIDP(ig_spi_datum(0, 1, &isnull)), sizeof(pg_uuid_t));
		delivery->id = ig_spi_int64(0, 2, 0);
		delivery->attempts = (int) ig_spi_int64(0, 3, 0);
		delivery->function = ig_spi_text(0, 4, delivery_context);
		delivery->request_owner = ig_spi_text(0, 5, delivery_context);
		begin = DatumGetTimestampTz(ig_spi_datum(0, 7, &isnull));
		event = ig_spi_datum(0, 6, &isnull);
		old = MemoryContextSwitchTo(delivery_context);
		delivery->event = isnull ? NULL : DatumGetJsonbPCopy(event);
		MemoryContextSwitchTo(old);
	}
	commit_transaction(&work);
	return found;
}

/*
 * In the function's own transaction: the delivery is made.  Had it been given
 * to another process meanwhile, this one's work must not count; had somebody
 * dropped it, it may.
 */
static void
finish(const Delivery *delivery)
{
	static IgStatement finish = {
		.sql = "DELETE FROM ignisign.delivery WHERE request = $1 AND id = $2 AND state = 'running' AND attempts = $3",
		.types = {UUIDOID, INT8OID, INT4OID}
	};
	static IgStatement find = {
		.sql = "SELECT FROM ignisign.delivery WHERE request = $1 AND id = $2",
		.types = {UUIDOID, INT8OID}
	};
	Work		work;
	Datum		values[3];

	values[0] = UUIDPGetDatum(&delivery->request);
	values[1] = Int64GetDatum(delivery->id);
	values[2] = Int32GetDatum(delivery->attempts);
	begin_work(&work);
	if (ig_spi_execute(&finish, values, NULL) == 0 && ig_spi_execute(&find, values, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("delivery %lld is another process's by now", (long long) delivery->id)));
	end_work(&work);
}

/* Log a failure, if none was logged lately. */
static void
log_failure(const char *function, const char *request, int attempts, bool dead, const char *error)
{
	static TimestampTz logged_at = 0;
	static int	omitted = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (logged_at != 0 && !TimestampDifferenceExceeds(logged_at, now, LOG_INTERVAL))
	{
		omitted++;
		return;
	}
	ereport(WARNING,
			(errmsg("ignisign: callback %s failed for the request %s: %s", function, request, error),
			 dead ? errdetail("That was the last of %d attempts.", attempts) :
			 errdetail("That was attempt %d; it is called again.", attempts),
			 omitted > 0 ? errcontext("%d other failures were not logged; see ignisign.delivery", omitted) : 0));
	logged_at = now;
	omitted = 0;
}

/*
 * A delivery failed: when is it tried again?  What comes after it, of the same
 * request, waits as long.  As the extension's owner.
 */
static void
record_failure(const Delivery *delivery, const char *code, const char *error)
{
	static IgStatement record = {
		.sql = "WITH failed AS ("
		"UPDATE ignisign.delivery d SET state = CASE WHEN d.attempts >= $4 THEN 'dead' ELSE 'pending' END, "
		"run_at = $5, code = $6, last_error = $7 "
		"WHERE d.request = $1 AND d.id = $2 AND d.state = 'running' AND d.attempts = $3 "
		"RETURNING d.callback, d.request, d.id, d.state), "
		"later AS ("
		"UPDATE ignisign.delivery d SET run_at = $5 FROM failed f "
		"WHERE d.callback = f.callback AND d.request = f.request AND d.id > f.id AND d.state = 'pending' "
		"AND f.state = 'pending' AND d.run_at < $5) "
		"SELECT f.state = 'dead', f.request::text FROM failed f",
		.types = {UUIDOID, INT8OID, INT4OID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID}
	};
	int64		delay = ig_policy_backoff(delivery->attempts, ig_retry_delay, ig_max_retry_delay,
										  pg_prng_uint64(&pg_global_prng_state));
	char	   *text = ig_bounded_text(error);
	Datum		values[7];
	bool		isnull;

	values[0] = UUIDPGetDatum(&delivery->request);
	values[1] = Int64GetDatum(delivery->id);
	values[2] = Int32GetDatum(delivery->attempts);
	values[3] = Int32GetDatum(ig_callback_max_attempts);
	values[4] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay));
	values[5] = code ? CStringGetTextDatum(code) : (Datum) 0;
	values[6] = CStringGetTextDatum(text);
	if (ig_spi_execute(&record, values, code ? NULL : "     n ") == 1)
		log_failure(delivery->function, ig_spi_text(0, 2, CurrentMemoryContext), delivery->attempts,
					DatumGetBool(ig_spi_datum(0, 1, &isnull)), text);
}

/*
 * Be the only process of this callback: a lock of the session, which the last
 * one may still have.  The user can release it, as any such lock, but gains
 * nothing by it; see finish().  False: another process has it.
 */
static bool
lock_callback(bool wait)
{
	LOCKTAG		tag;

	/* The last field keeps it apart from the locks that SQL can take. */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (callback >> 32), (uint32) callback, LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, true, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Begin: sort out what the last process had under way when it ended. */
static void
start_up(void)
{
	static IgStatement orphaned = {
		.sql = "SELECT d.request, d.id, d.attempts, c.function FROM ignisign.delivery d "
		"JOIN ignisign.callback c ON c.id = d.callback WHERE d.callback = $1 AND d.state = 'running'",
		.types = {INT8OID}
	};
	Work		work;
	Datum		value = Int64GetDatum(callback);
	SPITupleTable *rows;
	uint64		n;
	bool		isnull;

	begin_transaction(&work);
	(void) lock_callback(true);
	commit_transaction(&work);

	begin_transaction(&work);
	n = ig_spi_execute(&orphaned, &value, NULL);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		Delivery	delivery;

		SPI_tuptable = rows;
		memset(&delivery, 0, sizeof(delivery));
		memcpy(&delivery.request, DatumGetUUIDP(ig_spi_datum(i, 1, &isnull)), sizeof(pg_uuid_t));
		delivery.id = ig_spi_int64(i, 2, 0);
		delivery.attempts = (int) ig_spi_int64(i, 3, 0);
		delivery.function = ig_spi_text(i, 4, delivery_context);
		record_failure(&delivery, NULL,
					   "its process ended before the function did: it took too long, crashed or was terminated");
	}
	commit_transaction(&work);
}

/* ---- The function ---- */

/* Time is over, and the function did not let itself be cancelled. */
static void
handle_grace_timeout(void)
{
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

/* Stop the timers; a cancel that came too late concerns nobody. */
static void
disarm(void)
{
	disable_timeout(grace_timeout, false);
	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
}

/* Find the function, which may have changed since it was registered. */
static Oid
find_function(const char *name)
{
	static const Oid types[2] = {UUIDOID, JSONBOID};
	Oid			function = LookupFuncName(textToQualifiedNameList(cstring_to_text(name)), 2, types, true);
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s(uuid, jsonb) does not exist", name)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->proowner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("function %s(uuid, jsonb) has another owner now", name)));
	if (form->prokind != PROKIND_FUNCTION || form->proretset)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s(uuid, jsonb) is no function that can be called", name)));
	ReleaseSysCache(tuple);
	if (ig_function_aclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, name);
	return function;
}

/* Call it. */
static void
call_function(const Delivery *delivery)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	flinfo;

	if (delivery->event == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the event is not there any more")));
	if (delivery->request_owner == NULL || !ig_may_see(GetUserId(), delivery->request_owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of %s may not see the request any more", delivery->function)));

	fmgr_info(find_function(delivery->function), &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = UUIDPGetDatum(&delivery->request);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(delivery->event);
	fcinfo->args[1].isnull = false;
	(void) FunctionCallInvoke(fcinfo);
}

/* Call the function in a transaction of its own, and record what came of it. */
static void
deliver(const Delivery *delivery)
{
	TimestampTz began = GetCurrentTimestamp();
	ErrorData  *volatile edata = NULL;
	Work		work;

	pgstat_report_activity(STATE_RUNNING, delivery->function);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();

		/* As the owner, also where a setting of theirs names another role. */
		SetCurrentRoleId(InvalidOid, false);
		PushActiveSnapshot(GetTransactionSnapshot());
		enable_timeout_after(STATEMENT_TIMEOUT, ig_callback_timeout);
		enable_timeout_after(grace_timeout, ig_callback_timeout + GRACE);
		call_function(delivery);

		/* It may have caught the cancel. */
		if (TimestampDifferenceExceeds(began, GetCurrentTimestamp(), ig_callback_timeout))
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceled")));
		finish(delivery);
		PopActiveSnapshot();
		CommitTransactionCommand();
		disarm();
	}
	PG_CATCH();
	{
		disarm();
		MemoryContextSwitchTo(delivery_context);
		edata = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(delivery_context);

	if (edata != NULL)
	{
		const char *error = edata->message ? edata->message : "unknown error";

		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
			TimestampDifferenceExceeds(began, GetCurrentTimestamp(), ig_callback_timeout))
			error = psprintf("it took longer than ignisign.callback_timeout, %d ms", ig_callback_timeout);
		begin_transaction(&work);
		record_failure(delivery, unpack_sql_state(edata->sqlerrcode), error);
		commit_transaction(&work);
	}
}

/*
 * Leave nothing of a call to the next one: what DISCARD ALL does, but for plans,
 * which are only made anew.  False: another process goes on.
 */
static bool
discard_session(void)
{
	bool		go_on;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactReadOnly = false;
	PortalHashTableDeleteAll();
	SetPGVariable("session_authorization", NIL, false);
	ResetAllOptions();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetTempTableNamespace();
	ResetSequenceCaches();
	go_on = lock_callback(false);
	CommitTransactionCommand();
	MemoryContextSwitchTo(delivery_context);
	return go_on;
}

/* Entry point; the argument is the database's OID, the rest is in bgw_extra. */
void
ignisign_callback_main(Datum arg)
{
	TimestampTz began = GetCurrentTimestamp();
	IgCallbackStart extra;
	Delivery	delivery;

	memcpy(&extra, MyBgworkerEntry->bgw_extra, sizeof(extra));
	callback = extra.callback;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), extra.role, IG_CONNECT_AS_ANY_ROLE);

	ig_session_name();
	ig_plans_init();

	grace_timeout = RegisterTimeout(USER_TIMEOUT, handle_grace_timeout);
	delivery_context = AllocSetContextCreate(TopMemoryContext, "ignisign delivery", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(delivery_context);
	start_up();

	while (ig_enabled && !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), SLICE))
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextReset(delivery_context);
		if (!claim(&delivery))
			break;
		deliver(&delivery);
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, NULL);
		if (!discard_session())
			break;
	}
	proc_exit(0);
}
