/*-------------------------------------------------------------------------
 *
 * mail.h
 *	  E-mails that ask somebody to sign or approve.  None is sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_MAIL_H
#define SB_MAIL_H

#include "model/store.h"

extern char *sb_signing_link(const SbRequest *request, const SbParticipant *participant);
extern void sb_invite(const SbRequest *request, const SbParticipant *participants, int count);
extern cJSON *sb_list_emails(const char *request_id, const char *to, int64_t limit);

#endif							/* SB_MAIL_H */
