/*-------------------------------------------------------------------------
 *
 * http_callbacks.c
 *	  What libcurl calls during a transfer.
 *
 * These functions run within libcurl.  They must not raise errors, because an error
 * would jump across libcurl's frames.  So they keep a response in malloc'd memory or in
 * a temporary file, and turn a failure into the failure of the transfer.
 *
 * A small body that is at hand goes to libcurl as a whole, and libcurl sends it together
 * with the headers.  libcurl reads any other body as the network takes it.
 *
 * libcurl repeats a request by itself if a connection that it used again is dead.  A
 * request that must not be sent twice prevents that in one of three ways:
 *
 * - a body that libcurl reads cannot be rewound;
 * - for a body that is sent as a whole, libcurl asks before each beginning, and a second
 *   beginning is refused;
 * - a request without a body has a connection of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "storage/fd.h"

#include "guc.h"
#include "http/http_internal.h"
#include "util/wait_event.h"

/* Error bodies are cut to this. */
#define MAX_ERROR_BODY		(64 * 1024)

/* Whether the address is this machine's own. */
static bool
is_loopback(const struct curl_sockaddr *address)
{
	if (address->family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) &address->addr;

		return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
	}
	if (address->family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) &address->addr)->sin6_addr);
	return false;
}

/* Fail for want of something of ours, which tells nothing of the server. */
void
ig_http_fail_locally(IgTransferState *state, const char *why)
{
	state->failure = why;
	state->transfer.local = true;
}

/* Fail because the response is larger than a setting allows. */
static void
fail_as_too_large(IgTransferState *state, const char *what, int64 bytes, const char *setting)
{
	snprintf(state->failure_text, sizeof(state->failure_text), "%s larger than %lld kB (ignisign.%s)",
			 what, (long long) bytes / 1024, setting);
	state->failure = state->failure_text;
	state->transfer.exceeded = true;
}

/*
 * Whether libcurl may (again) begin to send: not a body that cannot be taken back, once
 * any of the request has left.
 */
