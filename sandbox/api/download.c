/*-------------------------------------------------------------------------
 *
 * download.c
 *	  Documents that are given as a URL.
 *
 *-------------------------------------------------------------------------
 */
#include "api/download.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/options.h"

/* libcurl's callback: take what arrived, up to the limit for bodies. */
static size_t
take(char *data, size_t size, size_t count, void *buffer)
{
	if ((int64_t) (((SbBuffer *) buffer)->length + size * count) > sb_options.max_body)
		return 0;
	sb_buffer_add(buffer, data, size * count);
	return size * count;
}

/* Whether a URL is of this machine; nothing else is ever fetched. */
static bool
is_local(const char *url)
{
	CURLU	   *parts = curl_url();
	char	   *host = NULL;
	bool		local;

	local = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		(strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0);
	curl_free(host);
	curl_url_cleanup(parts);
	return local;
}

/* Download a document, to be freed; NULL: it could not be, or is empty. */
uint8_t *
sb_download(const char *url, size_t *size)
{
	SbBuffer	buffer = {0};
	CURL	   *curl;
	CURLcode	result;

	if (sb_options.no_url || !is_local(url))
		return NULL;
	curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &buffer);
	result = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	if (result != CURLE_OK || buffer.length == 0)
	{
		sb_buffer_free(&buffer);
		return NULL;
	}
	*size = buffer.length;
	return (uint8_t *) buffer.data;
}
