/*-------------------------------------------------------------------------
 *
 * callbacks.c
 *	  Users' functions that are called when something happened: which, and
 *	  what for.
 *
 * A callback is a function with the events that it is called for.  Each row of
 * ignisign.event makes, in its own transaction, one row of ignisign.delivery for
 * each callback that asks for it; a trigger sees to that, so that nothing that
 * writes events can forget it.  Who calls is callback_worker.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "callback/callbacks.h"
#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "util/spi.h"
#include "util/user_context.h"

PG_FUNCTION_INFO_V1(ignisign_may_be_told);
PG_FUNCTION_INFO_V1(ignisign_event_added);
PG_FUNCTION_INFO_V1(ignisign_on);
PG_FUNCTION_INFO_V1(ignisign_off_event);
PG_FUNCTION_INFO_V1(ignisign_off_callback);
PG_FUNCTION_INFO_V1(ignisign_retry_delivery);
PG_FUNCTION_INFO_V1(ignisign_discard_delivery);

/* What a row of ignisign.event, e, is called by who wants to be told of it. */
#define NAMES_OF_EVENT "ARRAY['*', e.kind, CASE WHEN e.kind = 'status' THEN e.value END]"

/* The kinds of ignisign.event. */
static const char *const kinds[] = {
	"cancelled", "dead", "discarded", "draft", "imported", "proof", "proof status", "resend",
	"resolved", "retried", "sent", "signed", "status", "webhook"
};

/* Topics of webhook messages.  They are no events: nothing vouches for them. */
static const char *const topics[] = {
	"APP", "APPLICATION", "DOCUMENT_REQUEST", "ID_PROOFING", "SIGNATURE", "SIGNATURE_IMAGE",
	"SIGNATURE_PROFILE", "SIGNATURE_PROOF", "SIGNATURE_REQUEST", "SIGNATURE_SESSION",
	"SIGNATURE_SIGNER_IMAGE", "SIGNER", "SIGNER_AUTH"
};

/* ---- When something happened ---- */

/*
 * ignisign.may_be_told(role name, owner name) returns boolean
 *
 * Whether the role sees what the owner's is.  What is meant for a role that is
 * gone is kept until somebody decides.
 */
Datum
ignisign_may_be_told(PG_FUNCTION_ARGS)
{
	Oid			role = get_role_oid(NameStr(*PG_GETARG_NAME(0)), true);

	PG_RETURN_BOOL(!OidIsValid(role) || ig_may_see(role, NameStr(*PG_GETARG_NAME(1))));
}

/* Whether there may be any callback: cheap, for databases that have none. */
static bool
any_callback(Oid schema)
{
	Relation	rel = table_open(get_relname_relid("callback", schema), AccessShareLock);
	bool		any = RelationGetNumberOfBlocks(rel) > 0;

	table_close(rel, AccessShareLock);
	return any;
}

/*
 * ignisign.event_added() returns trigger
 *
 * Queue the calls for new events.  Those that are loaded from a dump are none:
 * the queue is another database's, or nobody's yet, or they are old.
 */
Datum
ignisign_event_added(PG_FUNCTION_ARGS)
{
	static IgStatement deliver = {
		.sql = "INSERT INTO ignisign.delivery (request, callback, event, event_at, run_at) "
		"SELECT e.request, c.id, e.id, e.at, greatest(e.at, "
		"(SELECT max(d.run_at) FROM ignisign.delivery d "
		"WHERE d.callback = c.id AND d.request = e.request AND d.state = 'pending')) "
		"FROM added e JOIN ignisign.callback c ON c.events && " NAMES_OF_EVENT " "
		"JOIN ignisign.request r ON r.id = e.request "
		"WHERE ignisign.may_be_told(c.owner, r.owner) AND e.at > now() - interval '1 hour' "
		"AND EXISTS (SELECT FROM ignisign.origin o WHERE o.system_identifier = $1 AND o.database = $2) "
		"ORDER BY e.id, c.id",
		.types = {INT8OID, OIDOID}
	};
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	IgOwnerState state;
	Datum		values[2] = {
		Int64GetDatum((int64) GetSystemIdentifier()),
		ObjectIdGetDatum(MyDatabaseId)
	};
	Oid			schema = get_namespace_oid(IG_EXTENSION, false);
	uint64		n;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
		RelationGetNamespace(trigger->tg_relation) != schema ||
		strcmp(RelationGetRelationName(trigger->tg_relation), "event") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("ignisign.event_added() is the trigger of ignisign.event only")));

	if (!any_callback(schema))
		return PointerGetDatum(NULL);

	ig_owner_enter(&state);
	SPI_connect();
	if (SPI_register_trigger_data(trigger) != SPI_OK_TD_REGISTER)
		elog(ERROR, "could not register the new rows");
	n = ig_spi_execute(&deliver, values, NULL);
	SPI_finish();
	ig_owner_leave(&state);

	if (n > 0)
		ig_wake_at_commit();
	return PointerGetDatum(NULL);
}

