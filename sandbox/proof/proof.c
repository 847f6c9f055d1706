/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  What proves that a document was signed.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/proof.h"

#include <stdlib.h>
#include <string.h>

#include "model/store.h"
#include "proof/pdf.h"
#include "proof/pdf_sign.h"
#include "proof/zip.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"

/* Whether a document is a PDF. */
bool
sb_is_pdf(const SbDocument *document)
{
	return document->mime_type != NULL && strcmp(document->mime_type, "application/pdf") == 0;
}

/* What the API calls a file like this one. */
const char *
sb_file_nature(const SbDocument *document)
{
	if (!sb_is_pdf(document))
		return "FILE";
	return sb_is_encrypted(document->content, document->size) ? "PDF_ENCRYPTED" : "PDF";
}

/* Say what was signed, by whom and when. */
static void
write_receipt(const SbDocument *document, SbBuffer *lines)
{
	const SbRequest *request = document->request;
	char	   *hash = sb_to_hex(document->hash, sizeof(document->hash));
	char		time[32];

	sb_buffer_printf(lines, "SIGNATURES (ignisign-sandbox, without legal value)\n\n");
	sb_buffer_printf(lines, "Title: %s\nRequest: %s\n", request->title, request->id);
	sb_buffer_printf(lines, "Signature method: %s\n\n", request->method);
	sb_buffer_printf(lines, "File: %s (%s, %zu bytes)\n",
					 document->file_name ? document->file_name : document->label ? document->label : document->id,
					 document->nature, document->size);
	sb_buffer_printf(lines, "SHA-256: %s\n\n", hash);
	for (int i = 0; i < request->nparticipants; i++)
	{
		const SbParticipant *participant = &request->participants[i];

		if (participant->signed_at == 0)
			continue;
		sb_format_time(participant->signed_at, time);
		sb_buffer_printf(lines, "Signed by %s %s <%s>\n        at %s\n",
						 participant->signer->inputs[SB_SIGNER_FIRST_NAME] ? participant->signer->inputs[SB_SIGNER_FIRST_NAME] : "",
						 participant->signer->inputs[SB_SIGNER_LAST_NAME] ? participant->signer->inputs[SB_SIGNER_LAST_NAME] : "",
						 participant->signer->inputs[SB_SIGNER_EMAIL], time);
	}
	free(hash);
}

/* Make the proof: the PDF, then a signature of each who has signed. */
static void
build_proof(const SbDocument *document, SbBuffer *proof)
{
	const SbRequest *request = document->request;
	SbBuffer	lines = {0};
	SbBuffer	receipt = {0};
	int			count = 0;

	for (int i = 0; i < request->nparticipants; i++)
		count += request->participants[i].signed_at != 0 ? 1 : 0;
	write_receipt(document, &lines);
	sb_write_pdf(&lines, &receipt);

	/* What is no PDF, or one that cannot be read, has the receipt alone. */
	if (!sb_is_pdf(document) || !sb_prepare_pdf(document->content, document->size, &receipt, count, proof))
		(void) sb_prepare_pdf(receipt.data, receipt.length, NULL, count, proof);
	count = 0;
	for (int i = 0; i < request->nparticipants; i++)
	{
		if (request->participants[i].signed_at != 0)
			(void) sb_sign_pdf(proof, ++count, &request->participants[i]);
	}
	sb_buffer_free(&receipt);
	sb_buffer_free(&lines);
}

/*
 * PDF_WITH_SIGNATURES: the original with a page more, or that page alone, and
 * signatures; made once.
 */
void
sb_make_proof(SbDocument *document, SbBuffer *proof)
{
	if (document->proof.length == 0)
	{
		build_proof(document, &document->proof);
		sb_touch_document(document);
	}
	sb_buffer_add(proof, document->proof.data, document->proof.length);
}

/* PADES_ATTACHED: the original with the signature of one; false: it cannot be signed so. */
bool
sb_make_pades(const SbDocument *document, const SbParticipant *participant, SbBuffer *pdf)
{
	return document->content != NULL && sb_is_pdf(document) &&
		sb_prepare_pdf(document->content, document->size, NULL, 1, pdf) && sb_sign_pdf(pdf, 1, participant);
}

/* ADVANCED_LEGAL_KIT: the original, its proof, and the evidence as JSON. */
void
sb_make_legal_kit(SbDocument *document, const char *evidence, SbBuffer *kit)
{
	SbBuffer	proof = {0};
	SbZipMember members[3];

	sb_make_proof(document, &proof);
	members[0] = (SbZipMember) {"original/document", document->content ? document->content : (const uint8_t *) "", document->size};
	members[1] = (SbZipMember) {"proof.pdf", proof.data, proof.length};
	members[2] = (SbZipMember) {"evidence.json", evidence, strlen(evidence)};
	sb_write_zip(members, 3, document->request->closed_at, kit);
	sb_buffer_free(&proof);
}
