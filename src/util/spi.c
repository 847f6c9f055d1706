/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  Statements that are prepared once a session, and arrays for them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "util/guard.h"
#include "util/spi.h"

/* Prepare a statement at its first use. */
static void
prepare(IgStatement *statement)
{
	SPIPlanPtr	plan;
	int			nargs = 0;

	if (statement->plan != NULL)
		return;
	while (nargs < IG_MAX_PARAMETERS && statement->types[nargs] != InvalidOid)
		nargs++;
	plan = SPI_prepare(statement->sql, nargs, statement->types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	statement->plan = plan;
	statement->deletes = strstr(statement->sql, "DELETE FROM ignisign.") != NULL;
}

/*
 * Execute a statement.  Where rows are deleted, the actions of foreign keys would
 * be executed: so the tables are checked before.  Settings are as before after
 * each statement: the check of a key that is allowed plans a query on its table,
 * which evaluates constants in the expressions of that table's indexes.
 */
uint64
ig_spi_execute(IgStatement *statement, const Datum *values, const char *nulls)
{
	int			guc_level = NewGUCNestLevel();
	int			result;

	prepare(statement);
	if (statement->deletes)
		ig_guard_check();
	result = SPI_execute_plan(statement->plan, unconstify(Datum *, values), nulls, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	AtEOXact_GUC(false, guc_level);
	return SPI_processed;
}

/* Execute a statement that reads what is committed now, whatever the transaction's snapshot is. */
uint64
ig_spi_read_latest(IgStatement *statement, const Datum *values)
{
	int			result;

	prepare(statement);
	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan(statement->plan, unconstify(Datum *, values), NULL, true, 0);
	PopActiveSnapshot();
	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* A column of the current result, counted from 1. */
Datum
ig_spi_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* A column as text, in the given context; NULL for NULL. */
char *
ig_spi_text(uint64 row, int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

/* A column of one of the integer types. */
int64
ig_spi_int64(uint64 row, int column, int64 fallback)
{
	bool		isnull;
	Datum		value = ig_spi_datum(row, column, &isnull);

	if (isnull)
		return fallback;
	return SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT4OID ?
		DatumGetInt32(value) : DatumGetInt64(value);
}

/* Make an array; nulls may be NULL. */
Datum
ig_array(Oid type, const Datum *values, const bool *nulls, int n)
{
	int			dims[1] = {n};
	int			lower[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_md_array(unconstify(Datum *, values),
											  unconstify(bool *, nulls), 1,
											  dims, lower, type, length,
											  by_value, align));
}

/* Make an array of text; a NULL string is a NULL element. */
Datum
ig_text_array(const char *const *values, int n)
{
	Datum	   *datums = palloc(Max(n, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(n, 1) * sizeof(bool));

	for (int i = 0; i < n; i++)
	{
		nulls[i] = (values[i] == NULL);
		datums[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(values[i]);
	}
	return ig_array(TEXTOID, datums, nulls, n);
}
