/*-------------------------------------------------------------------------
 *
 * http.c
 *	  HTTP transfers that run side by side in one process's event loop.
 *
 * libcurl's multi interface tells which sockets it waits for.  They are kept
 * in an epoll set of our own, whose descriptor is readable when any of them
 * is ready; that one descriptor stands in the server's WaitEventSet beside
 * the latch and the postmaster, because sockets cannot be taken out of a
 * WaitEventSet again.  So there is one place to wait in, and its cost does
 * not grow with the number of transfers.
 *
 * What is called from within libcurl must not raise errors, which would jump
 * across its frames: answers are kept in malloc'd memory or in a temporary
 * file, and a failure becomes the transfer's.
 *
 * A resolver thread of libcurl must not receive the server's signals, so they
 * are blocked while libcurl runs.
 *
 * A request that must not be sent twice is never repeated by libcurl either,
 * which would do so when a connection that it used again turns out to be
 * dead: its body cannot be rewound, and without a body it goes over a
 * connection of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "http.h"
#include "wait_event.h"

/* An answer that grows beyond this goes to a temporary file. */
#define SPOOL_THRESHOLD		(256 * 1024)

/* The least speed at which bodies are expected to move, in bytes a ms. */
#define LEAST_SPEED			32

/* How long connections are kept open for later, in seconds. */
#define KEPT_SECONDS		55

/* Descriptors of ours that are not transfers'. */
#define OTHER_DESCRIPTORS	8

/* Handles of libcurl that are kept for later: while something is under way, and at rest. */
#define KEPT_HANDLES		256
#define KEPT_AT_REST		4

/*
 * libcurl's buffer for a body: a small one has a small one.  To free one beyond 64 kB
 * is dear, because malloc then puts together all that is free.
 */
#define SMALL_BODY			(32 * 1024)
#define SMALL_BUFFER		(16 * 1024)

/* Error bodies are cut to this. */
#define MAX_ERROR_BODY		(64 * 1024)

#if LIBCURL_VERSION_NUM < 0x075500
#define IG_SET_PROTOCOLS(easy) \
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS))
#else
#define IG_SET_PROTOCOLS(easy) \
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
#endif

typedef struct IgTransferState
{
	IgTransfer	transfer;
	dlist_node	node;			/* in finished */
	CURL	   *easy;
	struct curl_slist *headers;
	char		curl_error[CURL_ERROR_SIZE];
	IgHttpRead	read;
	void	   *read_arg;
	int64		body_size;
	int64		body_read;		/* handed over to libcurl */
	bool		paused;
	bool		whole;			/* request and answer went through to their end */
	bool		loopback_only;
	int64		max_response;
	int64		header_bytes;
	size_t		capacity;		/* of transfer.body */
	const char *failure;		/* why we cut it short */
} IgTransferState;

static CURLM *multi = NULL;
static int	epoll_fd = -1;
static WaitEventSet *wait_set = NULL;
static TimestampTz curl_deadline = 0;	/* 0: none */
static int	transfers_under_way = 0;
static CURL *kept[KEPT_HANDLES];	/* not in use */
static int	nkept = 0;
static dlist_head finished = DLIST_STATIC_INIT(finished);

/* ---- Called by libcurl ---- */

/* CURLMOPT_SOCKETFUNCTION: keep the epoll set true. */
static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct epoll_event event;
	static char known;

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}

	memset(&event, 0, sizeof(event));
	event.data.fd = fd;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(epoll_fd, socket_arg ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
		return -1;
	if (socket_arg == NULL)
		curl_multi_assign(multi, fd, &known);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION: when to call libcurl even if nothing happens. */
static int
timer_changed(CURLM *m, long timeout, void *arg)
{
	curl_deadline = timeout < 0 ? 0 :
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	return 0;
}

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

	if (state->body_read >= state->body_size)
		return 0;
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
						 0, ig_wait_event(IG_WAIT_ANSWER_FILE)) == transfer->body_length;
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
						 state->transfer.body_length, ig_wait_event(IG_WAIT_ANSWER_FILE)) == (int) length;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return done;
}

