/*-------------------------------------------------------------------------
 *
 * http.c
 *	  The HTTP server: collects a call, has it handled, sends the answer, and
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
	Buffer		body;
	bool		too_large;
	bool		headers_seen;
} Incoming;

/* An answer that is sent in a special way. */
typedef struct Outgoing
{
	Buffer		body;
	bool		cut;			/* break off in the middle */
	int64_t		rate;			/* bytes a second, 0: no limit */
	int64_t		filler;			/* instead of the body, so many bytes */
	bool		endless;		/* instead of the body, bytes for ever */
} Outgoing;

static struct MHD_Daemon *daemon_handle;
static _Atomic bool stopping;
static char *certificate;
static char *key;

/* Sleep, but not beyond the end of the server; false: that has come. */
bool
pause_ms(int64_t ms)
{
	int64_t		end = now_ms() + ms;

	while (!stopping && now_ms() < end)
	{
		int64_t		left = end - now_ms();
		struct timespec nap = {0, (long) (left < 20 ? left : 20) * 1000000};

		if (left > 0)
			nanosleep(&nap, NULL);
	}
	return !stopping;
}

/* libmicrohttpd's callback: the next bytes of an answer. */
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
	if (stopping || position >= end)
		return out->cut || stopping ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	if (length > end - position)
		length = end - position;
	if (out->rate > 0)
	{
		size_t		share = (size_t) (out->rate / 10) + 1;

		if (length > share)
			length = share;
		pause_ms(100);
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

	buffer_free(&out->body);
	free(out);
}

/* Add the date, by the clock of the sandbox. */
static void
add_date(struct MHD_Response *response)
{
	time_t		seconds = now_ms() / 1000;
	struct tm	tm;
	char		text[64];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	MHD_add_response_header(response, "Date", text);
}

/* Turn an answer into a response; its body is taken over. */
static struct MHD_Response *
make_response(Answer *answer, const Fault *fault)
{
	struct MHD_Response *response;

	if (fault->close == 'm' || fault->slow > 0 || fault->huge > 0 || fault->endless)
	{
		Outgoing   *out = xcalloc(1, sizeof(Outgoing));

		out->body = answer->body;
		out->cut = fault->close == 'm';
		out->rate = fault->slow;
		out->filler = fault->huge;
		out->endless = fault->endless;
		response = MHD_create_response_from_callback(out->endless ? MHD_SIZE_UNKNOWN : out->filler ? (uint64_t) out->filler : out->body.length,
													 CHUNK, read_outgoing, out, free_outgoing);
	}
	else
		response = MHD_create_response_from_buffer(answer->body.length, answer->body.data, MHD_RESPMEM_MUST_FREE);
	memset(&answer->body, 0, sizeof(answer->body));

	if (fault->type[0])
		MHD_add_response_header(response, "Content-Type", fault->type);
	else if (answer->content_type != NULL)
		MHD_add_response_header(response, "Content-Type", answer->content_type);
	add_date(response);
	if (fault->bomb > 0)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	if (fault->retry_after[0])
		MHD_add_response_header(response, "Retry-After", fault->retry_after);
	if (fault->redirect[0])
		MHD_add_response_header(response, "Location", fault->redirect);
	for (int i = 0; i < answer->nheaders; i++)
	{
		MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
		free(answer->headers[i].value);
	}
	return response;
}

