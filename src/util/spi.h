/*-------------------------------------------------------------------------
 *
 * spi.h
 *	  Statements that are prepared once a session, and arrays for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SPI_H
#define IGNISIGN_SPI_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#define IG_MAX_PARAMETERS 20

/* A statement and the types of its parameters, up to the first zero. */
typedef struct IgStatement
{
	const char *sql;
	Oid			types[IG_MAX_PARAMETERS];
	SPIPlanPtr	plan;			/* made at first use */
	bool		deletes;		/* rows of ours */
} IgStatement;

/*
 * Execute a statement between SPI_connect and SPI_finish; nulls as for
 * SPI_execute_plan.  Returns SPI_processed; the rows are in SPI_tuptable.
 */
extern uint64 ig_spi_execute(IgStatement *statement, const Datum *values, const char *nulls);

/* The same for a statement without NULLs that reads what is committed now. */
extern uint64 ig_spi_read_latest(IgStatement *statement, const Datum *values);

/* Columns of the current result; NULL or fallback where it is NULL. */
extern Datum ig_spi_datum(uint64 row, int column, bool *isnull);
extern char *ig_spi_text(uint64 row, int column, MemoryContext context);
extern int64 ig_spi_int64(uint64 row, int column, int64 fallback);

/* A new array of Datums for n rows, in the current memory context. */
#define ig_new_datums(n) ((Datum *) palloc(Max(n, 1) * sizeof(Datum)))

/* An array from values, and from C strings of which some may be NULL. */
extern Datum ig_array(Oid type, const Datum *values, const bool *nulls, int n);
extern Datum ig_text_array(const char *const *values, int n);

#endif							/* IGNISIGN_SPI_H */
