/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  What proves that a document was signed.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

/* Whether a document is a PDF. */
bool
is_pdf(const Document *document)
{
	return document->mime_type != NULL && strcmp(document->mime_type, "application/pdf") == 0;
}

/* What the API calls a file like this one. */
const char *
file_nature(const Document *document)
{
	if (!is_pdf(document))
		return "FILE";
	return is_encrypted(document->content, document->size) ? "PDF_ENCRYPTED" : "PDF";
}

/* Say what was signed, by whom and when. */
static void
write_receipt(const Document *document, Buffer *lines)
{
	const Request *request = document->request;
	char	   *hash = to_hex(document->hash, sizeof(document->hash));
	char		time[32];

	buffer_printf(lines, "SIGNATURES (ignisign-sandbox, without legal value)\n\n");
	buffer_printf(lines, "Title: %s\nRequest: %s\n", request->title, request->id);
	buffer_printf(lines, "Signature method: %s\n\n", request->method);
	buffer_printf(lines, "File: %s (%s, %zu bytes)\n",
				  document->file_name ? document->file_name : document->label ? document->label : document->id,
				  document->nature, document->size);
	buffer_printf(lines, "SHA-256: %s\n\n", hash);
	for (int i = 0; i < request->nparties; i++)
	{
		const Party *party = &request->parties[i];

		if (party->signed_at == 0)
			continue;
		format_time(party->signed_at, time);
		buffer_printf(lines, "Signed by %s %s <%s>\n        at %s\n",
					  party->signer->inputs[SIGNER_FIRST_NAME] ? party->signer->inputs[SIGNER_FIRST_NAME] : "",
					  party->signer->inputs[SIGNER_LAST_NAME] ? party->signer->inputs[SIGNER_LAST_NAME] : "",
					  party->signer->inputs[SIGNER_EMAIL], time);
	}
	free(hash);
}

/* Make the proof: the PDF, then a signature of each who has signed. */
static void
build_proof(const Document *document, Buffer *proof)
{
	const Request *request = document->request;
	Buffer		lines = {0};
	Buffer		receipt = {0};
	int			count = 0;

	for (int i = 0; i < request->nparties; i++)
		count += request->parties[i].signed_at != 0 ? 1 : 0;
	write_receipt(document, &lines);
	write_pdf(&lines, &receipt);

	/* What is no PDF, or one that cannot be read, has the receipt alone. */
	if (!is_pdf(document) || !prepare_pdf(document->content, document->size, &receipt, count, proof))
		(void) prepare_pdf(receipt.data, receipt.length, NULL, count, proof);
	count = 0;
	for (int i = 0; i < request->nparties; i++)
	{
		if (request->parties[i].signed_at != 0)
			(void) sign_pdf(proof, ++count, &request->parties[i]);
	}
	buffer_free(&receipt);
	buffer_free(&lines);
}

/*
 * PDF_WITH_SIGNATURES: the original with a page more, or that page alone, and
 * signatures; made once.
 */
void
make_proof(Document *document, Buffer *proof)
{
	if (document->proof.length == 0)
	{
		build_proof(document, &document->proof);
		touch_document(document);
	}
	buffer_add(proof, document->proof.data, document->proof.length);
}

/* PADES_ATTACHED: the original with the signature of one; false: it cannot be signed so. */
bool
make_pades(const Document *document, const Party *party, Buffer *pdf)
{
	return document->content != NULL && is_pdf(document) &&
		prepare_pdf(document->content, document->size, NULL, 1, pdf) && sign_pdf(pdf, 1, party);
}

/* ADVANCED_LEGAL_KIT: the original, its proof, and the evidence as JSON. */
void
make_legal_kit(Document *document, Buffer *kit)
{
	Buffer		proof = {0};
	cJSON	   *json = describe_document(document, true);
	char	   *evidence = cJSON_Print(json);
	Member		members[3];

	make_proof(document, &proof);
	members[0] = (Member) {"original/document", document->content ? document->content : (const uint8_t *) "", document->size};
	members[1] = (Member) {"proof.pdf", proof.data, proof.length};
	members[2] = (Member) {"evidence.json", evidence, strlen(evidence)};
	write_zip(members, 3, document->request->closed_at, kit);
	cJSON_free(evidence);
	cJSON_Delete(json);
	buffer_free(&proof);
}
