/*-------------------------------------------------------------------------
 *
 * raw.c
 *	  The reference: libcurl and nothing else, making the same calls to the
 *	  same server with the same concurrency.
 *
 *	raw sign COUNT IN_FLIGHT BYTES URL	POST a one-call-sign with such a document
 *	raw get COUNT IN_FLIGHT URL			GET the URL
 *	raw epoll-sign ..., epoll-get ...	the same, with libcurl's sockets in an epoll set
 *
 * It waits in curl_multi_poll(), or as the extension does, in an epoll set that
 * libcurl's callbacks change.
 *
 * Prints the seconds that it took.  Handles and connections are used again, and
 * the body is one buffer: nothing that a client of the API could do faster.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "raw: %s\n", what);
	exit(1);
}

/* What the extension sends for a document of so many bytes. */
static char *
make_body(size_t bytes)
{
	static const char head[] =
		"{\"title\":\"raw\",\"signatureMethod\":\"SIMPLE_STD\",\"signers\":[{\"email\":\"ann@example.com\","
		"\"firstName\":\"Ann\",\"lastName\":\"Lee\"}],\"documents\":[{\"originalName\":\"a.pdf\","
		"\"mimeType\":\"application/pdf\",\"base64\":\"";
	static const char tail[] = "\"}]}";
	size_t		encoded = (bytes + 2) / 3 * 4;
	char	   *body = malloc(sizeof(head) + encoded + sizeof(tail));

	if (body == NULL)
		fail("out of memory");
	memcpy(body, head, sizeof(head) - 1);
	memset(body + sizeof(head) - 1, 'A', encoded);
	memcpy(body + sizeof(head) - 1 + encoded, tail, sizeof(tail));
	return body;
}

/* CURLOPT_WRITEFUNCTION: the answer is not wanted. */
static size_t
discard(char *data, size_t size, size_t count, void *arg)
{
	(void) data, (void) arg;
	return size * count;
}

static int	epoll_fd = -1;
static long wait_ms = -1;		/* at most, says libcurl */

/* CURLMOPT_SOCKETFUNCTION */
static int
watch(CURL *easy, curl_socket_t fd, int what, void *multi, void *known)
{
	struct epoll_event event = {.data.fd = fd};

	(void) easy;
	if (what == CURL_POLL_REMOVE)
		return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL), 0;
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll_ctl");
	curl_multi_assign(multi, fd, &epoll_fd);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int
note_timer(CURLM *multi, long timeout, void *arg)
{
	(void) multi, (void) arg;
	wait_ms = timeout;
	return 0;
}

/* Wait in the epoll set, and let libcurl work on what is ready. */
static void
work_by_epoll(CURLM *multi)
{
	struct epoll_event events[256];
	int			running;
	int			n = epoll_wait(epoll_fd, events, 256, (int) (wait_ms < 0 || wait_ms > 1000 ? 1000 : wait_ms));

	for (int i = 0; i < n; i++)
		curl_multi_socket_action(multi, events[i].data.fd,
								 (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
								 (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
								 (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0), &running);
	if (n == 0 || wait_ms == 0)
	{
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);

		/* Of a timer that it has told of it does not tell again. */
		curl_multi_timeout(multi, &wait_ms);
	}
}

int
main(int argc, char **argv)
{
	int			by_epoll = argc > 1 && strncmp(argv[1], "epoll-", 6) == 0;
	const char *mode = argc > 1 ? argv[1] + (by_epoll ? 6 : 0) : "";
	int			sign = argc == 6 && strcmp(mode, "sign") == 0;
	long		count;
	long		in_flight;
	long		started = 0;
	long		done = 0;
	char	   *body = NULL;
	struct curl_slist *headers = NULL;
	CURLM	   *multi;
	double		began;

	if (!sign && !(argc == 5 && strcmp(mode, "get") == 0))
		fail("usage: raw [epoll-]sign COUNT IN_FLIGHT BYTES URL | raw [epoll-]get COUNT IN_FLIGHT URL");
	count = atol(argv[2]);
	in_flight = atol(argv[3]);
	if (sign)
		body = make_body((size_t) atoll(argv[4]));
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	headers = curl_slist_append(headers, "Accept: application/json");
	headers = curl_slist_append(headers, "Authorization: Bearer skv2_development_5a4db0c5-0000-4000-8000-000000000001_x");
	headers = curl_slist_append(headers, "Content-Type: application/json");
	headers = curl_slist_append(headers, "Expect:");
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, in_flight);
	if (by_epoll)
	{
		epoll_fd = epoll_create1(0);
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch);
		curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, multi);
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, note_timer);
	}

	began = now();
	for (; started < in_flight && started < count; started++)
	{
		CURL	   *easy = curl_easy_init();

		curl_easy_setopt(easy, CURLOPT_URL, argv[argc - 1]);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
		if (sign)
		{
			curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
			curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(body));
		}
		curl_multi_add_handle(multi, easy);
	}
	while (done < count)
	{
		int			running;
		int			left;
		CURLMsg    *message;

		if (!by_epoll)
			curl_multi_perform(multi, &running);
		while ((message = curl_multi_info_read(multi, &left)) != NULL)
		{
			CURL	   *easy = message->easy_handle;
			long		status = 0;

			if (message->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
			if (message->data.result != CURLE_OK || status != 200)
				fail(curl_easy_strerror(message->data.result));
			done++;
			curl_multi_remove_handle(multi, easy);
			if (started < count)
			{
				curl_multi_add_handle(multi, easy);
				started++;
			}
			else
				curl_easy_cleanup(easy);
		}
		if (done < count && by_epoll)
			work_by_epoll(multi);
		else if (done < count)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.6f\n", now() - began);
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	free(body);
	return 0;
}
