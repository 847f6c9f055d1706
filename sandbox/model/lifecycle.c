/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  The states of a request.
 *
 * Nothing happens by itself.  A part that looks at a request first brings it up to
 * date, so that everything that was due in the meantime has happened, in order.
 *
 *-------------------------------------------------------------------------
 */
#include "model/lifecycle.h"

#include <string.h>
#include <strings.h>

#include "model/participants.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/options.h"

static const SbObserver *observer;

/* Name the one that hears what happens; it must be there before the first call. */
void
sb_lifecycle_observe(const SbObserver *new_observer)
{
	observer = new_observer;
}

/* Whether the request will never change again, except for its proof. */
bool
sb_is_closed(const SbRequest *request)
{
	static const char *const closed[] = {
		"COMPLETED", "EXPIRED", "FAILED", "CANCELLED", "LAUNCH_ERROR"
	};

	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
	{
		if (strcmp(request->status, closed[i]) == 0)
			return true;
	}
	return false;
}

/* When the last signer signed; 0: some have not. */
static int64_t
all_signed_at(const SbRequest *request)
{
	int64_t		last = 0;

	for (int i = 0; i < request->nparticipants; i++)
	{
		if (request->participants[i].signed_at == 0)
			return 0;
		if (request->participants[i].signed_at > last)
			last = request->participants[i].signed_at;
	}
	return last;
}

/* Whether somebody signs only when told to. */
static bool
signs_manually(const SbSigner *signer)
{
	for (int i = 0; i < sb_options.nmanual_signers; i++)
	{
		if (signer->inputs[SB_SIGNER_EMAIL] && strcasecmp(sb_options.manual_signers[i], signer->inputs[SB_SIGNER_EMAIL]) == 0)
			return true;
	}
	return sb_options.sign_after < 0;
}

/* One has signed. */
static void
sign(SbRequest *request, SbParticipant *participant, int64_t time)
{
	participant->signed_at = time;
	sb_touch_request(request);
	observer->signed_by(request, participant);
}

/* One has approved. */
static void
approve(SbRequest *request, SbParticipant *approver, int64_t time)
{
	approver->signed_at = time;
	sb_touch_request(request);
	observer->changed(request, "APPROVER_STEP");
	if (sb_opened_at(request) != 0)
		observer->asked(request, request->participants, request->nparticipants);
}

/* Its time is over: what was signed by some is completed. */
static void
expire(SbRequest *request)
{
	bool		any = false;

	for (int i = 0; i < request->nparticipants; i++)
		any = any || request->participants[i].signed_at != 0;
	request->status = any ? "COMPLETED" : "EXPIRED";
	request->closed_at = request->expires_at;
	observer->changed(request, request->status);
}

/* Let those approve, one after another, who do so by themselves and whose time has come. */
static void
approve_due(SbRequest *request, int64_t now)
{
	for (int i = 0; i < request->napprovers; i++)
	{
		SbParticipant *approver = &request->approvers[i];
		int64_t		due = request->launched_at + (i + 1) * sb_options.sign_after;

		if (approver->signed_at == 0 && !signs_manually(approver->signer) && now >= due)
			approve(request, approver, due);
		if (approver->signed_at == 0)
			return;
	}
}

/* The request is due: tell the signers. */
static void
launch(SbRequest *request, int64_t time)
{
	request->launched_at = time;
	request->status = "IN_PROGRESS";
	observer->changed(request, "LAUNCHED");
	observer->asked(request, request->approvers, request->napprovers);
	if (request->napprovers == 0)
		observer->asked(request, request->participants, request->nparticipants);
}

