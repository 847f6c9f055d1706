/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Calls that belong to no request: asked for and answered one by one.
 *
 * Each is a row of the queue like any other, with all its guarantees, under a
 * uuid of its own.  Its response is kept in ignisign.result for who asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "errors.h"
#include "guc.h"
#include "launcher/commit_actions.h"
#include "queue/access.h"
#include "queue/credentials.h"
#include "queue/queue.h"
#include "sql/sign.h"
#include "sql/wait.h"
#include "util/encoding.h"
#include "util/secrets.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "util/uuid.h"

PG_FUNCTION_INFO_V1(ignisign_ask);
PG_FUNCTION_INFO_V1(ignisign_ask_with_file);
PG_FUNCTION_INFO_V1(ignisign_check_request_signers);
PG_FUNCTION_INFO_V1(ignisign_result);
PG_FUNCTION_INFO_V1(ignisign_content);

/* ---- Asking ---- */

/* Find the operation and check its arguments, or raise an error. */
static IgOperation
check_operation(const char *name, const char *args)
{
	IgOperation operation;
	char		error[IG_API_ERROR_SIZE];

	if (!ig_api_operation_by_name(name, &operation))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown operation \"%s\"", name)));
	if (!ig_api_check(operation, pg_server_to_any(args, strlen(args), PG_UTF8), error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid arguments of the operation %s: %s", name, error)));
	return operation;
}

/* Queue a call, with a document if it is not NULL. */
static int64
ask(const char *name, const char *args, IgSignDocument *document, const char *server)
{
	Oid			caller = GetUserId();
	char	   *owner = GetUserNameFromId(caller, false);
	IgOperation operation;
	IgOwnerState state;
	pg_uuid_t	id;
	int64		call;

	if (strlen(args) > (Size) ig_max_request_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the arguments of the call are too large: %zu bytes", strlen(args)),
				 errhint("ignisign.max_request_size is %d kB.", ig_max_request_size)));
	operation = check_operation(name, args);
	if (ig_api_sends_content(operation) != (document != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the operation %s %s", name, document ? "takes no file" : "needs a file")));
	ig_check_server(server, caller);
	ig_uuid_v7(&id);

	ig_check_writable(psprintf("operation %s", name));
	ig_owner_enter(&state);
	SPI_connect();
	ig_queue_own();
	call = ig_queue_add_alone(&id, operation, document != NULL, args, owner, server);
	if (document)
		ig_insert_document(document, 1, &id);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	return call;
}

/* The text of an argument that is jsonb. */
static char *
json_text(Datum jsonb)
{
	return DatumGetCString(DirectFunctionCall1(jsonb_out, jsonb));
}

/*
 * ignisign.ask(operation text, args jsonb, server name) returns bigint
 *
 * Queue a call of an operation that belongs to no request; returns its id.
 * Errors: 22023 for an operation that is not known or arguments that it does
 * not take, 54000 for too many; 42704, 42809, 42501 for the server, IG010 without credentials.
 */
Datum
ignisign_ask(PG_FUNCTION_ARGS)
{
	char	   *operation = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_INT64(ask(operation, json_text(PG_GETARG_DATUM(1)), NULL,
						NameStr(*PG_GETARG_NAME(2))));
}

/*
 * ignisign.ask_with_file(operation text, args jsonb, content bytea,
 * file_name text, mime_type text, server name) returns bigint
 *
 * The same with a file; its name and MIME type may be NULL.  Errors: also
 * 22004 for another NULL, IG004, IG005, IG009 for the file.
 */
Datum
ignisign_ask_with_file(PG_FUNCTION_ARGS)
{
	IgSignDocument document;

	for (int i = 0; i < 6; i++)
	{
		if (PG_ARGISNULL(i) && i != 3 && i != 4)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("content, arguments and server must not be NULL")));
	}
	memset(&document, 0, sizeof(document));
	document.content = PG_GETARG_BYTEA_PP(2);
	document.file_name = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	document.mime_type = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	ig_check_document(&document, 1, 1);
	PG_RETURN_INT64(ask(text_to_cstring(PG_GETARG_TEXT_PP(0)), json_text(PG_GETARG_DATUM(1)),
						&document, NameStr(*PG_GETARG_NAME(5))));
}

/* The arguments of the question whether signers can be added. */
static char *
check_signers_args(const char *signature_request_id, ArrayType *emails)
{
	StringInfoData args;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(emails, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	initStringInfo(&args);
	appendStringInfoString(&args, "{\"signatureRequestId\": ");
	escape_json(&args, signature_request_id);
	appendStringInfoString(&args, ", \"emails\": [");
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&args, ',');
		escape_json(&args, TextDatumGetCString(values[i]));
	}
	appendStringInfoString(&args, "]}");
	return args.data;
}

/* Check e-mail addresses, of which there must be one at least. */
static void
check_emails(ArrayType *emails)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	if (ARR_NDIM(emails) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("emails must be a one-dimensional array of e-mail addresses, at least one")));
	deconstruct_array(emails, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("emails must not contain NULL")));
		if (!ig_api_valid_email(TextDatumGetCString(values[i])))
			ereport(ERROR,
					(errcode(IG_ERRCODE_INVALID_EMAIL),
					 errmsg("invalid e-mail address \"%s\"", TextDatumGetCString(values[i])),
					 errhint("An address looks like ann@example.com.")));
	}
}

/*
 * ignisign_check_signers(request uuid, emails text[]) returns bigint
 *
 * Queue the question whether these signers can be added to a request of ours;
 * returns the call's id.  Errors: 22023, 22004 and IG003 for the addresses, IG012
 * when there is no such request, 55000 when it was not sent yet.
 */