/* Answer with a fault's status, without having processed the call. */
static void
answer_fault(Answer *answer, const Fault *fault)
{
	if (fault->answer != NULL)
	{
		buffer_add(&answer->body, fault->answer, strlen(fault->answer));
		answer->content_type = "application/json";
	}
	else if (fault->text_body == 't')
	{
		buffer_printf(&answer->body, "the service is not available\n");
		answer->content_type = "text/plain";
	}
	else if (fault->text_body != 'n')
		answer_error_as(answer, fault->status,
						fault->status == 401 ? "API_KEY_NOT_FOUND" :
						fault->status == 403 ? "ORG_BLOCKED" :
						fault->status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR", "a fault on demand", NULL);
	answer->status = fault->status;
}

/* Change an answer as a fault says; returns how it was broken, or NULL. */
static const char *
damage(Answer *answer, const Fault *fault)
{
	const char *hostile = hostile_body(answer, fault);

	if (hostile != NULL)
		return hostile;
	if (fault->replace[0])
		hostile_replace(answer, fault->replace);
	if (fault->raw[0])
		return fault->raw;
	if (fault->garbage)
	{
		buffer_free(&answer->body);
		buffer_printf(&answer->body, "{\"this\": is not JSON");
		answer->status = 200;
		return "garbage";
	}
	if (fault->empty)
	{
		buffer_free(&answer->body);
		answer->status = 200;
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
	const char *name = options.public_url ? strstr(options.public_url, "://") : NULL;

	return host == NULL || (length == 9 && strncasecmp(host, "localhost", 9) == 0) ||
		(strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length) ||
		(name != NULL && strncasecmp(name + 3, host, strlen(host)) == 0 && strchr("/", name[3 + strlen(host)]) != NULL);
}

/* Whether a call that changes something does not come from a page of another site. */
bool
same_site(const Call *call)
{
	const char *host = call->origin ? strstr(call->origin, "://") : NULL;

	if (call->fetch_site != NULL)
		return strcmp(call->fetch_site, "same-origin") == 0 || strcmp(call->fetch_site, "none") == 0;
	return call->origin == NULL || (host != NULL && call->host != NULL && strcasecmp(host + 3, call->host) == 0);
}

/* Handle a call that is not one of the API; false: it is one. */
static bool
handle_other(Call *call, Answer *answer)
{
	bool		here = from_here(call->connection) && names_here(call->host);
	bool		told = strncmp(call->path, "/_sandbox/", 10) == 0;
	bool		console = strcmp(call->path, "/console") == 0 || strncmp(call->path, "/console/", 9) == 0;

	if (!told && !console && strncmp(call->path, "/sign/", 6) != 0 && strncmp(call->path, "/page/", 6) != 0)
		return false;
	pthread_mutex_lock(&lock);
	if (told && (!here || (strcmp(call->method, "GET") != 0 && !same_site(call))))
		answer_error(answer, "INVALID_CONTEXT", "only from this machine", NULL);
	else if (told)
		control(call, answer);
	else if (console && !here && !options.open_console)
		answer_notice(answer, 403, "The console is closed", "It is open to this machine only, or with --open-console.");
	else if (console)
		console_page(call, answer);
	else if (call->path[1] == 's')
		signing_page(call, answer);
	else
		answer_asset(call, answer);
	state_flush();
	pthread_mutex_unlock(&lock);
	return true;
}

/* Handle a call of the API; false: the connection is to be closed. */
static bool
handle_api(Call *call, Answer *answer, Fault *fault)
{
	int64_t		started = now_ms();
	const char *broken = NULL;
	bool		processed = false;

	pthread_mutex_lock(&lock);
	call->operation = find_operation(call);
	*fault = fault_take(call);
	pthread_mutex_unlock(&lock);

	pause_ms(fault->delay);

	pthread_mutex_lock(&lock);
	if (fault->close == 'b')
		broken = "closed before";
	else if (fault->redirect[0])
		answer->status = fault->status ? fault->status : 302;
	else if (fault->status != 0)
		answer_fault(answer, fault);
	else
	{
		route(call, answer);
		processed = true;
		broken = fault->close == 'a' ? "closed after" : damage(answer, fault);
	}
	journal_add(call, fault->close == 'b' || fault->close == 'a' ? 0 : answer->status,
				broken, fault->words, processed, now_ms() - started);
	state_flush();
	pthread_mutex_unlock(&lock);

	free(fault->answer);
	fault->answer = NULL;
	pause_ms(fault->delay_after);
	return fault->close != 'b' && fault->close != 'a';
}

/* What is looked for in multipart/form-data. */
typedef struct Wanted
{
	const char *part;
	Upload	   *upload;
	bool		other;			/* there are parts that the API does not take */
} Wanted;

/* libmicrohttpd's callback: some bytes of a part. */
static enum MHD_Result
take_part(void *closure, enum MHD_ValueKind kind, const char *key, const char *file_name, const char *content_type,
		  const char *transfer_encoding, const char *data, uint64_t offset, size_t size)
{
	Wanted	   *wanted = closure;
	Upload	   *upload = wanted->upload;

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
		upload->file_name = xstrdup(file_name);
		upload->mime_type = xstrdup(content_type ? content_type : "application/octet-stream");
	}
	buffer_add(&upload->content, data, size);
	return MHD_YES;
}

/* Take a file out of a call's body. */
bool
read_upload(Call *call, const char *part, Upload *upload, Answer *answer)
{
	Wanted		wanted = {part, upload, false};
	struct MHD_PostProcessor *processor = NULL;
	bool		whole = false;

	memset(upload, 0, sizeof(*upload));
	if (call->body_too_large)
	{
		answer_error(answer, "FILE_TOO_LARGE", "The body is too large", NULL);
		return false;
	}
	if (call->content_type != NULL && strncasecmp(call->content_type, "multipart/form-data", 19) == 0)
		processor = MHD_create_post_processor(call->connection, CHUNK, take_part, &wanted);
	if (processor != NULL)
	{
		whole = MHD_post_process(processor, call->body, call->body_length) == MHD_YES;
		whole = MHD_destroy_post_processor(processor) == MHD_YES && whole;
	}
	if (whole && upload->present && upload->content.length > 0 && (!wanted.other || options.lenient))
		return true;
	free(upload->file_name);
	free(upload->mime_type);
	buffer_free(&upload->content);
	if (processor == NULL)
		answer_error(answer, "BAD_REQUEST", "Content-Type must be multipart/form-data", NULL);
	else if (!whole || wanted.other)
		answer_error(answer, "BODY_VALIDATION_FAILED", "The form data are not valid or have unknown parts", NULL);
	else
		answer_error(answer, "DOCUMENT_NOT_PROVIDED", "The file is missing", NULL);
	return false;
}

/* The whole call is there. */
static enum MHD_Result
finish_call(struct MHD_Connection *connection, const char *method, Incoming *incoming)
{
	Call		call = {0};
	Answer		answer = {0};
	Fault		fault = {0};
	struct MHD_Response *response;
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

	if (!handle_other(&call, &answer) && !handle_api(&call, &answer, &fault))
	{
		buffer_free(&answer.body);
		return MHD_NO;
	}
	if (fault.raw[0])
	{
		/* As it is; over TLS the connection is only closed. */
		if (!options.tls)
			hostile_answer(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
						   &answer, &fault);
		buffer_free(&answer.body);
		return MHD_NO;
	}
	response = make_response(&answer, &fault);
	result = MHD_queue_response(connection, (unsigned int) answer.status, response);
	MHD_destroy_response(response);
	return result;
}

/* libmicrohttpd's callback: a request line was read. */
static void *
begin_call(void *closure, const char *uri, struct MHD_Connection *connection)
{
	Incoming   *incoming = xcalloc(1, sizeof(Incoming));

	(void) closure;
	(void) connection;
	incoming->path = xstrdup(uri);
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
		if ((int64_t) (incoming->body.length + *length) > options.max_body)
		{
			incoming->too_large = true;
			buffer_free(&incoming->body);
		}
		if (!incoming->too_large)
			buffer_add(&incoming->body, data, *length);
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
	buffer_free(&incoming->body);
	free(incoming->path);
	free(incoming);
	*state = NULL;
}

/* Start to listen. */
bool
http_start(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) options.port)};
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
		{MHD_OPTION_END, 0, NULL}
	};

	if (inet_pton(AF_INET, options.bind, &address.sin_addr) != 1)
	{
		fprintf(stderr, "ignisign-sandbox: \"%s\" is not an IPv4 address\n", options.bind);
		return false;
	}
	if (options.tls)
	{
		if (!tls_make(options.tls_dir, &certificate, &key))
			return false;
		tls[0].ptr_value = certificate;
		tls[1].ptr_value = key;
	}
	daemon_handle = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
									 MHD_USE_POLL | MHD_USE_SUPPRESS_DATE_NO_CLOCK | (options.tls ? MHD_USE_TLS : 0),
									 (uint16_t) options.port, NULL, NULL, continue_call, NULL,
									 MHD_OPTION_SOCK_ADDR, &address,
									 MHD_OPTION_URI_LOG_CALLBACK, begin_call, NULL,
									 MHD_OPTION_NOTIFY_COMPLETED, end_call, NULL,
									 MHD_OPTION_CONNECTION_LIMIT, (unsigned int) MAX_CONNECTIONS,
									 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int) IDLE_SECONDS,
									 MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
									 MHD_OPTION_ARRAY, options.tls ? tls : &tls[2],
									 MHD_OPTION_END);
	if (daemon_handle == NULL)
		fprintf(stderr, "ignisign-sandbox: could not listen on %s:%d\n", options.bind, options.port);
	return daemon_handle != NULL;
}

/* Stop, and end all connections. */
void
http_stop(void)
{
	stopping = true;
	MHD_stop_daemon(daemon_handle);
	free(certificate);
	free(key);
}
