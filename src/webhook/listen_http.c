/*-------------------------------------------------------------------------
 *
 * listen_http.c
 *	  The HTTP side of the listener: connections, what they may ask, and how
 *	  much and how long.
 *
 * libmicrohttpd runs without threads: all its sockets are in one epoll set,
 * whose descriptor the listener waits for beside its latch.
 *
 * What is called from within libmicrohttpd must not raise errors, which would
 * jump across its frames.  So the callbacks only collect bytes, in malloc'd
 * memory.  A request is suspended and handed out to be judged: when its headers
 * are there, so that nobody sends a body who has no token; and when it is whole.
 *
 * A connection is for one request.  It has to be over in time, from the first
 * byte of the handshake to the last of the body, however the client spreads
 * them.  Should there be too many connections, the one that has been at it for
 * the longest is cut off, so that those who keep silent never keep out those
 * who speak.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "webhook/listen_http.h"

/* Memory for the headers of a connection. */
#define HEADER_MEMORY (16 * 1024)

/* Connections that are cut off, but not gone yet. */
#define MOURNED 64

/* At most so many rounds before anything else is looked at. */
#define MAX_ROUNDS 16

typedef enum IgStage
{
	IG_STAGE_NEW,
	IG_STAGE_HEADERS,			/* to be judged by its headers */
	IG_STAGE_BODY,				/* being read */
	IG_STAGE_WHOLE,				/* to be judged as a whole */
	IG_STAGE_RESPONDED
} IgStage;

typedef struct IgConnection
{
	IgExchange	exchange;		/* first, so that it stands for all of it */
	dlist_node	node;			/* in connections, the oldest first */
	dlist_node	outcome_recorded;	/* in to_record, while suspended */
	struct MHD_Connection *connection;
	int			fd;
	bool		counted;		/* among the server's descriptors */
	bool		suspended;
	bool		cut;			/* not in connections any more */
	TimestampTz since;
	IgStage		stage;
	int			refusal;		/* what its headers are answered; 0: nothing */
	int			verdict;		/* the response; 0: read on */
	size_t		capacity;		/* of exchange.body */
	size_t		discarded;		/* bytes beyond the limit */
} IgConnection;

static struct MHD_Daemon *httpd = NULL;
static IgListenLimits limits;
static dlist_head connections = DLIST_STATIC_INIT(connections);
static dlist_head to_record = DLIST_STATIC_INIT(to_record);
static int	nconnections = 0;
static bool resumed = false;	/* libmicrohttpd has not seen yet what was judged */

/* ---- Called by libmicrohttpd ---- */

/* It found itself in an impossible state; the default would be abort(). */
static void
panic(void *arg, const char *file, unsigned int line, const char *reason)
{
	ereport(FATAL,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("libmicrohttpd gave up: %s", reason ? reason : "unknown reason")));
}

/* End a connection: libmicrohttpd sees that the client has left. */
static void
cut_off(IgConnection *connection)
{
	connection->cut = true;
	dlist_delete(&connection->node);
	(void) shutdown(connection->fd, SHUT_RDWR);
}

/* Cut off the oldest connection that does not wait for us. */
static void
cut_off_oldest(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &connections)
	{
		IgConnection *connection = dlist_container(IgConnection, node, iter.cur);

		if (!connection->suspended)
		{
			cut_off(connection);
			return;
		}
	}
}

/* MHD_OPTION_NOTIFY_CONNECTION: a connection begins or ends. */
static void
connection_changed(void *arg, struct MHD_Connection *handle, void **state,
				   enum MHD_ConnectionNotificationCode what)
{
	IgConnection *connection;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
	{
		int			fd = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

		connection = calloc(1, sizeof(IgConnection));
		*state = connection;
		if (connection == NULL)
		{
			(void) shutdown(fd, SHUT_RDWR);
			return;
		}
		if (nconnections >= limits.connections)
			cut_off_oldest();
		nconnections++;
		connection->connection = handle;
		connection->fd = fd;
		connection->since = GetCurrentTimestamp();
		dlist_push_tail(&connections, &connection->node);
		connection->counted = AcquireExternalFD();
		if (!connection->counted)
			cut_off(connection);
		return;
	}

