/*-------------------------------------------------------------------------
 *
 * uploads.c
 *	  The endpoints by which documents get their content.
 *
 *-------------------------------------------------------------------------
 */
#include "api/uploads.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/describe.h"
#include "api/fields.h"
#include "api/lookup.h"
#include "api/validate.h"
#include "http/call.h"
#include "http/response.h"
#include "http/upload.h"
#include "model/store.h"
#include "proof/proof.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"

/* Find the document that the path names and that may still be changed. */
static SbDocument *
open_document(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);

	if (document != NULL && document->request != NULL && strcmp(document->request->status, "DRAFT") != 0)
	{
		sb_respond_error(response, "DOCUMENT_LOCKED", "The document's signature request is published", NULL);
		return NULL;
	}
	return document;
}

/* Give a document its content, which is taken over. */
static void
set_content(SbDocument *document, const char *nature, void *content, size_t size)
{
	free(document->content);
	document->content = content;
	document->size = size;
	document->nature = nature;
	if (content != NULL)
		sb_sha256(content, size, document->hash);
}

/*
 * Whether content can be given to a document: it has none yet, or the same, as
 * when a response was lost and the call is made again.  Else there is an error.
 * For any file the nature is FILE.
 */
static bool
may_get(const SbDocument *document, const char *nature, const uint8_t hash[32], SbResponse *response)
{
	const char *given = document->nature;

	if (given == NULL)
		return true;
	if (strncmp(given, "PDF", 3) == 0)
		given = "FILE";
	if (strcmp(given, nature) == 0 && memcmp(document->hash, hash, 32) == 0)
		return true;
	sb_respond_error(response, "DOCUMENT_BAD_STATUS", "The document has other content", NULL);
	return false;
}

/* Give a document the file that was uploaded; false, with the error, if it is bad. */
static bool
set_file(SbDocument *document, SbUpload *upload, SbResponse *response)
{
	bool		pdf = strcmp(upload->mime_type, "application/pdf") == 0;
	uint8_t		hash[32];

	if (pdf && (upload->content.length < 5 || memcmp(upload->content.data, "%PDF-", 5) != 0))
	{
		sb_buffer_free(&upload->content);
		sb_respond_error(response, "PDF_CORRUPTED", "The file is not a PDF", NULL);
		return false;
	}
	sb_sha256(upload->content.data, upload->content.length, hash);
	if (!may_get(document, "FILE", hash, response))
	{
		sb_buffer_free(&upload->content);
		return false;
	}
	sb_set_text(&document->file_name, upload->file_name);
	sb_set_text(&document->mime_type, upload->mime_type);
	set_content(document, "FILE", upload->content.data, upload->content.length);
	document->nature = sb_file_nature(document);
	return true;
}

static void
free_names(SbUpload *upload)
{
	free(upload->file_name);
	free(upload->mime_type);
}

/* POST .../documents */
void
sb_upload_document(SbCall *call, SbResponse *response)
{
	SbUpload	upload;
	SbDocument *document;

	if (!sb_check_app(call, response) || !sb_read_upload(call, "document", &upload, response))
		return;
	document = sb_make_document(call->app);
	if (set_file(document, &upload, response))
	{
		cJSON	   *json = sb_describe_document(document, false);

		cJSON_AddStringToObject(json, "documentId", document->id);
		sb_respond_json(response, json);
	}
	else
		document->deleted = true;
	free_names(&upload);
}

#define METADATA \
	{"externalId", 's', false}, {"label", 's', false}, {"description", 's', false}, \
	{"templateDisplayerId", 's', false}, {"templateDisplayerVersion", 's', false}

/* Set what a body says of a document. */
static void
set_metadata(SbDocument *document, const cJSON *body)
{
	if (sb_get_text(body, "externalId"))
		sb_set_text(&document->external_id, sb_get_text(body, "externalId"));
	if (sb_get_text(body, "label"))
		sb_set_text(&document->label, sb_get_text(body, "label"));
	if (sb_get_text(body, "description"))
		sb_set_text(&document->description, sb_get_text(body, "description"));
}