/* CURLOPT_WRITEFUNCTION: keep the answer's body, within its bound. */
static size_t
write_body(char *data, size_t size, size_t count, void *arg)
{
	IgTransferState *state = arg;
	IgTransfer *transfer = &state->transfer;
	size_t		length = size * count;
	size_t		needed = transfer->body_length + length;
	long		status = 0;

	curl_easy_getinfo(state->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
	{
		/* Of a refusal, the beginning is enough; the rest is read past. */
		if (needed > MAX_ERROR_BODY)
		{
			if (transfer->bytes_received + (int64) length > state->max_response)
			{
				state->failure = "the answer is too large";
				return 0;
			}
			transfer->bytes_received += length;
			return length;
		}
	}
	else if ((int64) needed > state->max_response)
	{
		state->failure = "the answer is larger than allowed";
		return 0;
	}

	if (transfer->spool < 0 && needed > SPOOL_THRESHOLD && !start_spool(state))
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
			size_t		capacity = Max(needed, Min(state->capacity * 2, SPOOL_THRESHOLD)) + 1;
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
		state->failure = "the answer's headers are larger than allowed";
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
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);

	/* Beyond that, a kept one is closed for each new one. */
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) most_transfers());
	curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) most_transfers());

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("epoll_create1 failed: %m")));
	ReserveExternalFD();

	wait_set = CreateProcessWaitEventSet(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, epoll_fd, NULL, NULL);
}

/* A handle without any option set; NULL: out of memory. */
static CURL *
take_handle(void)
{
	if (nkept == 0)
		return curl_easy_init();
	return kept[--nkept];
}

/* A handle is no longer needed. */
static void
leave_handle(CURL *easy)
{
	if (nkept == KEPT_HANDLES)
	{
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	kept[nkept++] = easy;
}

/* Add a header line. */
static void
add_header(IgTransferState *state, const char *name, const char *value)
{
	char	   *line = psprintf("%s: %s", name, value);
	struct curl_slist *headers = curl_slist_append(state->headers, line);

	/* The line may hold the bearer. */
	explicit_bzero(line, strlen(line));
	pfree(line);
	if (headers == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	state->headers = headers;
}

/* How long the transfer may take at the most, in ms. */
static long
transfer_timeout(const IgHttpRequest *request)
{
	int64		timeout = request->timeout;

	timeout += request->body_size / LEAST_SPEED;
	if (request->max_response > SPOOL_THRESHOLD)
		timeout += request->max_response / LEAST_SPEED;
	return (long) Min(timeout, INT_MAX);
}

/* Start a transfer. */
IgTransfer *
ig_http_start(const IgHttpRequest *request, void *user)
{
	IgTransferState *state;
	CURL	   *easy = take_handle();

	state = calloc(1, sizeof(IgTransferState));
	if (state == NULL || easy == NULL)
	{
		free(state);
		if (easy)
			leave_handle(easy);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	state->easy = easy;
	state->read = request->read;
	state->read_arg = request->read_arg;
	state->body_size = request->content_type ? request->body_size : 0;
	state->loopback_only = request->loopback_only;
	state->max_response = request->max_response;
	state->transfer.user = user;
	state->transfer.spool = -1;
	state->transfer.started_at = GetCurrentTimestamp();
	state->transfer.state = state;

	add_header(state, "Accept", request->accept);
	add_header(state, "Accept-Encoding", "identity");
	if (request->bearer)
	{
		char	   *value = psprintf("Bearer %s", request->bearer);

		add_header(state, "Authorization", value);
		explicit_bzero(value, strlen(value));
		pfree(value);
	}
	if (request->content_type)
		add_header(state, "Content-Type", request->content_type);
	/* No waiting for "100 Continue" before a body. */
	add_header(state, "Expect", "");

	curl_easy_setopt(easy, CURLOPT_PRIVATE, state);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	IG_SET_PROTOCOLS(easy);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ignisign-postgresql/1.0");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) KEPT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (request->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer_timeout(request));

	/* One that trickles is not let have all the time that its size may take. */
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long) ig_min_speed);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long) (request->timeout + 999) / 1000);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->curl_error);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, state);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, read_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->content_type || strcmp(request->method, "POST") == 0)
	{
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) state->body_size);
		if (state->body_size <= SMALL_BODY)
			curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long) SMALL_BUFFER);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, state);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, refuse_rewind);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, state);
	}
	if (!request->repeatable && state->body_size == 0)
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);

	if (curl_multi_add_handle(multi, easy) != CURLM_OK)
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
	curl_easy_pause(state->easy, CURLPAUSE_CONT);
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
}

