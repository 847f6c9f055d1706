/*-------------------------------------------------------------------------
 *
 * url.c
 *	  Which base URLs of the API are taken, and which are the same.
 *
 * libcurl takes the URL apart, as it will when calls are made; nothing here
 * knows of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#include "util/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Whether a host's name or address is this machine's own. */
static bool
is_loopback_host(const char *host)
{
	struct in_addr address;

	if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* Whether the URL has a part. */
static bool
has_part(CURLU * url, CURLUPart what)
{
	char	   *part = NULL;
	bool		found = curl_url_get(url, what, &part, 0) == CURLUE_OK;

	curl_free(part);
	return found;
}

/* What is wrong with a URL that was taken apart, or NULL. */
static const char *
parts_problem(CURLU * url, const char *scheme, const char *host, bool allow_http)
{
	if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		return "it must start with https://";
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return "it must not have a user name or password";
	if (strcmp(scheme, "http") == 0 && !allow_http && !is_loopback_host(host))
		return "http:// is only for this machine, because the API key would be readable on the network";
	return NULL;
}

/* What is wrong with a base URL. */
const char *
ig_url_problem(const char *url, bool allow_http, bool *is_http)
{
	CURLU	   *parsed = curl_url();
	char	   *scheme = NULL;
	char	   *host = NULL;
	const char *problem = "it is not a URL";

	*is_http = false;
	if (parsed == NULL)
		return "out of memory";
	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
	{
		*is_http = strcmp(scheme, "http") == 0;
		problem = parts_problem(parsed, scheme, host, allow_http);
		/* An empty one is none to libcurl, but would swallow the paths that follow. */
		if (problem == NULL && strpbrk(url, "?#"))
			problem = "it must not have a query or fragment";
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parsed);
	return problem;
}

/* Take what can be left out from host and path. */
static void
shorten(char *host, char *path)
{
	size_t		length = strlen(host);

	for (char *c = host; *c; c++)
		*c = (char) tolower((unsigned char) *c);
	if (length > 1 && host[length - 1] == '.')
		host[length - 1] = '\0';
	length = 0;
	for (const char *c = path; *c; c++)
	{
		if (*c != '/' || (c[1] != '/' && c[1] != '\0'))
			path[length++] = *c;
	}
	path[length] = '\0';
}

/* Write a base URL in its normal form. */
bool
ig_url_normalize(const char *url, char *result, size_t size)
{
	CURLU	   *parsed = curl_url();
	char	   *host = NULL;
	char	   *port = NULL;
	char	   *path = NULL;
	bool		done = false;

	if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(parsed, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK)
	{
		if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
			port = NULL;
		shorten(host, path);
		done = snprintf(result, size, "%s%s%s%s", is_loopback_host(host) ? "localhost" : host,
						port ? ":" : "", port ? port : "", path) < (int) size;
	}
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_url_cleanup(parsed);
	return done;
}
