/*-------------------------------------------------------------------------
 *
 * signing_standing.c
 *	  How things stand for the one who looks at a signing page.
 *
 *-------------------------------------------------------------------------
 */
#include "pages/signing_standing.h"

#include <string.h>

#include "model/participants.h"
#include "model/store.h"
#include "pages/signing_view.h"

/* Whether one of them has refused. */
static bool
any_refused(const SbParticipant *participants, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (participants[i].refused_at != 0)
			return true;
	}
	return false;
}

/* How things stand for one who has signed or approved. */
static SbStanding
standing_after(const SbView *view)
{
	const char *status = view->request->status;
	SbStanding	standing = {"good", "Signed", "You have signed", NULL};

	if (view->approver)
		standing = (SbStanding) {"good", "Approved", "You have approved", NULL};
	if (strcmp(status, "IN_PROGRESS") == 0)
		standing.text = "Others still have to sign. There is nothing more for you to do.";
	else if (strcmp(status, "PROCESSING") == 0)
		standing.text = "All have signed. The request is being completed.";
	else if (strcmp(status, "COMPLETED") == 0)
		standing.text = "The request is completed.";
	else
	{
		standing.tone = "plain";
		standing.text = "The request has ended since, without being completed.";
	}
	return standing;
}

/* How things stand for one who cannot sign, for want of time or of others. */
static SbStanding
standing_before(const SbView *view)
{
	static const struct
	{
		const char *status;
		SbStanding	standing;
	}			known[] = {
		{"LAUNCHING", {"busy", "Not open yet", "Not open yet", "The request is being prepared. Come back in a moment."}},
		{"READY", {"busy", "Not open yet", "Not open yet", "The request opens later, at a time that its sender has chosen."}},
		{"IN_PROGRESS", {"busy", "Not your turn yet", "It is not your turn yet",
		"Others have to approve the request before you can sign. You get an e-mail when they have."}},
		{"PROCESSING", {"plain", "Closed", "Closed without your signature", "The request was completed before you signed."}},
		{"COMPLETED", {"plain", "Closed", "Closed without your signature", "The request was completed before you signed."}},
		{"EXPIRED", {"plain", "Expired", "This request has expired", "Its time was over before it was signed. Ask its sender for another one."}},
		{"CANCELLED", {"plain", "Cancelled", "This request was cancelled", "Its sender has withdrawn it. You need not do anything."}},
		{"LAUNCH_ERROR", {"bad", "Failed", "This request could not be opened", "Ask its sender for another one."}}
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcmp(known[i].status, view->request->status) == 0)
			return known[i].standing;
	}
	if (any_refused(view->request->participants, view->request->nparticipants) ||
		any_refused(view->request->approvers, view->request->napprovers))
		return (SbStanding)
	{
		"bad", "Refused", "This request was refused", "Somebody else has refused it, which has ended it."
	};
	return (SbStanding)
	{
		"bad", "Failed", "This request has failed", "It cannot be signed any more. Ask its sender for another one."
	};
}

SbStanding
sb_find_standing(const SbView *view)
{
	if (view->participant->refused_at != 0)
		return (SbStanding)
	{
		"bad", "Refused", "You have refused", "The request has ended, and its sender is told."
	};
	if (view->participant->signed_at != 0)
		return standing_after(view);
	if (!sb_may_sign(view->request, view->participant))
		return standing_before(view);
	if (view->approver)
		return (SbStanding)
	{
		"busy", "To approve", "Please approve", "Read what is to be signed, then approve it or refuse."
	};
	return (SbStanding)
	{
		"busy", "To sign", "Please sign", "Read what is to be signed, then sign or refuse."
	};
}
