/*-------------------------------------------------------------------------
 *
 * url.h
 *	  Which base URLs of the API are taken.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_URL_H
#define IGNISIGN_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Enough for any URL that is compared. */
#define IG_URL_SIZE 2048

/*
 * What is wrong with a base URL, or NULL; a static text.  is_http tells whether
 * it is one of http://, whose host must be this machine unless allow_http.
 */
extern const char *ig_url_problem(const char *url, bool allow_http, bool *is_http);

/*
 * Write a base URL so that two that lead to one place are equal: without scheme,
 * default port and superfluous slashes, the host in lower case, this machine under
 * one name.  False: it cannot be taken apart, or is too long.
 */
extern bool ig_url_normalize(const char *url, char *result, size_t size);

#endif							/* IGNISIGN_URL_H */