/* POST .../init-documents */
void
sb_init_document(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"signatureRequestId", 'i', true}, METADATA, {NULL, 0, false}};
	cJSON	   *body;
	SbRequest  *request;

	if (!sb_check_app(call, response) || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	request = sb_find_request(call->app, sb_get_text(body, "signatureRequestId"), response);
	if (request != NULL && strcmp(request->status, "DRAFT") != 0)
		sb_respond_error(response, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is not a draft", NULL);
	else if (request != NULL)
	{
		SbDocument *document = sb_make_document(call->app);

		document->request = request;
		set_metadata(document, body);
		sb_respond_id(response, "documentId", document->id);
	}
	cJSON_Delete(body);
}

/* POST /v4/documents/:documentId/file */
void
sb_provide_file(SbCall *call, SbResponse *response)
{
	SbDocument *document = open_document(call, response);
	SbUpload	upload;

	if (document == NULL || !sb_read_upload(call, "file", &upload, response))
		return;
	if (set_file(document, &upload, response))
		sb_respond_json(response, sb_describe_document(document, false));
	free_names(&upload);
}

/* Whether another document of the same request is data in JSON. */
static bool
has_data_beside(const SbDocument *document)
{
	for (size_t i = 0; document->request != NULL && i < sb_document_count(); i++)
	{
		const SbDocument *other = sb_document_by_number(i);

		if (other != document && other->request == document->request && !other->deleted &&
			other->nature != NULL && strcmp(other->nature, "DATA_JSON") == 0)
			return true;
	}
	return false;
}

/* POST /v4/documents/:documentId/data-json-content */
void
sb_provide_json(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"jsonContent", '*', true}, {NULL, 0, false}};
	SbDocument *document = open_document(call, response);
	cJSON	   *body;
	char	   *text;
	uint8_t		hash[32];

	if (document == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	if (has_data_beside(document))
	{
		cJSON_Delete(body);
		sb_respond_error(response, "ONLY_ONE_JSON_PER_SIGNATURE_REQUEST_IS_ALLOWED", "The signature request has data already", NULL);
		return;
	}
	text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(body, "jsonContent"));
	cJSON_Delete(body);
	sb_sha256(text, strlen(text), hash);
	if (!may_get(document, "DATA_JSON", hash, response))
	{
		free(text);
		return;
	}
	sb_set_text(&document->mime_type, "application/json");
	set_content(document, "DATA_JSON", text, strlen(text));
	sb_respond_json(response, sb_describe_document(document, false));
}

/* POST /v4/documents/:documentId/private-content */
void
sb_provide_hash(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"documentHash", 'h', true}, {NULL, 0, false}};
	SbDocument *document = open_document(call, response);
	cJSON	   *body;
	const char *text;
	uint8_t		hash[32];

	if (document == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	text = sb_get_text(body, "documentHash");
	if (strlen(text) == 44)
	{
		size_t		size;
		uint8_t    *bytes = sb_from_base64(text, 44, &size);

		memcpy(hash, bytes, 32);
		free(bytes);
	}
	else
	{
		for (int i = 0; i < 32; i++)
		{
			char		digits[3] = {text[2 * i], text[2 * i + 1], 0};

			hash[i] = (uint8_t) strtol(digits, NULL, 16);
		}
	}
	cJSON_Delete(body);
	if (!may_get(document, "PRIVATE_FILE", hash, response))
		return;
	set_content(document, "PRIVATE_FILE", NULL, 0);
	memcpy(document->hash, hash, 32);
	sb_respond_json(response, sb_describe_document(document, false));
}

/* PUT /v4/documents/:documentId */
void
sb_update_document(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {METADATA, {NULL, 0, false}};
	SbDocument *document = sb_named_document(call, response);
	cJSON	   *body;

	if (document == NULL || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	set_metadata(document, body);
	cJSON_Delete(body);
	sb_respond_json(response, sb_describe_document(document, false));
}

/* DELETE /v4/documents/:documentId */
void
sb_delete_document(SbCall *call, SbResponse *response)
{
	SbDocument *document = open_document(call, response);

	if (document == NULL)
		return;
	for (int i = 0; document->request != NULL && i < document->request->ndocuments; i++)
	{
		SbRequest  *request = document->request;

		if (request->documents[i] == document)
			memmove(&request->documents[i], &request->documents[i + 1],
					(size_t) (--request->ndocuments - i) * sizeof(SbDocument *));
		sb_touch_request(request);
	}
	document->deleted = true;
	sb_respond_id(response, "documentId", document->id);
}

/* DELETE /v4/documents/:documentId/content */
void
sb_delete_content(SbCall *call, SbResponse *response)
{
	SbDocument *document = open_document(call, response);

	if (document == NULL)
		return;
	set_content(document, NULL, NULL, 0);
	sb_respond_json(response, sb_describe_document(document, false));
}

/* POST /v4/documents/:documentId/check-authenticity */
void
sb_check_authenticity(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);
	SbUpload	upload;
	uint8_t		hash[32];
	cJSON	   *json;

	if (document == NULL || !sb_read_upload(call, "file", &upload, response))
		return;
	sb_sha256(upload.content.data, upload.content.length, hash);
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "documentId", document->id);
	cJSON_AddBoolToObject(json, "authenticityValidated",
						  document->nature != NULL && memcmp(hash, document->hash, 32) == 0);
	sb_respond_json(response, json);
	sb_buffer_free(&upload.content);
	free_names(&upload);
}

/* POST .../log-capsules: the time stamp is one in name only. */
void
sb_log_capsule(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"hashSha256_b64", 'h', true}, {NULL, 0, false}};
	cJSON	   *body;
	cJSON	   *json;
	char	   *stamp;
	char		time[32];

	if (!sb_check_app(call, response) || (body = sb_parse_fields(call, fields, response)) == NULL)
		return;
	sb_format_time(sb_now_ms(), time);
	stamp = sb_to_base64((const uint8_t *) time, strlen(time));
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "hashSha256_b64", sb_get_text(body, "hashSha256_b64"));
	cJSON_AddStringToObject(json, "timestamp_b64", stamp);
	free(stamp);
	cJSON_Delete(body);
	sb_respond_json(response, json);
}