static bool
may_begin(IgTransferState *state)
{
	long		sent = 0;

	if (!state->begun)
		return true;
	curl_easy_getinfo(state->handle->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (sent > 0)
		state->failure = "the connection was lost before an answer came";
	return sent == 0;
}

#ifdef IG_CURL_ASKS_SINCE
/* CURLOPT_PREREQFUNCTION: there is a connection, and the request is about to be sent. */
static int
before_sending(void *arg, char *remote_address, char *local_address, int remote_port, int local_port)
{
	IgTransferState *state = arg;

	if (!may_begin(state))
		return CURL_PREREQFUNC_ABORT;
	state->begun = true;
	state->body_read = state->body_size;
	return CURL_PREREQFUNC_OK;
}
#endif

/* CURLOPT_OPENSOCKETFUNCTION: count descriptors with the server's own. */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	IgTransferState *state = arg;
	int			fd;

	if (state->loopback_only && !is_loopback(address))
	{
		ig_http_fail_locally(state, "the host of an http:// URL is not this machine");
		return CURL_SOCKET_BAD;
	}
	if (!may_begin(state))
		return CURL_SOCKET_BAD;
	if (!AcquireExternalFD())
	{
		ig_http_fail_locally(state, "too many open files");
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
	{
		ReleaseExternalFD();
		return CURL_SOCKET_BAD;
	}
	return fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION. */
static int
close_socket(void *arg, curl_socket_t fd)
{
	ReleaseExternalFD();
	return close(fd);
}

/* CURLOPT_READFUNCTION. */
static size_t
read_body(char *buffer, size_t size, size_t count, void *arg)
{
	IgTransferState *state = arg;
	size_t		length;

	if (state->failure != NULL)
		return CURL_READFUNC_ABORT;
	if (state->body_read >= state->body_size)
		return 0;
	if (state->read_ahead_used < state->read_ahead)
	{
		length = Min(size * count, state->read_ahead - state->read_ahead_used);
		memcpy(buffer, state->handle->buffer + state->read_ahead_used, length);
		state->read_ahead_used += length;
	}
	else
		length = state->read(state->read_arg, buffer, size * count);
	if (length == 0)
	{
		state->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	state->body_read += length;
	return length;
}

/*
 * CURLOPT_SEEKFUNCTION: a body is read once, and never sent again.  One of which
 * nothing was read is at its beginning.
 */
static int
refuse_rewind(void *arg, curl_off_t offset, int origin)
{
	const IgTransferState *state = arg;

	return state->body_read == 0 && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* Move what has come so far to a temporary file. */
static bool
start_spool(IgTransferState *state)
{
	IgTransfer *transfer = &state->transfer;
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		transfer->spool = OpenTemporaryFile(true);
		done = FileWrite(transfer->spool, transfer->body, transfer->body_length,
						 0, ig_wait_event(IG_WAIT_RESPONSE_FILE)) == transfer->body_length;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();

	free(transfer->body);
	transfer->body = NULL;
	state->capacity = 0;
	return done;
}

/* Add to the spool. */
static bool
write_spool(IgTransferState *state, const char *data, size_t length)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		done = FileWrite(state->transfer.spool, unconstify(char *, data), length,
						 state->transfer.body_length, ig_wait_event(IG_WAIT_RESPONSE_FILE)) == (int) length;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return done;
}

/* CURLOPT_WRITEFUNCTION: keep the response's body, within its bound. */
static size_t
write_body(char *data, size_t size, size_t count, void *arg)
{
	IgTransferState *state = arg;
	IgTransfer *transfer = &state->transfer;
	size_t		length = size * count;
	size_t		needed = transfer->body_length + length;
	long		status = 0;

	curl_easy_getinfo(state->handle->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
	{
		/* Of a refusal, the beginning is enough; the rest is read past. */
		if (needed > MAX_ERROR_BODY)
		{
			if (transfer->bytes_received + (int64) length > state->max_response)
			{
				fail_as_too_large(state, "the response is", state->max_response, state->max_response_setting);
				return 0;
			}
			transfer->bytes_received += length;
			return length;
		}
	}
	else if ((int64) needed > state->max_response)
	{
		fail_as_too_large(state, "the response is", state->max_response, state->max_response_setting);
		return 0;
	}

	if (transfer->spool < 0 && needed > IG_SPOOL_THRESHOLD && !start_spool(state))
	{
		ig_http_fail_locally(state, "could not write the answer to a temporary file");
		return 0;
	}
	if (transfer->spool >= 0)
	{
		if (!write_spool(state, data, length))
		{
			ig_http_fail_locally(state, "could not write the answer to a temporary file");
			return 0;
		}
	}
	else
	{
		if (transfer->body == NULL || needed + 1 > state->capacity)
		{
			size_t		capacity = Max(needed, Min(state->capacity * 2, IG_SPOOL_THRESHOLD)) + 1;
			char	   *body = realloc(transfer->body, capacity);

			if (body == NULL)
			{
				ig_http_fail_locally(state, "out of memory");
				return 0;
			}
			transfer->body = body;
			state->capacity = capacity;
		}
		memcpy(transfer->body + transfer->body_length, data, length);
	}
	transfer->body_length = needed;
	transfer->bytes_received += length;
	return length;
}

/* Copy a header's value if this line is that header. */
static void
copy_header(const char *line, size_t length, const char *name, char *value, size_t size)
{
	size_t		name_length = strlen(name);

	if (length <= name_length || pg_strncasecmp(line, name, name_length) != 0 ||
		line[name_length] != ':')
		return;
	line += name_length + 1;
	length -= name_length + 1;
	while (length > 0 && (*line == ' ' || *line == '\t'))
		line++, length--;
	while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == '\n' || line[length - 1] == ' '))
		length--;
	length = Min(length, size - 1);
	memcpy(value, line, length);
	value[length] = '\0';
}

/* CURLOPT_HEADERFUNCTION. */
static size_t
read_header(char *line, size_t size, size_t count, void *arg)
{
	IgTransferState *state = arg;
	size_t		length = size * count;
	char		encoding[16] = "";

	state->header_bytes += length;
	if (state->header_bytes > (int64) ig_max_header_size * 1024)
	{
		fail_as_too_large(state, "the response's headers are", (int64) ig_max_header_size * 1024, "max_header_size");
		return 0;
	}
	copy_header(line, length, "Content-Encoding", encoding, sizeof(encoding));
	if (encoding[0] && pg_strcasecmp(encoding, "identity") != 0)
	{
		state->failure = "the answer is compressed, which was not asked for";
		return 0;
	}
	copy_header(line, length, "Retry-After",
				state->transfer.retry_after, sizeof(state->transfer.retry_after));
	copy_header(line, length, "Content-Type",
				state->transfer.content_type, sizeof(state->transfer.content_type));
	copy_header(line, length, "Date",
				state->transfer.date, sizeof(state->transfer.date));
	return length;
}

/* What libcurl calls for this transfer, and with what. */
void
ig_http_set_callbacks(IgTransferState *state)
{
	CURL	   *easy = state->handle->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, state);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->curl_error);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, state);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, read_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
	if (state->handle->has_body)
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, state->at_once ? state->handle->buffer : NULL);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
	curl_easy_setopt(easy, CURLOPT_READDATA, state);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, refuse_rewind);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, state);
#ifdef IG_CURL_ASKS_SINCE
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, state->at_once ? before_sending : NULL);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, state);
#endif
}
