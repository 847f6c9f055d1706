/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP transfers that run side by side in one process's event loop.
 *
 * libcurl's sockets are behind one descriptor (event_loop.c), which stands in the
 * server's WaitEventSet beside the latch and the postmaster, because sockets
 * cannot be taken out of a WaitEventSet again.  So there is one place to wait in,
 * and its cost does not grow with the number of transfers.
 *
 * What is called from within libcurl must not raise errors, which would jump
 * across its frames: responses are kept in malloc'd memory or in a temporary
 * file, and a failure becomes the transfer's.
 *
 * A small body that is at hand goes to libcurl as a whole, which then sends it along
 * with the headers; another one is read as the network takes it.
 *
 * A request that must not be sent twice is never repeated by libcurl either,
 * which would do so when a connection that it used again cycles out to be
 * dead: its body cannot be rewound, or if it was sent as a whole, libcurl, which asks
 * before each beginning, is not let begin again; and without a body it goes
 * over a connection of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "http/easy_pool.h"
#include "http/event_loop.h"
#include "http/http.h"
#include "util/wait_event.h"

/* Descriptors of ours that are not transfers'. */
#define OTHER_DESCRIPTORS	8

/* Error bodies are cut to this. */
#define MAX_ERROR_BODY		(64 * 1024)

/* libcurl asks before it sends, since this version. */
#if LIBCURL_VERSION_NUM >= 0x075000
#define IG_CURL_ASKS_SINCE	0x075000
#endif

typedef struct IgTransferState
{
	IgTransfer	transfer;
	dlist_node	node;			/* in finished */
	IgEasy	   *handle;
	char		curl_error[CURL_ERROR_SIZE];
	IgHttpRead	read;
	void	   *read_arg;
	int64		body_size;
	int64		body_read;		/* handed over to libcurl */
	size_t		read_ahead;		/* bytes in the handle's buffer */
	size_t		read_ahead_used;	/* of these were handed over */
	bool		at_once;		/* the body goes to libcurl as a whole */
	bool		begun;			/* libcurl was let send it */
	bool		paused;
	bool		whole;			/* request and response went through to their end */
	bool		loopback_only;
	int64		max_response;
	const char *max_response_setting;
	int64		header_bytes;
	size_t		capacity;		/* of transfer.body */
	const char *failure;		/* why we cut it short */
	char		failure_text[96];	/* room for that */
} IgTransferState;

static CURLM *multi = NULL;
static WaitEventSet *wait_set = NULL;
static int	transfers_under_way = 0;
static bool can_ask = false;	/* libcurl asks before it sends */
static dlist_head finished = DLIST_STATIC_INIT(finished);

/* ---- Called by libcurl ---- */

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
static void
fail_locally(IgTransferState *state, const char *why)
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
		fail_locally(state, "the host of an http:// URL is not this machine");
		return CURL_SOCKET_BAD;
	}
	if (!may_begin(state))
		return CURL_SOCKET_BAD;
	if (!AcquireExternalFD())
	{
		fail_locally(state, "too many open files");
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
		fail_locally(state, "could not write the answer to a temporary file");
		return 0;
	}
	if (transfer->spool >= 0)
	{
		if (!write_spool(state, data, length))
		{
			fail_locally(state, "could not write the answer to a temporary file");
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
				fail_locally(state, "out of memory");
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

/* ---- Called by the worker ---- */

/* How many transfers the descriptors suffice for; fd.c gives away a third of its own. */
static int
most_transfers(void)
{
	return Max(max_safe_fds / 3 - OTHER_DESCRIPTORS, 1);
}

/* How many transfers may be under way. */
int
ig_http_max_transfers(void)
{
	return Min(ig_max_in_flight, most_transfers());
}

/* Set up libcurl and the place to wait in; once a process. */
void
ig_http_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(multi = curl_multi_init()) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not initialize libcurl")));

	/* Beyond that, a kept one is closed for each new one. */
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) most_transfers());
	curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) most_transfers());

	/* The library may be older than its header. */
