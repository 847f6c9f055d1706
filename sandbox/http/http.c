/*-------------------------------------------------------------------------
 *
 * http.c
 *	  The HTTP server: collects a call, has it handled, sends the response, and
 *	  breaks on the way what a fault says.
 *
 * Each connection has a thread, so that a slow call delays no other.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/html.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_CONNECTIONS 1000
#define IDLE_SECONDS 60
#define CHUNK 65536

/* A call while its bytes arrive. */
typedef struct Incoming
{
	char	   *path;
	char	   *query;			/* in path's memory, or NULL */
	SbBuffer	body;
	bool		too_large;
	bool		headers_seen;
} Incoming;

/* A response that is sent in a special way. */
typedef struct Outgoing
{
	SbBuffer	body;
	bool		cut;			/* break off in the middle */
	int64_t		rate;			/* bytes a second, 0: no limit */
	int64_t		filler;			/* instead of the body, so many bytes */
	bool		endless;		/* instead of the body, bytes for ever */
} Outgoing;

static struct MHD_Daemon *daemon_handle;
static char *certificate;
static char *key;

/* libmicrohttpd's callback: the next bytes of a response. */
static ssize_t
read_outgoing(void *closure, uint64_t position, char *buffer, size_t max)
{
	Outgoing   *out = closure;
	uint64_t	end = out->filler ? (uint64_t) out->filler : out->body.length;
	size_t		length = max < CHUNK ? max : CHUNK;

	if (out->endless)
		end = UINT64_MAX;
	if (out->cut)
		end /= 2;
	if (sb_ending() || position >= end)
		return out->cut || sb_ending() ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	if (length > end - position)
		length = end - position;
	if (out->rate > 0)
	{
		size_t		share = (size_t) (out->rate / 10) + 1;

		if (length > share)
			length = share;
		sb_pause_ms(100);
	}
	if (out->filler || out->endless)
		memset(buffer, ' ', length);
	else
		memcpy(buffer, out->body.data + position, length);
	return (ssize_t) length;
}

static void
free_outgoing(void *closure)
{
	Outgoing   *out = closure;

	sb_buffer_free(&out->body);
	free(out);
}

/* Add the date, by the clock of the sandbox. */
static void
add_date(struct MHD_Response *mhd_response)
{
	time_t		seconds = sb_now_ms() / 1000;
	struct tm	tm;
	char		text[64];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	MHD_add_response_header(mhd_response, "Date", text);
}

/* Turn a response into a response of libmicrohttpd; its body is taken over. */
static struct MHD_Response *
make_mhd_response(SbResponse *response, const SbFault *fault)
{
	struct MHD_Response *mhd_response;

	if (fault->close == 'm' || fault->slow > 0 || fault->huge > 0 || fault->endless)
	{
		Outgoing   *out = sb_calloc(1, sizeof(Outgoing));

		out->body = response->body;
		out->cut = fault->close == 'm';
		out->rate = fault->slow;
		out->filler = fault->huge;
		out->endless = fault->endless;
		mhd_response = MHD_create_response_from_callback(out->endless ? MHD_SIZE_UNKNOWN : out->filler ? (uint64_t) out->filler : out->body.length,
														 CHUNK, read_outgoing, out, free_outgoing);
	}
	else
		mhd_response = MHD_create_response_from_buffer(response->body.length, response->body.data, MHD_RESPMEM_MUST_FREE);
	memset(&response->body, 0, sizeof(response->body));

	if (fault->type[0])
		MHD_add_response_header(mhd_response, "Content-Type", fault->type);
	else if (response->content_type != NULL)
		MHD_add_response_header(mhd_response, "Content-Type", response->content_type);
	add_date(mhd_response);
	if (fault->bomb > 0)
		MHD_add_response_header(mhd_response, "Content-Encoding", "gzip");
	if (fault->retry_after[0])
		MHD_add_response_header(mhd_response, "Retry-After", fault->retry_after);
	if (fault->redirect[0])
		MHD_add_response_header(mhd_response, "Location", fault->redirect);
	for (int i = 0; i < response->nheaders; i++)
	{
		MHD_add_response_header(mhd_response, response->headers[i].name, response->headers[i].value);
		free(response->headers[i].value);
	}
	return mhd_response;
}

