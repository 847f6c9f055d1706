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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "http/easy_pool.h"
#include "http/event_loop.h"
#include "http/http_internal.h"
#include "util/wait_event.h"

/* Descriptors of ours that are not transfers'. */
#define OTHER_DESCRIPTORS	8

static CURLM *multi = NULL;
static WaitEventSet *wait_set = NULL;
static int	transfers_under_way = 0;
static bool can_ask = false;	/* libcurl asks before it sends */
static dlist_head finished = DLIST_STATIC_INIT(finished);

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
	ig_http_set_callbacks(state);

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
	ig_http_fail_locally(state, state->failure_text);
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

/* Let libcurl begin and continue what its time has come for. */
static void
push(void)
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
	push();

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
	push();
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
