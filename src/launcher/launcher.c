/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: which databases have a worker; start and restart them.
 *
 * No list is kept of the databases that have the extension: at server start
 * every one gets a worker, which looks for itself and ends at once where the
 * extension is missing.  Later, backends ask: at COMMIT of CREATE EXTENSION,
 * after CREATE DATABASE, and whenever work is queued where no worker runs.
 *
 * The launcher starts when recovery is over, so there is none on a standby,
 * and it is there as soon as a standby is promoted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "launcher/slots.h"
#include "util/session.h"
#include "util/wait_event.h"

/* Pause before the postmaster starts a failed launcher again, in seconds. */
#define LAUNCHER_RESTART 5

/* A worker that was registered here and is watched until it ends. */
typedef struct IgWatched
{
	Oid			database;
	BackgroundWorkerHandle *handle;
} IgWatched;

static List *watched = NIL;

/*
 * Register the launcher; called while the module is preloaded.  While pg_upgrade
 * runs a server, there is none: what the old one sent after its tables were
 * copied would be sent again by the new one.
 */
void
ig_launcher_register(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = LAUNCHER_RESTART;
	strlcpy(worker.bgw_library_name, "ignisign", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "ignisign_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "ignisign launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "ignisign launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

/* Whether one can connect to the database. */
static bool
can_connect(Form_pg_database form)
{
	return form->datallowconn && form->datconnlimit != DATCONNLIMIT_INVALID_DB;
}

/* Ask for a worker in every database that can be connected to. */
static void
want_all(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (can_connect(form))
			ig_slots_want(form->oid, NameStr(form->datname));
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

/* The name of a database that one can connect to, or NULL. */
static char *
find_database(Oid database)
{
	MemoryContext context = CurrentMemoryContext;
	HeapTuple	tuple;
	char	   *name = NULL;

	StartTransactionCommand();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (can_connect(form))
			name = MemoryContextStrdup(context, NameStr(form->datname));
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return name;
}

/*
 * Wait until a worker that has left its slot is gone as a process, so that
 * its end is not taken for that of its successor.
 */
static void
await_predecessor(Oid database)
{
	ListCell   *lc;

	foreach(lc, watched)
	{
		IgWatched  *entry = lfirst(lc);

		if (entry->database != database)
			continue;
		(void) WaitForBackgroundWorkerShutdown(entry->handle);
		pfree(entry->handle);
		pfree(entry);
		watched = foreach_delete_current(watched, lc);
	}
}

/* Register a dynamic worker of a database, which is not restarted by itself. */
bool
ig_register_worker(const char *kind, Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "ignisign", sizeof(worker.bgw_library_name));
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "ignisign_%s_main", kind);
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "ignisign %s for database %u", kind, database);
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "ignisign %s", kind);
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* Register the worker of a database whose slot is STARTING. */
static void
start_worker(Oid database)
{
	BackgroundWorkerHandle *handle;
	MemoryContext old;
	IgWatched  *entry;
	char	   *name = find_database(database);

	if (name == NULL)
	{
		ig_slots_forget(database);
		return;
	}

	await_predecessor(database);

	old = MemoryContextSwitchTo(TopMemoryContext);
	if (ig_register_worker("worker", database, &handle))
	{
		entry = palloc(sizeof(IgWatched));
		entry->database = database;
		entry->handle = handle;
		watched = lappend(watched, entry);
	}
	else if (ig_slots_start_failed(database) == 1)
		ereport(LOG,
				(errmsg("could not start the ignisign worker for database \"%s\": no background worker slot is free",
						name),
				 errhint("Its queue is kept and the start is tried again. You might need to increase max_worker_processes.")));
	pfree(name);
	MemoryContextSwitchTo(old);
}

/* Take note of workers that ended, above all of those that never attached. */
static void
check_watched(void)
{
	ListCell   *lc;

	foreach(lc, watched)
	{
		IgWatched  *entry = lfirst(lc);
		pid_t		pid;

		if (GetBackgroundWorkerPid(entry->handle, &pid) != BGWH_STOPPED)
			continue;
		/* A worker that attached has said so itself; this counts one that never did. */
		(void) ig_slots_start_failed(entry->database);
		pfree(entry->handle);
		pfree(entry);
		watched = foreach_delete_current(watched, lc);
	}
}

/* Entry point of the launcher. */
void
ignisign_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	ig_session_name();
	pgstat_report_activity(STATE_IDLE, "looking after workers");

	ig_slots_attach_launcher();
	want_all();

	while (!ShutdownRequestPending)
	{
		TimestampTz next;
		Oid			database;
		long		timeout = -1;

		check_watched();
		while (OidIsValid(database = ig_slots_next_to_start(GetCurrentTimestamp(), &next)))
			start_worker(database);

		if (next != 0)
			timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, ig_wait_event(IG_WAIT_LAUNCHER));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}

	/*
	 * Code 0 would be for good: whoever terminates the launcher while the server runs gets a new one.
	 */
	proc_exit(1);
}
