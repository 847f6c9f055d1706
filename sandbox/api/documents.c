/*-------------------------------------------------------------------------
 *
 * documents.c
 *	  The endpoints of documents and their proofs.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

static const char *const high_level_types[] = {
	"PDF_WITH_SIGNATURES", "ADVANCED_LEGAL_KIT", "SIGNED_DATA", "C2PA", NULL
};

/* Find the document that the path names; NULL, with the error. */
Document *
named_document(Call *call, Answer *answer)
{
	const char *id = call->arguments[0];
	Document   *document;

	if (!is_id(id))
	{
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "documentId is not an id", NULL);
		return NULL;
	}
	document = document_by_id(id);
	if (document == NULL || document->deleted)
	{
		answer_error(answer, "DOCUMENT_NOT_FOUND", "Document not found", NULL);
		return NULL;
	}
	if (document->app != call->app)
	{
		answer_error(answer, foreign_code(call->app, document->app, "DOCUMENT_BAD_ENV", "DOCUMENT_NOT_OWNED_BY_APP"),
					 "The document is of another application or environment", NULL);
		return NULL;
	}
	if (document->request)
		advance(document->request);
	if (strcmp(call->method, "GET") != 0)
		touch_document(document);
	return document;
}

/* The hash as the API writes it, which is not known for sure: by option. */
static char *
hash_text(const Document *document)
{
	char	   *text;

	if (strcmp(options.hash_format, "hex") == 0)
		return to_hex(document->hash, sizeof(document->hash));
	text = to_base64(document->hash, sizeof(document->hash));
	for (char *c = text; strcmp(options.hash_format, "base64url") == 0 && *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return text;
}

/*
 * The id of the signature of one signer under one document: that of the
 * document, with its last digits those of the signer.
 */
void
signature_id(const Document *document, const Signer *signer, char id[ID_LENGTH + 1])
{
	memcpy(id, document->id, ID_LENGTH + 1);
	memcpy(id + 12, signer->id + 18, 6);
}

/* Add a text unless it is NULL. */
static void
add_text(cJSON *json, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(json, name, text);
}

/* The document object; with_signers: and who has signed it. */
cJSON *
describe_document(const Document *document, bool with_signers)
{
	const Request *request = document->request;
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *list;
	char		time[32];

	format_time(document->created_at, time);
	cJSON_AddStringToObject(json, "_id", document->id);
	cJSON_AddStringToObject(json, "_createdAt", time);
	cJSON_AddStringToObject(json, "appId", document->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", document->app->app_env);
	cJSON_AddStringToObject(json, "status", document->cleaned ? "CLEANED" : document->nature ? "PROVIDED" : "CREATED");
	if (document->nature)
	{
		char	   *hash = hash_text(document);

		cJSON_AddStringToObject(json, "documentNature", document->nature);
		cJSON_AddStringToObject(json, "documentHash", hash);
		free(hash);
	}
	if (request)
		cJSON_AddStringToObject(json, "signatureRequestId", request->id);
	else
		cJSON_AddNullToObject(json, "signatureRequestId");
	add_text(json, "externalId", document->external_id);
	add_text(json, "label", document->label);
	add_text(json, "description", document->description);
	add_text(json, "fileName", document->file_name);
	add_text(json, "mimeType", document->mime_type);
	if (document->content)
		cJSON_AddNumberToObject(json, "fileSize", (double) document->size);
	if (document->content && document->nature && strcmp(document->nature, "DATA_JSON") == 0)
		cJSON_AddStringToObject(json, "dataJsonContent", (const char *) document->content);
	if (!with_signers)
		return json;

	list = cJSON_AddArrayToObject(json, "signatureSummaries");
	for (int i = 0; request != NULL && i < request->nparties; i++)
	{
		const Party *party = &request->parties[i];
		cJSON	   *summary;
		char		id[ID_LENGTH + 1];

		if (party->signed_at == 0)
			continue;
		summary = cJSON_CreateObject();
		signature_id(document, party->signer, id);
		format_time(party->signed_at, time);
		cJSON_AddStringToObject(summary, "signatureId", id);
		cJSON_AddStringToObject(summary, "signerId", party->signer->id);
		cJSON_AddStringToObject(summary, "date", time);
		cJSON_AddItemToArray(list, summary);
	}
	return json;
}

/* GET /v4/documents/:documentId */
void
document_metadata(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);

	if (document)
		answer_json(answer, describe_document(document, false));
}

/* GET /v4/documents/:documentId/context */
void
document_context(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);

	if (document)
		answer_json(answer, describe_document(document, true));
}

/* GET /v4/documents/:documentId/file */
void
document_file(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);

	if (document == NULL)
		return;
	if (document->content == NULL)
	{
		answer_error(answer, document->cleaned ? "DOCUMENT_HAS_BEEN_REMOVED" :
					 document->nature ? "DOCUMENT_BAD_NATURE" : "DOCUMENT_NOT_PROVIDED",
					 "The document has no file", NULL);
		return;
	}
	answer->status = 200;
	answer->content_type = document->mime_type;
	buffer_add(&answer->body, document->content, document->size);
}

/* One signature: of one signer under one document. */
static cJSON *
describe_signature(const Document *document, const Party *party)
{
	cJSON	   *json = cJSON_CreateObject();
	char		id[ID_LENGTH + 1];

	signature_id(document, party->signer, id);
	cJSON_AddStringToObject(json, "_id", id);
	cJSON_AddStringToObject(json, "appId", document->app->app_id);
	cJSON_AddStringToObject(json, "appEnv", document->app->app_env);
	cJSON_AddStringToObject(json, "signerId", party->signer->id);
	cJSON_AddStringToObject(json, "documentId", document->id);
	cJSON_AddStringToObject(json, "status", "SIGNED");
	cJSON_AddStringToObject(json, "mode", "SERVER_SIDE_SIGNATURE");
	return json;
}