/* ---- Who is called ---- */

/* Why a function cannot be called as this role. */
char *
ig_callback_problem(const char *owner, Oid *role, char **hint)
{
	HeapTuple	tuple;
	bool		can_log_in;

	*hint = NULL;
	*role = get_role_oid(owner, true);
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(*role));
	if (!HeapTupleIsValid(tuple))
	{
		*hint = "If the function has another owner now, call ignisign_on() again.";
		return psprintf("role \"%s\" does not exist", owner);
	}
	can_log_in = IG_ANY_ROLE || ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (!can_log_in)
	{
		*hint = psprintf("Before PostgreSQL 17 that takes a role with LOGIN: ALTER ROLE %s LOGIN.",
						 quote_identifier(owner));
		return psprintf("no function can be called as role \"%s\", which is not permitted to log in", owner);
	}
	if (!superuser_arg(*role) && ig_database_aclcheck(MyDatabaseId, *role, ACL_CONNECT) != ACLCHECK_OK)
	{
		*hint = psprintf("GRANT CONNECT ON DATABASE %s TO %s.",
						 quote_identifier(get_database_name(MyDatabaseId)), quote_identifier(owner));
		return psprintf("role \"%s\" may not connect to the database", owner);
	}
	return NULL;
}

/* Check that it is a function that can be called, and the caller's; returns its owner. */
static Oid
check_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	Oid			owner;
	Oid			role;
	char	   *problem;
	char	   *hint;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	owner = form->proowner;
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of function %s", format_procedure(function)),
				 errhint("It is called as its owner.")));
	if (form->prokind != PROKIND_FUNCTION || form->proretset || OidIsValid(form->provariadic) ||
		form->pronargs != 2 || form->proargtypes.values[0] != UUIDOID || form->proargtypes.values[1] != JSONBOID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s cannot be a callback", format_procedure(function)),
				 errhint("It must be a function of (request uuid, event jsonb) that returns no set.")));
	ReleaseSysCache(tuple);

	if (ig_function_aclcheck(function, owner, ACL_EXECUTE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of function %s may not execute it", format_procedure(function))));
	problem = ig_callback_problem(GetUserNameFromId(owner, false), &role, &hint);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", problem),
				 errhint("%s", hint)));
	return owner;
}

/* Check that there are such events. */
static void
check_event(const char *event)
{
	StringInfoData list;

	if (strcmp(event, "*") == 0)
		return;
	for (int i = 0; i < (int) lengthof(topics); i++)
	{
		if (strcmp(topics[i], event) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the topic of a webhook message, \"%s\", is no event", event),
					 errdetail("The API does not confirm what a message says."),
					 errhint("The event \"webhook\" tells that a message about a request came. "
							 "What it led to has events of its own, such as \"status\" and \"signed\".")));
	}
	if (event[0] != '\0' && strspn(event, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(event))
		return;
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (strcmp(kinds[i], event) == 0)
			return;
	}
	initStringInfo(&list);
	for (int i = 0; i < (int) lengthof(kinds); i++)
		appendStringInfo(&list, "%s, ", kinds[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown event \"%s\"", event),
			 errhint("Events are %sa status such as COMPLETED, and * for all.",
					 list.data)));
}

