/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  ignisign_sign_trigger(): a row that is inserted, or updated, is signed.
 *
 * It is an AFTER trigger.  Before a row is stored, a later trigger or ON
 * CONFLICT may still drop it, and its signers would be asked all the same.  For
 * many rows there is the trigger of a statement, which gets them together and
 * has their requests inserted together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "queue/tombstone.h"
#include "sql/sign.h"
#include "util/uuid.h"

/* Ids that are looked up together. */
#define MAX_IDS 1000

PG_FUNCTION_INFO_V1(ignisign_sign_trigger);

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

/* The trigger's name. */
static const char *
trigger_name(const IgTrigger *trigger)
{
	return trigger->data->tg_trigger->tgname;
}

/* The table's name. */
static const char *
table_name(const IgTrigger *trigger)
{
	return RelationGetRelationName(trigger->data->tg_relation);
}

/* Find a column by its name. */
static int
find_column(const IgTrigger *trigger, const char *name)
{
	int			column = SPI_fnumber(RelationGetDescr(trigger->data->tg_relation), name);

	if (column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("trigger \"%s\": table \"%s\" has no column \"%s\"",
						trigger_name(trigger), table_name(trigger), name),
				 errhint("The arguments of ignisign_sign_trigger name the columns of title, document, signers and id.")));
	return column;
}

/* The name of a column. */
static const char *
column_name(const IgTrigger *trigger, int column)
{
	return NameStr(TupleDescAttr(RelationGetDescr(trigger->data->tg_relation), column - 1)->attname);
}

/* The base type of a column. */
static Oid
column_type(const IgTrigger *trigger, int column)
{
	return getBaseType(TupleDescAttr(RelationGetDescr(trigger->data->tg_relation), column - 1)->atttypid);
}

/* Refuse a column's type. */
static void
refuse_type(const IgTrigger *trigger, int column, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("trigger \"%s\": column \"%s\" of table \"%s\" has type %s",
					trigger_name(trigger), column_name(trigger, column), table_name(trigger),
					format_type_be(column_type(trigger, column))),
			 errhint("It must be %s.", expected)));
}

/* Whether a type is one of those for text. */
static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* Find a column of a text type. */
static int
find_text_column(const IgTrigger *trigger, const char *name)
{
	int			column = find_column(trigger, name);

	if (!is_text(column_type(trigger, column)))
		refuse_type(trigger, column, "text or character varying");
	return column;
}

/* What an option's value is. */
typedef enum IgOptionKind
{
	OPTION_NAME,				/* a word */
	OPTION_TEXT,				/* a column of a text type */
	OPTION_TEXTS,				/* a column of an array of these */
	OPTION_TIME					/* a column of timestamp with time zone */
} IgOptionKind;

/* Find the column that an option names, and check its type. */
static int
find_option_column(const IgTrigger *trigger, IgOptionKind kind, const char *name)
{
	int			column;
	Oid			type;

	if (kind == OPTION_TEXT)
		return find_text_column(trigger, name);
	column = find_column(trigger, name);
	type = column_type(trigger, column);
	if (kind == OPTION_TEXTS && type != TEXTARRAYOID && type != VARCHARARRAYOID)
		refuse_type(trigger, column, "text[] or character varying[]");
	if (kind == OPTION_TIME && type != TIMESTAMPTZOID)
		refuse_type(trigger, column, "timestamp with time zone");
	return column;
}

