/*-------------------------------------------------------------------------
 *
 * uploads.c
 *	  The endpoints by which documents get their content.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Find the document that the path names and that may still be changed. */
static Document *
open_document(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);

	if (document != NULL && document->request != NULL && strcmp(document->request->status, "DRAFT") != 0)
	{
		answer_error(answer, "DOCUMENT_LOCKED", "The document's signature request is published", NULL);
		return NULL;
	}
	return document;
}

/* Give a document its content, which is taken over. */
static void
set_content(Document *document, const char *nature, void *content, size_t size)
{
	free(document->content);
	document->content = content;
	document->size = size;
	document->nature = nature;
	if (content != NULL)
		sha256(content, size, document->hash);
}

/*
 * Whether content can be given to a document: it has none yet, or the same, as
 * when an answer was lost and the call is made again.  Else there is an error.
 * For any file the nature is FILE.
 */
static bool
may_get(const Document *document, const char *nature, const uint8_t hash[32], Answer *answer)
{
	const char *given = document->nature;

	if (given == NULL)
		return true;
	if (strncmp(given, "PDF", 3) == 0)
		given = "FILE";
	if (strcmp(given, nature) == 0 && memcmp(document->hash, hash, 32) == 0)
		return true;
	answer_error(answer, "DOCUMENT_BAD_STATUS", "The document has other content", NULL);
	return false;
}

/* Give a document the file that was uploaded; false, with the error, if it is bad. */
static bool
set_file(Document *document, Upload *upload, Answer *answer)
{
	bool		pdf = strcmp(upload->mime_type, "application/pdf") == 0;
	uint8_t		hash[32];

	if (pdf && (upload->content.length < 5 || memcmp(upload->content.data, "%PDF-", 5) != 0))
	{
		buffer_free(&upload->content);
		answer_error(answer, "PDF_CORRUPTED", "The file is not a PDF", NULL);
		return false;
	}
	sha256(upload->content.data, upload->content.length, hash);
	if (!may_get(document, "FILE", hash, answer))
	{
		buffer_free(&upload->content);
		return false;
	}
	set_text(&document->file_name, upload->file_name);
	set_text(&document->mime_type, upload->mime_type);
	set_content(document, "FILE", upload->content.data, upload->content.length);
	document->nature = file_nature(document);
	return true;
}

static void
free_names(Upload *upload)
{
	free(upload->file_name);
	free(upload->mime_type);
}

