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

#include "access/genam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
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

/* Indexes may keep something from one row to the next since 17. */
static inline void
ig_index_insert_cleanup(Relation index, struct IndexInfo *info)
{
#if PG_VERSION_NUM >= 170000
	index_insert_cleanup(index, info);
#endif
}

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

/* Came with 18, in place of pg_attribute_noreturn(). */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

#endif							/* IGNISIGN_COMPAT_H */