/* Read one of the arguments after the first four: name=value. */
static void
read_option(IgTrigger *trigger, const char *option)
{
	const struct
	{
		const char *name;
		IgOptionKind kind;
		int		   *column;
		const char **word;
	}			options[] = {
		{"file_name", OPTION_TEXT, &trigger->file_name, NULL},
		{"mime_type", OPTION_TEXT, &trigger->mime_type, NULL},
		{"description", OPTION_TEXT, &trigger->description, NULL},
		{"language", OPTION_TEXT, &trigger->language, NULL},
		{"external_id", OPTION_TEXT, &trigger->external_id, NULL},
		{"expires_at", OPTION_TIME, &trigger->expires_at, NULL},
		{"recipients", OPTION_TEXTS, &trigger->recipients, NULL},
		{"statements", OPTION_TEXTS, &trigger->statements, NULL},
		{"method", OPTION_NAME, NULL, &trigger->method},
		{"server", OPTION_NAME, NULL, &trigger->server},
		{"delivery", OPTION_NAME, NULL, &trigger->delivery}
	};
	const char *value = strchr(option, '=');
	size_t		length = value ? value - option : 0;

	for (int i = 0; i < (int) lengthof(options); i++)
	{
		if (strlen(options[i].name) != length || strncmp(options[i].name, option, length) != 0)
			continue;
		if (options[i].kind == OPTION_NAME)
			*options[i].word = value + 1;
		else
			*options[i].column = find_option_column(trigger, options[i].kind, value + 1);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("trigger \"%s\" on table \"%s\": invalid argument \"%s\"",
					trigger_name(trigger), table_name(trigger), option),
			 errhint("After the four columns, arguments are file_name=column, mime_type=column, description=column, language=column, external_id=column, expires_at=column, recipients=column, statements=column, method=NAME, server=NAME and delivery=NAME.")));
}

/* Read the trigger's arguments. */
static void
read_arguments(IgTrigger *trigger)
{
	Trigger    *definition = trigger->data->tg_trigger;
	Oid			type;

	if (definition->tgnargs < 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" on table \"%s\" has %d arguments instead of at least 4",
						trigger_name(trigger), table_name(trigger), definition->tgnargs),
				 errhint("As in EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'email', 'signature_id').")));
	trigger->title = find_text_column(trigger, definition->tgargs[0]);
	trigger->document = find_column(trigger, definition->tgargs[1]);
	trigger->signers = find_column(trigger, definition->tgargs[2]);
	trigger->id = find_column(trigger, definition->tgargs[3]);
	if (column_type(trigger, trigger->document) != BYTEAOID)
		refuse_type(trigger, trigger->document, "bytea");
	type = column_type(trigger, trigger->signers);
	trigger->signers_type = type;
	if (!is_text(type) && type != TEXTARRAYOID && type != VARCHARARRAYOID && type != JSONBOID)
		refuse_type(trigger, trigger->signers,
					"text (one e-mail address), text[] (several) or jsonb (signers in the API's field names)");
	if (column_type(trigger, trigger->id) != UUIDOID)
		refuse_type(trigger, trigger->id, "uuid");

	trigger->method = "SIMPLE_STD";
	trigger->server = "ignisign";
	for (int i = 4; i < definition->tgnargs; i++)
		read_option(trigger, definition->tgargs[i]);
}

/* Whether it is the trigger of a statement. */
static bool
for_statement(const IgTrigger *trigger)
{
	return TRIGGER_FIRED_FOR_STATEMENT(trigger->data->tg_event);
}

/* The value of a column that is needed. */
static Datum
needed_value(const IgTrigger *trigger, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(trigger->row, column, &isnull);
	const char *name;

	if (!isnull)
		return value;
	name = column_name(trigger, column);
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("trigger \"%s\": column \"%s\" of table \"%s\" is NULL",
					trigger_name(trigger), name, table_name(trigger)),
			 !for_statement(trigger) ?
			 errhint("To sign only rows that are complete, give the trigger a condition: WHEN (NEW.%s IS NOT NULL).",
					 quote_identifier(name)) :
			 column == trigger->id ?
			 errhint("Give the column DEFAULT ignisign_id(): only a trigger FOR EACH ROW can write the id.") :
			 errhint("To sign only rows that are complete, make the trigger FOR EACH ROW, with a condition.")));
	return (Datum) 0;
}

/* The value of a column that may be NULL, or not named at all: 0 then. */
static Datum
optional_value(const IgTrigger *trigger, int column)
{
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (column != 0)
		value = slot_getattr(trigger->row, column, &isnull);
	return isnull ? (Datum) 0 : value;
}

