/*-------------------------------------------------------------------------
 *
 * listen_parse.h
 *	  What the listener reads of a request before its body, and its address.
 *
 * Nothing here knows of PostgreSQL or of libmicrohttpd's connections, so that it
 * can be tested and fuzzed alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LISTEN_PARSE_H
#define IGNISIGN_LISTEN_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* What a path is made of: this, then a token of so many hexadecimal digits. */
#define IG_LISTEN_PREFIX	"/ignisign/"
#define IG_LISTEN_DIGITS	64

/* An address to listen on. */
typedef struct IgAddress
{
	struct sockaddr_storage addr;
	socklen_t	length;
	bool		any;			/* "*": whatever reaches this machine */
} IgAddress;

/* Read "address:port", "[address]:port" or "*:port"; false: it is none of these. */
extern bool ig_listen_parse_address(const char *text, IgAddress *result);

/* Read the token of a path; false: no endpoint has such a path. */
extern bool ig_listen_parse_path(const char *path, char token[IG_LISTEN_DIGITS + 1]);

/*
 * The HTTP status that a request is answered with for its method and its headers
 * Content-Type and Content-Length, which may be NULL; 0: they are in order.
 */
extern int	ig_listen_check_headers(const char *method, const char *type, const char *length,
									size_t max_length);

#endif							/* IGNISIGN_LISTEN_PARSE_H */
