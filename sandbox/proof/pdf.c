/*-------------------------------------------------------------------------
 *
 * pdf.c
 *	  PDF: a page of text, and joining it to a document.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/pdf.h"

#include <qpdf/qpdf-c.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"

#define PAGE_WIDTH 595			/* A4, in points */
#define PAGE_HEIGHT 842
#define MARGIN 56
#define LINE_HEIGHT 16
#define LINES_PER_PAGE ((PAGE_HEIGHT - 2 * MARGIN) / LINE_HEIGHT)

/* A PDF being written: its bytes, and where each object starts. */
typedef struct Writer
{
	SbBuffer   *pdf;
	size_t		offsets[1000];
} Writer;

static void
begin_object(Writer *writer, int number)
{
	writer->offsets[number] = writer->pdf->length;
	sb_buffer_printf(writer->pdf, "%d 0 obj\n", number);
}

/* Add one line as the operand of Tj, in WinAnsi: what that lacks becomes '?'. */
static void
add_line(SbBuffer *stream, const char *text, size_t length)
{
	sb_buffer_add(stream, "(", 1);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if ((c & 0xC0) == 0x80)
			continue;			/* the rest of a character */
		if ((c == 0xC2 || c == 0xC3) && i + 1 < length)
			c = (unsigned char) ((c & 3) << 6 | ((unsigned char) text[i + 1] & 0x3F));
		else if (c >= 0x80 || c < 0x20)
			c = '?';
		if (c == '(' || c == ')' || c == '\\')
			sb_buffer_add(stream, "\\", 1);
		sb_buffer_add(stream, &c, 1);
	}
	sb_buffer_printf(stream, ") Tj T*\n");
}

/* The content of the page that begins at "text"; returns where the next does. */
static const char *
add_page_of_lines(SbBuffer *stream, const char *text)
{
	sb_buffer_printf(stream, "BT /F1 10 Tf %d TL %d %d Td\n", LINE_HEIGHT, MARGIN, PAGE_HEIGHT - MARGIN);
	for (int i = 0; i < LINES_PER_PAGE && *text; i++)
	{
		size_t		length = strcspn(text, "\n");

		add_line(stream, text, length);
		text += length + (text[length] == '\n');
	}
	sb_buffer_printf(stream, "ET\n");
	return text;
}

