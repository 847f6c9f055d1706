/*-------------------------------------------------------------------------
 *
 * call.c
 *	  What a call says of itself: its query, and where it comes from.
 *
 *-------------------------------------------------------------------------
 */
#include "http/call.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/options.h"

/* Get a parameter of the query, with %XX and + decoded; false: not there. */
bool
sb_query_value(const char *query, const char *name, char *value, size_t size)
{
	size_t		length = strlen(name);

	for (const char *p = query; p != NULL && *p; p += strcspn(p, "&"), p += *p == '&')
	{
		size_t		n = 0;

		if (strncmp(p, name, length) != 0 || p[length] != '=')
			continue;
		for (p += length + 1; *p && *p != '&' && n + 1 < size; p++)
		{
			char		hex[3] = {0};

			if (*p == '%' && p[1] && p[2])
			{
				memcpy(hex, p + 1, 2);
				value[n++] = (char) strtol(hex, NULL, 16);
				p += 2;
			}
			else
				value[n++] = *p == '+' ? ' ' : *p;
		}
		value[n] = '\0';
		return true;
	}
	return false;
}

/* Whether the other end is on this machine. */
static bool
from_here(const SbCall *call)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in *address = (const struct sockaddr_in *) info->client_addr;

	return address->sin_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

/*
 * Whether a call to this machine was meant for it.  A page from elsewhere may have
 * a browser call a name that leads here.
 */
static bool
names_here(const char *host)
{
	size_t		length = host ? strcspn(host, ":") : 0;
	const char *name = sb_options.public_url ? strstr(sb_options.public_url, "://") : NULL;

	return host == NULL || (length == 9 && strncasecmp(host, "localhost", 9) == 0) ||
		(strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length) ||
		(name != NULL && strncasecmp(name + 3, host, strlen(host)) == 0 && strchr("/", name[3 + strlen(host)]) != NULL);
}

/* Whether a call comes from this machine and was meant for it. */
bool
sb_is_local(const SbCall *call)
{
	return from_here(call) && names_here(call->host);
}

/* Whether a call that changes something does not come from a page of another site. */
bool
sb_same_site(const SbCall *call)
{
	const char *host = call->origin ? strstr(call->origin, "://") : NULL;

	if (call->fetch_site != NULL)
		return strcmp(call->fetch_site, "same-origin") == 0 || strcmp(call->fetch_site, "none") == 0;
	return call->origin == NULL || (host != NULL && call->host != NULL && strcasecmp(host + 3, call->host) == 0);
}
