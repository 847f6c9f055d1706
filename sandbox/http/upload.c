/*-------------------------------------------------------------------------
 *
 * upload.c
 *	  A file that came as multipart/form-data.
 *
 *-------------------------------------------------------------------------
 */
#include "http/upload.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/call.h"
#include "http/response.h"
#include "util/buffer.h"
#include "util/options.h"

#define CHUNK 65536

/* What is looked for in multipart/form-data. */
typedef struct Wanted
{
	const char *part;
	SbUpload   *upload;
	bool		other;			/* there are parts that the API does not take */
} Wanted;

/* libmicrohttpd's callback: some bytes of a part. */
static enum MHD_Result
take_part(void *closure, enum MHD_ValueKind kind, const char *key, const char *file_name, const char *content_type,
		  const char *transfer_encoding, const char *data, uint64_t offset, size_t size)
{
	Wanted	   *wanted = closure;
	SbUpload   *upload = wanted->upload;

	(void) kind;
	(void) transfer_encoding;
	if (strcmp(key, wanted->part) != 0 || file_name == NULL || (offset == 0 && upload->present))
	{
		wanted->other = true;
		return MHD_YES;
	}
	if (!upload->present)
	{
		upload->present = true;
		upload->file_name = sb_strdup(file_name);
		upload->mime_type = sb_strdup(content_type ? content_type : "application/octet-stream");
	}
	sb_buffer_add(&upload->content, data, size);
	return MHD_YES;
}

/* Take a file out of a call's body. */
bool
sb_read_upload(SbCall *call, const char *part, SbUpload *upload, SbResponse *response)
{
	Wanted		wanted = {part, upload, false};
	struct MHD_PostProcessor *processor = NULL;
	bool		whole = false;

	memset(upload, 0, sizeof(*upload));
	if (call->body_too_large)
	{
		sb_respond_error(response, "FILE_TOO_LARGE", "The body is too large", NULL);
		return false;
	}
	if (call->content_type != NULL && strncasecmp(call->content_type, "multipart/form-data", 19) == 0)
		processor = MHD_create_post_processor(call->connection, CHUNK, take_part, &wanted);
	if (processor != NULL)
	{
		whole = MHD_post_process(processor, call->body, call->body_length) == MHD_YES;
		whole = MHD_destroy_post_processor(processor) == MHD_YES && whole;
	}
	if (whole && upload->present && upload->content.length > 0 && (!wanted.other || sb_options.lenient))
		return true;
	free(upload->file_name);
	free(upload->mime_type);
	sb_buffer_free(&upload->content);
	if (processor == NULL)
		sb_respond_error(response, "BAD_REQUEST", "Content-Type must be multipart/form-data", NULL);
	else if (!whole || wanted.other)
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "The form data are not valid or have unknown parts", NULL);
	else
		sb_respond_error(response, "DOCUMENT_NOT_PROVIDED", "The file is missing", NULL);
	return false;
}