/* The name under which a function is kept: qualified, so that it can be dumped. */
static Datum
function_name(Oid function)
{
	return CStringGetTextDatum(quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
														  get_func_name(function)));
}

/*
 * ignisign_on(event text, function regprocedure) returns bigint
 *
 * Have a function called after each such event; returns the callback's id, the
 * same for the same function.  Errors: 22023 for an unknown event, 42883 for no
 * function, 42809 for one that cannot be called, 42501 for somebody else's,
 * 55000 when nobody can be connected as its owner.
 */
Datum
ignisign_on(PG_FUNCTION_ARGS)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.callback AS c (function, owner, events) VALUES ($1, $2, ARRAY[$3]) "
		"ON CONFLICT (function) DO UPDATE SET owner = excluded.owner, "
		"events = CASE WHEN c.events @> excluded.events THEN c.events ELSE c.events || excluded.events END "
		"RETURNING id",
		.types = {TEXTOID, NAMEOID, TEXTOID}
	};
	Oid			function = PG_GETARG_OID(1);
	IgOwnerState state;
	Datum		values[3];
	int64		id;
	Oid			owner;

	ig_check_writable("ignisign_on()");
	check_event(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	owner = check_function(function);

	values[0] = function_name(function);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(owner, false)));
	values[2] = PG_GETARG_DATUM(0);
	ig_owner_enter(&state);
	SPI_connect();
	ig_spi_execute(&add, values, NULL);
	id = ig_spi_int64(0, 1, 0);
	SPI_finish();
	ig_owner_leave(&state);

	/* It may have been held back for want of an owner. */
	ig_wake_at_commit();
	PG_RETURN_INT64(id);
}

/*
 * Lock a callback, by function or id; *owner is set.  Returns its id, or 0.
 * As the extension's owner, between SPI_connect and SPI_finish.
 */
static int64
lock_callback(Oid function, int64 id, char **owner)
{
	static IgStatement by_function = {
		.sql = "SELECT id, owner::text FROM ignisign.callback WHERE function = $1 FOR UPDATE",
		.types = {TEXTOID}
	};
	static IgStatement by_id = {
		.sql = "SELECT id, owner::text FROM ignisign.callback WHERE id = $1 FOR UPDATE",
		.types = {INT8OID}
	};
	Datum		value = OidIsValid(function) ? function_name(function) : Int64GetDatum(id);

	if (ig_spi_execute(OidIsValid(function) ? &by_function : &by_id, &value, NULL) != 1)
		return 0;
	*owner = ig_spi_text(0, 2, CurrentMemoryContext);
	return ig_spi_int64(0, 1, 0);
}

/*
 * ignisign_off(event text, function regprocedure) returns void
 *
 * What happened already and was not delivered yet is dropped, too.  Errors: IG012
 * when it is not called for that event.
 */
Datum
ignisign_off_event(PG_FUNCTION_ARGS)
{
	static IgStatement remove = {
		.sql = "UPDATE ignisign.callback SET events = array_remove(events, $2) WHERE id = $1 AND $2 = ANY (events)",
		.types = {INT8OID, TEXTOID}
	};
	static IgStatement drop = {
		.sql = "DELETE FROM ignisign.delivery d USING ignisign.callback c, ignisign.event e "
		"WHERE d.callback = $1 AND c.id = $1 AND e.request = d.request AND e.at = d.event_at AND e.id = d.event "
		"AND NOT c.events && " NAMES_OF_EVENT,
		.types = {INT8OID}
	};
	static IgStatement forget = {
		.sql = "WITH gone AS (DELETE FROM ignisign.callback WHERE id = $1 AND events = '{}' RETURNING id) "
		"DELETE FROM ignisign.delivery d USING gone g WHERE d.callback = g.id",
		.types = {INT8OID}
	};
	Oid			function = PG_GETARG_OID(1);
	Oid			caller = GetUserId();
	IgOwnerState state;
	Datum		values[2];
	char	   *owner;
	int64		id;

	ig_check_writable("ignisign_off()");
	ig_owner_enter(&state);
	SPI_connect();
	id = lock_callback(function, 0, &owner);
	values[0] = Int64GetDatum(id);
	values[1] = PG_GETARG_DATUM(0);
	if (id == 0 || !ig_may_see(caller, owner) || ig_spi_execute(&remove, values, NULL) != 1)
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("function %s is not called for the event \"%s\"", format_procedure(function),
						text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errhint("SELECT * FROM ignisign.callback shows what is called when.")));
	ig_spi_execute(&drop, values, NULL);
	ig_spi_execute(&forget, values, NULL);
	SPI_finish();
	ig_owner_leave(&state);
	PG_RETURN_VOID();
}

