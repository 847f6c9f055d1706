/*-------------------------------------------------------------------------
 *
 * http_internal.h
 *	  A transfer, for the files http*.c of this folder only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_HTTP_INTERNAL_H
#define IGNISIGN_HTTP_INTERNAL_H

#include "postgres.h"

#include <curl/curl.h>

#include "lib/ilist.h"

#include "http/easy_pool.h"
#include "http/http.h"

/* libcurl asks before it sends, since this version. */
#if LIBCURL_VERSION_NUM >= 0x075000
#define IG_CURL_ASKS_SINCE	0x075000
#endif

typedef struct IgTransferState
{
	IgTransfer	transfer;
	dlist_node	node;			/* in finished */
	IgEasy	   *handle;
	char		curl_error[CURL_ERROR_SIZE];
	IgHttpRead	read;
	void	   *read_arg;
	int64		body_size;
	int64		body_read;		/* handed over to libcurl */
	size_t		read_ahead;		/* bytes in the handle's buffer */
	size_t		read_ahead_used;	/* of these were handed over */
	bool		at_once;		/* the body goes to libcurl as a whole */
	bool		begun;			/* libcurl was let send it */
	bool		paused;
	bool		whole;			/* request and response went through to their end */
	bool		loopback_only;
	int64		max_response;
	const char *max_response_setting;
	int64		header_bytes;
	size_t		capacity;		/* of transfer.body */
	const char *failure;		/* why we cut it short */
	char		failure_text[96];	/* room for that */
} IgTransferState;

/* Set what libcurl calls for this transfer, and with what. */
extern void ig_http_set_callbacks(IgTransferState *state);

/* A callback ends the transfer; "why" must last as long as the transfer.  The first reason counts. */
extern void ig_http_fail_locally(IgTransferState *state, const char *why);

#endif							/* IGNISIGN_HTTP_INTERNAL_H */