/* Judge how far a transfer came. */
static IgReach
judge_reach(IgTransferState *state, CURLcode result)
{
	IgTransfer *transfer = &state->transfer;
	long		request_bytes = 0;

	if (result == CURLE_OK)
		return IG_REACH_ANSWERED;
	transfer->cut = transfer->http_status != 0;

	/* A refusal is one even if its text is cut off. */
	if (transfer->http_status >= 300)
		return IG_REACH_ANSWERED;
	if (transfer->http_status >= 200)
		return IG_REACH_BAD_ANSWER;

	/* Without all of its body, no server can have acted on a request. */
	curl_easy_getinfo(state->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	if (request_bytes == 0 || state->body_read < state->body_size)
		return IG_REACH_NOT_SENT;
	return IG_REACH_NO_ANSWER;
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
		transfer->reach = judge_reach(state, result);
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

/* Let libcurl work on the sockets that are ready. */
static void
work_on_sockets(bool ready)
{
	struct epoll_event events[256];
	int			running;
	int			n = 0;

	if (ready)
		n = epoll_wait(epoll_fd, events, lengthof(events), 0);
	if (n <= 0 && (curl_deadline == 0 || curl_deadline > GetCurrentTimestamp()))
		return;

	sigprocmask(SIG_SETMASK, &BlockSig, NULL);
	for (int i = 0; i < n; i++)
	{
		int			mask = 0;

		if (events[i].events & (EPOLLIN | EPOLLHUP))
			mask |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			mask |= CURL_CSELECT_OUT;
		if (events[i].events & EPOLLERR)
			mask |= CURL_CSELECT_ERR;
		curl_multi_socket_action(multi, events[i].data.fd, mask, &running);
	}
	if (curl_deadline != 0 && curl_deadline <= GetCurrentTimestamp())
	{
		long		timeout = -1;

		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);

		/*
		 * By its own clock it may have been too early, and libcurl does not
		 * tell again of a timer that it has told of.
		 */
		curl_multi_timeout(multi, &timeout);
		(void) timer_changed(multi, timeout, NULL);
	}
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
	collect_finished();
}

/* When libcurl is to be called at the latest, or 0. */
TimestampTz
ig_http_deadline(void)
{
	return curl_deadline;
}

/* Wait for the latch, the sockets or the time, then work on the sockets. */
bool
ig_http_wait(long timeout)
{
	WaitEvent	events[3];
	bool		ready = false;
	bool		latch_set = false;
	int			n;

	if (!dlist_is_empty(&finished))
		timeout = 0;
	if (curl_deadline != 0)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), curl_deadline);

		if (timeout < 0 || left < timeout)
			timeout = left;
	}

	if (transfers_under_way == 0 && timeout != 0)
	{
		while (nkept > KEPT_AT_REST)
			curl_easy_cleanup(kept[--nkept]);
	}
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
	work_on_sockets(ready);
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

/* Copy the first bytes of an answer. */
static void
copy_body(IgTransfer *transfer, char *buffer, int64 length)
{
	if (transfer->spool >= 0)
	{
		if (FileRead(transfer->spool, buffer, length, 0, ig_wait_event(IG_WAIT_ANSWER_FILE)) != length)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read an answer from its temporary file: %m")));
	}
	else if (length > 0)
		memcpy(buffer, transfer->body, length);
}

/* The whole answer in the current memory context, NUL-terminated. */
char *
ig_http_body(IgTransfer *transfer)
{
	char	   *body = MemoryContextAllocHuge(CurrentMemoryContext, transfer->body_length + 1);

	copy_body(transfer, body, transfer->body_length);
	body[transfer->body_length] = '\0';
	return body;
}

/* The same as bytea: with large answers a copy counts. */
bytea *
ig_http_bytea(IgTransfer *transfer)
{
	bytea	   *body = MemoryContextAllocHuge(CurrentMemoryContext, VARHDRSZ + transfer->body_length);

	SET_VARSIZE(body, VARHDRSZ + transfer->body_length);
	copy_body(transfer, VARDATA(body), transfer->body_length);
	return body;
}

/* The beginning of the answer. */
int
ig_http_head(IgTransfer *transfer, char *buffer, int size)
{
	int			length = (int) Min(transfer->body_length, size);

	copy_body(transfer, buffer, length);
	return length;
}

/* Forget a transfer. */
void
ig_http_release(IgTransfer *transfer)
{
	IgTransferState *state = transfer->state;

	/* One that was cut off would take its body back in the transfer after this one. */
	if (state->whole)
		leave_handle(state->easy);
	else
		curl_easy_cleanup(state->easy);
	curl_slist_free_all(state->headers);
	if (transfer->spool >= 0)
		FileClose(transfer->spool);
	free(transfer->body);
	free(state);
}
