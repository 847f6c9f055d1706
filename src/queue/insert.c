/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Insert many rows into one of the extension's tables, as COPY does.
 *
 * What a request to sign consists of goes to four tables, in the transaction of the
 * role that inserts a contract.  The rows of each table are inserted together by the
 * executor's functions: many rows of a page with one lock and one record of WAL.
 * INSERT ... SELECT FROM unnest() is simpler, and does the same at a higher price;
 * docs/performance.md has both.  As in COPY, the table, its indexes, and all that is
 * known of them are opened and closed within the call: the definition of each can
 * change between two calls.
 *
 * What COPY cannot do in that way, where the tables' owner has made partitions
 * or triggers BEFORE a row, a statement does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "executor/spi.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "guc.h"
#include "queue/insert.h"
#include "util/spi.h"

/* Most rows that a table is handed at once. */
#define MAX_SLOTS 64

/* A table while rows are inserted into it. */
typedef struct IgTarget
{
	Relation	rel;
	EState	   *estate;			/* all of this is in its context */
	ResultRelInfo *info;
	TupleTableSlot *slots[MAX_SLOTS];
	AttrNumber	attributes[IG_MAX_COLUMNS]; /* of the columns that are given */
	ExprState **defaults;		/* of each attribute; NULL: none, or it is given */
} IgTarget;

/* ---- Rows ---- */

/* No rows. */
void
ig_rows_init(IgRows *rows, const IgInsert *insert)
{
	memset(rows, 0, sizeof(*rows));
	rows->insert = insert;
	while (rows->ncolumns < IG_MAX_COLUMNS && insert->columns[rows->ncolumns] != NULL)
		rows->ncolumns++;
	rows->slots = 1;
	rows->values = palloc(rows->ncolumns * sizeof(Datum));
	rows->nulls = palloc(rows->ncolumns);
}

/* Add one. */
void
ig_rows_add(IgRows *rows, const Datum *values, const char *nulls)
{
	if (rows->n == rows->slots)
	{
		rows->slots *= 4;
		rows->values = repalloc(rows->values, rows->slots * rows->ncolumns * sizeof(Datum));
		rows->nulls = repalloc(rows->nulls, rows->slots * rows->ncolumns);
	}
	memcpy(rows->values + rows->n * rows->ncolumns, values, rows->ncolumns * sizeof(Datum));
	if (nulls != NULL)
		memcpy(rows->nulls + rows->n * rows->ncolumns, nulls, rows->ncolumns);
	else
		memset(rows->nulls + rows->n * rows->ncolumns, ' ', rows->ncolumns);
	rows->n++;
}

/* A value of one. */
Datum
ig_rows_value(const IgRows *rows, int row, int column)
{
	return rows->values[row * rows->ncolumns + column];
}

/* ---- Tables ---- */

/* The number of a column that is given. */
static AttrNumber
given_column(const IgInsert *insert, Relation rel, int i)
{
	AttrNumber	attribute = get_attnum(RelationGetRelid(rel), insert->columns[i]);

	if (attribute == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"ignisign.%s\" does not exist", insert->columns[i], insert->table),
				 errhint("Run ALTER EXTENSION ignisign UPDATE.")));
	return attribute;
}

/* Find the columns that are given, and the defaults of the others. */
static void
read_columns(IgTarget *target, const IgInsert *insert)
{
	TupleDesc	desc = RelationGetDescr(target->rel);
	Bitmapset  *given = NULL;

	for (int i = 0; i < IG_MAX_COLUMNS && insert->columns[i] != NULL; i++)
	{
		target->attributes[i] = given_column(insert, target->rel, i);
		given = bms_add_member(given, target->attributes[i]);
	}

	target->defaults = palloc0(desc->natts * sizeof(ExprState *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		Node	   *value = NULL;

		if (!column->attisdropped && !column->attgenerated && !bms_is_member(i + 1, given))
			value = build_column_default(target->rel, i + 1);
		if (value != NULL)
			target->defaults[i] = ExecInitExpr(expression_planner((Expr *) value), NULL);
	}
}

/* Open what is needed to insert n rows into a table that is open. */
static IgTarget *
open_target(const IgRows *rows, Relation rel)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	IgTarget   *target = palloc0(sizeof(IgTarget));

	target->rel = rel;
	target->estate = estate;
	read_columns(target, rows->insert);
	target->info = makeNode(ResultRelInfo);
	InitResultRelInfo(target->info, rel, 0, NULL, 0);
	estate->es_opened_result_relations = list_make1(target->info);
	ExecOpenIndices(target->info, false);
	for (int i = 0; i < Min(rows->n, MAX_SLOTS); i++)
		target->slots[i] = ExecInitExtraTupleSlot(estate, RelationGetDescr(rel), table_slot_callbacks(rel));
	MemoryContextSwitchTo(old);
	return target;
}

/* Close all of it but the table. */
static void
close_target(IgTarget *target)
{
	ExecCloseIndices(target->info);
	ExecResetTupleTable(target->estate->es_tupleTable, false);
	FreeExecutorState(target->estate);
}

