/*-------------------------------------------------------------------------
 *
 * lifecycle.h
 *	  The states of a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_LIFECYCLE_H
#define SB_LIFECYCLE_H

#include "model/store.h"

/* Hears what happens to requests: delivery/ makes events and e-mails of it. */
typedef struct SbObserver
{
	void		(*changed) (SbRequest *request, const char *action);
	void		(*asked) (const SbRequest *request, const SbParticipant *participants, int count);
	void		(*signed_by) (SbRequest *request, const SbParticipant *participant);
	void		(*refused) (SbRequest *request, const SbParticipant *participant);
	void		(*proof_made) (SbRequest *request);
} SbObserver;

extern void sb_lifecycle_observe(const SbObserver *new_observer);
extern int	sb_publish(SbRequest *request);
extern void sb_update_status(SbRequest *request);
extern bool sb_is_closed(const SbRequest *request);
extern void sb_sign_or_approve(SbRequest *request, SbParticipant *participant);
extern void sb_refuse(SbRequest *request, SbParticipant *participant, const char *reason);
extern bool sb_sign_participant(SbRequest *request, const char *email);
extern bool sb_refuse_participant(SbRequest *request, const char *email, const char *reason);

#endif							/* SB_LIFECYCLE_H */
