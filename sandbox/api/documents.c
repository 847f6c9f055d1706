/*-------------------------------------------------------------------------
 *
 * documents.c
 *	  The endpoints of documents and their proofs.
 *
 *-------------------------------------------------------------------------
 */
#include "api/documents.h"

#include <stdlib.h>
#include <string.h>

#include "api/describe.h"
#include "api/lookup.h"
#include "http/call.h"
#include "http/response.h"
#include "model/participants.h"
#include "model/store.h"
#include "proof/cms.h"
#include "proof/jws.h"
#include "proof/proof.h"
#include "util/buffer.h"
#include "util/clock.h"

static const char *const high_level_types[] = {
	"PDF_WITH_SIGNATURES", "ADVANCED_LEGAL_KIT", "SIGNED_DATA", "C2PA", NULL
};

/* GET /v4/documents/:documentId */
void
sb_document_metadata(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);

	if (document)
		sb_respond_json(response, sb_describe_document(document, false));
}

/* GET /v4/documents/:documentId/context */
void
sb_document_context(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);

	if (document)
		sb_respond_json(response, sb_describe_document(document, true));
}

/* GET /v4/documents/:documentId/file */
void
sb_document_file(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);

	if (document == NULL)
		return;
	if (document->content == NULL)
	{
		sb_respond_error(response, document->cleaned ? "DOCUMENT_HAS_BEEN_REMOVED" :
						 document->nature ? "DOCUMENT_BAD_NATURE" : "DOCUMENT_NOT_PROVIDED",
						 "The document has no file", NULL);
		return;
	}
	response->status = 200;
	response->content_type = document->mime_type;
	sb_buffer_add(&response->body, document->content, document->size);
}

/* GET /v4/documents/:documentId/signatures */
void
sb_document_signatures(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);
	cJSON	   *list;

	if (document == NULL)
		return;
	list = cJSON_CreateArray();
	for (int i = 0; document->request != NULL && i < document->request->nparticipants; i++)
	{
		if (document->request->participants[i].signed_at != 0)
			cJSON_AddItemToArray(list, sb_describe_signature(document, &document->request->participants[i]));
	}
	sb_respond_json(response, list);
}

/* The signature with the id that the path names. */
static void
one_signature(const SbDocument *document, const char *id, SbResponse *response)
{
	for (int i = 0; document->request != NULL && i < document->request->nparticipants; i++)
	{
		const SbParticipant *participant = &document->request->participants[i];
		char		other[SB_ID_LENGTH + 1];

		sb_signature_id(document, participant->signer, other);
		if (participant->signed_at != 0 && strcmp(id, other) == 0)
		{
			sb_respond_json(response, sb_describe_signature(document, participant));
			return;
		}
	}
	sb_respond_error(response, sb_is_id(id) ? "SIGNATURE_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Signature not found", NULL);
}

/*
 * GET /v4/documents/:documentId/signature-type/:signatureType
 *
 * Older clients say signatures/ in its place, where a signature's id may stand
 * as well.
 */
void
sb_document_proof(SbCall *call, SbResponse *response)
{
	const char *type = call->arguments[1];
	SbDocument *document = sb_named_document(call, response);
	const char *status;
	bool		known = false;

	if (document == NULL)
		return;
	for (int i = 0; high_level_types[i] != NULL; i++)
		known = known || strcmp(high_level_types[i], type) == 0;
	if (!known && strstr(call->path, "/signatures/"))
	{
		one_signature(document, type, response);
		return;
	}
	status = document->request ? document->request->proof_status : "NOT_INITIALIZED";
	if (!known)
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "signatureType is not known", NULL);
	else if (strcmp(status, "CLEANED") == 0)
		sb_respond_error(response, "DOCUMENT_PROOF_HAS_BEEN_REMOVED", "The proof has been removed", NULL);
	else if (strcmp(status, "CREATED") != 0)
		sb_respond_error(response, "DOCUMENT_PROOF_NOT_CREATED", "The proof is not created", NULL);
	else if (strcmp(type, "PDF_WITH_SIGNATURES") == 0 && strcmp(document->nature, "DATA_JSON") != 0)
	{
		sb_make_proof(document, &response->body);
		response->status = 200;
		response->content_type = "application/pdf";
	}
	else if (strcmp(type, "SIGNED_DATA") == 0 && sb_make_signed_data(document, &response->body))
	{
		response->status = 200;
		response->content_type = "application/json";
	}
	else if (strcmp(type, "ADVANCED_LEGAL_KIT") == 0)
	{
		cJSON	   *json = sb_describe_document(document, true);
		char	   *evidence = cJSON_Print(json);

		sb_make_legal_kit(document, evidence, &response->body);
		cJSON_free(evidence);
		cJSON_Delete(json);
		response->status = 200;
		response->content_type = "application/zip";
	}
	else
		sb_respond_error(response, "SIGNATURE_PROOF_TYPE_NOT_AVAILABLE", "The document has no such proof", NULL);
}

/* GET /v4/documents/:documentId/img-signatures */
void
sb_document_images(SbCall *call, SbResponse *response)
{
	SbDocument *document = sb_named_document(call, response);

	if (document)
		sb_respond_error(response, "NO_SIGNATURE_IMAGES_FOUND", "Nobody has drawn a signature", NULL);
}

/* Make a proof of one signer, of a type that the document has; NULL: there is none. */
static const char *
make_signer_proof(const SbDocument *document, const SbParticipant *participant, const char *type, SbBuffer *proof)
{
	if (strcmp(type, "CADES") == 0 || strcmp(type, "PKCS7") == 0)
		return sb_make_cms(document, participant, proof) ? "application/pkcs7-signature" : NULL;
	if (strcmp(type, "PADES_ATTACHED") == 0)
		return sb_make_pades(document, participant, proof) ? "application/pdf" : NULL;
	return sb_make_jws(document, participant, type, proof) ? "application/jose" : NULL;
}

/* GET /v4/documents/:documentId/signature-type/:signatureType/signers/:signerId */
void
sb_signer_proof(SbCall *call, SbResponse *response)
{
	static const char *const types[] = {
		"CADES", "PKCS7", "PADES_ATTACHED", "JWSDET", "JWSATT", "JADESDET", "JADESATT", "XADESDET",
		"XADESATT", "XMLDSIGDET", "XMLDSIGATT", NULL
	};
	SbDocument *document = sb_named_document(call, response);
	const SbParticipant *participant = NULL;
	const char *content_type;
	bool		known = false;

	if (document == NULL)
		return;
	for (int i = 0; types[i] != NULL; i++)
		known = known || strcmp(types[i], call->arguments[1]) == 0;
	for (int i = 0; document->request != NULL && i < document->request->nparticipants; i++)
	{
		if (strcmp(document->request->participants[i].signer->id, call->arguments[2]) == 0)
			participant = &document->request->participants[i];
	}
	if (!known)
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "signatureType is not known", NULL);
	else if (participant == NULL)
		sb_respond_error(response, sb_is_id(call->arguments[2]) ? "SIGNER_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
						 "Signer not found", NULL);
	else if (participant->signed_at == 0)
		sb_respond_error(response, "SIGNER_NOT_SIGNED_YET", "The signer has not signed", NULL);
	else if ((content_type = make_signer_proof(document, participant, call->arguments[1], &response->body)) != NULL)
	{
		response->status = 200;
		response->content_type = content_type;
	}
	else
		sb_respond_error(response, "SIGNATURE_PROOF_TYPE_NOT_AVAILABLE", "The document has no such proof", NULL);
}