/* The value of a text column, or NULL. */
static char *
text_value(const IgTrigger *trigger, int column)
{
	Datum		value = optional_value(trigger, column);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

/* The value of a column of text[], or 0. */
static Datum
texts_value(const IgTrigger *trigger, int column)
{
	Datum		value = optional_value(trigger, column);

	return value == (Datum) 0 ? value : ig_text_array_argument(value, column_name(trigger, column));
}

/* The signers of the row. */
static void
get_row_signers(const IgTrigger *trigger, IgSignRequest *request)
{
	Oid			type = trigger->signers_type;
	Datum		value = needed_value(trigger, trigger->signers);
	Datum	   *emails = &value;
	bool		not_null = false;
	bool	   *nulls = &not_null;

	if (type == JSONBOID)
	{
		request->signers = ig_signers_from_jsonb(value, &request->nsigners);
		return;
	}
	request->nsigners = 1;
	if (!is_text(type))
	{
		ArrayType  *array = DatumGetArrayTypeP(value);

		deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
						  &emails, &nulls, &request->nsigners);
	}
	request->signers = palloc0(Max(request->nsigners, 1) * sizeof(IgSignSigner));
	for (int i = 0; i < request->nsigners; i++)
		request->signers[i].email = nulls[i] ? NULL : TextDatumGetCString(emails[i]);
}

/* Write the id into the row that fired the trigger. */
static void
write_id(const IgTrigger *trigger, const pg_uuid_t *id)
{
	Relation	rel = trigger->data->tg_relation;
	Oid			types[2] = {UUIDOID, TIDOID};
	Datum		values[2];
	char	   *sql = psprintf("UPDATE ONLY %s SET %s = $1 WHERE ctid OPERATOR(pg_catalog.=) $2",
							   quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
														  RelationGetRelationName(rel)),
							   quote_identifier(column_name(trigger, trigger->id)));

	values[0] = UUIDPGetDatum(id);
	values[1] = PointerGetDatum(&trigger->row->tts_tid);
	SPI_connect();
	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != SPI_OK_UPDATE ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("trigger \"%s\": could not write the id into column \"%s\" of table \"%s\"",
						trigger_name(trigger), column_name(trigger, trigger->id), table_name(trigger)),
				 errdetail("Another trigger has changed the row in the same statement."),
				 errhint("Give the column DEFAULT ignisign_id(), so that the id need not be written.")));
	SPI_finish();
}

/* Error context: which trigger, table and column it was. */
static void
add_context(void *arg)
{
	const IgTrigger *trigger = arg;

	errcontext("trigger \"%s\" on table \"%s\" (title from column \"%s\", document from \"%s\", signers from \"%s\")",
			   trigger_name(trigger), table_name(trigger),
			   column_name(trigger, trigger->title), column_name(trigger, trigger->document),
			   column_name(trigger, trigger->signers));
}

/* Refuse to be called in a way that is not meant. */
static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("ignisign_sign_trigger can only be called as a trigger")));
	if (TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ?
		!TRIGGER_FIRED_BY_INSERT(data->tg_event) || data->tg_newtable == NULL :
		!TRIGGER_FIRED_BY_INSERT(data->tg_event) && !TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" on table \"%s\" must be FOR EACH ROW, on INSERT or UPDATE",
						data->tg_trigger->tgname, RelationGetRelationName(data->tg_relation)),
				 errhint("Or FOR EACH STATEMENT, on INSERT only, with REFERENCING NEW TABLE.")));
	if (!TRIGGER_FIRED_AFTER(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" on table \"%s\" must be an AFTER trigger",
						data->tg_trigger->tgname, RelationGetRelationName(data->tg_relation)),
				 errdetail("A row can still be dropped after a BEFORE trigger, as by ON CONFLICT, and would be signed all the same."),
				 errhint("Use CREATE TRIGGER ... AFTER INSERT.")));
}

/* What the trigger's arguments name, read at its first call in a statement. */
static IgTrigger *
find_trigger(FunctionCallInfo fcinfo)
{
	IgTrigger  *trigger = fcinfo->flinfo->fn_extra;

	if (trigger == NULL)
	{
		trigger = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(IgTrigger));
		trigger->data = (TriggerData *) fcinfo->context;
		read_arguments(trigger);
		fcinfo->flinfo->fn_extra = trigger;
	}
	trigger->data = (TriggerData *) fcinfo->context;
	return trigger;
}

