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

/*
 * What is wrong with a base URL, or NULL; a static text.  is_http tells whether
 * it is one of http://, whose host must be this machine unless allow_http.
 */
extern const char *ig_url_problem(const char *url, bool allow_http, bool *is_http);

#endif							/* IGNISIGN_URL_H */
