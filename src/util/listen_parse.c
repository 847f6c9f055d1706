/*-------------------------------------------------------------------------
 *
 * listen_parse.c
 *	  What the listener reads of a request before its body, and its address.
 *
 * Addresses are numeric, so that nothing has to be looked up and one setting is
 * one socket.
 *
 *-------------------------------------------------------------------------
 */
#include "util/listen_parse.h"

#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json"

/* Read an address to listen on. */
bool
ig_listen_parse_address(const char *text, IgAddress *result)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t		length;
	char		buffer[NI_MAXHOST];
	char	   *end;
	long		port;
	struct addrinfo hints;
	struct addrinfo *found;

	if (colon == NULL || colon == text || colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtol(colon + 1, &end, 10);
	if (*end != '\0' || port < 1 || port > 65535)
		return false;

	length = (size_t) (colon - text);
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
	if (text[0] == '[')
	{
		if (colon[-1] != ']' || length < 3)
			return false;
		hints.ai_family = AF_INET6;
		host++;
		length -= 2;
	}
	if (length >= sizeof(buffer))
		return false;
	memcpy(buffer, host, length);
	buffer[length] = '\0';

	/* glibc would take "[*]" for any address of IPv6; "0.0.0.0" is none of them. */
	result->any = strcmp(buffer, "*") == 0;
	if (getaddrinfo(result->any ? "0.0.0.0" : buffer, colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&result->addr, found->ai_addr, found->ai_addrlen);
	result->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* Read the token of a path. */
bool
ig_listen_parse_path(const char *path, char token[IG_LISTEN_DIGITS + 1])
{
	size_t		n = strlen(IG_LISTEN_PREFIX);

	if (strncmp(path, IG_LISTEN_PREFIX, n) != 0 ||
		strspn(path + n, "0123456789abcdef") != IG_LISTEN_DIGITS ||
		path[n + IG_LISTEN_DIGITS] != '\0')
		return false;
	memcpy(token, path + n, IG_LISTEN_DIGITS + 1);
	return true;
}

/* Whether a type is JSON, in any case and with any parameters; no locale changes that. */
static bool
is_json(const char *type)
{
	size_t		n = strlen(JSON_TYPE);

	for (size_t i = 0; i < n; i++)
	{
		char		c = type[i];

		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		if (c != JSON_TYPE[i])
			return false;
	}
	return type[n] == '\0' || type[n] == ';' || type[n] == ' ' || type[n] == '\t';
}

/* What the headers are answered. */
int
ig_listen_check_headers(const char *method, const char *type, const char *length, size_t max_length)
{
	if (strcmp(method, "POST") != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	if (type == NULL || !is_json(type))
		return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
	if (length != NULL && strtoull(length, NULL, 10) > max_length)
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}
