/*-------------------------------------------------------------------------
 *
 * listen_http.h
 *	  The HTTP side of the listener: connections, what they may ask, and how
 *	  much and how long.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LISTEN_HTTP_H
#define IGNISIGN_LISTEN_HTTP_H

#include "postgres.h"

#include "util/listen_parse.h"

/*
 * A request that waits to be judged: twice, when its headers are there and when
 * it is whole.
 */
typedef struct IgExchange
{
	char		token[IG_LISTEN_DIGITS + 1];
	bool		whole;
	char	   *body;			/* of a whole one, with a zero byte after it */
	size_t		length;
} IgExchange;

/* What is allowed; may be changed at any time. */
typedef struct IgListenLimits
{
	int			connections;	/* at a time; more, and the oldest is cut off */
	int			timeout;		/* ms for all of a request */
	size_t		body;			/* bytes */
} IgListenLimits;

/*
 * Serve what comes in on a listening socket, with TLS if there is a certificate
 * (PEM, to be kept until ig_listen_http_stop).  False: libmicrohttpd refuses.
 */
extern bool ig_listen_http_start(int fd, const char *certificate, const char *key);

/* End all connections; the socket goes on listening. */
extern void ig_listen_http_stop(void);

extern void ig_listen_http_limit(const IgListenLimits *limits);

/* To wait for: a descriptor that becomes readable, and a time; 0: none. */
extern int	ig_listen_http_descriptor(void);
extern TimestampTz ig_listen_http_deadline(void);

/* Read and write whatever can be, without waiting; cut off who is too slow. */
extern void ig_listen_http_run(void);

/* The next request to be judged, or NULL. */
extern IgExchange *ig_listen_http_next(void);

/*
 * The verdict: read on, which is for requests that are not whole; or response with
 * this status.  The exchange is not to be used afterwards.
 */
extern void ig_listen_http_admit(IgExchange *exchange);
extern void ig_listen_http_respond(IgExchange *exchange, int status);

#endif							/* IGNISIGN_LISTEN_HTTP_H */
