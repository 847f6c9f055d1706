/*-------------------------------------------------------------------------
 *
 * signing_documents.h
 *	  The documents of a signing page: shown, or given to be saved.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SIGNING_DOCUMENTS_H
#define SB_SIGNING_DOCUMENTS_H

#include "http/call.h"
#include "pages/signing_view.h"

extern void sb_add_documents(SbBuffer *html, const SbView *view);
extern void sb_respond_document(SbCall *call, const SbView *view, SbResponse *response);

#endif							/* SB_SIGNING_DOCUMENTS_H */
