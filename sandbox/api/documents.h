/*-------------------------------------------------------------------------
 *
 * documents.h
 *	  The endpoints of documents and their proofs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DOCUMENTS_H
#define SB_DOCUMENTS_H

#include "http/call.h"

extern SbHandler sb_document_metadata,
			sb_document_context,
			sb_document_file,
			sb_document_signatures,
			sb_document_images,
			sb_document_proof,
			sb_signer_proof;

#endif							/* SB_DOCUMENTS_H */
