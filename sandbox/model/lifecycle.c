/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  The states of a request.
 *
 * Nothing happens by itself: whoever looks at a request first brings it up to
 * date, so that all that was due in the meantime has happened, in order.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <string.h>
#include <strings.h>

/* Whether the request will never change again, except for its proof. */
bool
is_closed(const Request *request)
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
all_signed_at(const Request *request)
{
	int64_t		last = 0;

	for (int i = 0; i < request->nparties; i++)
	{
		if (request->parties[i].signed_at == 0)
			return 0;
		if (request->parties[i].signed_at > last)
			last = request->parties[i].signed_at;
	}
	return last;
}

/* Whether somebody signs only when told to. */
static bool
signs_by_hand(const Signer *signer)
{
	for (int i = 0; i < options.nby_hand; i++)
	{
		if (signer->inputs[SIGNER_EMAIL] && strcasecmp(options.by_hand[i], signer->inputs[SIGNER_EMAIL]) == 0)
			return true;
	}
	return options.sign_after < 0;
}

/* When the signers could sign a published request: once all had approved.  0: not yet. */
int64_t
opened_at(const Request *request)
{
	int64_t		last = request->launched_at;

	for (int i = 0; i < request->napprovers; i++)
	{
		if (request->approvers[i].signed_at == 0)
			return 0;
		if (request->approvers[i].signed_at > last)
			last = request->approvers[i].signed_at;
	}
	return last;
}

/* One has signed. */
static void
sign(Request *request, Party *party, int64_t time)
{
	party->signed_at = time;
	touch_request(request);
	emit_signatures(request, party);
}

/* One has approved. */
static void
approve(Request *request, Party *approver, int64_t time)
{
	approver->signed_at = time;
	touch_request(request);
	emit_request(request, "APPROVER_STEP");
	if (opened_at(request) != 0)
		invite(request, request->parties, request->nparties);
}

/* Its time is over: what was signed by some is completed. */
static void
expire(Request *request)
{
	bool		any = false;

	for (int i = 0; i < request->nparties; i++)
		any = any || request->parties[i].signed_at != 0;
	request->status = any ? "COMPLETED" : "EXPIRED";
	request->closed_at = request->expires_at;
	emit_request(request, request->status);
}

/* Let those approve, one after another, who do so by themselves and whose time has come. */
static void
approve_due(Request *request, int64_t now)
{
	for (int i = 0; i < request->napprovers; i++)
	{
		Party	   *approver = &request->approvers[i];
		int64_t		due = request->launched_at + (i + 1) * options.sign_after;

		if (approver->signed_at == 0 && !signs_by_hand(approver->signer) && now >= due)
			approve(request, approver, due);
		if (approver->signed_at == 0)
			return;
	}
}

/* The request is due: tell the signers. */
static void
launch(Request *request, int64_t time)
{
	request->launched_at = time;
	request->status = "IN_PROGRESS";
	emit_request(request, "LAUNCHED");
	invite(request, request->approvers, request->napprovers);
	if (request->napprovers == 0)
		invite(request, request->parties, request->nparties);
}

