/*-------------------------------------------------------------------------
 *
 * one_call.c
 *	  The endpoint that makes and publishes a request in one call.
 *
 *-------------------------------------------------------------------------
 */
#include "api/one_call.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api/download.h"
#include "api/publish.h"
#include "api/signers.h"
#include "api/validate.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/store.h"
#include "proof/proof.h"
#include "util/buffer.h"
#include "util/encoding.h"
#include "util/json.h"
#include "util/options.h"
#include "util/threads.h"

/* A document of a body while it is not certain that all of them are good. */
typedef struct Content
{
	uint8_t    *data;
	size_t		size;
} Content;

/* Get a document's content; false, with the error, if it cannot be had. */
static bool
get_content(const cJSON *json, Content *content, SbResponse *response)
{
	const char *base64 = sb_get_text(json, "base64");

	if (base64 != NULL)
		content->data = sb_from_base64(base64, strlen(base64), &content->size);
	else
	{
		/* The network may be slow, and others may call meanwhile. */
		pthread_mutex_unlock(&sb_lock);
		content->data = sb_download(sb_get_text(json, "url"), &content->size);
		pthread_mutex_lock(&sb_lock);
	}
	if (content->data == NULL)
		sb_respond_error(response, "FAILED_TO_DOWNLOAD_DOCUMENT", "The document could not be downloaded", NULL);
	return content->data != NULL;
}

/* Trim a title, and leave one blank where there are more. */
static void
normalize_title(char *title)
{
	char	   *end = title;

	for (const char *c = title; *c; c++)
	{
		if (*c != ' ' || (end > title && end[-1] != ' '))
			*end++ = *c;
	}
	if (end > title && end[-1] == ' ')
		end--;
	*end = '\0';
}

/* Leave only plain characters in a file name. */
static void
normalize_file_name(char *name)
{
	for (char *c = name; *c; c++)
	{
		if (!isalnum((unsigned char) *c) && strchr(".-_", *c) == NULL)
			*c = '_';
	}
}

/* Make the request of a body that is valid; its contents are taken over. */
static SbRequest *
make_signed_request(SbApp *app, const cJSON *body, const Content *contents)
{
	const cJSON *signers = cJSON_GetObjectItemCaseSensitive(body, "signers");
	const cJSON *documents = cJSON_GetObjectItemCaseSensitive(body, "documents");
	SbRequest  *request = sb_make_request(app, "STANDARD");
	const cJSON *item;

	sb_set_text(&request->title, sb_get_text(body, "title"));
	sb_set_text(&request->method, sb_get_text(body, "signatureMethod"));
	if (sb_options.normalize)
		normalize_title(request->title);
	request->participants = sb_calloc((size_t) cJSON_GetArraySize(signers), sizeof(SbParticipant));
	cJSON_ArrayForEach(item, signers)
		request->participants[request->nparticipants++].signer = sb_upsert_signer(app, item);
	request->documents = sb_calloc((size_t) cJSON_GetArraySize(documents), sizeof(SbDocument *));
	cJSON_ArrayForEach(item, documents)
	{
		SbDocument *document = sb_make_document(app);

		document->request = request;
		document->content = contents[request->ndocuments].data;
		document->size = contents[request->ndocuments].size;
		sb_set_text(&document->file_name, sb_get_text(item, "originalName"));
		sb_set_text(&document->mime_type, sb_get_text(item, "mimeType"));
		document->nature = sb_file_nature(document);
		if (sb_options.normalize)
			normalize_file_name(document->file_name);
		sb_sha256(document->content, document->size, document->hash);
		request->documents[request->ndocuments++] = document;
	}
	return request;
}

/* POST /v4/signature-requests/one-call-sign */
void
sb_one_call_sign(SbCall *call, SbResponse *response)
{
	cJSON	   *body = sb_parse_body(call, response);
	const cJSON *documents;
	Content    *contents;
	int			n = 0;
	int			count;

	if (body == NULL)
		return;
	if (!sb_validate_sign(call, body, response))
	{
		cJSON_Delete(body);
		return;
	}
	documents = cJSON_GetObjectItemCaseSensitive(body, "documents");
	count = cJSON_GetArraySize(documents);
	contents = sb_calloc((size_t) count, sizeof(Content));
	while (n < count && get_content(cJSON_GetArrayItem(documents, n), &contents[n], response))
		n++;
	if (n == count)
	{
		SbRequest  *request = make_signed_request(call->app, body, contents);

		sb_publish_in_call(call, request);
		sb_respond_published(response, request);
	}
	for (int i = 0; n < count && i < n; i++)
		free(contents[i].data);
	free(contents);
	cJSON_Delete(body);
}
