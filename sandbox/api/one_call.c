/*-------------------------------------------------------------------------
 *
 * one_call.c
 *	  The endpoint that makes and publishes a request in one call.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A document of a body while it is not certain that all of them are good. */
typedef struct Content
{
	uint8_t    *data;
	size_t		size;
} Content;

/* Get a document's content; false, with the error, if it cannot be had. */
static bool
get_content(const cJSON *json, Content *content, Answer *answer)
{
	const char *base64 = get_text(json, "base64");

	if (base64 != NULL)
		content->data = from_base64(base64, strlen(base64), &content->size);
	else
	{
		/* The network may be slow, and others may call meanwhile. */
		pthread_mutex_unlock(&lock);
		content->data = download(get_text(json, "url"), &content->size);
		pthread_mutex_lock(&lock);
	}
	if (content->data == NULL)
		answer_error(answer, "FAILED_TO_DOWNLOAD_DOCUMENT", "The document could not be downloaded", NULL);
	return content->data != NULL;
}

/* Trim a title, and leave one blank where there are more. */
static void
tidy_title(char *title)
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
tidy_file_name(char *name)
{
	for (char *c = name; *c; c++)
	{
		if (!isalnum((unsigned char) *c) && strchr(".-_", *c) == NULL)
			*c = '_';
	}
}

/* Make the request of a body that is valid; its contents are taken over. */
static Request *
make_signed_request(App *app, const cJSON *body, const Content *contents)
{
	const cJSON *signers = cJSON_GetObjectItemCaseSensitive(body, "signers");
	const cJSON *documents = cJSON_GetObjectItemCaseSensitive(body, "documents");
	Request    *request = make_request(app, "STANDARD");
	const cJSON *item;

	set_text(&request->title, get_text(body, "title"));
	set_text(&request->method, get_text(body, "signatureMethod"));
	if (options.tidy)
		tidy_title(request->title);
	request->parties = xcalloc((size_t) cJSON_GetArraySize(signers), sizeof(Party));
	cJSON_ArrayForEach(item, signers)
		request->parties[request->nparties++].signer = upsert_signer(app, item);
	request->documents = xcalloc((size_t) cJSON_GetArraySize(documents), sizeof(Document *));
	cJSON_ArrayForEach(item, documents)
	{
		Document   *document = make_document(app);

		document->request = request;
		document->content = contents[request->ndocuments].data;
		document->size = contents[request->ndocuments].size;
		set_text(&document->file_name, get_text(item, "originalName"));
		set_text(&document->mime_type, get_text(item, "mimeType"));
		document->nature = file_nature(document);
		if (options.tidy)
			tidy_file_name(document->file_name);
		sha256(document->content, document->size, document->hash);
		request->documents[request->ndocuments++] = document;
	}
	return request;
}

/* POST /v4/signature-requests/one-call-sign */
void
one_call_sign(Call *call, Answer *answer)
{
	cJSON	   *body = parse_body(call, answer);
	const cJSON *documents;
	Content    *contents;
	int			n = 0;
	int			count;

	if (body == NULL)
		return;
	if (!validate_sign(call, body, answer))
	{
		cJSON_Delete(body);
		return;
	}
	documents = cJSON_GetObjectItemCaseSensitive(body, "documents");
	count = cJSON_GetArraySize(documents);
	contents = xcalloc((size_t) count, sizeof(Content));
	while (n < count && get_content(cJSON_GetArrayItem(documents, n), &contents[n], answer))
		n++;
	if (n == count)
	{
		Request    *request = make_signed_request(call->app, body, contents);

		publish(call, request);
		answer_published(answer, request);
	}
	for (int i = 0; n < count && i < n; i++)
		free(contents[i].data);
	free(contents);
	cJSON_Delete(body);
}
