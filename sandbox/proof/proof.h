/*-------------------------------------------------------------------------
 *
 * proof.h
 *	  What proves that a document was signed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_PROOF_H
#define SB_PROOF_H

#include "model/store.h"

extern bool sb_is_pdf(const SbDocument *document);
extern const char *sb_file_nature(const SbDocument *document);
extern void sb_make_proof(SbDocument *document, SbBuffer *proof);
extern bool sb_make_pades(const SbDocument *document, const SbParticipant *participant, SbBuffer *pdf);
extern void sb_make_legal_kit(SbDocument *document, const char *evidence, SbBuffer *kit);

#endif							/* SB_PROOF_H */
