/*-------------------------------------------------------------------------
 *
 * base_url_fuzz.c
 *	  Fuzz target: the option base_url.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <strings.h>

#include "util/url.h"

/* Whether a name or address cannot lead to another machine. */
static bool
stays_here(const char *url)
{
	CURLU	   *parsed = curl_url();
	char	   *host = NULL;
	struct in_addr address;
	bool		here;

	claim(parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK);
	claim(curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK);
	here = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		(inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
	curl_free(host);
	curl_url_cleanup(parsed);
	return here;
}

/* Look at one URL. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *url = copy_string(data, size);
	bool		is_http;
	bool		is_http_too;

	if (ig_url_problem(url, false, &is_http) == NULL)
	{
		claim(strncasecmp(url, is_http ? "http:" : "https:", is_http ? 5 : 6) == 0);
		claim(!is_http || stays_here(url));
		claim(strpbrk(url, "?#\r\n") == NULL);
		claim(ig_url_problem(url, true, &is_http_too) == NULL && is_http == is_http_too);
	}
	free(url);
	return 0;
}
