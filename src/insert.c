/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Insert rows into the extension's tables without a plan.
 *
 * Of a statement that inserts one row, starting and ending its plan costs several
 * times as much as the row: indexes are described and constraints read anew each
 * time.  What a request to sign consists of goes to four tables, in the
 * transaction of whoever inserts a contract; so it goes there as logical
 * replication has it: by the executor's functions, with what they need kept
 * for the session.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "insert.h"

/* What is kept of a table; neither it nor its indexes are open meanwhile. */
typedef struct IgTarget
{
	Oid			relation;
	bool		stale;			/* its definition has changed */
	EState	   *estate;			/* all of this is in its context */
	ResultRelInfo *info;
	Oid		   *indexes;
	TupleTableSlot *slot;
	AttrNumber	attributes[IG_MAX_COLUMNS]; /* of the columns that are given */
	ExprState **defaults;		/* of each attribute; NULL: none, or it is given */
	struct IgTarget *next;
} IgTarget;

static IgTarget *targets = NULL;

/* Relcache callback: a table has changed, or (0) all may have. */
static void
forget_relation(Datum arg, Oid relation)
{
	for (IgTarget *target = targets; target != NULL; target = target->next)
	{
		if (relation == InvalidOid || relation == target->relation)
			target->stale = true;
	}
}

/* Find the columns that are given, and the defaults of the others. */
static void
read_columns(IgTarget *target, const IgInsert *insert, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Bitmapset  *given = NULL;

	for (int i = 0; i < IG_MAX_COLUMNS && insert->columns[i] != NULL; i++)
	{
		AttrNumber	attribute = get_attnum(RelationGetRelid(rel), insert->columns[i]);

		if (attribute == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of table \"ignisign.%s\" does not exist", insert->columns[i], insert->table),
					 errhint("Run ALTER EXTENSION ignisign UPDATE.")));
		target->attributes[i] = attribute;
		given = bms_add_member(given, attribute);
	}

	target->defaults = palloc0(desc->natts * sizeof(ExprState *));
	for (int i = 0; i < desc->natts; i++)
	{
		Node	   *value = NULL;

		if (!TupleDescAttr(desc, i)->attisdropped && !bms_is_member(i + 1, given))
			value = build_column_default(rel, i + 1);
		if (value != NULL)
			target->defaults[i] = ExecInitExpr(expression_planner((Expr *) value), NULL);
	}
}

/* Make what is needed for a table that is open. */
static IgTarget *
make_target(const IgInsert *insert, Relation rel)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	IgTarget   *target = palloc0(sizeof(IgTarget));

	target->relation = RelationGetRelid(rel);
	target->estate = estate;
	read_columns(target, insert, rel);
	target->info = makeNode(ResultRelInfo);
	InitResultRelInfo(target->info, rel, 0, NULL, 0);
	estate->es_opened_result_relations = list_make1(target->info);

	/* A copy is not counted by the relation that it is of. */
	target->slot = ExecInitExtraTupleSlot(estate, CreateTupleDescCopy(RelationGetDescr(rel)), table_slot_callbacks(rel));

	/* This opens the indexes, too. */
	ExecOpenIndices(target->info, false);
	target->indexes = palloc(Max(target->info->ri_NumIndices, 1) * sizeof(Oid));
	for (int i = 0; i < target->info->ri_NumIndices; i++)
		target->indexes[i] = RelationGetRelid(target->info->ri_IndexRelationDescs[i]);
	MemoryContextSwitchTo(old);
	return target;
}

/* Keep it for the session. */
static void
keep_target(IgTarget *target)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		registered = true;
	}
	MemoryContextSetParent(target->estate->es_query_cxt, TopMemoryContext);
	target->next = targets;
	targets = target;
}

/* Forget it; its table and indexes are not open. */
static void
free_target(IgTarget *target)
{
	for (IgTarget **link = &targets; *link != NULL; link = &(*link)->next)
	{
		if (*link == target)
		{
			*link = target->next;
			break;
		}
	}
	ExecResetTupleTable(target->estate->es_tupleTable, false);
	FreeExecutorState(target->estate);
}

/* What was kept of a table that is open again, with its indexes opened; NULL: nothing that is still good. */
static IgTarget *
find_target(IgInsert *insert, Relation rel)
{
	IgTarget   *target = insert->target;

	if (target == NULL)
		return NULL;
	if (target->stale || target->relation != RelationGetRelid(rel))
	{
		insert->target = NULL;
		free_target(target);
		return NULL;
	}
	target->info->ri_RelationDesc = rel;
	for (int i = 0; i < target->info->ri_NumIndices; i++)
		target->info->ri_IndexRelationDescs[i] = index_open(target->indexes[i], RowExclusiveLock);
	return target;
}

/* Close the indexes; they stay locked, as the table does, for the transaction's next row. */
static void
close_indexes(const IgTarget *target)
{
	for (int i = 0; i < target->info->ri_NumIndices; i++)
	{
		ig_index_insert_cleanup(target->info->ri_IndexRelationDescs[i], target->info->ri_IndexRelationInfo[i]);
		index_close(target->info->ri_IndexRelationDescs[i], NoLock);
	}
}

/* Have the slot hold the row. */
static void
fill_slot(const IgTarget *target, const IgInsert *insert, const Datum *values, const char *nulls)
{
	TupleTableSlot *slot = target->slot;
	ExprContext *context = GetPerTupleExprContext(target->estate);

	ExecClearTuple(slot);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_isnull[i] = true;
		if (target->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(target->defaults[i], context, &slot->tts_isnull[i]);
	}
	for (int i = 0; i < IG_MAX_COLUMNS && insert->columns[i] != NULL; i++)
	{
		int			column = target->attributes[i] - 1;

		slot->tts_isnull[column] = nulls != NULL && nulls[i] == 'n';
		slot->tts_values[column] = values[i];
	}
	ExecStoreVirtualTuple(slot);
}

/* Insert a row. */
void
ig_insert(IgInsert *insert, const Datum *values, const char *nulls)
{
	Oid			relation = get_relname_relid(insert->table, get_namespace_oid(IG_EXTENSION, false));
	Relation	rel = table_open(relation, RowExclusiveLock);
	IgTarget   *target = find_target(insert, rel);
	bool		keep = rel->trigdesc == NULL;

	if (target == NULL)
	{
		target = make_target(insert, rel);

		/* Triggers may insert in their turn, and need an executor state of their own. */
		if (keep)
		{
			keep_target(target);
			insert->target = target;
		}
	}
	ResetPerTupleExprContext(target->estate);
	fill_slot(target, insert, values, nulls);

	AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(target->info, target->estate, target->slot);
	AfterTriggerEndQuery(target->estate);

	ExecClearTuple(target->slot);
	close_indexes(target);
	table_close(rel, NoLock);
	if (!keep)
		free_target(target);
	CommandCounterIncrement();
}
