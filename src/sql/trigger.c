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
#include "sql/trigger_internal.h"
#include "util/uuid.h"

/* Ids that are looked up together. */
#define MAX_IDS 1000

PG_FUNCTION_INFO_V1(ignisign_sign_trigger);

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
							   quote_identifier(ig_trigger_column(trigger, trigger->id)));

	values[0] = UUIDPGetDatum(id);
	values[1] = PointerGetDatum(&trigger->row->tts_tid);
	SPI_connect();
	if (SPI_execute_with_args(sql, 2, types, values, NULL, false, 0) != SPI_OK_UPDATE ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("trigger \"%s\": could not write the id into column \"%s\" of table \"%s\"",
						ig_trigger_name(trigger), ig_trigger_column(trigger, trigger->id), ig_trigger_table(trigger)),
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
			   ig_trigger_name(trigger), ig_trigger_table(trigger),
			   ig_trigger_column(trigger, trigger->title), ig_trigger_column(trigger, trigger->document),
			   ig_trigger_column(trigger, trigger->signers));
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
		ig_trigger_read_arguments(trigger);
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
	Datum		content = ig_trigger_needed(trigger, trigger->document);

	/* The row of a statement is gone when the next one is read. */
	document->content = ig_trigger_for_statement(trigger) ? DatumGetByteaPCopy(content) : DatumGetByteaPP(content);
	request->title = TextDatumGetCString(ig_trigger_needed(trigger, trigger->title));
	ig_trigger_signers(trigger, request);
	document->file_name = ig_trigger_text(trigger, trigger->file_name);
	document->mime_type = ig_trigger_text(trigger, trigger->mime_type);
	request->documents = document;
	request->ndocuments = 1;
	request->signature_method = trigger->method;
	request->server = trigger->server;
	request->delivery = trigger->delivery;
	request->description = ig_trigger_text(trigger, trigger->description);
	request->language = ig_trigger_text(trigger, trigger->language);
	request->external_id = ig_trigger_text(trigger, trigger->external_id);
	request->expires_at = DatumGetTimestampTz(ig_trigger_optional(trigger, trigger->expires_at));
	request->recipients = ig_trigger_texts(trigger, trigger->recipients);
	request->statements = ig_trigger_texts(trigger, trigger->statements);
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
		ig_trigger_optional(trigger, trigger->title) == (Datum) 0 ||
		ig_trigger_optional(trigger, trigger->document) == (Datum) 0 ||
		ig_trigger_optional(trigger, trigger->signers) == (Datum) 0)
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

		*id = *DatumGetUUIDP(ig_trigger_needed(trigger, trigger->id));
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
	if (ig_trigger_for_statement(trigger))
		sign_all(trigger);
	else
		sign_one(trigger, fcinfo->flinfo->fn_mcxt);
	error_context_stack = callback.previous;
	return PointerGetDatum(NULL);
}
