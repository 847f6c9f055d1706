/*-------------------------------------------------------------------------
 *
 * trigger_internal.h
 *	  The trigger, for the files trigger*.c of this folder only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_TRIGGER_INTERNAL_H
#define IGNISIGN_TRIGGER_INTERNAL_H

#include "postgres.h"

#include "commands/trigger.h"
#include "executor/tuptable.h"

#include "sql/sign.h"

/* What the trigger's arguments name; column numbers, 0 where not given.  Kept for the statement. */
typedef struct IgTrigger
{
	TriggerData *data;			/* of this call */
	TupleTableSlot *row;
	int			title;
	int			document;
	int			signers;
	int			id;
	int			file_name;
	int			mime_type;
	int			description;
	int			language;
	int			external_id;
	int			expires_at;
	int			recipients;
	int			statements;
	const char *method;
	const char *server;
	const char *delivery;		/* NULL: as needed */
	Oid			signers_type;
	IgSigning	signing;		/* of the rows of this statement */
} IgTrigger;

/* The names of the trigger and of its table. */
extern const char *ig_trigger_name(const IgTrigger *trigger);
extern const char *ig_trigger_table(const IgTrigger *trigger);

/* The name of a column of its table. */
extern const char *ig_trigger_column(const IgTrigger *trigger, int column);

/* Whether it is FOR EACH STATEMENT. */
extern bool ig_trigger_for_statement(const IgTrigger *trigger);

/*
 * Read the trigger's arguments.  Errors: 22023 for too few arguments or an option that
 * does not exist, 42703 for a column that does not exist, 42804 for a column of another
 * type.
 */
extern void ig_trigger_read_arguments(IgTrigger *trigger);

/* The value of a column of the row.  Errors: 22004 if it is NULL. */
extern Datum ig_trigger_needed(const IgTrigger *trigger, int column);

/* The value of a column, or 0 if it is NULL or the trigger names no such column (0). */
extern Datum ig_trigger_optional(const IgTrigger *trigger, int column);

/* The same of a text column, or NULL; and of a column of text[], or 0. */
extern char *ig_trigger_text(const IgTrigger *trigger, int column);
extern Datum ig_trigger_texts(const IgTrigger *trigger, int column);

/* Set the signers of the request from the row. */
extern void ig_trigger_signers(const IgTrigger *trigger, IgSignRequest *request);

#endif							/* IGNISIGN_TRIGGER_INTERNAL_H */
