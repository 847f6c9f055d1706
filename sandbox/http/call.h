/*-------------------------------------------------------------------------
 *
 * call.h
 *	  What a call says of itself: its query, and where it comes from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CALL_H
#define SB_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "http/response.h"
#include "model/apps.h"

typedef struct SbCall
{
	const char *method;
	const char *path;
	const char *query;			/* or NULL */
	const char *authorization;	/* or NULL */
	const char *content_type;	/* or NULL, as all that follow */
	const char *host;
	const char *origin;
	const char *fetch_site;		/* Sec-Fetch-Site */
	const char *body;
	size_t		body_length;
	bool		body_too_large;
	SbApp	   *app;			/* set when the bearer is known */
	const char *operation;		/* set when the route is known */
	char		arguments[4][256];	/* of the path */
	char		created[SB_ID_LENGTH + 1];	/* request that the call made, or empty */
	char	   *title;			/* its title */
	int			emails;			/* e-mails that it sent */
	void	   *connection;		/* libmicrohttpd's */
} SbCall;

/* Handles a call of one kind. */
typedef void SbHandler (SbCall *call, SbResponse *response);

extern bool sb_query_value(const char *query, const char *name, char *value, size_t size);
extern bool sb_is_local(const SbCall *call);
extern bool sb_same_site(const SbCall *call);

#endif							/* SB_CALL_H */