#ifdef IG_CURL_ASKS_SINCE
	can_ask = curl_version_info(CURLVERSION_NOW)->version_num >= IG_CURL_ASKS_SINCE;
#endif

	wait_set = CreateProcessWaitEventSet(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, ig_sockets_init(multi), NULL, NULL);
}

/* Read a small body ahead; what is not at hand yet is left to be read in its time. */
static void
read_ahead(IgTransferState *state)
{
	IgEasy	   *handle = state->handle;
	size_t		length = 0;

	if (handle->buffer == NULL && (handle->buffer = malloc(IG_SMALL_BODY)) == NULL)
		return;
	do
	{
		state->read_ahead += length;
		length = state->read(state->read_arg, handle->buffer + state->read_ahead,
							 state->body_size - state->read_ahead);
	} while (length > 0);
	state->at_once = state->read_ahead == (size_t) state->body_size;
}

/* What libcurl calls for this transfer, and with what. */
static void
set_callbacks(IgTransferState *state)
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

/* Start a transfer. */
IgTransfer *
ig_http_start(const IgHttpRequest *request, void *user)
{
	IgEasy	   *handle = ig_easy_take(request);
	IgTransferState *state = calloc(1, sizeof(IgTransferState));

	if (state == NULL)
	{
		ig_easy_leave(handle, false);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	state->handle = handle;
	state->read = request->read;
	state->read_arg = request->read_arg;
	state->body_size = request->content_type ? request->body_size : 0;
	state->loopback_only = request->loopback_only;
	state->max_response = request->max_response;
	state->max_response_setting = request->max_response_setting;
	state->transfer.user = user;
	state->transfer.spool = -1;
	state->transfer.started_at = GetCurrentTimestamp();
	state->transfer.state = state;
	if (can_ask && state->body_size > 0 && state->body_size <= IG_SMALL_BODY)
		read_ahead(state);
	set_callbacks(state);

	if (curl_multi_add_handle(multi, handle->easy) != CURLM_OK)
	{
		ig_http_release(&state->transfer);
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not start an HTTP transfer")));
	}
	transfers_under_way++;
	return &state->transfer;
}

/* Let a paused transfer ask its reader again. */
void
ig_http_resume(IgTransfer *transfer)
{
	IgTransferState *state = transfer->state;

	if (!state->paused)
		return;
	state->paused = false;
	sigprocmask(SIG_SETMASK, &BlockSig, NULL);
	curl_easy_pause(state->handle->easy, CURLPAUSE_CONT);
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
}

/* Break off a transfer. */
void
ig_http_break_off(IgTransfer *transfer, const char *why)
{
	IgTransferState *state = transfer->state;

	strlcpy(state->failure_text, why, sizeof(state->failure_text));
	fail_locally(state, state->failure_text);
	ig_http_resume(transfer);
}

/* Judge how far a transfer came. */
static IgReach
decide_reach(IgTransferState *state, CURLcode result)
{
	IgTransfer *transfer = &state->transfer;
	long		request_bytes = 0;

	if (result == CURLE_OK)
		return IG_REACH_RESPONDED;
	transfer->cut = transfer->http_status != 0;

	/* A refusal is one even if its text is cut off. */
	if (transfer->http_status >= 300)
		return IG_REACH_RESPONDED;
	if (transfer->http_status >= 200)
		return IG_REACH_BAD_RESPONSE;

	/* Without all of its body, no server can have acted on a request. */
	curl_easy_getinfo(state->handle->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	if (request_bytes == 0 || state->body_read < state->body_size)
		return IG_REACH_NOT_SENT;
	return IG_REACH_NO_RESPONSE;
}

/* Take note of the transfers that libcurl is done with. */
static void
collect_finished(void)
{
	CURLMsg    *message;
	int			left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		IgTransferState *state;
		IgTransfer *transfer;
		CURLcode	result = message->data.result;
		CURL	   *easy = message->easy_handle;
		long		status = 0;
		curl_off_t	value = 0;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &state);
		transfer = &state->transfer;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		transfer->http_status = (int) status;
		curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &value);
		transfer->duration = value;
		curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &value);
		transfer->bytes_sent = value;
		transfer->reach = decide_reach(state, result);
		state->whole = result == CURLE_OK && state->body_read >= state->body_size;
		if (result != CURLE_OK)
			strlcpy(transfer->error,
					state->failure ? state->failure :
					state->curl_error[0] ? state->curl_error : curl_easy_strerror(result),
					sizeof(transfer->error));
		curl_multi_remove_handle(multi, easy);
		transfers_under_way--;
		dlist_push_tail(&finished, &state->node);
	}
}

