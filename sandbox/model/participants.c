/*-------------------------------------------------------------------------
 *
 * participants.c
 *	  Signers and approvers of a request: who may sign, and how each is found.
 *
 *-------------------------------------------------------------------------
 */
#include "model/participants.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"

/* When the signers could sign a published request: once all had approved.  0: not yet. */
int64_t
sb_opened_at(const SbRequest *request)
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

/* Whether one of the request's approvers is meant, rather than of its signers. */
bool
sb_is_approver(const SbRequest *request, const SbParticipant *participant)
{
	return request->napprovers > 0 && participant >= request->approvers && participant < request->approvers + request->napprovers;
}

/* Whether somebody may sign or approve a request, which is up to date, now. */
bool
sb_may_sign(const SbRequest *request, const SbParticipant *participant)
{
	return strcmp(request->status, "IN_PROGRESS") == 0 && participant->signed_at == 0 &&
		(sb_is_approver(request, participant) || sb_opened_at(request) != 0);
}

/* Find an approver or a signer by e-mail. */
SbParticipant *
sb_participant_by_email(SbParticipant *participants, int count, const char *email)
{
	for (int i = 0; i < count; i++)
	{
		if (strcasecmp(participants[i].signer->inputs[SB_SIGNER_EMAIL], email) == 0)
			return &participants[i];
	}
	return NULL;
}

/* What opens the page of one who is asked: nobody guesses it. */
char *
sb_make_link_token(bool embedded)
{
	uint8_t		random[16];
	char	   *hex;
	char	   *token;

	if (RAND_bytes(random, sizeof(random)) != 1)
		abort();
	hex = sb_to_hex(random, sizeof(random));
	token = sb_psprintf("%s_%s", embedded ? "st" : "lt", hex);
	free(hex);
	return token;
}

/* Whether it is the one whose link this is; the time that it takes tells nothing. */
static bool
has_token(const SbParticipant *participant, const char *signer_id, const char *token)
{
	size_t		length = strlen(token);

	return participant->token != NULL && strcmp(participant->signer->id, signer_id) == 0 && strlen(participant->token) == length &&
		CRYPTO_memcmp(participant->token, token, length) == 0;
}

/* Find whose link it is among those whom a request asks; NULL: nobody's. */
SbParticipant *
sb_participant_by_token(const SbRequest *request, const char *signer_id, const char *token)
{
	for (int i = 0; i < request->napprovers; i++)
	{
		if (has_token(&request->approvers[i], signer_id, token))
			return &request->approvers[i];
	}
	for (int i = 0; i < request->nparticipants; i++)
	{
		if (has_token(&request->participants[i], signer_id, token))
			return &request->participants[i];
	}
	return NULL;
}

/*
 * The id of the signature of one signer under one document: that of the
 * document, with its last digits those of the signer.
 */
void
sb_signature_id(const SbDocument *document, const SbSigner *signer, char id[SB_ID_LENGTH + 1])
{
	memcpy(id, document->id, SB_ID_LENGTH + 1);
	memcpy(id + 12, signer->id + 18, 6);
}
