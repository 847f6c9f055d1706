/*-------------------------------------------------------------------------
 *
 * cms.h
 *	  The technical signature of a signer: CMS.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CMS_H
#define SB_CMS_H

#include "model/store.h"

extern bool sb_sign_bytes(const SbSigner *signer, const void *data, size_t size, SbBuffer *signature);
extern bool sb_make_cms(const SbDocument *document, const SbParticipant *participant, SbBuffer *cms);

#endif							/* SB_CMS_H */
