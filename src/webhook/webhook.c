/*-------------------------------------------------------------------------
 *
 * webhook.c
 *	  Receiving events: messages, and the delivery log of an endpoint.
 *
 * A message is stored at once and answered; whether it is genuine the API is
 * asked through the queue, with the message's token, which can be used once.  An
 * event read from the delivery log needs no such question.
 *
 * The API confirms the token, and nothing else of a message: a role that sees a
 * genuine message first can change its words.  So a message, and likewise an event
 * of the log, only says that a request is to be looked at.  Its context is read; the
 * history says that a message came, and repeats none of its words.  It does not
 * matter in which order messages come, how often, or whether this version knows
 * them; an old one never overwrites what is newer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "launcher/commit_actions.h"
#include "queue/credentials.h"
#include "queue/queue.h"
#include "util/bytes.h"
#include "util/encoding.h"
#include "util/spi.h"
#include "util/user_context.h"
#include "util/uuid.h"
#include "webhook/webhook.h"

PG_FUNCTION_INFO_V1(ignisign_webhook);

/* The largest message, in bytes of its text. */
#define MAX_MESSAGE_SIZE	(1024 * 1024)

/* Refuse a message for its size. */
static void
check_size(size_t size)
{
	if (size > MAX_MESSAGE_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the webhook message is too large: %zu bytes", size),
				 errhint("At most %d bytes are taken.", MAX_MESSAGE_SIZE)));
}

/* The arguments of the question whether a token is genuine. */
static char *
verification_args(const IgApiMessage *message)
{
	StringInfoData args;

	initStringInfo(&args);
	appendStringInfoString(&args, "{\"token\": ");
	escape_json(&args, ig_from_wire(message->token));
	appendStringInfoString(&args, ", \"appId\": ");
	escape_json(&args, ig_from_wire(message->app_id));
	appendStringInfoString(&args, ", \"appEnv\": ");
	escape_json(&args, ig_from_wire(message->app_env));
	appendStringInfoChar(&args, '}');
	return args.data;
}

/* Store a message under a new id; false: it was there, and id is set to its. */
static bool
store_message(pg_uuid_t *id, const IgApiMessage *message, Datum payload, const char *owner, const char *server)
{
	static IgStatement store = {
		.sql = "INSERT INTO ignisign.webhook (id, owner, server, source, token_sha256, topic, action, nature, content, error) "
		"SELECT $1, $2, $3, 'message', $4, $5, $6, $7, $8 -> 'content', $8 -> 'error' "
		"ON CONFLICT (server, token_sha256) DO NOTHING",
		.types = {UUIDOID, NAMEOID, NAMEOID, BYTEAOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}
	};
	static IgStatement find = {
		.sql = "SELECT id FROM ignisign.webhook WHERE server = $3 AND token_sha256 = $4",
		.types = {UUIDOID, NAMEOID, NAMEOID, BYTEAOID}
	};
	Datum		values[8];
	char		nulls[] = "        ";
	bool		isnull;

	values[0] = UUIDPGetDatum(id);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(owner));
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(server));
	values[3] = PointerGetDatum(ig_sha256(message->token, strlen(message->token)));
	values[4] = CStringGetTextDatum(ig_from_wire(message->topic));
	values[5] = CStringGetTextDatum(ig_from_wire(message->action));
	values[6] = CStringGetTextDatum(ig_from_wire(message->nature));
	if (message->nature[0] == '\0')
		nulls[6] = 'n';
	values[7] = payload;
	if (ig_spi_execute(&store, values, nulls) == 1)
		return true;
	if (ig_spi_execute(&find, values, NULL) == 1)
		memcpy(id, DatumGetUUIDP(ig_spi_datum(0, 1, &isnull)), sizeof(*id));
	return false;
}

/* The message is not for us, and needs no question. */
static void
reject(const pg_uuid_t *id, const char *reason)
{
	static IgStatement update = {
		.sql = "UPDATE ignisign.webhook SET state = 'rejected', reason = $2, settled_at = now() WHERE id = $1",
		.types = {UUIDOID, TEXTOID}
	};
	Datum		values[2] = {UUIDPGetDatum(id), CStringGetTextDatum(reason)};

	ig_spi_execute(&update, values, NULL);
}

