/*-------------------------------------------------------------------------
 *
 * trigger_args.c
 *	  What the arguments of ignisign_sign_trigger() name, and a row's values for it.
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
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "sql/sign.h"
#include "sql/trigger_internal.h"

/* What an option's value is. */
typedef enum IgOptionKind
{
	OPTION_NAME,				/* a word */
	OPTION_TEXT,				/* a column of a text type */
	OPTION_TEXTS,				/* a column of an array of these */
	OPTION_TIME					/* a column of timestamp with time zone */
} IgOptionKind;

/* The trigger's name. */
const char *
ig_trigger_name(const IgTrigger *trigger)
{
	return trigger->data->tg_trigger->tgname;
}

/* The table's name. */
const char *
ig_trigger_table(const IgTrigger *trigger)
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
						ig_trigger_name(trigger), ig_trigger_table(trigger), name),
				 errhint("The arguments of ignisign_sign_trigger name the columns of title, document, signers and id.")));
	return column;
}

/* The name of a column. */
const char *
ig_trigger_column(const IgTrigger *trigger, int column)
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
					ig_trigger_name(trigger), ig_trigger_column(trigger, column), ig_trigger_table(trigger),
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
					ig_trigger_name(trigger), ig_trigger_table(trigger), option),
			 errhint("After the four columns, arguments are file_name=column, mime_type=column, description=column, language=column, external_id=column, expires_at=column, recipients=column, statements=column, method=NAME, server=NAME and delivery=NAME.")));
}

/* Read the trigger's arguments. */
void
ig_trigger_read_arguments(IgTrigger *trigger)
{
	Trigger    *definition = trigger->data->tg_trigger;
	Oid			type;

	if (definition->tgnargs < 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" on table \"%s\" has %d arguments instead of at least 4",
						ig_trigger_name(trigger), ig_trigger_table(trigger), definition->tgnargs),
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
bool
ig_trigger_for_statement(const IgTrigger *trigger)
{
	return TRIGGER_FIRED_FOR_STATEMENT(trigger->data->tg_event);
}

/* The value of a column that is needed. */
Datum
ig_trigger_needed(const IgTrigger *trigger, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(trigger->row, column, &isnull);
	const char *name;

	if (!isnull)
		return value;
	name = ig_trigger_column(trigger, column);
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("trigger \"%s\": column \"%s\" of table \"%s\" is NULL",
					ig_trigger_name(trigger), name, ig_trigger_table(trigger)),
			 !ig_trigger_for_statement(trigger) ?
			 errhint("To sign only rows that are complete, give the trigger a condition: WHEN (NEW.%s IS NOT NULL).",
					 quote_identifier(name)) :
			 column == trigger->id ?
			 errhint("Give the column DEFAULT ignisign_id(): only a trigger FOR EACH ROW can write the id.") :
			 errhint("To sign only rows that are complete, make the trigger FOR EACH ROW, with a condition.")));
	return (Datum) 0;
}

/* The value of a column that may be NULL, or not named at all: 0 then. */
Datum
ig_trigger_optional(const IgTrigger *trigger, int column)
{
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (column != 0)
		value = slot_getattr(trigger->row, column, &isnull);
	return isnull ? (Datum) 0 : value;
}

/* The value of a text column, or NULL. */
char *
ig_trigger_text(const IgTrigger *trigger, int column)
{
	Datum		value = ig_trigger_optional(trigger, column);

	return value == (Datum) 0 ? NULL : TextDatumGetCString(value);
}

/* The value of a column of text[], or 0. */
Datum
ig_trigger_texts(const IgTrigger *trigger, int column)
{
	Datum		value = ig_trigger_optional(trigger, column);

	return value == (Datum) 0 ? value : ig_text_array_argument(value, ig_trigger_column(trigger, column));
}

/* The signers of the row. */
void
ig_trigger_signers(const IgTrigger *trigger, IgSignRequest *request)
{
	Oid			type = trigger->signers_type;
	Datum		value = ig_trigger_needed(trigger, trigger->signers);
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
