/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  Plans of the background workers' statements.
 *
 * A worker's statement is planned once, often while the queue is empty, and its
 * plan is used when a hundred thousand calls are there.  Of an empty table the
 * planner reads all, by whatever index, for each row that it is joined to; so
 * these processes let it believe that the extension's tables are large, and
 * every row is found by its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/pathnodes.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "guc.h"
#include "util/plans.h"

/* What a table of ours has at least, for the planner. */
#define ASSUMED_TUPLES	10000000
#define ASSUMED_PAGES	1000000

static ig_relation_hook_type next_hook = NULL;

/* The planner's hook: raise the sizes of our tables. */
static void
assume_large(IG_RELATION_HOOK_PARAMETERS)
{
	Oid			namespace = get_namespace_oid(IG_EXTENSION, true);
	ListCell   *lc;

	if (next_hook)
		next_hook(IG_RELATION_HOOK_ARGS);
	if (!OidIsValid(namespace) || get_rel_namespace(IG_RELATION_HOOK_OID) != namespace)
		return;
	info->tuples = Max(info->tuples, ASSUMED_TUPLES);
	info->pages = Max(info->pages, ASSUMED_PAGES);
	foreach(lc, info->indexlist)
	{
		IndexOptInfo *index = lfirst(lc);

		index->tuples = Max(index->tuples, ASSUMED_TUPLES);
		index->pages = Max(index->pages, ASSUMED_PAGES / 10);
	}
}

/* Have this process plan for large tables of the extension. */
void
ig_plans_init(void)
{
	next_hook = ig_relation_hook;
	ig_relation_hook = assume_large;
}