/* Write a PDF with these lines. */
void
sb_write_pdf(const SbBuffer *lines, SbBuffer *pdf)
{
	Writer		writer = {.pdf = pdf};
	SbBuffer	kids = {0};
	const char *text = lines->data;
	size_t		xref;
	int			number = 4;
	int			max = (int) (sizeof(writer.offsets) / sizeof(writer.offsets[0]));

	sb_buffer_printf(pdf, "%%PDF-1.4\n");
	begin_object(&writer, 1);
	sb_buffer_printf(pdf, "<< /Type /Catalog /Pages 3 0 R >>\nendobj\n");
	begin_object(&writer, 2);
	sb_buffer_printf(pdf, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica "
					 "/Encoding /WinAnsiEncoding >>\nendobj\n");
	for (; *text && number + 2 <= max; number += 2)
	{
		SbBuffer	stream = {0};

		text = add_page_of_lines(&stream, text);
		sb_buffer_printf(&kids, "%d 0 R ", number);
		begin_object(&writer, number);
		sb_buffer_printf(pdf, "<< /Type /Page /Parent 3 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
						 "/Resources << /Font << /F1 2 0 R >> >> >>\nendobj\n",
						 PAGE_WIDTH, PAGE_HEIGHT, number + 1);
		begin_object(&writer, number + 1);
		sb_buffer_printf(pdf, "<< /Length %zu >>\nstream\n", stream.length);
		sb_buffer_add(pdf, stream.data, stream.length);
		sb_buffer_printf(pdf, "endstream\nendobj\n");
		sb_buffer_free(&stream);
	}
	begin_object(&writer, 3);
	sb_buffer_printf(pdf, "<< /Type /Pages /Kids [%s] /Count %d >>\nendobj\n", kids.data, (number - 4) / 2);
	sb_buffer_free(&kids);

	xref = pdf->length;
	sb_buffer_printf(pdf, "xref\n0 %d\n0000000000 65535 f \n", number);
	for (int i = 1; i < number; i++)
		sb_buffer_printf(pdf, "%010zu 00000 n \n", writer.offsets[i]);
	sb_buffer_printf(pdf, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", number, xref);
}

/* Read a PDF; false: it cannot be. */
static bool
read_pdf(qpdf_data qpdf, const char *name, const void *data, size_t size)
{
	qpdf_silence_errors(qpdf);
	qpdf_set_suppress_warnings(qpdf, QPDF_TRUE);
	return (qpdf_read_memory(qpdf, name, data, size, NULL) & QPDF_ERRORS) == 0 &&
		qpdf_get_num_pages(qpdf) > 0;
}

/* Whether a PDF is encrypted, be it with a password that opens it or not. */
bool
sb_is_encrypted(const void *data, size_t size)
{
	qpdf_data	qpdf;
	bool		result = false;

	if (memmem(data, size, "/Encrypt", 8) == NULL)
		return false;
	qpdf = qpdf_init();
	if (read_pdf(qpdf, "document", data, size))
		result = qpdf_is_encrypted(qpdf);
	else if (qpdf_has_error(qpdf))
		result = qpdf_get_error_code(qpdf, qpdf_get_error(qpdf)) == qpdf_e_password;
	qpdf_cleanup(&qpdf);
	return result;
}

/* Add fields for signatures to the last page, which show nothing there. */
static void
add_fields(qpdf_data qpdf, int count)
{
	qpdf_oh		root = qpdf_get_root(qpdf);
	qpdf_oh		page = qpdf_get_page_n(qpdf, (size_t) qpdf_get_num_pages(qpdf) - 1);
	qpdf_oh		form = qpdf_oh_parse(qpdf, "<< /SigFlags 3 /Fields [] >>");
	qpdf_oh		fields = qpdf_oh_get_key(qpdf, form, "/Fields");
	qpdf_oh		annotations = qpdf_oh_get_key(qpdf, page, "/Annots");

	if (!qpdf_oh_is_array(qpdf, annotations))
	{
		annotations = qpdf_oh_parse(qpdf, "[]");
		qpdf_oh_replace_key(qpdf, page, "/Annots", annotations);
	}
	for (int n = 1; n <= count; n++)
	{
		char	   *text = sb_psprintf("<< /Type /Annot /Subtype /Widget /FT /Sig /T (" SB_SIGNATURE_FIELD "%d) "
									   "/Rect [0 0 0 0] /F 132 >>", n);
		qpdf_oh		field = qpdf_make_indirect_object(qpdf, qpdf_oh_parse(qpdf, text));

		qpdf_oh_append_item(qpdf, fields, field);
		qpdf_oh_append_item(qpdf, annotations, field);
		free(text);
	}
	qpdf_oh_replace_key(qpdf, root, "/AcroForm", qpdf_make_indirect_object(qpdf, form));
}

/*
 * Join the pages of a PDF to those of another, unless NULL, and prepare it for signatures
 * (pdf_sign.c); false: one of them cannot be read, or is encrypted.
 */
bool
sb_prepare_pdf(const void *data, size_t size, const SbBuffer *more, int signatures, SbBuffer *result)
{
	qpdf_data	first = qpdf_init();
	qpdf_data	second = qpdf_init();
	bool		done = false;

	if (read_pdf(first, "document", data, size) && !qpdf_is_encrypted(first) &&
		(more == NULL || read_pdf(second, "receipt", more->data, more->length)))
	{
		int			count = more ? qpdf_get_num_pages(second) : 0;

		done = true;
		for (int i = 0; i < count; i++)
			done = done && (qpdf_add_page(first, second, qpdf_get_page_n(second, (size_t) i),
										  QPDF_FALSE) & QPDF_ERRORS) == 0;
		if (done)
			add_fields(first, signatures);
		done = done && (qpdf_init_write_memory(first) & QPDF_ERRORS) == 0;
		if (done)
		{
			qpdf_set_deterministic_ID(first, QPDF_TRUE);
			qpdf_set_object_stream_mode(first, qpdf_o_disable);
			done = (qpdf_write(first) & QPDF_ERRORS) == 0;
		}
		if (done)
			sb_buffer_add(result, qpdf_get_buffer(first), qpdf_get_buffer_length(first));
	}
	qpdf_cleanup(&second);
	qpdf_cleanup(&first);
	return done;
}
