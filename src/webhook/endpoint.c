/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  Endpoints for webhooks: paths with a token that nobody can guess.
 *
 * Of a token only the SHA-256 is kept; it is found by that, so that no time that
 * a search takes tells anything of a token.
 *
 * A message that comes to an endpoint is taken as if its owner had called
 * ignisign_webhook(), with the owner's rights checked anew each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <microhttpd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "errors.h"
#include "guc.h"
#include "queue/credentials.h"
#include "queue/queue.h"
#include "util/bytes.h"
#include "util/listen_parse.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "webhook/listen.h"
#include "webhook/webhook.h"

PG_FUNCTION_INFO_V1(ignisign_listen);
PG_FUNCTION_INFO_V1(ignisign_unlisten);

/* Refusals are told of so often, in ms. */
#define REFUSAL_INTERVAL 60000

/* The key of an endpoint. */
bytea *
ig_endpoint_key(const char *token)
{
	return ig_sha256(token, strlen(token));
}

/*
 * ignisign_listen(server name) returns text
 *
 * Make an endpoint at which the listener takes messages for the account that the
 * current role has on the server; returns its path, which is told only once.
 * Errors: 42704, 42809, 42501 for the server, IG010 without credentials, 25006 where
 * nothing can be written.
 */
Datum
ignisign_listen(PG_FUNCTION_ARGS)
{
	static IgStatement store = {
		.sql = "INSERT INTO ignisign.endpoint (token_sha256, owner, server) VALUES ($1, $2, $3)",
		.types = {BYTEAOID, NAMEOID, NAMEOID}
	};
	Name		server = PG_GETARG_NAME(0);
	Oid			caller = GetUserId();
	IgOwnerState state;
	char		random[IG_LISTEN_DIGITS / 2];
	char		token[IG_LISTEN_DIGITS + 1];
	Datum		values[3];

	ig_check_writable("ignisign_listen()");
	ig_check_server(NameStr(*server), caller);
	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	token[hex_encode(random, sizeof(random), token)] = '\0';

	values[0] = PointerGetDatum(ig_endpoint_key(token));
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(caller, false)));
	values[2] = NameGetDatum(server);
	ig_owner_enter(&state);
	SPI_connect();
	ig_queue_own();
	ig_spi_execute(&store, values, NULL);
	SPI_finish();
	ig_owner_leave(&state);

	if (ig_webhook_listen == NULL || ig_webhook_listen[0] == '\0')
		ereport(NOTICE,
				(errmsg("nobody listens for webhooks in this database yet"),
				 errhint("Set ignisign.webhook_listen, for example to '127.0.0.1:8443'.")));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s%s", IG_LISTEN_PREFIX, token)));
}

/* Take the token out of a path or URL, or raise an error. */
static char *
read_token(const char *url)
{
	const char *path = strstr(url, IG_LISTEN_PREFIX);
	char	   *token = palloc(IG_LISTEN_DIGITS + 1);

	if (path == NULL || !ig_listen_parse_path(path, token))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the path is not one that ignisign_listen() returned"),
				 errhidestmt(true)));
	return token;
}

/*
 * ignisign_unlisten(server name, path text) returns bigint
 *
 * Remove the current role's endpoint of this path or, if it is NULL, all that
 * the role has for the server; returns how many.  Errors: 22004 for a NULL
 * server, 22023 for what is not a path, 25006 where nothing can be written.
 */
Datum
ignisign_unlisten(PG_FUNCTION_ARGS)
{
	static IgStatement delete = {
		.sql = "DELETE FROM ignisign.endpoint WHERE owner = $1 AND server = $2 "
		"AND ($3 IS NULL OR token_sha256 = $3)",
		.types = {NAMEOID, NAMEOID, BYTEAOID}
	};
	Datum		values[3];
	char		nulls[4] = "   ";
	IgOwnerState state;
	uint64		n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("server must not be NULL")));
	ig_check_writable("ignisign_unlisten()");
	values[0] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(GetUserId(), false)));
	values[1] = NameGetDatum(PG_GETARG_NAME(0));
	if (PG_ARGISNULL(1))
		nulls[2] = 'n';
	else
		values[2] = PointerGetDatum(ig_endpoint_key(read_token(text_to_cstring(PG_GETARG_TEXT_PP(1)))));
	ig_owner_enter(&state);
	SPI_connect();
	n = ig_spi_execute(&delete, values, nulls);
	SPI_finish();
	ig_owner_leave(&state);
	PG_RETURN_INT64(n);
}

/* ---- The listener's part ---- */

/* Find an endpoint's owner and server, in the current context. */
static bool
find_endpoint(bytea *key, char **owner, char **server)
{
	static IgStatement find = {
		.sql = "SELECT owner::text, server::text FROM ignisign.endpoint WHERE token_sha256 = $1",
		.types = {BYTEAOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = PointerGetDatum(key);
	bool		found;

	SPI_connect();
	found = ig_spi_execute(&find, &value, NULL) == 1;
	if (found)
	{
		*owner = ig_spi_text(0, 1, context);
		*server = ig_spi_text(0, 2, context);
	}
	SPI_finish();
	return found;
}

/* Whether there is such an endpoint. */
bool
ig_endpoint_exists(bytea *key)
{
	char	   *owner;
	char	   *server;

	return find_endpoint(key, &owner, &server);
}

/* Take a message; returns the HTTP status, or raises an error. */
static int
take_message(bytea *key, const char *body, size_t length)
{
	char	   *owner;
	char	   *server;
	Oid			role;
	pg_uuid_t	id;

	if (!find_endpoint(key, &owner, &server))
		return MHD_HTTP_NOT_FOUND;
	role = get_role_oid(owner, true);
	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", owner)));
	ig_check_server(server, role);
	ig_webhook_take(body, length, server, role, &id);
	return MHD_HTTP_OK;
}

/* What an error means for who has sent the message. */
static int
status_of_error(int sqlstate)
{
	switch (sqlstate)
	{
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_WRONG_OBJECT_TYPE:
		case ERRCODE_INSUFFICIENT_PRIVILEGE:

			/* Its owner may not receive: nothing is to be told. */
			return MHD_HTTP_NOT_FOUND;
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return MHD_HTTP_CONTENT_TOO_LARGE;
		case ERRCODE_STATEMENT_TOO_COMPLEX:
			return MHD_HTTP_BAD_REQUEST;
	}
	if (ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION)
		return MHD_HTTP_BAD_REQUEST;
	return MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* Tell of a refusal, but not of each: who sends may send many. */
static void
tell(const ErrorData *error, int status)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (status != MHD_HTTP_SERVICE_UNAVAILABLE)
	{
		if (last != 0 && !TimestampDifferenceExceeds(last, now, REFUSAL_INTERVAL))
			return;
		last = now;
	}
	ereport(LOG,
			(errmsg("ignisign: a webhook message was answered with HTTP status %d: %s", status,
					error->message ? error->message : "unknown error")));
}

/* Take a message in a subtransaction, so that it fails alone. */
int
ig_endpoint_receive(bytea *key, const char *body, size_t length)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int status = MHD_HTTP_SERVICE_UNAVAILABLE;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		status = take_message(key, body, length);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);

		/* A lock that is not to be had would not be had for others either. */
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		status = status_of_error(error->sqlerrcode);
		tell(error, status);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return status;
}