/*
 * ignisign_off(callback bigint) returns void
 *
 * Also for a function that is not there any more.  Errors: IG012 when there is no
 * such callback.
 */
Datum
ignisign_off_callback(PG_FUNCTION_ARGS)
{
	static IgStatement forget = {
		.sql = "WITH delivery AS (DELETE FROM ignisign.delivery WHERE callback = $1) "
		"DELETE FROM ignisign.callback WHERE id = $1",
		.types = {INT8OID}
	};
	Datum		id = PG_GETARG_DATUM(0);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *owner;

	ig_check_writable("ignisign_off()");
	ig_owner_enter(&state);
	SPI_connect();
	if (lock_callback(InvalidOid, DatumGetInt64(id), &owner) == 0 || !ig_may_see(caller, owner))
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("there is no callback %lld", (long long) DatumGetInt64(id)),
				 errhint("SELECT * FROM ignisign.callback shows what is called when.")));
	ig_spi_execute(&forget, &id, NULL);
	SPI_finish();
	ig_owner_leave(&state);
	PG_RETURN_VOID();
}

/* ---- What failed ---- */

/* Make a delivery pending again, or drop it. */
static void
act_on_delivery(bool retry, Datum id)
{
	static IgStatement lock = {
		.sql = "SELECT d.state, c.owner::text FROM ignisign.delivery d JOIN ignisign.callback c ON c.id = d.callback "
		"WHERE d.id = $1 FOR UPDATE OF d",
		.types = {INT8OID}
	};
	static IgStatement again = {
		.sql = "UPDATE ignisign.delivery SET state = 'pending', run_at = now(), attempts = 0 WHERE id = $1",
		.types = {INT8OID}
	};
	static IgStatement discard = {
		.sql = "DELETE FROM ignisign.delivery WHERE id = $1",
		.types = {INT8OID}
	};
	Oid			caller = GetUserId();
	IgOwnerState state;
	char	   *found;

	ig_check_writable(retry ? "ignisign_retry_delivery()" : "ignisign_discard_delivery()");
	ig_owner_enter(&state);
	SPI_connect();
	if (ig_spi_execute(&lock, &id, NULL) != 1 || !ig_may_see(caller, ig_spi_text(0, 2, CurrentMemoryContext)))
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
				 errmsg("there is no delivery %lld", (long long) DatumGetInt64(id)),
				 errhint("SELECT * FROM ignisign.delivery shows those that are still to be made.")));
	found = ig_spi_text(0, 1, CurrentMemoryContext);
	if (strcmp(found, "dead") != 0 && (retry || strcmp(found, "pending") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("delivery %lld is %s", (long long) DatumGetInt64(id), found),
				 retry ? errhint("Only a dead delivery can be retried; the others are at work.") :
				 errhint("Only a dead or pending delivery can be discarded.")));
	ig_spi_execute(retry ? &again : &discard, &id, NULL);
	SPI_finish();
	ig_owner_leave(&state);
	ig_wake_at_commit();
}

/*
 * ignisign_retry_delivery(delivery bigint) returns void
 *
 * Errors: IG012 when there is no such delivery, 55000 when it is not dead.
 */
Datum
ignisign_retry_delivery(PG_FUNCTION_ARGS)
{
	act_on_delivery(true, PG_GETARG_DATUM(0));
	PG_RETURN_VOID();
}

/*
 * ignisign_discard_delivery(delivery bigint) returns void
 *
 * Errors: IG012 when there is no such delivery, 55000 when it is under way.
 */
Datum
ignisign_discard_delivery(PG_FUNCTION_ARGS)
{
	act_on_delivery(false, PG_GETARG_DATUM(0));
	PG_RETURN_VOID();
}
