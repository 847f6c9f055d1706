/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Who calls: the bearer of a call.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <string.h>
#include <strings.h>

/* Find the application of the call's key; false, with the error, if none. */
bool
authenticate(Call *call, Answer *answer)
{
	const char *token = call->authorization;

	if (token == NULL)
	{
		answer_error(answer, "AUTH_HEADER_NOT_FOUND", "Authorization header not found", NULL);
		return false;
	}
	if (strncasecmp(token, "Bearer", 6) != 0 || (token[6] != ' ' && token[6] != '\0'))
	{
		answer_error(answer, "AUTH_HEADER_NOT_BEARER", "Authorization header is not a bearer", NULL);
		return false;
	}
	for (token += 6; *token == ' '; token++)
		;
	if (*token == '\0')
	{
		answer_error(answer, "AUTH_HEADER_NO_TOKEN", "Authorization header has no token", NULL);
		return false;
	}
	call->app = app_by_key(token);
	if (call->app == NULL)
	{
		answer_error(answer, "API_KEY_NOT_FOUND", "API key not found", NULL);
		return false;
	}
	return true;
}
