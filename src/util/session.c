/*-------------------------------------------------------------------------
 *
 * session.c
 *	  What the background workers of a database share: the settings of their
 *	  sessions, their transactions, and how they end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "util/plans.h"
#include "util/session.h"
#include "util/user_context.h"

/* How long the statistics of an idle worker are kept back, in ms. */
#define STATISTICS_PAUSE	1000

/* How long an error that is met again is not logged again, in ms. */
#define REPEAT_PAUSE		60000

static bool in_transaction = false;
static MemoryContext caller_context;	/* of the transaction */
static IgOwnerState owner_state;	/* of the transaction, if it is the owner's */
static bool as_owner = false;
static TimestampTz report_at = 0;	/* statistics are due then; 0: none are */
static bool met_lock = false;	/* that undid something */

/* SIGTERM: end at the next cycle, or at once where a lock is waited for. */
void
ig_session_sigterm(SIGNAL_ARGS)
{
	if (in_transaction)
		die(IG_SIGNAL_ARGS);
	SignalHandlerForShutdownRequest(IG_SIGNAL_ARGS);
}

/* Have application_name say what this process is, whatever the database has it say. */
void
ig_session_name(void)
{
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_USERSET, PGC_S_OVERRIDE);
}

/* Settings that a database or role may have changed for its own sessions. */
void
ig_session_init(void)
{
	static const char *const settings[][2] = {
		{"synchronous_commit", "on"},	/* a claim is durable before it is sent */
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"row_security", "on"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
#if PG_VERSION_NUM >= 170000
		{"transaction_timeout", "0"},
#endif
		{"temp_file_limit", "-1"},
		{"search_path", "pg_catalog, pg_temp"},
		{"jit", "off"},

		/*
		 * Every statement on the queue finds its rows by index, whatever the statistics of a table say that
		 * grows and shrinks all the time; see plans.c for which index.
		 */
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_indexscan", "on"},
		{"enable_nestloop", "on"},
		{"enable_seqscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_bitmapscan", "off"}
	};

	ig_session_name();

	/* A database can have "role" among them. */
	SetSessionAuthorization(BOOTSTRAP_SUPERUSERID, true);
	SetCurrentRoleId(InvalidOid, false);
	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	ig_plans_init();
}

/*
 * The extension, or InvalidOid.  DROP EXTENSION locks it before its tables, and
 * so do we: neither meets the other half-way.
 */
Oid
ig_session_extension(void)
{
	Oid			extension = get_extension_oid(IG_EXTENSION, true);

	if (!OidIsValid(extension))
		return InvalidOid;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid(IG_EXTENSION, true) == extension ? extension : InvalidOid;
}

/*
 * Tell the statistics system what was done, for autovacuum to come in time.
 * Not at each commit, it decides itself; what it keeps back is due a moment
 * later, and then forced, because a worker with nothing to do has no next commit.
 */
static void
report_statistics(bool force)
{
	report_at = pgstat_report_stat(force) > 0 ?
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STATISTICS_PAUSE) : 0;
}

/* When statistics are due; 0: there are none. */
TimestampTz
ig_session_report_at(void)
{
	return report_at;
}

/* Report them, if they are due. */
void
ig_session_report(void)
{
	if (report_at != 0 && report_at <= GetCurrentTimestamp())
		report_statistics(true);
}

/*
 * Begin a transaction.  All of it is the extension's owner's, and a
 * security-restricted operation: the session is a superuser's.  Without the
 * extension only catalogs are read.
 */
void
ig_session_begin(const char *activity)
{
	caller_context = CurrentMemoryContext;
	in_transaction = true;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	as_owner = OidIsValid(get_namespace_oid(IG_EXTENSION, true));
	if (as_owner)
		ig_owner_enter(&owner_state);
	MemoryContextSwitchTo(caller_context);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* Commit it; what runs at COMMIT is restricted, too. */
void
ig_session_commit(void)
{
	if (as_owner)
		ig_owner_restore_settings(&owner_state);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (as_owner)
		ig_owner_restore_role(&owner_state);
	MemoryContextSwitchTo(caller_context);
	in_transaction = false;
	report_statistics(false);
	pgstat_report_activity(STATE_IDLE, NULL);

	/*
	 * Whoever ends a worker that waits for a synchronous standby has it commit all the same, but what the
	 * standby has not confirmed is not to be sent.
	 */
	CHECK_FOR_INTERRUPTS();
}

/*
 * Do something in a subtransaction that waits for a lock only so long.  Returns
 * the error that undid it, or NULL; to be ended is not one.
 */
ErrorData *
ig_session_try(void (*work) (void *arg), void *arg, const char *patience)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int			guc_level = NewGUCNestLevel();

		(void) set_config_option("lock_timeout", patience, PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
		work(arg);
		AtEOXact_GUC(false, guc_level);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);
		if (edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
			met_lock = true;
		error = edata;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* Whether a lock has undone something; asked once, it is forgotten. */
bool
ig_session_met_lock(void)
{
	bool		met = met_lock;

	met_lock = false;
	return met;
}

/* Log an error that is met again and again, but not each time. */
static void
log_seldom(const char *message)
{
	static char last[256];
	static TimestampTz until = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now < until && strncmp(message, last, sizeof(last) - 1) == 0)
		return;
	strlcpy(last, message, sizeof(last));
	until = TimestampTzPlusMilliseconds(now, REPEAT_PAUSE);
	ereport(WARNING,
			(errmsg("ignisign: a statement on the queue failed: %s", message),
			 errhint("The worker goes on without it, and tries it again.")));
}

/* Do something unless a lock or another error is in the way; false: it was. */
bool
ig_session_unless_locked(void (*work) (void *arg), void *arg)
{
	ErrorData  *error = ig_session_try(work, arg, IG_SHORT_PATIENCE);

	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		log_seldom(error->message ? error->message : "unknown error");
	return error == NULL;
}

/* Abort it after an error, which is reported and forgotten. */
void
ig_session_abort(void)
{
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(caller_context);
	in_transaction = false;
	report_statistics(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}
