/*-------------------------------------------------------------------------
 *
 * easy_pool.c
 *	  libcurl's easy handles, with the options that follow from a request.
 *
 * Creating a handle costs more than setting its options.  So a free list keeps handles
 * for later requests.  curl_easy_reset() clears the options of the last request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "compat.h"
#include "guc.h"
#include "http/easy_pool.h"

/* The least speed at which bodies are expected to move, in bytes a ms. */
#define LEAST_SPEED			32

/* How long connections are kept open for later, in seconds. */
#define KEPT_SECONDS		55

/* Handles in the free list: at most, and while nothing is in flight. */
#define KEPT_HANDLES		256
#define KEPT_AT_REST		4

/*
 * libcurl's buffer for a body: a small one has a small one.  To free one beyond 64 kB
 * is dear, because malloc then puts together all that is free; only for a large body
 * is it worth that, and its memory while few are under way.
 */
#define SMALL_BUFFER		(16 * 1024)
#define USUAL_BUFFER		(64 * 1024)
#define LARGE_BUFFER		(256 * 1024)
#define LARGE_BODY			(1024 * 1024)
#define FEW_HANDLES			64

/*
 * A folder without certificates.  libcurl adds its folder of certificates to those of
 * CURLOPT_CAINFO, and some versions take NULL for this folder.
 */
#define NO_CA_FOLDER		"/dev/null"

#if LIBCURL_VERSION_NUM < 0x075500
#define IG_SET_PROTOCOLS(easy) \
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS))
#else
#define IG_SET_PROTOCOLS(easy) \
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")
#endif

static IgEasy *free_list[KEPT_HANDLES];
static int	nfree = 0;
static int	ntaken = 0;

/* Whether a body, if only an empty one, goes with it. */
static bool
has_body(const IgHttpRequest *request)
{
	return request->content_type != NULL || strcmp(request->method, "POST") == 0;
}

/* Whether libcurl is to take a connection of its own, as it does not repeat a request there. */
static bool
needs_connection(const IgHttpRequest *request)
{
	return !request->repeatable && (request->content_type == NULL || request->body_size == 0);
}

/* Overwrite and free the headers, which may contain the bearer. */
static void
free_headers(IgEasy *handle)
{
	for (struct curl_slist *header = handle->headers; header != NULL; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(handle->headers);
	handle->headers = NULL;
}

/* Free a handle. */
static void
free_easy(IgEasy *handle)
{
	curl_easy_cleanup(handle->easy);
	free_headers(handle);
	free(handle->buffer);
	free(handle);
}

/* Free a handle, or NULL, and report that memory is short. */
pg_noreturn static void
out_of_memory(IgEasy *handle)
{
	if (handle != NULL)
		free_easy(handle);
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

/* Add a header line. */
static void
add_header(IgEasy *handle, const char *name, const char *value)
{
	char	   *line = psprintf("%s: %s", name, value);
	struct curl_slist *headers = curl_slist_append(handle->headers, line);

	/* The line may hold the bearer. */
	explicit_bzero(line, strlen(line));
	pfree(line);
	if (headers == NULL)
		out_of_memory(handle);
	handle->headers = headers;
}

/* The headers of the request. */
static void
set_headers(IgEasy *handle, const IgHttpRequest *request)
{
	add_header(handle, "Accept", request->accept);
	add_header(handle, "Accept-Encoding", "identity");
	if (request->bearer)
	{
		char	   *value = psprintf("Bearer %s", request->bearer);

		add_header(handle, "Authorization", value);
		explicit_bzero(value, strlen(value));
		pfree(value);
	}
	if (request->content_type)
		add_header(handle, "Content-Type", request->content_type);
	/* No waiting for "100 Continue" before a body. */
	add_header(handle, "Expect", "");
	curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, handle->headers);
}

/* How large libcurl's buffer for the body is to be. */
static long
buffer_size(const IgHttpRequest *request)
{
	if (request->body_size <= IG_SMALL_BODY)
		return SMALL_BUFFER;
	return request->body_size >= LARGE_BODY && ntaken < FEW_HANDLES ? LARGE_BUFFER : USUAL_BUFFER;
}

/* How long the transfer may take at the most, in ms. */
static long
transfer_timeout(const IgHttpRequest *request)
{
	int64		timeout = request->timeout;

	timeout += request->body_size / LEAST_SPEED;
	if (request->max_response > IG_SPOOL_THRESHOLD)
		timeout += request->max_response / LEAST_SPEED;
	return (long) Min(timeout, INT_MAX);
}

/* Set the options of a handle that has none. */
static void
set_options(IgEasy *handle, const IgHttpRequest *request)
{
	CURL	   *easy = handle->easy;

	set_headers(handle, request);
	IG_SET_PROTOCOLS(easy);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ignisign-postgresql/1.0");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long) KEPT_SECONDS);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (request->ca_file)
	{
		curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NO_CA_FOLDER);
	}
	curl_easy_setopt(easy, CURLOPT_URL, request->url);

	/* With TLS, the first connection tells whether it takes more than one call at a time. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, pg_strncasecmp(request->url, "https:", 6) == 0 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer_timeout(request));

	/* The transfer's time grows with its size.  A transfer that trickles does not get all of that. */
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long) ig_min_speed);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long) (request->timeout + 999) / 1000);
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (handle->has_body)
	{
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_size(request));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) (request->content_type ? request->body_size : 0));
	}
	if (needs_connection(request))
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
}

/* Take a handle from the free list, or create one. */
static IgEasy *
find_easy(void)
{
	IgEasy	   *handle;

	if (nfree > 0)
		return free_list[--nfree];
	handle = calloc(1, sizeof(IgEasy));
	if (handle == NULL || (handle->easy = curl_easy_init()) == NULL)
	{
		free(handle);
		out_of_memory(NULL);
	}
	return handle;
}

/* Take a handle with the options that follow from the request. */
IgEasy *
ig_easy_take(const IgHttpRequest *request)
{
	IgEasy	   *handle = find_easy();

	handle->has_body = has_body(request);
	set_options(handle, request);
	ntaken++;
	return handle;
}

/* Give a handle back. */
void
ig_easy_leave(IgEasy *handle, bool clean)
{
	ntaken--;

	/* libcurl would take the rest of a body that was cut off into the next transfer. */
	if (!clean || nfree == KEPT_HANDLES)
	{
		free_easy(handle);
		return;
	}
	curl_easy_reset(handle->easy);
	free_headers(handle);
	free_list[nfree++] = handle;
}

/* Nothing is in flight: keep a few handles only. */
void
ig_easy_pool_shrink(void)
{
	while (nfree > KEPT_AT_REST)
		free_easy(free_list[--nfree]);
}
