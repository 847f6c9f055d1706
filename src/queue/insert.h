/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Insert many rows into one of the extension's tables, as COPY does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_INSERT_H
#define IGNISIGN_INSERT_H

#include "postgres.h"

#define IG_MAX_COLUMNS 16

/* A table, and the columns that are given, up to the first NULL; others get their default. */
typedef struct IgInsert
{
	const char *table;
	const char *columns[IG_MAX_COLUMNS];
} IgInsert;

/* Rows of a table that are inserted together. */
typedef struct IgRows
{
	const IgInsert *insert;
	int			n;
	int			slots;
	int			ncolumns;
	Datum	   *values;			/* row by row, of the columns that are given */
	char	   *nulls;
	int			at;				/* after an error: which row it was; -1: not known */
} IgRows;

/* No rows yet; there is room for some in the current memory context. */
extern void ig_rows_init(IgRows *rows, const IgInsert *insert);

/*
 * Add a row; nulls as for SPI_execute_plan, NULL for none.  What the values point
 * to has to last until the rows are inserted.
 */
extern void ig_rows_add(IgRows *rows, const Datum *values, const char *nulls);

/* The value of a row's column, both counted from 0. */
extern Datum ig_rows_value(const IgRows *rows, int row, int column);

/*
 * Insert the rows as the extension's owner; there are none after that.
 * Constraints, triggers and indexes work as for one INSERT of all of them; rules
 * and row-level policies do not.  The rows are visible to the next statement.
 */
extern void ig_insert_rows(IgRows *rows);

#endif							/* IGNISIGN_INSERT_H */