Datum
ignisign_check_request_signers(PG_FUNCTION_ARGS)
{
	const pg_uuid_t *request = PG_GETARG_UUID_P(0);
	ArrayType  *emails = PG_GETARG_ARRAYTYPE_P(1);
	Oid			caller = GetUserId();
	IgOperation operation;
	IgOwnerState state;
	pg_uuid_t	id;
	char	   *owner;
	char	   *server;
	char	   *signature_request_id;
	char	   *args;
	int64		call;

	check_emails(emails);
	ig_uuid_v7(&id);
	ig_owner_enter(&state);
	SPI_connect();
	server = ig_lock_sent_request(request, caller, &owner, &signature_request_id);
	args = check_signers_args(signature_request_id, emails);
	operation = check_operation("check-signers", args);
	call = ig_queue_add_alone(&id, operation, 0, args, owner, server);
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
	PG_RETURN_INT64(call);
}

/* ---- Responses ---- */

/* A call whose response is wanted, and what of it. */
typedef struct Wanted
{
	int64		call;
	Oid			caller;
	bool		content;		/* bytes, else JSON */
	bool		waiting;
	Datum		value;			/* once it is there, in "context" */
	bool		isnull;
	MemoryContext context;
} Wanted;

/* Take the value out of the result, if it is there. */
static bool
look_at_result(Wanted *wanted)
{
	static IgStatement read = {
		.sql = "SELECT owner::text, answer, CASE WHEN $2 THEN content END FROM ignisign.result WHERE call = $1",
		.types = {INT8OID, BOOLOID}
	};
	Datum		values[2] = {Int64GetDatum(wanted->call), BoolGetDatum(wanted->content)};
	Datum		value;

	if (ig_spi_execute(&read, values, NULL) != 1 ||
		!ig_may_see(wanted->caller, ig_spi_text(0, 1, CurrentMemoryContext)))
		return false;
	value = ig_spi_datum(0, wanted->content ? 3 : 2, &wanted->isnull);
	if (!wanted->isnull)
	{
		MemoryContext old = MemoryContextSwitchTo(wanted->context);

		wanted->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		MemoryContextSwitchTo(old);
	}
	return true;
}

/*
 * Look whether there is a response; raise an error if there will be none.  The
 * call is looked for first: it leaves in the commit that brings its response.
 */
static IgProgress
look(void *arg)
{
	static IgStatement read = {
		.sql = "SELECT owner::text, state, concat_ws(': ', code, last_error), xmin FROM ignisign.call WHERE id = $1 AND args IS NOT NULL",
		.types = {INT8OID}
	};
	Wanted	   *wanted = arg;
	Datum		value = Int64GetDatum(wanted->call);
	IgProgress	progress = IG_PROGRESS_REACHED;
	IgOwnerState state;
	bool		queued;
	bool		dead = false;
	bool		own = false;
	char	   *error = NULL;
	bool		isnull;

	ig_owner_enter(&state);
	SPI_connect();
	queued = ig_spi_execute(&read, &value, NULL) == 1 &&
		ig_may_see(wanted->caller, ig_spi_text(0, 1, CurrentMemoryContext));
	if (queued)
	{
		dead = strcmp(ig_spi_text(0, 2, CurrentMemoryContext), "dead") == 0;
		error = ig_spi_text(0, 3, CurrentMemoryContext);
		own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(ig_spi_datum(0, 4, &isnull)));
	}
	if (!look_at_result(wanted))
	{
		if (!queued)
			ereport(ERROR,
					(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
					 errmsg("there is no call %lld with an answer of its own", (long long) wanted->call),
					 errhint("A call of a transaction that has not committed is seen by that transaction only.")));
		if (dead)
			ereport(ERROR,
					(errcode(IG_ERRCODE_CALL_REFUSED),
					 errmsg("call %lld failed", (long long) wanted->call),
					 errdetail("%s", error),
					 errhint("SELECT ignisign_retry(%lld) makes it again, ignisign_discard() drops it.",
							 (long long) wanted->call)));
		if (wanted->waiting && own)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot wait for a call in the transaction that queued it"),
					 errdetail("It is sent only after COMMIT."),
					 errhint("Commit first, then wait.")));
		progress = IG_PROGRESS_POSSIBLE;
	}
	SPI_finish();
	ig_owner_leave(&state);
	return progress;
}

/* Get the response to a call, waiting for it if there is a timeout. */
static Datum
get_response(FunctionCallInfo fcinfo, bool content)
{
	Interval   *timeout = PG_GETARG_INTERVAL_P(1);
	Wanted		wanted = {
		PG_GETARG_INT64(0), GetUserId(), content,
		timeout->time != 0 || timeout->day != 0 || timeout->month != 0,
		(Datum) 0, true, CurrentMemoryContext
	};

	if (look(&wanted) != IG_PROGRESS_REACHED && wanted.waiting)
		(void) ig_wait_for(look, &wanted, timeout);
	if (wanted.isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(wanted.value);
}

/*
 * ignisign_result(call bigint, timeout interval) returns jsonb
 *
 * What the API answered; NULL while it has not, or where it said nothing.
 * Errors: IG012 when there is no such call, IG013 when it has failed for good,
 * and those of ignisign_wait() if there is a timeout.
 */
Datum
ignisign_result(PG_FUNCTION_ARGS)
{
	return get_response(fcinfo, false);
}

/*
 * ignisign_content(call bigint, timeout interval) returns bytea
 *
 * The same of a call that answers bytes, such as a file.
 */
Datum
ignisign_content(PG_FUNCTION_ARGS)
{
	return get_response(fcinfo, true);
}
