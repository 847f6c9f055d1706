/*-------------------------------------------------------------------------
 *
 * spi.c
 *	  Statements that are prepared once a session, and arrays for them.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "spi.h"

/* Execute a statement, preparing it at its first use. */
uint64
ig_spi_execute(IgStatement *statement, const Datum *values, const char *nulls)
{
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan;
		int			nargs = 0;

		while (nargs < IG_MAX_PARAMETERS && statement->types[nargs] != InvalidOid)
			nargs++;
		plan = SPI_prepare(statement->sql, nargs, statement->types);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		statement->plan = plan;
	}

	result = SPI_execute_plan(statement->plan, unconstify(Datum *, values), nulls, false, 0);
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
