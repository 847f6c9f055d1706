/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Insert rows into the extension's tables without a plan.
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
	struct IgTarget *target;	/* made at first use */
} IgInsert;

/*
 * Insert a row as the extension's owner; nulls as for SPI_execute_plan, NULL for
 * none.  Constraints, triggers and indexes work as for INSERT; rules and
 * row-level policies do not.  The row is visible to the next statement.
 */
extern void ig_insert(IgInsert *insert, const Datum *values, const char *nulls);

#endif							/* IGNISIGN_INSERT_H */
