/*-------------------------------------------------------------------------
 *
 * easy_pool.h
 *	  libcurl's easy handles, with the options that follow from a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_EASY_POOL_H
#define IGNISIGN_EASY_POOL_H

#include "postgres.h"

#include <curl/curl.h>

#include "http/http.h"

/* A request beyond this has its body sent as it is read; a smaller one in one go. */
#define IG_SMALL_BODY	(32 * 1024)

typedef struct IgEasy
{
	CURL	   *easy;
	struct curl_slist *headers;
	bool		has_body;		/* if only an empty one */
	char	   *buffer;			/* IG_SMALL_BODY bytes, malloc'd, for a small body; or NULL */
} IgEasy;

/*
 * Take a handle with all options that follow from the request.  Callbacks, and what
 * they work on, are the caller's.  Errors: 53200 if memory is short.
 */
extern IgEasy *ig_easy_take(const IgHttpRequest *request);

/* Give a handle back; clean: its transfer went through to its end. */
extern void ig_easy_leave(IgEasy *handle, bool clean);

/* Nothing is in flight: keep a few handles only. */
extern void ig_easy_pool_shrink(void);

#endif							/* IGNISIGN_EASY_POOL_H */
