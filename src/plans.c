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
#include "ignisign.h"

#include "catalog/namespace.h"
#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"
#include "utils/lsyscache.h"

#include "plans.h"

/* What a table of ours has at least, for the planner. */
#define ASSUMED_TUPLES	10000000
#define ASSUMED_PAGES	1000000

static get_relation_info_hook_type next_hook = NULL;

/* The planner's get_relation_info_hook: raise the sizes of our tables. */
static void
assume_large(PlannerInfo *root, Oid relation, bool inherited, RelOptInfo *info)
{
	ListCell   *lc;

	if (next_hook)
		next_hook(root, relation, inherited, info);
	if (get_rel_namespace(relation) != get_namespace_oid(IG_EXTENSION, true))
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
	next_hook = get_relation_info_hook;
	get_relation_info_hook = assume_large;
}