/* Have a slot hold a row. */
static void
fill_slot(const IgTarget *target, TupleTableSlot * slot, const IgRows *rows, int row)
{
	ExprContext *context = GetPerTupleExprContext(target->estate);

	for (int i = 0; i < RelationGetDescr(target->rel)->natts; i++)
	{
		slot->tts_isnull[i] = true;
		if (target->defaults[i] != NULL)
			slot->tts_values[i] = ExecEvalExprSwitchContext(target->defaults[i], context, &slot->tts_isnull[i]);
	}
	for (int i = 0; i < rows->ncolumns; i++)
	{
		int			column = target->attributes[i] - 1;

		slot->tts_isnull[column] = rows->nulls[row * rows->ncolumns + i] == 'n';
		slot->tts_values[column] = ig_rows_value(rows, row, i);
	}
	ExecStoreVirtualTuple(slot);
}

/* Insert n rows from the given one on. */
static void
insert_some(IgTarget *target, IgRows *rows, int first, int n, TransitionCaptureState * capture)
{
	Relation	rel = target->rel;
	ResultRelInfo *info = target->info;
	EState	   *estate = target->estate;
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	ResetPerTupleExprContext(estate);
	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot = target->slots[i];

		rows->at = first + i;
		fill_slot(target, slot, rows, rows->at);
		if (constr && constr->has_generated_stored)
			ExecComputeStoredGenerated(info, estate, slot, CMD_INSERT);
		if (constr)
			ExecConstraints(info, slot, estate);
	}
	table_multi_insert(rel, target->slots, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n; i++)
	{
		TupleTableSlot *slot = target->slots[i];
		List	   *recheck;

		rows->at = first + i;
		slot->tts_tableOid = RelationGetRelid(rel);
		recheck = ig_insert_index_tuples(info, slot, estate);
		ExecARInsertTriggers(estate, info, slot, recheck, capture);
		list_free(recheck);
		ExecClearTuple(slot);
	}
}

/* Insert the rows into a table that is open. */
static void
insert_all(IgRows *rows, Relation rel)
{
	IgTarget   *target = open_target(rows, rel);
	TransitionCaptureState *capture;

	AfterTriggerBeginQuery();
	capture = MakeTransitionCaptureState(rel->trigdesc, RelationGetRelid(rel), CMD_INSERT);
	ExecBSInsertTriggers(target->estate, target->info);
	for (int first = 0; first < rows->n; first += MAX_SLOTS)
		insert_some(target, rows, first, Min(rows->n - first, MAX_SLOTS), capture);
	rows->at = -1;
	ExecASInsertTriggers(target->estate, target->info, capture);
	AfterTriggerEndQuery(target->estate);
	close_target(target);
}

/* Whether rows have to be inserted by a statement. */
static bool
needs_statement(Relation rel)
{
	return rel->rd_rel->relkind != RELKIND_RELATION ||
		(rel->trigdesc != NULL && (rel->trigdesc->trig_insert_before_row || rel->trigdesc->trig_insert_instead_row));
}

/* Insert them by one, which takes them as an array. */
static void
insert_by_statement(IgRows *rows, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	Datum	   *elements = palloc(rows->n * sizeof(Datum));
	StringInfoData columns;
	Datum		array;
	Oid			type = get_array_type(rel->rd_rel->reltype);
	char	   *sql;

	initStringInfo(&columns);
	for (int i = 0; i < rows->ncolumns; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "", quote_identifier(rows->insert->columns[i]));
	for (int row = 0; row < rows->n; row++)
	{
		memset(nulls, true, desc->natts * sizeof(bool));
		for (int i = 0; i < rows->ncolumns; i++)
		{
			int			column = given_column(rows->insert, rel, i) - 1;

			nulls[column] = rows->nulls[row * rows->ncolumns + i] == 'n';
			values[column] = ig_rows_value(rows, row, i);
		}
		elements[row] = heap_copy_tuple_as_datum(heap_form_tuple(desc, values, nulls), desc);
	}
	array = ig_array(rel->rd_rel->reltype, elements, NULL, rows->n);
	sql = psprintf("INSERT INTO ignisign.%s (%s) SELECT %s FROM pg_catalog.unnest($1)",
				   quote_identifier(rows->insert->table), columns.data, columns.data);

	rows->at = rows->n == 1 ? 0 : -1;
	SPI_connect();
	if (SPI_execute_with_args(sql, 1, &type, &array, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not insert into ignisign.%s", rows->insert->table);
	SPI_finish();
}

/* Insert the rows. */
void
ig_insert_rows(IgRows *rows)
{
	Relation	rel;

	if (rows->n == 0)
		return;
	rel = table_open(get_relname_relid(rows->insert->table, get_namespace_oid(IG_EXTENSION, false)), RowExclusiveLock);
	if (needs_statement(rel))
		insert_by_statement(rows, rel);
	else
		insert_all(rows, rel);
	table_close(rel, NoLock);
	rows->n = 0;
	CommandCounterIncrement();
}
