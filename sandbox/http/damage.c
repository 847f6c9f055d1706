/*-------------------------------------------------------------------------
 *
 * damage.c
 *	  A response that is changed as a fault says.
 *
 *-------------------------------------------------------------------------
 */
#include "http/damage.h"

#include <string.h>

#include "http/fault.h"
#include "http/malformed.h"
#include "http/response.h"
#include "util/buffer.h"

/* Replace a text of the body wherever it is: "TEXT:OTHER". */
static void
replace_text(SbResponse *response, const char *words)
{
	SbBuffer	old = response->body;
	size_t		length = strcspn(words, ":");
	const char *other = words + length + 1;
	size_t		at = 0;

	memset(&response->body, 0, sizeof(response->body));
	while (at < old.length)
	{
		if (old.length - at >= length && memcmp(old.data + at, words, length) == 0)
		{
			sb_buffer_add(&response->body, other, strlen(other));
			at += length;
		}
		else
			sb_buffer_add(&response->body, old.data + at++, 1);
	}
	sb_buffer_free(&old);
}

/* Respond with a fault's status, without having processed the call. */
void
sb_respond_fault(SbResponse *response, const SbFault *fault)
{
	if (fault->response != NULL)
	{
		sb_buffer_add(&response->body, fault->response, strlen(fault->response));
		response->content_type = "application/json";
	}
	else if (fault->text_body == 't')
	{
		sb_buffer_printf(&response->body, "the service is not available\n");
		response->content_type = "text/plain";
	}
	else if (fault->text_body != 'n')
		sb_respond_error_as(response, fault->status,
							fault->status == 401 ? "API_KEY_NOT_FOUND" :
							fault->status == 403 ? "ORG_BLOCKED" :
							fault->status < 500 ? "BAD_REQUEST" : "INTERNAL_ERROR", "a fault on demand", NULL);
	response->status = fault->status;
}

/* Change a response as a fault says; returns how it was broken, or NULL. */
const char *
sb_damage(SbResponse *response, const SbFault *fault)
{
	const char *name = sb_malformed_body(response, fault);

	if (name != NULL)
		return name;
	if (fault->replace[0])
		replace_text(response, fault->replace);
	if (fault->raw[0])
		return fault->raw;
	if (fault->garbage)
	{
		sb_buffer_free(&response->body);
		sb_buffer_printf(&response->body, "{\"this\": is not JSON");
		response->status = 200;
		return "garbage";
	}
	if (fault->empty)
	{
		sb_buffer_free(&response->body);
		response->status = 200;
		return "empty";
	}
	return fault->close == 'm' ? "cut" : fault->huge ? "huge" : fault->endless ? "endless" : fault->slow ? "slow" :
		fault->type[0] ? "type" : fault->replace[0] ? "replaced" : NULL;
}
