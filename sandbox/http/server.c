/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The HTTP server: collects a call, lets it be handled, and sends the response.
 *
 * Each connection has a thread, so that a slow call delays no other.
 *
 *-------------------------------------------------------------------------
 */
#include "http/server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "http/fault.h"
#include "http/malformed.h"
#include "http/response.h"
#include "http/send.h"
#include "http/tls.h"
#include "util/buffer.h"
#include "util/options.h"
#include "util/threads.h"

#define MAX_CONNECTIONS 1000
#define IDLE_SECONDS 60

/* A call while its bytes arrive. */
typedef struct Incoming
{
	char	   *path;
	char	   *query;			/* in path's memory, or NULL */
	SbBuffer	body;
	bool		too_large;
	bool		headers_seen;
} Incoming;

static struct MHD_Daemon *daemon_handle;
static SbDispatch *dispatch;
static char *certificate;
static char *key;

/* The whole call is there. */
static enum MHD_Result
finish_call(struct MHD_Connection *connection, const char *method, Incoming *incoming)
{
	SbCall		call = {0};
	SbResponse	response = {0};
	SbFault		fault = {0};
	struct MHD_Response *mhd_response;
	enum MHD_Result result;

	call.method = method;
	call.path = incoming->path;
	call.query = incoming->query;
	call.authorization = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
	call.content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
	call.body = incoming->body.data;
	call.body_length = incoming->body.length;
	call.body_too_large = incoming->too_large;
	call.connection = connection;

	call.host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	call.origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin");
	call.fetch_site = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-Fetch-Site");

	if (!dispatch(&call, &response, &fault))
	{
		sb_buffer_free(&response.body);
		return MHD_NO;
	}
	if (fault.raw[0])
	{
		/* As it is; over TLS the connection is only closed. */
		if (!sb_options.tls)
			sb_malformed_write(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
							   &response, &fault);
		sb_buffer_free(&response.body);
		return MHD_NO;
	}
	mhd_response = sb_make_mhd_response(&response, &fault);
	result = MHD_queue_response(connection, (unsigned int) response.status, mhd_response);
	MHD_destroy_response(mhd_response);
	return result;
}

/* libmicrohttpd's callback: a request line was read. */
static void *
begin_call(void *closure, const char *uri, struct MHD_Connection *connection)
{
	Incoming   *incoming = sb_calloc(1, sizeof(Incoming));

	(void) closure;
	(void) connection;
	incoming->path = sb_strdup(uri);
	incoming->query = strchr(incoming->path, '?');
	if (incoming->query != NULL)
		*incoming->query++ = '\0';
	return incoming;
}

/* libmicrohttpd's callback: headers, then bytes of the body, then the end. */
static enum MHD_Result
continue_call(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
			  const char *version, const char *data, size_t *length, void **state)
{
	Incoming   *incoming = *state;

	(void) closure;
	(void) url;
	(void) version;
	if (!incoming->headers_seen)
	{
		incoming->headers_seen = true;
		return MHD_YES;
	}
	if (*length > 0)
	{
		if ((int64_t) (incoming->body.length + *length) > sb_options.max_body)
		{
			incoming->too_large = true;
			sb_buffer_free(&incoming->body);
		}
		if (!incoming->too_large)
			sb_buffer_add(&incoming->body, data, *length);
		*length = 0;
		return MHD_YES;
	}
	return finish_call(connection, method, incoming);
}

/* libmicrohttpd's callback: a call is over, in whatever way. */
static void
end_call(void *closure, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	Incoming   *incoming = *state;

	(void) closure;
	(void) connection;
	(void) code;
	if (incoming == NULL)
		return;
	sb_buffer_free(&incoming->body);
	free(incoming->path);
	free(incoming);
	*state = NULL;
}

/* The port that the server listens on, which the kernel chose if the option was 0. */
static int
listening_port(void)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon_handle, MHD_DAEMON_INFO_LISTEN_FD);
	struct sockaddr_in address = {0};
	socklen_t	size = sizeof(address);

	if (getsockname(info->listen_fd, (struct sockaddr *) &address, &size) != 0)
		return 0;
	return ntohs(address.sin_port);
}

/* Start to listen. */
bool
sb_http_start(SbDispatch *dispatch_call)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) sb_options.port)};
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
		{MHD_OPTION_END, 0, NULL}
	};

	dispatch = dispatch_call;
	if (inet_pton(AF_INET, sb_options.bind, &address.sin_addr) != 1)
	{
		fprintf(stderr, "ignisign-sandbox: \"%s\" is not an IPv4 address\n", sb_options.bind);
		return false;
	}
	if (sb_options.tls)
	{
		if (!sb_tls_make(sb_options.tls_dir, &certificate, &key))
			return false;
		tls[0].ptr_value = certificate;
		tls[1].ptr_value = key;
	}
	daemon_handle = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
									 MHD_USE_POLL | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (sb_options.tls ? MHD_USE_TLS : 0),
									 (uint16_t) sb_options.port, NULL, NULL, continue_call, NULL,
									 MHD_OPTION_SOCK_ADDR, &address,
									 MHD_OPTION_URI_LOG_CALLBACK, begin_call, NULL,
									 MHD_OPTION_NOTIFY_COMPLETED, end_call, NULL,
									 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) MAX_CONNECTIONS,
									 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) IDLE_SECONDS,
									 MHD_OPTION_ARRAY, sb_options.tls ? tls : &tls[2],
									 MHD_OPTION_END);
	if (daemon_handle == NULL)
	{
		fprintf(stderr, "ignisign-sandbox: could not listen on %s:%d\n", sb_options.bind, sb_options.port);
		return false;
	}
	sb_options.port = listening_port();
	return true;
}

/* Stop, and end all connections. */
void
sb_http_stop(void)
{
	sb_end_pauses();
	MHD_stop_daemon(daemon_handle);
	free(certificate);
	free(key);
}