/* GET /v4/documents/:documentId/signatures */
void
document_signatures(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);
	cJSON	   *list;

	if (document == NULL)
		return;
	list = cJSON_CreateArray();
	for (int i = 0; document->request != NULL && i < document->request->nparties; i++)
	{
		if (document->request->parties[i].signed_at != 0)
			cJSON_AddItemToArray(list, describe_signature(document, &document->request->parties[i]));
	}
	answer_json(answer, list);
}

/* The signature with the id that the path names. */
static void
one_signature(const Document *document, const char *id, Answer *answer)
{
	for (int i = 0; document->request != NULL && i < document->request->nparties; i++)
	{
		const Party *party = &document->request->parties[i];
		char		other[ID_LENGTH + 1];

		signature_id(document, party->signer, other);
		if (party->signed_at != 0 && strcmp(id, other) == 0)
		{
			answer_json(answer, describe_signature(document, party));
			return;
		}
	}
	answer_error(answer, is_id(id) ? "SIGNATURE_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
				 "Signature not found", NULL);
}

/*
 * GET /v4/documents/:documentId/signature-type/:signatureType
 *
 * Older clients say signatures/ in its place, where a signature's id may stand
 * as well.
 */
void
document_proof(Call *call, Answer *answer)
{
	const char *type = call->arguments[1];
	Document   *document = named_document(call, answer);
	const char *status;
	bool		known = false;

	if (document == NULL)
		return;
	for (int i = 0; high_level_types[i] != NULL; i++)
		known = known || strcmp(high_level_types[i], type) == 0;
	if (!known && strstr(call->path, "/signatures/"))
	{
		one_signature(document, type, answer);
		return;
	}
	status = document->request ? document->request->proof_status : "NOT_INITIALIZED";
	if (!known)
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "signatureType is not known", NULL);
	else if (strcmp(status, "CLEANED") == 0)
		answer_error(answer, "DOCUMENT_PROOF_HAS_BEEN_REMOVED", "The proof has been removed", NULL);
	else if (strcmp(status, "CREATED") != 0)
		answer_error(answer, "DOCUMENT_PROOF_NOT_CREATED", "The proof is not created", NULL);
	else if (strcmp(type, "PDF_WITH_SIGNATURES") == 0 && strcmp(document->nature, "DATA_JSON") != 0)
	{
		make_proof(document, &answer->body);
		answer->status = 200;
		answer->content_type = "application/pdf";
	}
	else if (strcmp(type, "SIGNED_DATA") == 0 && make_signed_data(document, &answer->body))
	{
		answer->status = 200;
		answer->content_type = "application/json";
	}
	else if (strcmp(type, "ADVANCED_LEGAL_KIT") == 0)
	{
		make_legal_kit(document, &answer->body);
		answer->status = 200;
		answer->content_type = "application/zip";
	}
	else
		answer_error(answer, "SIGNATURE_PROOF_TYPE_NOT_AVAILABLE", "The document has no such proof", NULL);
}

/* GET /v4/documents/:documentId/img-signatures */
void
document_images(Call *call, Answer *answer)
{
	Document   *document = named_document(call, answer);

	if (document)
		answer_error(answer, "NO_SIGNATURE_IMAGES_FOUND", "Nobody has drawn a signature", NULL);
}

/* Make a proof of one signer, of a type that the document has; NULL: there is none. */
static const char *
make_signer_proof(const Document *document, const Party *party, const char *type, Buffer *proof)
{
	if (strcmp(type, "CADES") == 0 || strcmp(type, "PKCS7") == 0)
		return make_cms(document, party, proof) ? "application/pkcs7-signature" : NULL;
	if (strcmp(type, "PADES_ATTACHED") == 0)
		return make_pades(document, party, proof) ? "application/pdf" : NULL;
	return make_jws(document, party, type, proof) ? "application/jose" : NULL;
}

/* GET /v4/documents/:documentId/signature-type/:signatureType/signers/:signerId */
void
signer_proof(Call *call, Answer *answer)
{
	static const char *const types[] = {
		"CADES", "PKCS7", "PADES_ATTACHED", "JWSDET", "JWSATT", "JADESDET", "JADESATT", "XADESDET",
		"XADESATT", "XMLDSIGDET", "XMLDSIGATT", NULL
	};
	Document   *document = named_document(call, answer);
	const Party *party = NULL;
	const char *content_type;
	bool		known = false;

	if (document == NULL)
		return;
	for (int i = 0; types[i] != NULL; i++)
		known = known || strcmp(types[i], call->arguments[1]) == 0;
	for (int i = 0; document->request != NULL && i < document->request->nparties; i++)
	{
		if (strcmp(document->request->parties[i].signer->id, call->arguments[2]) == 0)
			party = &document->request->parties[i];
	}
	if (!known)
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "signatureType is not known", NULL);
	else if (party == NULL)
		answer_error(answer, is_id(call->arguments[2]) ? "SIGNER_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Signer not found", NULL);
	else if (party->signed_at == 0)
		answer_error(answer, "SIGNER_NOT_SIGNED_YET", "The signer has not signed", NULL);
	else if ((content_type = make_signer_proof(document, party, call->arguments[1], &answer->body)) != NULL)
	{
		answer->status = 200;
		answer->content_type = content_type;
	}
	else
		answer_error(answer, "SIGNATURE_PROOF_TYPE_NOT_AVAILABLE", "The document has no such proof", NULL);
}