/* Take a message for a role's account. */
void
ig_webhook_take(const char *body, size_t length, const char *server, Oid role, pg_uuid_t *id)
{
	char	   *owner = GetUserNameFromId(role, false);
	char		error[IG_API_ERROR_SIZE];
	IgApiMessage message;
	IgOwnerState state;
	IgAccount  *account;
	Datum		payload;
	char	   *problem;

	check_size(length);
	if (!ig_api_read_message(body, length, &message, error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the webhook message is not one of the API: %s", error)));
	payload = ig_jsonb_from_wire(pnstrdup(body, length));
	ig_check_server(server, role);

	ig_uuid_v7(id);
	ig_check_writable("ignisign_webhook()");
	ig_owner_enter(&state);
	SPI_connect();
	ig_queue_own();
	if (store_message(id, &message, payload, owner, server))
	{
		account = ig_account_load(server, owner, &problem);
		if (account != NULL && (strcmp(account->key.app_id, message.app_id) != 0 ||
								strcmp(account->key.app_env, message.app_env) != 0))
			reject(id, "it is for another application or environment");
		else
			(void) ig_queue_add_alone(id, IG_OP_VERIFY_WEBHOOK, 0, verification_args(&message), owner, server);
	}
	SPI_finish();
	ig_owner_leave(&state);

	ig_wake_at_commit();
}

/*
 * ignisign_webhook(payload jsonb, server name) returns uuid
 *
 * Take a webhook message for the account that the current role has on the
 * server.  Returns the id of its row, the same if it came before.  Errors: 22023
 * for what is not a message of the API, 54000 for one that is too large; 42704,
 * 42809, 42501 for the server, IG010 without credentials.
 */
Datum
ignisign_webhook(PG_FUNCTION_ARGS)
{
	Jsonb	   *payload = PG_GETARG_JSONB_P(0);
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));
	char	   *body;

	check_size(VARSIZE(payload));
	body = ig_to_wire(JsonbToCString(NULL, &payload->root, VARSIZE(payload)));
	if (body == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the webhook message cannot be converted to UTF-8")));
	ig_webhook_take(body, strlen(body), NameStr(*PG_GETARG_NAME(1)), GetUserId(), id);
	PG_RETURN_UUID_P(id);
}

/* ---- The worker's part ---- */

/* Whether two roles use the same application on a server. */
static bool
same_application(const char *server, const char *role, const char *other)
{
	char	   *problem;
	IgAccount  *a = ig_account_load(server, role, &problem);
	IgAccount  *b = ig_account_load(server, other, &problem);

	return a != NULL && b != NULL && strcmp(a->key.app_id, b->key.app_id) == 0 &&
		strcmp(a->key.app_env, b->key.app_env) == 0;
}

/*
 * Find the request that an event is about; it may be another role's, if it is
 * the same application's.
 */
static bool
find_request(const pg_uuid_t *id, pg_uuid_t *request, char **owner, char **server)
{
	static IgStatement find = {
		.sql = "SELECT r.id, r.owner::text, r.server::text, w.owner::text FROM ignisign.webhook w "
		"JOIN ignisign.request r ON r.signature_request_id = w.content ->> 'signatureRequestId' "
		"AND r.server = w.server WHERE w.id = $1",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(id);
	bool		isnull;
	char	   *receiver;

	if (ig_spi_execute(&find, &value, NULL) != 1)
		return false;
	*request = *DatumGetUUIDP(ig_spi_datum(0, 1, &isnull));
	*owner = ig_spi_text(0, 2, CurrentMemoryContext);
	*server = ig_spi_text(0, 3, CurrentMemoryContext);
	receiver = ig_spi_text(0, 4, CurrentMemoryContext);
	return strcmp(*owner, receiver) == 0 || same_application(*server, *owner, receiver);
}

/*
 * Apply an event that is genuine: if it names a request of ours, have the context
 * read, and record in the request's history that a message came; else record that it
 * has no effect.  Tokens of signers are taken from the API's own log; a message brings
 * one only as long as none is known.
 */
static void
apply_event(const pg_uuid_t *id)
{
	static IgStatement settle = {
		.sql = "WITH settled AS ("
		"UPDATE ignisign.webhook SET settled_at = now(), request = $2, "
		"state = CASE WHEN $2 IS NULL THEN 'ignored' ELSE 'applied' END, "
		"reason = CASE WHEN content ->> 'signatureRequestId' IS NULL THEN 'it is not about a request' "
		"WHEN $2 IS NULL THEN 'its request is not known here' END "
		"WHERE id = $1 RETURNING request, source, content), "
		"event AS ("
		"INSERT INTO ignisign.event (request, source, kind, detail) "
		"SELECT request, 'webhook', 'webhook', $1 FROM settled WHERE request IS NOT NULL) "
		"INSERT INTO ignisign.session AS o (request, signer_id, token) "
		"SELECT DISTINCT ON (e.signer ->> 'signerId') w.request, e.signer ->> 'signerId', e.signer ->> 'token' "
		"FROM settled w CROSS JOIN LATERAL jsonb_path_query(w.content, '$.signers.signersEmbedded[*]') AS e (signer) "
		"WHERE w.request IS NOT NULL AND octet_length(e.signer ->> 'token') <= $4 "
		"AND e.signer ->> 'signerId' ~ '^[0-9a-fA-F]{24}$' "
		"AND (w.source = 'log' OR NOT EXISTS (SELECT FROM ignisign.session k "
		"WHERE k.request = w.request AND k.signer_id = e.signer ->> 'signerId' AND k.token IS NOT NULL)) LIMIT $3 "
		"ON CONFLICT (request, signer_id) DO UPDATE SET token = excluded.token",
		.types = {UUIDOID, UUIDOID, INT4OID, INT4OID}
	};
	pg_uuid_t	request;
	char	   *owner;
	char	   *server;
	bool		found = find_request(id, &request, &owner, &server);
	Datum		values[4] = {
		UUIDPGetDatum(id), UUIDPGetDatum(&request),
		Int32GetDatum(ig_api_limits.max_items), Int32GetDatum(1024 * ig_api_limits.max_text)
	};

	ig_spi_execute(&settle, values, found ? "    " : " n  ");
	if (found)
		ig_queue_add(&request, IG_OP_CONTEXT, 0, 0, "", owner, server, GetCurrentTimestamp());
}

/*
 * Whether the question was asked before, and the API may have heard it: then a
 * token that is used up was used up by us.
 */
static bool
asked_before(const IgCall *call)
{
	static IgStatement read = {
		.sql = "SELECT FROM ignisign.attempt WHERE request = $1 AND call = $2 "
		"AND (outcome = 'lost' OR bytes_sent > 0) LIMIT 1",
		.types = {UUIDOID, INT8OID}
	};
	Datum		values[2] = {UUIDPGetDatum(&call->request), Int64GetDatum(call->id)};

	return ig_spi_execute(&read, values, NULL) == 1;
}

/* The API said whether a message is genuine; false: nobody sent us one. */
bool
ig_webhook_apply_verdict(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement find = {
		.sql = "SELECT FROM ignisign.webhook WHERE id = $1 AND state = 'unverified'",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(&call->request);
	bool		found;

	SPI_connect();
	found = ig_spi_execute(&find, &value, NULL) == 1;
	if (found)
	{
		if (response->is_valid || (response->already_consumed && asked_before(call)))
			apply_event(&call->request);
		else
			reject(&call->request, response->already_consumed ? "its token was used before" :
				   "the API does not know its token");
	}
	SPI_finish();
	return found;
}

/* Store an event of the log that was asked for; true: it is new, and id is set. */
static bool
store_event(const IgCall *call, const IgApiEvent *event, pg_uuid_t *id)
{
	static IgStatement store = {
		.sql = "INSERT INTO ignisign.webhook (id, owner, server, source, event_id, topic, action, nature, content, error) "
		"SELECT $1, $2, $3, 'log', $4, coalesce($5 ->> 'topic', ''), coalesce($5 ->> 'action', ''), "
		"$5 ->> 'msgNature', $5 -> 'content', $5 -> 'error' "
		"WHERE coalesce(lower($5 ->> 'webhookId') = lower($6::jsonb ->> 'webhookId'), true) "
		"ON CONFLICT (server, event_id) DO NOTHING",
		.types = {UUIDOID, NAMEOID, NAMEOID, TEXTOID, JSONBOID, TEXTOID}
	};
	Datum		values[6];
	bool		stored;

	ig_uuid_v7(id);
	values[0] = UUIDPGetDatum(id);
	values[1] = NameGetDatum(&call->owner);
	values[2] = NameGetDatum(&call->server);
	values[3] = CStringGetTextDatum(event->event_id);
	values[4] = ig_jsonb_from_wire(event->json);
	values[5] = CStringGetTextDatum(call->args);
	stored = ig_spi_execute(&store, values, NULL) == 1;
	pfree(DatumGetPointer(values[4]));
	return stored;
}

/* A page of a delivery log was read. */
void
ig_webhook_apply_log(const IgCall *call, const IgApiResponse *response)
{
	bool		any_new = false;

	SPI_connect();
	for (int i = 0; i < response->nevents; i++)
	{
		pg_uuid_t	id;

		CHECK_FOR_INTERRUPTS();
		if (!store_event(call, &response->events[i], &id))
			continue;
		any_new = true;
		apply_event(&id);
	}

	/* A page of which all is known ends it: what is older was read before. */
	if (any_new && ig_api_has_more_pages(response))
		ig_queue_add_next_page(call);
	SPI_finish();
}
