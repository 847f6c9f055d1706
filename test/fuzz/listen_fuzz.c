/*-------------------------------------------------------------------------
 *
 * listen_fuzz.c
 *	  Fuzz target: what the listener reads of a request before its body, and
 *	  the address that it listens on.
 *
 * The input's lines are a method, a path, a content type, a length, an address.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <strings.h>

#include "util/listen_parse.h"

#define MAX_LENGTH 1048576

/* A token is what follows the prefix, all of it. */
static void
check_path(const char *path)
{
	char		token[IG_LISTEN_DIGITS + 1];

	if (!ig_listen_parse_path(path, token))
		return;
	claim(strlen(token) == IG_LISTEN_DIGITS && strspn(token, "0123456789abcdef") == IG_LISTEN_DIGITS);
	claim(strlen(path) == strlen(IG_LISTEN_PREFIX) + IG_LISTEN_DIGITS);
	claim(strcmp(path + strlen(IG_LISTEN_PREFIX), token) == 0);
}

/* What is let through is a POST of JSON, and not known to be too long. */
static void
check_headers(const char *method, const char *type, const char *length)
{
	int			status = ig_listen_check_headers(method, type, length, MAX_LENGTH);

	claim(status == 0 || status == MHD_HTTP_METHOD_NOT_ALLOWED || status == MHD_HTTP_UNSUPPORTED_MEDIA_TYPE ||
		  status == MHD_HTTP_CONTENT_TOO_LARGE);
	if (status == 0)
	{
		claim(strcmp(method, "POST") == 0 && strncasecmp(type, "application/json", 16) == 0);
		claim(strlen(type) == 16 || strspn(type + 16, "; \t") > 0);
	}
	claim(status == ig_listen_check_headers(method, type, NULL, MAX_LENGTH) || status == MHD_HTTP_CONTENT_TOO_LARGE);
	claim(ig_listen_check_headers(method, NULL, length, MAX_LENGTH) != 0);
}

/* An address is of one of two families, and has a port. */
static void
check_address(const char *text)
{
	IgAddress	address;

	if (!ig_listen_parse_address(text, &address))
		return;
	if (address.addr.ss_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) &address.addr;

		claim(address.length == sizeof(*in) && in->sin_port != 0 && text[0] != '[');
		claim(!address.any || in->sin_addr.s_addr == htonl(INADDR_ANY));
	}
	else
	{
		claim(address.addr.ss_family == AF_INET6 && address.length == sizeof(struct sockaddr_in6));
		claim(((const struct sockaddr_in6 *) &address.addr)->sin6_port != 0 && !address.any);
		claim(text[0] == '[' && text[1] != '*');
	}
}

/* Read one request's head, and an address. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *method = take_line(&data, &size);
	char	   *path = take_line(&data, &size);
	char	   *type = take_line(&data, &size);
	char	   *length = take_line(&data, &size);
	char	   *address = copy_string(data, size);

	check_path(path);
	check_headers(method, type, length);
	check_address(address);
	free(method);
	free(path);
	free(type);
	free(length);
	free(address);
	return 0;
}
