/*-------------------------------------------------------------------------
 *
 * easy_pool.c
 *	  libcurl's handles, set up for requests.
 *
 * To make a handle costs more than to set its options, and that more than what
 * differs from one call to the next: mostly the URL, and the size of the body.  So
 * handles are kept as they were set up, and used again for requests that are alike.
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

/* Handles that are kept for later: while something is under way, and at rest. */
#define KEPT_HANDLES		256
#define KEPT_AT_REST		4

/* Of these so many are looked at for one that is set up alike. */
#define LOOK_AT				8

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

static IgHandle *kept[KEPT_HANDLES];	/* not in use */
static int	nkept = 0;
static int	ntaken = 0;

/* Whether two texts, or NULL, are the same. */
static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

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

/* Whether what a handle is set up for differs from the request in URL and size at most. */
static bool
is_alike(const IgHandle *handle, const IgHttpRequest *request)
{
	const IgHttpRequest *other = &handle->request;

	return same_text(other->method, request->method) && same_text(other->bearer, request->bearer) &&
		same_text(other->accept, request->accept) && same_text(other->content_type, request->content_type) &&
		same_text(other->ca_file, request->ca_file) &&
		other->connect_timeout == request->connect_timeout &&
		handle->small == (request->body_size <= IG_SMALL_BODY) &&
		needs_connection(other) == needs_connection(request);
}

/* Overwrite and free a text, or NULL. */
static void
free_text(const char *text)
{
	if (text != NULL)
		explicit_bzero(unconstify(char *, text), strlen(text));
	free(unconstify(char *, text));
}

/* Forget what a handle was set up for. */
static void
forget_setup(IgHandle *handle)
{
	IgHttpRequest *request = &handle->request;

	free_text(request->method);
	free_text(request->url);
	free_text(request->bearer);
	free_text(request->accept);
	free_text(request->content_type);
	free_text(request->ca_file);
	memset(request, 0, sizeof(IgHttpRequest));
	curl_slist_free_all(handle->headers);
	handle->headers = NULL;
}

/* Forget a handle. */
static void
free_handle(IgHandle *handle)
{
	curl_easy_cleanup(handle->easy);
	forget_setup(handle);
	free(handle->buffer);
	free(handle);
}

/* Memory is short: the handle is of no use. */
pg_noreturn static void
out_of_memory(IgHandle *handle)
{
	if (handle != NULL)
		free_handle(handle);
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

/* A copy of a text, or NULL. */
static const char *
copy_text(IgHandle *handle, const char *text)
{
	char	   *copy = text ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		out_of_memory(handle);
	return copy;
}

/* Add a header line. */
static void
add_header(IgHandle *handle, const char *name, const char *value)
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
set_headers(IgHandle *handle, const IgHttpRequest *request)
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

/* Set up a handle that has no option set. */
static void
set_up(IgHandle *handle, const IgHttpRequest *request)
{
	CURL	   *easy = handle->easy;

	handle->request.repeatable = request->repeatable;
	handle->request.body_size = request->body_size;
	handle->request.connect_timeout = request->connect_timeout;
	handle->request.method = copy_text(handle, request->method);
	handle->request.bearer = copy_text(handle, request->bearer);
	handle->request.accept = copy_text(handle, request->accept);
	handle->request.content_type = copy_text(handle, request->content_type);
	handle->request.ca_file = copy_text(handle, request->ca_file);
	handle->has_body = has_body(request);
	handle->small = request->body_size <= IG_SMALL_BODY;

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
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) request->connect_timeout);
	if (strcmp(request->method, "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (handle->has_body)
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
	if (needs_connection(request))
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
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

/* A handle for the request, set up for it, for one that is alike, or not at all. */
static IgHandle *
find_handle(const IgHttpRequest *request)
{
	IgHandle   *handle;

	for (int i = nkept - 1; i >= Max(nkept - LOOK_AT, 0); i--)
	{
		if (is_alike(kept[i], request))
		{
			handle = kept[i];
			kept[i] = kept[--nkept];
			return handle;
		}
	}
	if (nkept > 0)
	{
		handle = kept[--nkept];
		curl_easy_reset(handle->easy);
		forget_setup(handle);
		return handle;
	}
	handle = calloc(1, sizeof(IgHandle));
	if (handle == NULL || (handle->easy = curl_easy_init()) == NULL)
	{
		free(handle);
		out_of_memory(NULL);
	}
	return handle;
}

/* A handle that is set up for the request. */
IgHandle *
ig_handle_take(const IgHttpRequest *request)
{
	IgHandle   *handle = find_handle(request);
	CURL	   *easy = handle->easy;

	if (handle->request.method == NULL)
		set_up(handle, request);
	if (!same_text(handle->request.url, request->url))
	{
		free_text(handle->request.url);
		handle->request.url = NULL;
		handle->request.url = copy_text(handle, request->url);
		curl_easy_setopt(easy, CURLOPT_URL, request->url);

		/* With TLS, the first connection tells whether it takes more than one call at a time. */
		curl_easy_setopt(easy, CURLOPT_PIPEWAIT, pg_strncasecmp(request->url, "https:", 6) == 0 ? 1L : 0L);
	}
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer_timeout(request));

	/* One that trickles is not let have all the time that its size may take. */
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long) ig_min_speed);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long) (request->timeout + 999) / 1000);
	if (handle->has_body)
	{
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, buffer_size(request));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) (request->content_type ? request->body_size : 0));
	}
	ntaken++;
	return handle;
}

/* A handle is no longer needed. */
void
ig_handle_leave(IgHandle *handle, bool clean)
{
	ntaken--;

	/* One that was cut off would take its body back in the transfer after this one. */
	if (!clean || nkept == KEPT_HANDLES)
		free_handle(handle);
	else
		kept[nkept++] = handle;
}

/* Keep only a few. */
void
ig_handles_rest(void)
{
	while (nkept > KEPT_AT_REST)
		free_handle(kept[--nkept]);
}