/* When libcurl is to be called at the latest, or 0. */
TimestampTz
ig_http_deadline(void)
{
	return ig_sockets_deadline();
}

/* Have what was started go out. */
void
ig_http_push(void)
{
	ig_sockets_work_on_time();
	collect_finished();
}

/* Wait for the latch, the sockets or the time, then work on the sockets. */
bool
ig_http_wait(long timeout)
{
	WaitEvent	events[3];
	bool		ready = false;
	bool		latch_set = false;
	int			n;

	/* Mostly it goes out over sockets that are there. */
	ig_http_push();

	if (!dlist_is_empty(&finished))
		timeout = 0;
	if (ig_sockets_deadline() != 0)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), ig_sockets_deadline());

		if (timeout < 0 || left < timeout)
			timeout = left;
	}

	if (transfers_under_way == 0 && timeout != 0)
		ig_easy_pool_shrink();
	n = WaitEventSetWait(wait_set, timeout, events, lengthof(events),
						 ig_wait_event(transfers_under_way > 0 ? IG_WAIT_HTTP : IG_WAIT_WORKER));
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			latch_set = true;
		}
		if (events[i].events & WL_SOCKET_READABLE)
			ready = true;
	}
	CHECK_FOR_INTERRUPTS();
	if (ready)
		ig_sockets_work();
	ig_http_push();
	return latch_set;
}

/* The next transfer that has finished, or NULL. */
IgTransfer *
ig_http_next_finished(void)
{
	if (dlist_is_empty(&finished))
		return NULL;
	return &dlist_container(IgTransferState, node, dlist_pop_head_node(&finished))->transfer;
}

/* Read some bytes of the response. */
void
ig_http_read(IgTransfer *transfer, char *buffer, int64 offset, int64 length)
{
	if (transfer->spool >= 0)
	{
		if (FileRead(transfer->spool, buffer, length, offset, ig_wait_event(IG_WAIT_RESPONSE_FILE)) != length)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read an answer from its temporary file: %m")));
	}
	else if (length > 0)
		memcpy(buffer, transfer->body + offset, length);
}

/* The whole response in the current memory context, NUL-terminated. */
char *
ig_http_body(IgTransfer *transfer)
{
	char	   *body = MemoryContextAllocHuge(CurrentMemoryContext, transfer->body_length + 1);

	ig_http_read(transfer, body, 0, transfer->body_length);
	body[transfer->body_length] = '\0';
	return body;
}

/* The beginning of the response. */
int
ig_http_head(IgTransfer *transfer, char *buffer, int size)
{
	int			length = (int) Min(transfer->body_length, size);

	ig_http_read(transfer, buffer, 0, length);
	return length;
}

/* Forget a transfer. */
void
ig_http_release(IgTransfer *transfer)
{
	IgTransferState *state = transfer->state;

	ig_easy_leave(state->handle, state->whole);
	if (transfer->spool >= 0)
		FileClose(transfer->spool);
	free(transfer->body);
	free(state);
}