	connection = *state;
	if (connection == NULL)
		return;
	*state = NULL;
	nconnections--;
	if (connection->counted)
		ReleaseExternalFD();
	if (!connection->cut)
		dlist_delete(&connection->node);
	free(connection->exchange.body);
	free(connection);
}

/* Answer, without any text. */
static enum MHD_Result
response(IgConnection *connection, int status)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Connection", "close");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		MHD_add_response_header(response, "Retry-After", "1");
	else if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "POST");
	connection->stage = IG_STAGE_RESPONDED;
	result = MHD_queue_response(connection->connection, (unsigned int) status, response);
	MHD_destroy_response(response);
	return result;
}

/* MHD_OPTION_UNESCAPE_CALLBACK: a path of ours has nothing to unescape. */
static size_t
keep_escapes(void *arg, struct MHD_Connection *handle, char *text)
{
	return strlen(text);
}

/* Hand the request out to be judged. */
static enum MHD_Result
suspend(IgConnection *connection)
{
	connection->suspended = true;
	connection->verdict = 0;
	dlist_push_tail(&to_record, &connection->outcome_recorded);
	MHD_suspend_connection(connection->connection);
	return MHD_YES;
}

/* What is wrong with the headers, for who has a token; 0: nothing. */
static int
check_headers(struct MHD_Connection *handle, const char *method)
{
	return ig_listen_check_headers(method, MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Content-Type"),
								   MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Content-Length"),
								   limits.body);
}

/* The headers are there. */
static enum MHD_Result
read_headers(IgConnection *connection, const char *url, const char *method)
{
	if (!ig_listen_parse_path(url, connection->exchange.token))
		return response(connection, MHD_HTTP_NOT_FOUND);
	connection->refusal = check_headers(connection->connection, method);
	connection->stage = IG_STAGE_HEADERS;
	return suspend(connection);
}

/* Some bytes of the body; false: there is no end to it. */
static bool
read_body(IgConnection *connection, const char *data, size_t length)
{
	IgExchange *exchange = &connection->exchange;
	size_t		needed = exchange->length + length;

	if (connection->refusal == 0 && needed > limits.body)
		connection->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
	if (connection->refusal == 0 && needed >= connection->capacity)
	{
		size_t		capacity = Max(needed + 1, Min(connection->capacity * 2, limits.body + 1));
		char	   *body = realloc(exchange->body, capacity);

		if (body == NULL)
			connection->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
		else
		{
			exchange->body = body;
			connection->capacity = capacity;
		}
	}
	if (connection->refusal != 0)
	{
		/* The response can be sent only after the body; a bit of it is read past. */
		connection->discarded += length;
		return connection->discarded <= limits.body;
	}
	memcpy(exchange->body + exchange->length, data, length);
	exchange->length = needed;
	return true;
}

/* The body is there. */
static enum MHD_Result
end_body(IgConnection *connection)
{
	IgExchange *exchange = &connection->exchange;

	if (connection->refusal != 0)
		return response(connection, connection->refusal);
	if (exchange->length == 0)
		return response(connection, MHD_HTTP_BAD_REQUEST);
	exchange->body[exchange->length] = '\0';
	exchange->whole = true;
	connection->stage = IG_STAGE_WHOLE;
	return suspend(connection);
}

/* The handler of requests: headers, some of the body, or its end. */
static enum MHD_Result
handle_request(void *arg, struct MHD_Connection *handle, const char *url, const char *method,
			   const char *version, const char *data, size_t *length, void **state)
{
	IgConnection *connection =
		MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

	if (connection == NULL)
		return MHD_NO;
	switch (connection->stage)
	{
		case IG_STAGE_NEW:
			return read_headers(connection, url, method);
		case IG_STAGE_HEADERS:
			if (connection->verdict == 0)
				connection->verdict = connection->refusal;
			if (connection->verdict != 0)
				return response(connection, connection->verdict);
			connection->stage = IG_STAGE_BODY;
			return MHD_YES;
		case IG_STAGE_BODY:
			if (*length == 0)
				return end_body(connection);
			if (!read_body(connection, data, *length))
				return MHD_NO;
			*length = 0;
			return MHD_YES;
		case IG_STAGE_WHOLE:
			return response(connection, connection->verdict);
		case IG_STAGE_RESPONDED:
			break;
	}
	return MHD_NO;
}

