/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between the majors of PostgreSQL that are supported.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_COMPAT_H
#define IGNISIGN_COMPAT_H

#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/wait_event.h"

/* postgres.h was all that this took before 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "utils/injection_point.h"
#endif

#if PG_VERSION_NUM < 150000
#error "ignisign needs PostgreSQL 15 or newer"
#endif

/* object_ownercheck() and object_aclcheck() came with 16. */
static inline bool
ig_object_ownercheck(Oid class_id, Oid object, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(class_id, object, role);
#else
	switch (class_id)
	{
		case DatabaseRelationId:
			return pg_database_ownercheck(object, role);
		case RelationRelationId:
			return pg_class_ownercheck(object, role);
		case ForeignServerRelationId:
			return pg_foreign_server_ownercheck(object, role);
		default:
			elog(ERROR, "unexpected class %u", class_id);
	}
#endif
}

static inline AclResult
ig_foreign_server_aclcheck(Oid server, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role, mode);
#else
	return pg_foreign_server_aclcheck(server, role, mode);
#endif
}

static inline AclResult
ig_function_aclcheck(Oid function, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, mode);
#else
	return pg_proc_aclcheck(function, role, mode);
#endif
}

static inline AclResult
ig_database_aclcheck(Oid database, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(DatabaseRelationId, database, role, mode);
#else
	return pg_database_aclcheck(database, role, mode);
#endif
}

/* A role without LOGIN can be connected as since 17. */
#ifdef BGWORKER_BYPASS_ROLELOGINCHECK
#define IG_ANY_ROLE				true
#define IG_CONNECT_AS_ANY_ROLE	BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define IG_ANY_ROLE				false
#define IG_CONNECT_AS_ANY_ROLE	0
#endif

/* Came with 15.4: what a DROP DATABASE that was interrupted leaves behind. */
#ifndef DATCONNLIMIT_INVALID_DB
#define DATCONNLIMIT_INVALID_DB -2
#endif

/* A wait set that lives as long as the process (17: by resource owner). */
#if PG_VERSION_NUM >= 170000
#define CreateProcessWaitEventSet(nevents) CreateWaitEventSet(NULL, nevents)
#else
#define CreateProcessWaitEventSet(nevents) CreateWaitEventSet(TopMemoryContext, nevents)
#endif

/* Wait events with names of our own came with 17. */
static inline uint32
ig_new_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* Add the entries of a new row to all indexes (16: or only to some; 19: by flags). */
#if PG_VERSION_NUM >= 190000
#define ig_insert_index_tuples(info, slot, estate) ExecInsertIndexTuples(info, estate, 0, slot, NIL, NULL)
#elif PG_VERSION_NUM >= 160000
#define ig_insert_index_tuples(info, slot, estate) ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL, false)
#else
#define ig_insert_index_tuples(info, slot, estate) ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL)
#endif

/*
 * A place where a test can let a process wait, or fail.  They came with 17, and do
 * nothing in a server that was not built with --enable-injection-points.
 */
#if PG_VERSION_NUM >= 180000
#define IG_INJECTION_POINT(name) INJECTION_POINT(name, NULL)
#elif PG_VERSION_NUM >= 170000
#define IG_INJECTION_POINT(name) INJECTION_POINT(name)
#else
#define IG_INJECTION_POINT(name) ((void) 0)
#endif

/* Since 18 the server can tell a module's name and version. */
#ifdef PG_MODULE_MAGIC_EXT
#define IG_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = IG_EXTENSION, .version = IG_VERSION)
#else
#define IG_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* Handlers of signals get more than its number since 19. */
#if PG_VERSION_NUM >= 190000
#define IG_SIGNAL_ARGS postgres_signal_arg, pg_siginfo
#else
#define IG_SIGNAL_ARGS postgres_signal_arg
#endif

/* A scan of all of a table takes flags since 19. */
#if PG_VERSION_NUM >= 190000
#define ig_table_beginscan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL, SO_NONE)
#else
#define ig_table_beginscan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL)
#endif

/*
 * What is called when the planner has read the sizes of a table: another hook, with
 * other arguments, since 19.
 */
#if PG_VERSION_NUM >= 190000
#define ig_relation_hook_type build_simple_rel_hook_type
#define ig_relation_hook build_simple_rel_hook
#define IG_RELATION_HOOK_PARAMETERS PlannerInfo *root, RelOptInfo *info, RangeTblEntry *rte
#define IG_RELATION_HOOK_ARGS root, info, rte
#define IG_RELATION_HOOK_OID (rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid)
#else
#define ig_relation_hook_type get_relation_info_hook_type
#define ig_relation_hook get_relation_info_hook
#define IG_RELATION_HOOK_PARAMETERS PlannerInfo *root, Oid relation, bool inherited, RelOptInfo *info
#define IG_RELATION_HOOK_ARGS root, relation, inherited, info
#define IG_RELATION_HOOK_OID relation
#endif

/* A jsonb that is being built: a state with the result in it since 19. */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState IgJsonbState;
#else
typedef struct IgJsonbState
{
	JsonbParseState *parseState;
	JsonbValue *result;
} IgJsonbState;
#endif

static inline void
ig_jsonb_push(IgJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(state, token, value);
#else
	state->result = pushJsonbValue(&state->parseState, token, value);
#endif
}

/* Came with 18, in place of pg_attribute_noreturn(). */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

#endif							/* IGNISIGN_COMPAT_H */