/* POST .../documents */
void
upload_document(Call *call, Answer *answer)
{
	Upload		upload;
	Document   *document;

	if (!check_app(call, answer) || !read_upload(call, "document", &upload, answer))
		return;
	document = make_document(call->app);
	if (set_file(document, &upload, answer))
	{
		cJSON	   *json = describe_document(document, false);

		cJSON_AddStringToObject(json, "documentId", document->id);
		answer_json(answer, json);
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
set_metadata(Document *document, const cJSON *body)
{
	if (get_text(body, "externalId"))
		set_text(&document->external_id, get_text(body, "externalId"));
	if (get_text(body, "label"))
		set_text(&document->label, get_text(body, "label"));
	if (get_text(body, "description"))
		set_text(&document->description, get_text(body, "description"));
}

/* POST .../init-documents */
void
init_document(Call *call, Answer *answer)
{
	static const Field fields[] = {{"signatureRequestId", 'i', true}, METADATA, {NULL, 0, false}};
	cJSON	   *body;
	Request    *request;

	if (!check_app(call, answer) || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	request = find_request(call->app, get_text(body, "signatureRequestId"), answer);
	if (request != NULL && strcmp(request->status, "DRAFT") != 0)
		answer_error(answer, "SIGNATURE_REQUEST_BAD_STATUS", "The signature request is not a draft", NULL);
	else if (request != NULL)
	{
		Document   *document = make_document(call->app);

		document->request = request;
		set_metadata(document, body);
		answer_id(answer, "documentId", document->id);
	}
	cJSON_Delete(body);
}

/* POST /v4/documents/:documentId/file */
void
provide_file(Call *call, Answer *answer)
{
	Document   *document = open_document(call, answer);
	Upload		upload;

	if (document == NULL || !read_upload(call, "file", &upload, answer))
		return;
	if (set_file(document, &upload, answer))
		answer_json(answer, describe_document(document, false));
	free_names(&upload);
}

/* Whether another document of the same request is data in JSON. */
static bool
has_data_beside(const Document *document)
{
	for (size_t i = 0; document->request != NULL && i < document_count(); i++)
	{
		const Document *other = document_by_number(i);

		if (other != document && other->request == document->request && !other->deleted &&
			other->nature != NULL && strcmp(other->nature, "DATA_JSON") == 0)
			return true;
	}
	return false;
}

/* POST /v4/documents/:documentId/data-json-content */
void
provide_json(Call *call, Answer *answer)
{
	static const Field fields[] = {{"jsonContent", '*', true}, {NULL, 0, false}};
	Document   *document = open_document(call, answer);
	cJSON	   *body;
	char	   *text;
	uint8_t		hash[32];

	if (document == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	if (has_data_beside(document))
	{
		cJSON_Delete(body);
		answer_error(answer, "ONLY_ONE_JSON_PER_SIGNATURE_REQUEST_IS_ALLOWED", "The signature request has data already", NULL);
		return;
	}
	text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(body, "jsonContent"));
	cJSON_Delete(body);
	sha256(text, strlen(text), hash);
	if (!may_get(document, "DATA_JSON", hash, answer))
	{
		free(text);
		return;
	}
	set_text(&document->mime_type, "application/json");
	set_content(document, "DATA_JSON", text, strlen(text));
	answer_json(answer, describe_document(document, false));
}

/* POST /v4/documents/:documentId/private-content */
void
provide_hash(Call *call, Answer *answer)
{
	static const Field fields[] = {{"documentHash", 'h', true}, {NULL, 0, false}};
	Document   *document = open_document(call, answer);
	cJSON	   *body;
	const char *text;
	uint8_t		hash[32];

	if (document == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	text = get_text(body, "documentHash");
	if (strlen(text) == 44)
	{
		size_t		size;
		uint8_t    *bytes = from_base64(text, 44, &size);

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
	if (!may_get(document, "PRIVATE_FILE", hash, answer))
		return;
	set_content(document, "PRIVATE_FILE", NULL, 0);
	memcpy(document->hash, hash, 32);
	answer_json(answer, describe_document(document, false));
}

/* PUT /v4/documents/:documentId */
void
update_document(Call *call, Answer *answer)
{
	static const Field fields[] = {METADATA, {NULL, 0, false}};
	Document   *document = named_document(call, answer);
	cJSON	   *body;

	if (document == NULL || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	set_metadata(document, body);
	cJSON_Delete(body);
	answer_json(answer, describe_document(document, false));
}

/* DELETE /v4/documents/:documentId */
void
delete_document(Call *call, Answer *answer)
{
	Document   *document = open_document(call, answer);

	if (document == NULL)
		return;
	for (int i = 0; document->request != NULL && i < document->request->ndocuments; i++)
	{
		Request    *request = document->request;

		if (request->documents[i] == document)
			memmove(&request->documents[i], &request->documents[i + 1],
					(size_t) (--request->ndocuments - i) * sizeof(Document *));
		touch_request(request);
	}
	document->deleted = true;
	answer_id(answer, "documentId", document->id);
}

/* DELETE /v4/documents/:documentId/content */
void
delete_content(Call *call, Answer *answer)
{
	Document   *document = open_document(call, answer);

	if (document == NULL)
		return;
	set_content(document, NULL, NULL, 0);
	answer_json(answer, describe_document(document, false));
}

/* POST /v4/documents/:documentId/check-authenticity */
void
check_authenticity(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);
	Upload		upload;
	uint8_t		hash[32];
	cJSON	   *json;

	if (document == NULL || !read_upload(call, "file", &upload, answer))
		return;
	sha256(upload.content.data, upload.content.length, hash);
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "documentId", document->id);
	cJSON_AddBoolToObject(json, "authenticityValidated",
						  document->nature != NULL && memcmp(hash, document->hash, 32) == 0);
	answer_json(answer, json);
	buffer_free(&upload.content);
	free_names(&upload);
}

/* POST .../log-capsules: the time stamp is one in name only. */
void
log_capsule(Call *call, Answer *answer)
{
	static const Field fields[] = {{"hashSha256_b64", 'h', true}, {NULL, 0, false}};
	cJSON	   *body;
	cJSON	   *json;
	char	   *stamp;
	char		time[32];

	if (!check_app(call, answer) || (body = parse_fields(call, fields, answer)) == NULL)
		return;
	format_time(now_ms(), time);
	stamp = to_base64((const uint8_t *) time, strlen(time));
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "hashSha256_b64", get_text(body, "hashSha256_b64"));
	cJSON_AddStringToObject(json, "timestamp_b64", stamp);
	free(stamp);
	cJSON_Delete(body);
	answer_json(answer, json);
}