/* ---- Called by the listener ---- */

/* Start to serve. */
bool
ig_listen_http_start(int fd, const char *certificate, const char *key)
{
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, unconstify(char *, certificate)},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, unconstify(char *, key)},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL}
	};

	/* It may close what it is given, but also fail without having done so. */
	int			copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return false;
	MHD_set_panic_func(panic, NULL);
	httpd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK |
							 (certificate ? MHD_USE_TLS : 0),
							 0, NULL, NULL, handle_request, NULL,
							 MHD_OPTION_LISTEN_SOCKET, (MHD_socket) copy,
							 MHD_OPTION_NOTIFY_CONNECTION, connection_changed, NULL,
							 MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
							 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) (limits.connections + MOURNED),
							 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) HEADER_MEMORY,
							 MHD_OPTION_CONNECTION_TIMEOUT, 0u,
							 MHD_OPTION_STRICT_FOR_CLIENT, 1,
							 MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
							 MHD_OPTION_ARRAY, certificate ? tls : &tls[lengthof(tls) - 1],
							 MHD_OPTION_END);
	if (httpd == NULL && fcntl(copy, F_GETFD) >= 0)
		close(copy);
	return httpd != NULL;
}

/* End all connections, but not the socket; nothing may be suspended. */
void
ig_listen_http_stop(void)
{
	int			copy = MHD_quiesce_daemon(httpd);

	Assert(dlist_is_empty(&to_record));
	MHD_stop_daemon(httpd);
	close(copy);
	httpd = NULL;
}

/* Change the limits; they hold for what is there, too. */
void
ig_listen_http_limit(const IgListenLimits *new_limits)
{
	limits = *new_limits;
}

/* The epoll set of all sockets. */
int
ig_listen_http_descriptor(void)
{
	return MHD_get_daemon_info(httpd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* When the oldest connection's time is over. */
static TimestampTz
end_of(const IgConnection *connection)
{
	return TimestampTzPlusMilliseconds(connection->since, limits.timeout);
}

/* When to run at the latest; 0: not before a socket is ready. */
TimestampTz
ig_listen_http_deadline(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (resumed)
		return GetCurrentTimestamp();
	if (MHD_get_timeout(httpd, &timeout) == MHD_YES)
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), (int64) timeout);
	if (dlist_is_empty(&connections))
		return 0;
	return end_of(dlist_container(IgConnection, node, dlist_head_node(&connections)));
}

/* Let libmicrohttpd work. */
void
ig_listen_http_run(void)
{
	MHD_UNSIGNED_LONG_LONG timeout;
	int			rounds = 0;

	while (!dlist_is_empty(&connections))
	{
		IgConnection *oldest = dlist_container(IgConnection, node, dlist_head_node(&connections));

		if (end_of(oldest) > GetCurrentTimestamp())
			break;
		cut_off(oldest);
	}
	resumed = false;
	do
		MHD_run(httpd);
	while (++rounds < MAX_ROUNDS && MHD_get_timeout(httpd, &timeout) == MHD_YES && timeout == 0);
}

/* The next request to be judged. */
IgExchange *
ig_listen_http_next(void)
{
	if (dlist_is_empty(&to_record))
		return NULL;
	return &dlist_container(IgConnection, outcome_recorded, dlist_pop_head_node(&to_record))->exchange;
}

/* Judged: 0 is to read on. */
static void
resume(IgExchange *exchange, int verdict)
{
	IgConnection *connection = (IgConnection *) exchange;

	connection->suspended = false;
	connection->verdict = verdict;

	/* However long the verdict took, the response has its time, too. */
	if (verdict != 0 && !connection->cut)
	{
		connection->since = GetCurrentTimestamp();
		dlist_delete(&connection->node);
		dlist_push_tail(&connections, &connection->node);
	}
	MHD_resume_connection(connection->connection);
	resumed = true;
}

/* The headers are in order: read the body. */
void
ig_listen_http_admit(IgExchange *exchange)
{
	resume(exchange, 0);
}

/* Answer the request. */
void
ig_listen_http_respond(IgExchange *exchange, int status)
{
	resume(exchange, status);
}