/* Have it sign for the current role, which was checked before unless it is another one. */
static void
begin_signing(IgTrigger *trigger, MemoryContext context)
{
	MemoryContext old;

	if (trigger->signing.role == GetUserId())
		return;
	old = MemoryContextSwitchTo(context);
	ig_signing_begin(&trigger->signing);
	MemoryContextSwitchTo(old);
}

/* Read the request of the trigger's row. */
static IgSignRequest *
read_row(const IgTrigger *trigger)
{
	IgSignRequest *request = palloc0(sizeof(IgSignRequest));
	IgSignDocument *document = palloc0(sizeof(IgSignDocument));
	Datum		content = needed_value(trigger, trigger->document);

	/* The row of a statement is gone when the next one is read. */
	document->content = for_statement(trigger) ? DatumGetByteaPCopy(content) : DatumGetByteaPP(content);
	request->title = TextDatumGetCString(needed_value(trigger, trigger->title));
	get_row_signers(trigger, request);
	document->file_name = text_value(trigger, trigger->file_name);
	document->mime_type = text_value(trigger, trigger->mime_type);
	request->documents = document;
	request->ndocuments = 1;
	request->signature_method = trigger->method;
	request->server = trigger->server;
	request->delivery = trigger->delivery;
	request->description = text_value(trigger, trigger->description);
	request->language = text_value(trigger, trigger->language);
	request->external_id = text_value(trigger, trigger->external_id);
	request->expires_at = DatumGetTimestampTz(optional_value(trigger, trigger->expires_at));
	request->recipients = texts_value(trigger, trigger->recipients);
	request->statements = texts_value(trigger, trigger->statements);
	return request;
}

/* Whether the trigger's row is the one that the request of its id was made from, by the current role. */
static bool
is_same_row(const IgTrigger *trigger, const IgUsedId *used)
{
	MemoryContext context;
	MemoryContext old;
	bytea	   *fingerprint;
	bool		same;

	if (used->fingerprint == NULL ||
		strcmp(NameStr(used->owner), GetUserNameFromId(GetUserId(), false)) != 0 ||
		strcmp(NameStr(used->server), trigger->server) != 0 ||
		optional_value(trigger, trigger->title) == (Datum) 0 ||
		optional_value(trigger, trigger->document) == (Datum) 0 ||
		optional_value(trigger, trigger->signers) == (Datum) 0)
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "ignisign row to compare", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	fingerprint = ig_sign_fingerprint(read_row(trigger), &used->id);
	same = VARSIZE(fingerprint) == VARSIZE(used->fingerprint) &&
		memcmp(fingerprint, used->fingerprint, VARSIZE(fingerprint)) == 0;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return same;
}

/* Refuse to sign another row under an id that has or had a request. */
static void
refuse_used_id(const IgUsedId *used)
{
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&used->id)));

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 used->exists ?
			 errmsg("a request with the id %s exists already", id) :
			 errmsg("a request with the id %s existed already, and was deleted", id),
			 errhint("Each request needs an id of its own; ignisign_id() makes one.")));
}

/* The trigger of a row. */
static void
sign_one(IgTrigger *trigger, MemoryContext context)
{
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->data->tg_event);
	pg_uuid_t	id;
	Datum		value;
	bool		id_is_null;
	IgUsedId   *used;

	trigger->row = update ? trigger->data->tg_newslot : trigger->data->tg_trigslot;
	value = slot_getattr(trigger->row, trigger->id, &id_is_null);
	if (id_is_null)
		ig_uuid_v7(&id);
	else
	{
		id = *DatumGetUUIDP(value);
		if (ig_find_used_ids(&value, 1, &used) > 0)
		{
			if (!update && !is_same_row(trigger, used))
				refuse_used_id(used);
			return;
		}
	}

	begin_signing(trigger, context);
	(void) ig_signing_add(&trigger->signing, read_row(trigger), &id);
	ig_signing_end(&trigger->signing);
	if (id_is_null)
		write_id(trigger, &id);
}

/* The rows that the trigger of a statement gets, in a table of its own. */
typedef struct IgNewRows
{
	Tuplestorestate *rows;
	int			ids;			/* read pointer that is ahead: ids are looked up together */
	int			current;		/* read pointer of the row that is signed */
} IgNewRows;

