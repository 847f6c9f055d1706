/*-------------------------------------------------------------------------
 *
 * pdf_sign.c
 *	  PAdES signatures: each an incremental update of the PDF.
 *
 * The PDF comes from sb_prepare_pdf(), which has libqpdf write it with a field for
 * each signature, in a form that is known: objects in the open, one table of
 * references, one trailer.  A signature gives its field a value and signs all
 * bytes but its own.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/pdf_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/store.h"
#include "proof/cms.h"
#include "proof/pdf.h"
#include "util/buffer.h"
#include "util/encoding.h"

/* Room for a signature, in hexadecimal digits. */
#define CONTENTS_LENGTH 16384

/* What a PDF's trailer says, and where. */
typedef struct Trailer
{
	size_t		xref;
	int			size;
	int			root;
	char		id[256];		/* "/ID [...]", or empty */
} Trailer;

/* The last place of a text in a PDF; NULL: there is none. */
static const char *
find_last(const SbBuffer *pdf, const char *text)
{
	size_t		length = strlen(text);

	for (size_t i = pdf->length - length + 1; i-- > 0;)
	{
		if (memcmp(pdf->data + i, text, length) == 0)
			return pdf->data + i;
	}
	return NULL;
}

/* Read the last trailer; false: it is not of the form that we know. */
static bool
read_trailer(const SbBuffer *pdf, Trailer *trailer)
{
	const char *start = find_last(pdf, "startxref");
	const char *text = find_last(pdf, "trailer");
	const char *root = text ? strstr(text, "/Root ") : NULL;
	const char *size = text ? strstr(text, "/Size ") : NULL;
	const char *id = text ? strstr(text, "/ID [") : NULL;
	const char *end = id ? strchr(id, ']') : NULL;

	trailer->id[0] = '\0';
	if (end != NULL && (size_t) (end - id) + 2 < sizeof(trailer->id))
		snprintf(trailer->id, sizeof(trailer->id), "%.*s", (int) (end - id) + 1, id);
	return start != NULL && root != NULL && size != NULL &&
		sscanf(start, "startxref %zu", &trailer->xref) == 1 &&
		sscanf(root, "/Root %d 0 R", &trailer->root) == 1 && sscanf(size, "/Size %d", &trailer->size) == 1;
}

/* Find the object of a signature's field; false: it is not there. */
static bool
find_field(const SbBuffer *pdf, int n, int *number, char **dictionary)
{
	char	   *name = sb_psprintf("/T (" SB_SIGNATURE_FIELD "%d)", n);
	const char *place = find_last(pdf, name);
	const char *start = place;
	const char *end = place ? strstr(place, "endobj") : NULL;

	free(name);
	if (end == NULL)
		return false;
	while (start > pdf->data && memcmp(start, " 0 obj", 6) != 0)
		start--;
	*dictionary = NULL;
	for (const char *digits = start; digits > pdf->data && *dictionary == NULL; digits--)
	{
		if (digits[-1] == '\n' && sscanf(digits, "%d 0 obj", number) == 1)
			*dictionary = sb_psprintf("%.*s", (int) (end - start - 6), start + 6);
	}
	return *dictionary != NULL;
}

/* Text as a string of PDF. */
static void
add_string(SbBuffer *pdf, const char *text)
{
	sb_buffer_add(pdf, "(", 1);
	for (; *text; text++)
	{
		if (strchr("()\\", *text))
			sb_buffer_add(pdf, "\\", 1);
		sb_buffer_add(pdf, text, 1);
	}
	sb_buffer_add(pdf, ")", 1);
}

/* Put the signature into its place; false: not possible. */
static bool
fill_in(SbBuffer *pdf, size_t contents, size_t range, const SbSigner *signer)
{
	size_t		after = contents + CONTENTS_LENGTH + 2;
	char		numbers[64];
	SbBuffer	signed_bytes = {0};
	SbBuffer	signature = {0};
	bool		done;

	snprintf(numbers, sizeof(numbers), "[0 %010zu %010zu %010zu]", contents, after, pdf->length - after);
	memcpy(pdf->data + range, numbers, strlen(numbers));
	sb_buffer_add(&signed_bytes, pdf->data, contents);
	sb_buffer_add(&signed_bytes, pdf->data + after, pdf->length - after);
	done = sb_sign_bytes(signer, signed_bytes.data, signed_bytes.length, &signature) &&
		signature.length * 2 <= CONTENTS_LENGTH;
	if (done)
	{
		char	   *hex = sb_to_hex((const uint8_t *) signature.data, signature.length);

		memcpy(pdf->data + contents + 1, hex, signature.length * 2);
		free(hex);
	}
	sb_buffer_free(&signed_bytes);
	sb_buffer_free(&signature);
	return done;
}

/* Add the n-th signature, counted from 1; false: not possible. */
bool
sb_sign_pdf(SbBuffer *pdf, int n, const SbParticipant *participant)
{
	Trailer		trailer;
	char	   *dictionary;
	char	   *end;
	int			field;
	size_t		field_offset;
	size_t		signature_offset;
	size_t		range;
	size_t		contents;
	size_t		xref;
	time_t		seconds = (time_t) (participant->signed_at / 1000);
	struct tm	tm;
	char		time[32];

	if (!read_trailer(pdf, &trailer) || !find_field(pdf, n, &field, &dictionary))
		return false;
	gmtime_r(&seconds, &tm);
	strftime(time, sizeof(time), "D:%Y%m%d%H%M%SZ", &tm);

	/* The field again, with the signature as its value. */
	end = strrchr(dictionary, '>');
	while (end > dictionary && end[-1] == '>')
		end--;
	field_offset = pdf->length;
	sb_buffer_printf(pdf, "%d 0 obj%.*s/V %d 0 R >>\nendobj\n", field, (int) (end - dictionary), dictionary, trailer.size);
	free(dictionary);

	signature_offset = pdf->length;
	sb_buffer_printf(pdf, "%d 0 obj\n<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /M (%s) /Name ",
					 trailer.size, time);
	add_string(pdf, participant->signer->inputs[SB_SIGNER_EMAIL]);
	sb_buffer_printf(pdf, " /ByteRange ");
	range = pdf->length;
	sb_buffer_printf(pdf, "[0 %010d %010d %010d] /Contents ", 0, 0, 0);
	contents = pdf->length;
	sb_buffer_printf(pdf, "<%0*d>", CONTENTS_LENGTH, 0);
	sb_buffer_printf(pdf, " >>\nendobj\n");

	xref = pdf->length;
	sb_buffer_printf(pdf, "xref\n%d 1\n%010zu 00000 n \n%d 1\n%010zu 00000 n \n", field, field_offset,
					 trailer.size, signature_offset);
	sb_buffer_printf(pdf, "trailer\n<< /Root %d 0 R /Size %d /Prev %zu %s >>\nstartxref\n%zu\n%%%%EOF\n",
					 trailer.root, trailer.size + 1, trailer.xref, trailer.id, xref);
	return fill_in(pdf, contents, range, participant->signer);
}
