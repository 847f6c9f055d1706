/*-------------------------------------------------------------------------
 *
 * response.h
 *	  Responses, and the API's errors with their HTTP status.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_RESPONSE_H
#define SB_RESPONSE_H

#include <cjson/cJSON.h>

#include "util/buffer.h"

typedef struct SbResponse
{
	int			status;
	const char *content_type;
	SbBuffer	body;
	struct
	{
		const char *name;
		char	   *value;
	}			headers[8];		/* besides those that all responses have */
	int			nheaders;
} SbResponse;

extern void sb_respond_json(SbResponse *response, cJSON *json);
extern void sb_response_header(SbResponse *response, const char *name, const char *format,...) __attribute__((format(printf, 3, 4)));
extern void sb_respond_error(SbResponse *response, const char *code, const char *message, cJSON *context);
extern void sb_respond_error_as(SbResponse *response, int status, const char *code, const char *message, cJSON *context);
extern void sb_respond_id(SbResponse *response, const char *name, const char *id);

#endif							/* SB_RESPONSE_H */
