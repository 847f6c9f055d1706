/*-------------------------------------------------------------------------
 *
 * url.c
 *	  Which base URLs of the API are taken.
 *
 * libcurl takes the URL apart, as it will when calls are made; nothing here
 * knows of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#include "url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
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
has_part(CURLU *url, CURLUPart what)
{
	char	   *part = NULL;
	bool		found = curl_url_get(url, what, &part, 0) == CURLUE_OK;

	curl_free(part);
	return found;
}

/* What is wrong with a URL that was taken apart, or NULL. */
static const char *
parts_problem(CURLU *url, const char *scheme, const char *host, bool allow_http)
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
