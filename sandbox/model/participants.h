/*-------------------------------------------------------------------------
 *
 * participants.h
 *	  Signers and approvers of a request: who may sign, and how each is found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_PARTICIPANTS_H
#define SB_PARTICIPANTS_H

#include "model/store.h"

extern int64_t sb_opened_at(const SbRequest *request);
extern bool sb_is_approver(const SbRequest *request, const SbParticipant *participant);
extern bool sb_may_sign(const SbRequest *request, const SbParticipant *participant);
extern SbParticipant *sb_participant_by_email(SbParticipant *participants, int count, const char *email);
extern char *sb_make_link_token(bool embedded);
extern SbParticipant *sb_participant_by_token(const SbRequest *request, const char *signer_id, const char *token);
extern void sb_signature_id(const SbDocument *document, const SbSigner *signer, char id[SB_ID_LENGTH + 1]);

#endif							/* SB_PARTICIPANTS_H */
