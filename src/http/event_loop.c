/*-------------------------------------------------------------------------
 *
 * event_loop.c
 *	  The sockets that libcurl waits for, as one descriptor to wait for.
 *
 * libcurl's multi interface tells which sockets it waits for.  They are kept in
 * an epoll set of our own, whose descriptor is readable when any of them is ready.
 *
 * At the end of a transfer libcurl no longer waits for its socket, and at the
 * beginning of the next one, a moment later, it does again.  So what it wants is only
 * noted, and the set is changed just before it is waited for, by what is different
 * then: mostly nothing.
 *
 * The kernel forgets a socket that is closed, and its number is given to another one.
 * Of those that were opened by our callback we are told that, too; of others, such as
 * those by which a resolver's thread wakes libcurl, we are not, and these are changed at
 * once.
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

/* What is known of a descriptor. */
typedef struct IgSocket
{
	uint32		wanted;			/* events that libcurl waits for */
	uint32		watched;		/* those of the epoll set */
	bool		ours;			/* we are told when it is closed */
	bool		changed;		/* it is in the list */
} IgSocket;

static CURLM *multi = NULL;
static int	epoll_fd = -1;
static TimestampTz deadline = 0;	/* 0: none */
static IgSocket *sockets = NULL;	/* by descriptor; malloc'd */
static int	nsockets = 0;
static int *changed = NULL;		/* descriptors, each once; as many fit as there are sockets */
static int	nchanged = 0;

/* What is known of a descriptor; NULL: out of memory. */
static IgSocket *
find_socket(int fd)
{
	if (fd >= nsockets)
	{
		int			slots = Max(fd + 1, Max(64, 2 * nsockets));
		int		   *list = realloc(changed, slots * sizeof(int));
		IgSocket   *all;

		if (list == NULL)
			return NULL;
		changed = list;
		all = realloc(sockets, slots * sizeof(IgSocket));
		if (all == NULL)
			return NULL;
		memset(all + nsockets, 0, (slots - nsockets) * sizeof(IgSocket));
		sockets = all;
		nsockets = slots;
	}
	return &sockets[fd];
}

/* Have the epoll set be as is wanted; false: it cannot be. */
static bool
watch(int fd)
{
	IgSocket   *sock = &sockets[fd];
	struct epoll_event event;
	bool		added = sock->watched == 0;

	if (sock->wanted == sock->watched)
		return true;
	sock->watched = sock->wanted;
	if (sock->wanted == 0)
	{
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return true;
	}
	memset(&event, 0, sizeof(event));
	event.data.fd = fd;
	event.events = sock->wanted;
	return epoll_ctl(epoll_fd, added ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) == 0;
}

/* CURLMOPT_SOCKETFUNCTION: note what libcurl waits for. */
static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	IgSocket   *sock = find_socket(fd);

	if (sock == NULL)
		return -1;
	sock->wanted = 0;
	if (what != CURL_POLL_REMOVE)
	{
		if (what & CURL_POLL_IN)
			sock->wanted |= EPOLLIN;
		if (what & CURL_POLL_OUT)
			sock->wanted |= EPOLLOUT;
	}
	if (!sock->ours)
		return watch(fd) ? 0 : -1;
	if (!sock->changed)
	{
		sock->changed = true;
		changed[nchanged++] = fd;
	}
	return 0;
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

/* A socket was opened for libcurl. */
bool
ig_sockets_opened(int fd)
{
	IgSocket   *sock = find_socket(fd);

	if (sock != NULL)
		sock->ours = true;
	return sock != NULL;
}

/* It is about to be closed; it stays in the list, where nothing is to be done for it. */
void
ig_sockets_closed(int fd)
{
	IgSocket   *sock = &sockets[fd];

	sock->wanted = sock->watched = 0;
	sock->ours = false;
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

/* Have the epoll set tell of what libcurl waits for now. */
void
ig_sockets_watch(void)
{
	while (nchanged > 0)
	{
		int			fd = changed[--nchanged];

		sockets[fd].changed = false;
		if (!watch(fd))
			ereport(ERROR,
					(errcode_for_socket_access(),
					 errmsg("epoll_ctl failed: %m")));
	}
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