/* Read the next ids. */
static int
read_ids(IgTrigger *trigger, const IgNewRows *new, Datum *ids)
{
	int			n = 0;

	tuplestore_select_read_pointer(new->rows, new->ids);
	while (n < MAX_IDS && tuplestore_gettupleslot(new->rows, true, false, trigger->row))
	{
		pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

		*id = *DatumGetUUIDP(needed_value(trigger, trigger->id));
		ids[n++] = UUIDPGetDatum(id);
	}
	tuplestore_select_read_pointer(new->rows, new->current);
	return n;
}

/* Find an id among those that have or had a request; NULL: it is not one of them. */
static const IgUsedId *
find_used(const IgUsedId *used, int nused, const pg_uuid_t *id)
{
	for (int i = 0; i < nused; i++)
	{
		if (memcmp(&used[i].id, id, sizeof(pg_uuid_t)) == 0)
			return &used[i];
	}
	return NULL;
}

/* Sign the rows of these ids, which are the next ones; all are queued when it returns. */
static void
sign_rows(IgTrigger *trigger, const IgNewRows *new, const Datum *ids, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ignisign rows to sign", ALLOCSET_DEFAULT_SIZES);
	IgUsedId   *used = NULL;
	int			nused = ig_find_used_ids(ids, n, &used);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int i = 0; i < n; i++)
	{
		const pg_uuid_t *id = DatumGetUUIDP(ids[i]);
		const IgUsedId *found = find_used(used, nused, id);
		bool		queued = false;

		(void) tuplestore_gettupleslot(new->rows, true, false, trigger->row);
		if (found == NULL)
			queued = ig_signing_add(&trigger->signing, read_row(trigger), id);
		else if (!is_same_row(trigger, found))
			refuse_used_id(found);
		if (queued)
		{
			ExecClearTuple(trigger->row);
			MemoryContextReset(context);
		}
	}
	ig_signing_end(&trigger->signing);
	ExecClearTuple(trigger->row);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* The trigger of a statement. */
static void
sign_all(IgTrigger *trigger)
{
	IgNewRows	new = {trigger->data->tg_newtable};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ignisign ids", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	Datum	   *ids = palloc(MAX_IDS * sizeof(Datum));
	int			n;

	trigger->row = MakeSingleTupleTableSlot(RelationGetDescr(trigger->data->tg_relation), &TTSOpsMinimalTuple);
	new.ids = tuplestore_alloc_read_pointer(new.rows, EXEC_FLAG_REWIND);
	new.current = tuplestore_alloc_read_pointer(new.rows, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(new.rows, new.ids);
	tuplestore_rescan(new.rows);
	tuplestore_select_read_pointer(new.rows, new.current);
	tuplestore_rescan(new.rows);
	begin_signing(trigger, CurrentMemoryContext);
	old = MemoryContextSwitchTo(context);
	while ((n = read_ids(trigger, &new, ids)) > 0)
	{
		sign_rows(trigger, &new, ids, n);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	ExecDropSingleTupleTableSlot(trigger->row);
	MemoryContextDelete(context);
}

/*
 * ignisign_sign_trigger() returns trigger
 *
 * Arguments: the columns of title (text), document (bytea), signers (text,
 * text[] or jsonb) and id (uuid), then options.  Where the id is NULL a new
 * one is written into the row, unless it is the trigger of a statement.  Where the
 * id has or had a request, an UPDATE does nothing, and an INSERT of the row that was
 * signed does nothing; that of another row raises 23505.  Other errors: 39P01 for a trigger
 * of another kind, 42703 and 42804 for a column, 22004 for a NULL, 27000 when the id
 * cannot be written, and those of ignisign_sign().
 */
Datum
ignisign_sign_trigger(PG_FUNCTION_ARGS)
{
	IgTrigger  *trigger;
	ErrorContextCallback callback;

	check_call(fcinfo);
	trigger = find_trigger(fcinfo);
	callback.callback = add_context;
	callback.arg = trigger;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	if (for_statement(trigger))
		sign_all(trigger);
	else
		sign_one(trigger, fcinfo->flinfo->fn_mcxt);
	error_context_stack = callback.previous;
	return PointerGetDatum(NULL);
}
