/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  What a call that publishes a request does and responds with.
 *
 *-------------------------------------------------------------------------
 */
#include "api/publish.h"

#include <string.h>

#include "delivery/events.h"
#include "http/call.h"
#include "http/response.h"
#include "model/lifecycle.h"
#include "model/store.h"

/* Publish a request in a call, for the journal with its title and e-mails. */
void
sb_publish_in_call(SbCall *call, SbRequest *request)
{
	memcpy(call->created, request->id, sizeof(call->created));
	call->title = request->title;
	call->emails += sb_publish(request);
}

/* What the API responds when a request is published. */
void
sb_respond_published(SbResponse *response, const SbRequest *request)
{
	cJSON	   *result = sb_describe_participants(request);

	cJSON_AddStringToObject(result, "signatureRequestId", request->id);
	sb_respond_json(response, result);
}
