/*-------------------------------------------------------------------------
 *
 * event_loop.c
 *	  The sockets that libcurl waits for, as one descriptor to wait for.
 *
 * libcurl's multi interface reports which sockets it waits for.  This file keeps them
 * in an epoll set.  The set's descriptor is readable when any of the sockets is ready.
 *
 * The kernel removes a socket from the set when the socket is closed.  Its number may
 * then belong to another socket, and libcurl does not report every socket that it
 * closes.  So the file trusts the kernel alone about what the set contains: it adds a
 * socket, and changes it if it is there already.
 *
 * A resolver's thread must not receive the server's signals, so they are blocked while
 * libcurl runs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>

#include "libpq/pqsignal.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "http/event_loop.h"

static CURLM *multi = NULL;
static int	epoll_fd = -1;
static TimestampTz deadline = 0;	/* 0: none */

/* CURLMOPT_SOCKETFUNCTION: watch a socket for what libcurl waits for now. */
static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct epoll_event event;

	if (what == CURL_POLL_REMOVE)
	{
		/* It fails if the socket is closed already, and then there is nothing to remove. */
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	memset(&event, 0, sizeof(event));
	event.data.fd = fd;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	if (errno == EEXIST && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	return -1;
}

/* CURLMOPT_TIMERFUNCTION: when to call libcurl even if nothing happens. */
static int
timer_changed(CURLM *m, long timeout, void *arg)
{
	deadline = timeout < 0 ? 0 :
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	return 0;
}

/* Take care of the sockets of these transfers. */
int
ig_sockets_init(CURLM *transfers)
{
	multi = transfers;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("epoll_create1 failed: %m")));
	ReserveExternalFD();
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);
	return epoll_fd;
}

/* When libcurl is to be called at the latest, or 0. */
TimestampTz
ig_sockets_deadline(void)
{
	return deadline;
}

/* Let libcurl do what its time has come for. */
void
ig_sockets_work_on_time(void)
{
	long		timeout = -1;
	int			running;

	if (deadline == 0 || deadline > GetCurrentTimestamp())
		return;
	sigprocmask(SIG_SETMASK, &BlockSig, NULL);
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);

	/*
	 * By its own clock it may have been too early, and libcurl does not tell again of a timer that it has
	 * told of.
	 */
	curl_multi_timeout(multi, &timeout);
	(void) timer_changed(multi, timeout, NULL);
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
}

/* Let libcurl work on the sockets that are ready. */
void
ig_sockets_work(void)
{
	struct epoll_event events[256];
	int			running;
	int			n = epoll_wait(epoll_fd, events, lengthof(events), 0);

	if (n <= 0)
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
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
}