/* Bring a request up to date. */
void
sb_update_status(SbRequest *request)
{
	int64_t		now = sb_now_ms();
	const char *old_status = request->status;
	const char *old_proof_status = request->proof_status;

	if (strcmp(request->status, "LAUNCHING") == 0 &&
		now >= request->published_at + sb_options.launch_delay)
	{
		if (request->diffusion_at <= request->published_at + sb_options.launch_delay)
			launch(request, request->published_at + sb_options.launch_delay);
		else
		{
			request->status = "READY";
			observer->changed(request, "READY");
		}
	}
	if (strcmp(request->status, "READY") == 0)
	{
		if (now >= request->diffusion_at)
			launch(request, request->diffusion_at);
		else if (request->expires_at != 0 && now >= request->expires_at)
			expire(request);
	}
	if (strcmp(request->status, "IN_PROGRESS") == 0)
	{
		int64_t		start;

		approve_due(request, now);
		start = sb_opened_at(request);
		for (int i = 0; start != 0 && i < request->nparticipants; i++)
		{
			int64_t		due = start + (i + 1) * sb_options.sign_after;

			if (request->participants[i].signed_at == 0 && !signs_manually(request->participants[i].signer) && now >= due)
				sign(request, &request->participants[i], due);
		}
		request->signed_at = all_signed_at(request);
		if (request->signed_at != 0)
			request->status = "PROCESSING";
		else if (request->expires_at != 0 && now >= request->expires_at)
			expire(request);
	}
	if (strcmp(request->status, "PROCESSING") == 0 &&
		now >= request->signed_at + sb_options.process_delay)
	{
		request->closed_at = request->signed_at + sb_options.process_delay;
		request->status = "COMPLETED";
		observer->changed(request, "COMPLETED");
	}
	if (strcmp(request->status, "COMPLETED") == 0 &&
		(strcmp(request->proof_status, "NOT_INITIALIZED") == 0 ||
		 strcmp(request->proof_status, "IN_PROGRESS") == 0))
	{
		bool		ready = now >= request->closed_at + sb_options.proof_delay;

		request->proof_status = ready ? "CREATED" : "IN_PROGRESS";
		if (ready)
			observer->proof_made(request);
	}
	if (request->status != old_status || request->proof_status != old_proof_status)
		sb_touch_request(request);
}

/*
 * Ask the signers to sign; returns the number of e-mails.  Those that are asked only
 * after approval count, too: the call causes their e-mails.
 */
int
sb_publish(SbRequest *request)
{
	int			emails = request->napprovers;

	request->status = "LAUNCHING";
	request->published_at = sb_now_ms();
	for (int i = 0; i < request->napprovers; i++)
		request->approvers[i].token = sb_make_link_token(false);
	for (int i = 0; i < request->nparticipants; i++)
	{
		SbParticipant *participant = &request->participants[i];

		participant->token = sb_make_link_token(participant->signer->profile->embedded);
		if (!participant->signer->profile->embedded)
			emails++;
	}
	sb_update_status(request);
	return emails;
}

/* Let one who may do so sign, or approve. */
void
sb_sign_or_approve(SbRequest *request, SbParticipant *participant)
{
	if (sb_is_approver(request, participant))
		approve(request, participant, sb_now_ms());
	else
		sign(request, participant, sb_now_ms());
	sb_update_status(request);
}

/*
 * Let one who may sign or approve refuse, for a reason or none (NULL), which ends
 * the request.  The API has no status for that; it fails.
 */
void
sb_refuse(SbRequest *request, SbParticipant *participant, const char *reason)
{
	participant->refused_at = sb_now_ms();
	sb_set_text(&participant->reason, reason);
	request->status = "FAILED";
	request->closed_at = participant->refused_at;
	sb_touch_request(request);
	observer->refused(request, participant);
}

/* Let one signer sign or approver approve, or all (NULL); false: not possible. */
bool
sb_sign_participant(SbRequest *request, const char *email)
{
	bool		found = false;

	sb_update_status(request);
	if (strcmp(request->status, "IN_PROGRESS") != 0)
		return false;
	for (int i = 0; i < request->napprovers; i++)
	{
		SbParticipant *approver = &request->approvers[i];

		if (email != NULL && strcasecmp(approver->signer->inputs[SB_SIGNER_EMAIL], email) != 0)
			continue;
		found = true;
		if (approver->signed_at == 0)
			approve(request, approver, sb_now_ms());
	}
	for (int i = 0; sb_opened_at(request) != 0 && i < request->nparticipants; i++)
	{
		SbParticipant *participant = &request->participants[i];

		if (email != NULL && strcasecmp(participant->signer->inputs[SB_SIGNER_EMAIL], email) != 0)
			continue;
		found = true;
		if (participant->signed_at == 0)
			sign(request, participant, sb_now_ms());
	}
	sb_update_status(request);
	return found;
}

/* Let the one with this e-mail refuse; false: not possible. */
bool
sb_refuse_participant(SbRequest *request, const char *email, const char *reason)
{
	SbParticipant *participant = email ? sb_participant_by_email(request->approvers, request->napprovers, email) : NULL;

	sb_update_status(request);
	if (email != NULL && (participant == NULL || participant->signed_at != 0))
		participant = sb_participant_by_email(request->participants, request->nparticipants, email);
	if (participant == NULL || !sb_may_sign(request, participant))
		return false;
	sb_refuse(request, participant, reason);
	return true;
}