/* Bring a request up to date. */
void
advance(Request *request)
{
	int64_t		now = now_ms();
	const char *old_status = request->status;
	const char *old_proof_status = request->proof_status;

	if (strcmp(request->status, "LAUNCHING") == 0 &&
		now >= request->published_at + options.launch_delay)
	{
		if (request->diffusion_at <= request->published_at + options.launch_delay)
			launch(request, request->published_at + options.launch_delay);
		else
		{
			request->status = "READY";
			emit_request(request, "READY");
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
		start = opened_at(request);
		for (int i = 0; start != 0 && i < request->nparties; i++)
		{
			int64_t		due = start + (i + 1) * options.sign_after;

			if (request->parties[i].signed_at == 0 && !signs_by_hand(request->parties[i].signer) && now >= due)
				sign(request, &request->parties[i], due);
		}
		request->signed_at = all_signed_at(request);
		if (request->signed_at != 0)
			request->status = "PROCESSING";
		else if (request->expires_at != 0 && now >= request->expires_at)
			expire(request);
	}
	if (strcmp(request->status, "PROCESSING") == 0 &&
		now >= request->signed_at + options.process_delay)
	{
		request->closed_at = request->signed_at + options.process_delay;
		request->status = "COMPLETED";
		emit_request(request, "COMPLETED");
	}
	if (strcmp(request->status, "COMPLETED") == 0 &&
		(strcmp(request->proof_status, "NOT_INITIALIZED") == 0 ||
		 strcmp(request->proof_status, "IN_PROGRESS") == 0))
	{
		bool		ready = now >= request->closed_at + options.proof_delay;

		request->proof_status = ready ? "CREATED" : "IN_PROGRESS";
		if (ready)
			emit_proof(request);
	}
	if (request->status != old_status || request->proof_status != old_proof_status)
		touch_request(request);
}

/* Whether one of the request's approvers is meant, rather than of its signers. */
bool
is_approver(const Request *request, const Party *party)
{
	return request->napprovers > 0 && party >= request->approvers && party < request->approvers + request->napprovers;
}

/* Whether somebody may sign or approve a request, which is up to date, now. */
bool
may_act(const Request *request, const Party *party)
{
	return strcmp(request->status, "IN_PROGRESS") == 0 && party->signed_at == 0 &&
		(is_approver(request, party) || opened_at(request) != 0);
}

/* Let one who may do so sign, or approve. */
void
act(Request *request, Party *party)
{
	if (is_approver(request, party))
		approve(request, party, now_ms());
	else
		sign(request, party, now_ms());
	advance(request);
}

/*
 * Let one who may sign or approve refuse, for a reason or none (NULL), which ends
 * the request.  The API has no status for that; it fails.
 */
void
refuse(Request *request, Party *party, const char *reason)
{
	party->refused_at = now_ms();
	set_text(&party->reason, reason);
	request->status = "FAILED";
	request->closed_at = party->refused_at;
	touch_request(request);
	emit_refusal(request, party);
}

/* Find an approver or a signer by e-mail. */
static Party *
party_by_email(Party *parties, int count, const char *email)
{
	for (int i = 0; i < count; i++)
	{
		if (strcasecmp(parties[i].signer->inputs[SIGNER_EMAIL], email) == 0)
			return &parties[i];
	}
	return NULL;
}

/* Let one signer sign or approver approve, or all (NULL); false: not possible. */
bool
sign_party(Request *request, const char *email)
{
	bool		found = false;

	advance(request);
	if (strcmp(request->status, "IN_PROGRESS") != 0)
		return false;
	for (int i = 0; i < request->napprovers; i++)
	{
		Party	   *approver = &request->approvers[i];

		if (email != NULL && strcasecmp(approver->signer->inputs[SIGNER_EMAIL], email) != 0)
			continue;
		found = true;
		if (approver->signed_at == 0)
			approve(request, approver, now_ms());
	}
	for (int i = 0; opened_at(request) != 0 && i < request->nparties; i++)
	{
		Party	   *party = &request->parties[i];

		if (email != NULL && strcasecmp(party->signer->inputs[SIGNER_EMAIL], email) != 0)
			continue;
		found = true;
		if (party->signed_at == 0)
			sign(request, party, now_ms());
	}
	advance(request);
	return found;
}

/* Let the one with this e-mail refuse; false: not possible. */
bool
refuse_party(Request *request, const char *email, const char *reason)
{
	Party	   *party = email ? party_by_email(request->approvers, request->napprovers, email) : NULL;

	advance(request);
	if (email != NULL && (party == NULL || party->signed_at != 0))
		party = party_by_email(request->parties, request->nparties, email);
	if (party == NULL || !may_act(request, party))
		return false;
	refuse(request, party, reason);
	return true;
}
