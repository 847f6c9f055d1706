/*-------------------------------------------------------------------------
 *
 * http.h
 *	  HTTP transfers that run side by side in one process's event loop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_HTTP_H
#define IGNISIGN_HTTP_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "util/policy.h"

/* A response that grows beyond this goes to a temporary file. */
#define IG_SPOOL_THRESHOLD	(256 * 1024)

/*
 * Hand over at most "size" bytes of a body.  Returns how many, or 0 when none
 * are at hand yet: the transfer then pauses until ig_http_resume.  Must not
 * raise an error.
 */
typedef size_t (*IgHttpRead) (void *arg, char *buffer, size_t size);

/* What to send, and within which bounds. */
typedef struct IgHttpRequest
{
	const char *method;			/* GET, POST, PUT, PATCH or DELETE */
	const char *url;
	const char *bearer;			/* NULL: none */
	const char *accept;
	const char *content_type;	/* NULL: no body */
	int64		body_size;
	IgHttpRead	read;
	void	   *read_arg;
	bool		repeatable;		/* may libcurl send it anew by itself */
	bool		loopback_only;	/* refuse other addresses */
	const char *ca_file;		/* NULL: the system's */
	int			connect_timeout;	/* ms */
	int			timeout;		/* ms, beyond the time that bytes take */
	int64		max_response;	/* bytes of a 2xx response's body */
	const char *max_response_setting;	/* static: where that comes from */
} IgHttpRequest;

/*
 * A transfer.  Once finished, what came of it: the response's body is in
 * "body", or in the temporary file "spool" when it is large.
 */
typedef struct IgTransfer
{
	void	   *user;			/* the caller's */
	IgReach		reach;
	bool		local;			/* it failed for want of something of ours */
	int			http_status;	/* 0: none came */
	bool		cut;			/* the response broke off */
	bool		exceeded;		/* the response was larger than allowed */
	char		error[256];		/* empty when all went well */
	char		retry_after[64];	/* header, or empty */
	char		content_type[128];	/* header, or empty */
	char		date[64];		/* header, or empty */
	TimestampTz started_at;
	int64		duration;		/* microseconds */
	int64		bytes_sent;
	int64		bytes_received;
	char	   *body;
	int64		body_length;	/* of body, or of spool */
	File		spool;			/* -1: in body */
	struct IgTransferState *state;	/* http.c's own */
} IgTransfer;

extern void ig_http_init(void);

/* How many transfers may be under way: each takes a descriptor. */
extern int	ig_http_max_transfers(void);

/* Start a transfer; what the request points to is needed only by the reader. */
extern IgTransfer *ig_http_start(const IgHttpRequest *request, void *user);

/* Let a paused transfer ask its reader again. */
extern void ig_http_resume(IgTransfer *transfer);

/* Break off a transfer whose body cannot be read to its end, for a reason of ours. */
extern void ig_http_break_off(IgTransfer *transfer, const char *why);

/*
 * Wait for the latch, for work on the sockets, or for "timeout" milliseconds
 * (-1: for ever), then do that work.  Returns whether the latch was set.
 */
extern bool ig_http_wait(long timeout);

/* When it does some of that work by itself, at the latest; 0: not at all. */
extern TimestampTz ig_http_deadline(void);

/* The next transfer that has finished, or NULL. */
extern IgTransfer *ig_http_next_finished(void);

/* The whole response in the current memory context, NUL-terminated. */
extern char *ig_http_body(IgTransfer *transfer);

/* Some bytes of it. */
extern void ig_http_read(IgTransfer *transfer, char *buffer, int64 offset, int64 length);

/* Its beginning, as much of it as there is and fits; returns how much. */
extern int	ig_http_head(IgTransfer *transfer, char *buffer, int size);

/* Forget a finished transfer. */
extern void ig_http_release(IgTransfer *transfer);

#endif							/* IGNISIGN_HTTP_H */
