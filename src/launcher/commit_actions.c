/*-------------------------------------------------------------------------
 *
 * commit_actions.c
 *	  What the workers are owed at the end of a transaction: to be woken, to
 *	  be started, or to be let into a database again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "launcher/commit_actions.h"
#include "launcher/slots.h"

PG_FUNCTION_INFO_V1(ignisign_origin_changed);

/* A database that is to have a worker. */
typedef struct Wanted
{
	Oid			database;
	NameData	name;
} Wanted;

static bool wake_pending = false;
static NameData my_database;	/* its name, which stays as long as we are here */
static List *wanted = NIL;		/* in TopMemoryContext */
static List *held = NIL;		/* databases, in TopMemoryContext */
static List *changed = NIL;		/* databases, in TopMemoryContext */

/*
 * What a transaction that does not commit asked for is not due.  One that is
 * prepared is not visible before COMMIT PREPARED, which wakes the worker by
 * itself (process_utility.c).
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	wake_pending = false;
	list_free_deep(wanted);
	wanted = NIL;
	list_free(changed);
	changed = NIL;
}

/*
 * The transaction is over, for the others as well: they have been told what it
 * changed in the catalogs, and its locks are gone.  A worker that was woken any
 * sooner might still look at an account as it was.
 */
static void
at_release(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	ListCell   *lc;

	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;

	if (wake_pending)
		ig_slots_wake(MyDatabaseId, NameStr(my_database));
	foreach(lc, wanted)
	{
		Wanted	   *entry = lfirst(lc);

		ig_slots_want(entry->database, NameStr(entry->name));
	}
	foreach(lc, changed)
		ig_slots_check_listener(lfirst_oid(lc));
	foreach(lc, held)
		ig_slots_release(lfirst_oid(lc));

	wake_pending = false;
	list_free_deep(wanted);
	wanted = NIL;
	list_free(held);
	held = NIL;
	list_free(changed);
	changed = NIL;
}

/* Register the callbacks, once in a backend's life. */
static void
register_callback(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterResourceReleaseCallback(at_release, NULL);
		registered = true;
	}
}

/* Have this database's worker woken, or started, at COMMIT. */
void
ig_wake_at_commit(void)
{
	if (!ig_slots_available())
		return;
	register_callback();
	if (NameStr(my_database)[0] == '\0')
		namestrcpy(&my_database, get_database_name(MyDatabaseId));
	wake_pending = true;
}

/* Add a database to a list. */
static void
remember(List **list, Oid database)
{
	MemoryContext old;

	register_callback();
	old = MemoryContextSwitchTo(TopMemoryContext);
	*list = lappend_oid(*list, database);
	MemoryContextSwitchTo(old);
}

/* Have a worker started in a database at COMMIT. */
void
ig_want_at_commit(Oid database, const char *name)
{
	MemoryContext old;
	Wanted	   *entry;

	if (!ig_slots_available())
		return;
	register_callback();
	old = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc0(sizeof(Wanted));
	entry->database = database;
	namestrcpy(&entry->name, name);
	wanted = lappend(wanted, entry);
	MemoryContextSwitchTo(old);
}

/* Have a database's worker look after its listener at COMMIT. */
void
ig_check_listener_at_commit(Oid database)
{
	if (ig_slots_available())
		remember(&changed, database);
}

/* Keep workers away from a database until the transaction ends. */
void
ig_hold_until_end(Oid database)
{
	if (!ig_slots_available())
		return;
	remember(&held, database);
	ig_slots_hold(database);
}

/*
 * ignisign.origin_changed() returns trigger
 *
 * On ignisign.origin, after INSERT: the worker is to look whose queue it is.
 * pg_restore brings that row long after the worker's first look.
 */
Datum
ignisign_origin_changed(PG_FUNCTION_ARGS)
{
	ig_wake_at_commit();
	PG_RETURN_POINTER(NULL);
}