/* Respond with a fault's status, without having processed the call. */
static void
respond_fault(SbResponse *response, const SbFault *fault)
{
	if (fault->response != NULL)
	{
		sb_buffer_add(&response->body, fault->response, strlen(fault->response));
		response->content_type = "application/json";
	}
	else if (fault->text_body == 't')
	{
		sb_buffer_printf(&response->body, "the service is not available\n");
		response->content_type = "text/plain";
	}
	else if (fault->text_body != 'n')
		sb_respond_error_as(response, fault->status,
							fault->status == 401 ? "API_KEY_NOT_FOUND" :
							fault->status == 403 ? "ORG_BLOCKED" :
							fault->status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR", "a fault on demand", NULL);
	response->status = fault->status;
}

/* Change a response as a fault says; returns how it was broken, or NULL. */
static const char *
damage(SbResponse *response, const SbFault *fault)
{
	const char *name = sb_malformed_body(response, fault);

	if (name != NULL)
		return name;
	if (fault->replace[0])
		sb_replace_text(response, fault->replace);
	if (fault->raw[0])
		return fault->raw;
	if (fault->garbage)
	{
		sb_buffer_free(&response->body);
		sb_buffer_printf(&response->body, "{\"this\": is not JSON");
		response->status = 200;
		return "garbage";
	}
	if (fault->empty)
	{
		sb_buffer_free(&response->body);
		response->status = 200;
		return "empty";
	}
	return fault->close == 'm' ? "cut" : fault->huge ? "huge" : fault->endless ? "endless" : fault->slow ? "slow" :
		fault->type[0] ? "type" : fault->replace[0] ? "replaced" : NULL;
}

/* Whether the other end is on this machine. */
static bool
from_here(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in *address = (const struct sockaddr_in *) info->client_addr;

	return address->sin_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

/*
 * Whether a call to this machine was meant for it.  A page from elsewhere may have
 * a browser call a name that leads here.
 */
static bool
names_here(const char *host)
{
	size_t		length = host ? strcspn(host, ":") : 0;
	const char *name = sb_options.public_url ? strstr(sb_options.public_url, "://") : NULL;

	return host == NULL || (length == 9 && strncasecmp(host, "localhost", 9) == 0) ||
		(strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length) ||
		(name != NULL && strncasecmp(name + 3, host, strlen(host)) == 0 && strchr("/", name[3 + strlen(host)]) != NULL);
}

/* Whether a call that changes something does not come from a page of another site. */
bool
sb_same_site(const SbCall *call)
{
	const char *host = call->origin ? strstr(call->origin, "://") : NULL;

	if (call->fetch_site != NULL)
		return strcmp(call->fetch_site, "same-origin") == 0 || strcmp(call->fetch_site, "none") == 0;
	return call->origin == NULL || (host != NULL && call->host != NULL && strcasecmp(host + 3, call->host) == 0);
}

/* Handle a call that is not one of the API; false: it is one. */
static bool
handle_other(SbCall *call, SbResponse *response)
{
	bool		here = from_here(call->connection) && names_here(call->host);
	bool		told = strncmp(call->path, "/_sandbox/", 10) == 0;
	bool		console = strcmp(call->path, "/console") == 0 || strncmp(call->path, "/console/", 9) == 0;

	if (!told && !console && strncmp(call->path, "/sign/", 6) != 0 && strncmp(call->path, "/page/", 6) != 0)
		return false;
	pthread_mutex_lock(&sb_lock);
	if (told && (!here || (strcmp(call->method, "GET") != 0 && !sb_same_site(call))))
		sb_respond_error(response, "INVALID_CONTEXT", "only from this machine", NULL);
	else if (told)
		sb_admin_call(call, response);
	else if (console && !here && !sb_options.open_console)
		sb_respond_notice(response, 403, "The console is closed", "It is open to this machine only, or with --open-console.");
	else if (console)
		sb_console_page(call, response);
	else if (call->path[1] == 's')
		sb_signing_page(call, response);
	else
		sb_respond_asset(call, response);
	sb_state_flush();
	pthread_mutex_unlock(&sb_lock);
	return true;
}

/* Handle a call of the API; false: the connection is to be closed. */
static bool
handle_api(SbCall *call, SbResponse *response, SbFault *fault)
{
	int64_t		started = sb_now_ms();
	const char *broken = NULL;
	bool		processed = false;

	pthread_mutex_lock(&sb_lock);
	call->operation = sb_find_operation(call);
	*fault = sb_fault_take(call);
	pthread_mutex_unlock(&sb_lock);

	sb_pause_ms(fault->delay);

	pthread_mutex_lock(&sb_lock);
	if (fault->close == 'b')
		broken = "closed before";
	else if (fault->redirect[0])
		response->status = fault->status ? fault->status : 302;
	else if (fault->status != 0)
		respond_fault(response, fault);
	else
	{
		sb_route(call, response);
		processed = true;
		broken = fault->close == 'a' ? "closed after" : damage(response, fault);
	}
	sb_journal_add(call, fault->close == 'b' || fault->close == 'a' ? 0 : response->status,
				   broken, fault->words, processed, sb_now_ms() - started);
	sb_state_flush();
	pthread_mutex_unlock(&sb_lock);

	free(fault->response);
	fault->response = NULL;
	sb_pause_ms(fault->delay_after);
	return fault->close != 'b' && fault->close != 'a';
}

/* What is looked for in multipart/form-data. */
typedef struct Wanted
{
	const char *part;
	SbUpload   *upload;
	bool		other;			/* there are parts that the API does not take */
} Wanted;

/* libmicrohttpd's callback: some bytes of a part. */
static enum MHD_Result
take_part(void *closure, enum MHD_ValueKind kind, const char *key, const char *file_name, const char *content_type,
		  const char *transfer_encoding, const char *data, uint64_t offset, size_t size)
{
	Wanted	   *wanted = closure;
	SbUpload   *upload = wanted->upload;

	(void) kind;
	(void) transfer_encoding;
	if (strcmp(key, wanted->part) != 0 || file_name == NULL || (offset == 0 && upload->present))
	{
		wanted->other = true;
		return MHD_YES;
	}
	if (!upload->present)
	{
		upload->present = true;
		upload->file_name = sb_strdup(file_name);
		upload->mime_type = sb_strdup(content_type ? content_type : "application/octet-stream");
	}
	sb_buffer_add(&upload->content, data, size);
	return MHD_YES;
}

/* Take a file out of a call's body. */
bool
sb_read_upload(SbCall *call, const char *part, SbUpload *upload, SbResponse *response)
{
	Wanted		wanted = {part, upload, false};
	struct MHD_PostProcessor *processor = NULL;
	bool		whole = false;

	memset(upload, 0, sizeof(*upload));
	if (call->body_too_large)
	{
		sb_respond_error(response, "FILE_TOO_LARGE", "The body is too large", NULL);
		return false;
	}
	if (call->content_type != NULL && strncasecmp(call->content_type, "multipart/form-data", 19) == 0)
		processor = MHD_create_post_processor(call->connection, CHUNK, take_part, &wanted);
	if (processor != NULL)
	{
		whole = MHD_post_process(processor, call->body, call->body_length) == MHD_YES;
		whole = MHD_destroy_post_processor(processor) == MHD_YES && whole;
	}
	if (whole && upload->present && upload->content.length > 0 && (!wanted.other || sb_options.lenient))
		return true;
	free(upload->file_name);
	free(upload->mime_type);
	sb_buffer_free(&upload->content);
	if (processor == NULL)
		sb_respond_error(response, "BAD_REQUEST", "Content-Type must be multipart/form-data", NULL);
	else if (!whole || wanted.other)
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "The form data are not valid or have unknown parts", NULL);
	else
		sb_respond_error(response, "DOCUMENT_NOT_PROVIDED", "The file is missing", NULL);
	return false;
}

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

	if (!handle_other(&call, &response) && !handle_api(&call, &response, &fault))
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
	mhd_response = make_mhd_response(&response, &fault);
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
	struct sockaddr_in address;
	socklen_t	size = sizeof(address);

	if (getsockname(info->listen_fd, (struct sockaddr *) &address, &size) != 0)
		return 0;
	return ntohs(address.sin_port);
}

/* Start to listen. */
bool
sb_http_start(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) sb_options.port)};
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
		{MHD_OPTION_END, 0, NULL}
	};

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
