/*-------------------------------------------------------------------------
 *
 * easy_pool.h
 *	  libcurl's handles, set up for requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_HANDLES_H
#define IGNISIGN_HANDLES_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/http.h"

/* A request beyond this has its body sent as it is read; a smaller one in one go. */
#define IG_SMALL_BODY	(32 * 1024)

typedef struct IgHandle
{
	CURL	   *easy;
	struct curl_slist *headers;
	IgHttpRequest request;		/* what it is set up for; the texts are its own */
	bool		has_body;		/* if only an empty one */
	bool		small;			/* for a small body */
	char	   *buffer;			/* room for one; malloc'd; NULL: none yet */
} IgHandle;

/*
 * A handle with all options set that follow from the request; callbacks, and what
 * they work on, are the caller's.
 */
extern IgHandle *ig_handle_take(const IgHttpRequest *request);

/* It is no longer needed; clean: its transfer went through to its end. */
extern void ig_handle_leave(IgHandle *handle, bool clean);

/* Nothing is under way: keep only a few. */
extern void ig_handles_rest(void);

#endif							/* IGNISIGN_HANDLES_H */
