/*-------------------------------------------------------------------------
 *
 * listen_address.c
 *	  The address to listen on for webhooks, and its socket.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <unistd.h>

#include "util/listen_parse.h"
#include "webhook/listen.h"

/* Connections that wait to be accepted. */
#define BACKLOG 256

/* check_hook of ignisign.webhook_listen. */
bool
ig_check_webhook_listen(char **value, void **extra, GucSource source)
{
	IgAddress	address;

	if (*value == NULL || **value == '\0' || ig_listen_parse_address(*value, &address))
		return true;
	GUC_check_errdetail("It is an IP address, or * for all, and a port.");
	GUC_check_errhint("For example '127.0.0.1:8443', '[::1]:8443' or '*:8443'.");
	return false;
}

/* Whether only this machine can connect. */
static bool
is_local(const IgAddress *address)
{
	if (address->addr.ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *) &address->addr)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) &address->addr)->sin6_addr);
}

/* Open a socket that listens; -1, with errno. */
static int
open_socket(const struct sockaddr_storage *addr, socklen_t length, int only_v6)
{
	int			one = 1;
	int			error;
	int			fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
		(addr->ss_family != AF_INET6 ||
		 setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) == 0) &&
		bind(fd, (const struct sockaddr *) addr, length) == 0 &&
		listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Open the socket of an address. */
int
ig_listen_socket(const char *text, bool *local, char **problem)
{
	IgAddress	address;
	int			fd = -1;

	if (!ig_listen_parse_address(text, &address))
	{
		*problem = pstrdup("it is not an IP address and a port");
		return -1;
	}
	*local = is_local(&address);
	if (address.any)
	{
		struct sockaddr_storage both;
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &both;

		memset(&both, 0, sizeof(both));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = ((const struct sockaddr_in *) &address.addr)->sin_port;
		in6->sin6_addr = in6addr_any;
		fd = open_socket(&both, sizeof(*in6), 0);
		if (fd < 0 && errno == EADDRINUSE)
		{
			*problem = psprintf("%m");
			return -1;
		}
	}

	/* A machine may have no IPv6. */
	if (fd < 0)
		fd = open_socket(&address.addr, address.length, 1);
	if (fd < 0)
		*problem = psprintf("%m");
	return fd;
}
