/*-------------------------------------------------------------------------
 *
 * pdf_sign.h
 *	  PAdES signatures: each an incremental update of the PDF.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_PDF_SIGN_H
#define SB_PDF_SIGN_H

#include "model/store.h"

extern bool sb_sign_pdf(SbBuffer *pdf, int n, const SbParticipant *participant);

#endif							/* SB_PDF_SIGN_H */
