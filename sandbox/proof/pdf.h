/*-------------------------------------------------------------------------
 *
 * pdf.h
 *	  PDF: a page of text, and joining it to a document.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_PDF_H
#define SB_PDF_H

#include <stdbool.h>

#include "util/buffer.h"

/* How the fields of signatures are named, before their number. */
#define SB_SIGNATURE_FIELD "IgnisignSignature"

extern bool sb_is_encrypted(const void *data, size_t size);
extern void sb_write_pdf(const SbBuffer *lines, SbBuffer *pdf);
extern bool sb_prepare_pdf(const void *data, size_t size, const SbBuffer *more, int signatures, SbBuffer *result);

#endif							/* SB_PDF_H */
