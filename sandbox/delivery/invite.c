/*-------------------------------------------------------------------------
 *
 * invite.c
 *	  Who is asked to sign, and how: by e-mail, or in a page of the application's.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What opens the page of one who is asked: nobody guesses it. */
static char *
make_link_token(bool embedded)
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

/*
 * Ask the signers to sign.  Those who are invited only after approval count
 * among the call's e-mails, too: it is what causes them.
 */
void
sb_publish(SbCall *call, SbRequest *request)
{
	memcpy(call->created, request->id, sizeof(call->created));
	call->title = request->title;
	request->status = "LAUNCHING";
	request->published_at = sb_now_ms();
	call->emails += request->napprovers;
	for (int i = 0; i < request->napprovers; i++)
		request->approvers[i].token = make_link_token(false);
	for (int i = 0; i < request->nparticipants; i++)
	{
		SbParticipant *participant = &request->participants[i];

		participant->token = make_link_token(participant->signer->profile->embedded);
		if (!participant->signer->profile->embedded)
			call->emails++;
	}
	sb_update_status(request);
}

/* Who is asked to sign, by mail or in a page of the application's. */
cJSON *
sb_describe_participants(const SbRequest *request)
{
	cJSON	   *result = cJSON_CreateObject();
	cJSON	   *by_side = cJSON_AddArrayToObject(result, "signersBySide");
	cJSON	   *embedded = cJSON_AddArrayToObject(result, "signersEmbedded");

	for (int i = 0; i < request->nparticipants; i++)
	{
		const SbParticipant *participant = &request->participants[i];
		bool		is_embedded = participant->signer->profile->embedded;
		cJSON	   *signer = cJSON_CreateObject();

		cJSON_AddStringToObject(signer, "signerId", participant->signer->id);
		if (participant->signer->external_id)
			cJSON_AddStringToObject(signer, "signerExternalId", participant->signer->external_id);
		else
			cJSON_AddNullToObject(signer, "signerExternalId");
		if (is_embedded && participant->token)
			cJSON_AddStringToObject(signer, "token", participant->token);
		cJSON_AddItemToArray(is_embedded ? embedded : by_side, signer);
	}
	return result;
}

/* What the API responds when a request is published. */
void
sb_respond_published(SbResponse *response, const SbRequest *request)
{
	cJSON	   *result = sb_describe_participants(request);

	cJSON_AddStringToObject(result, "signatureRequestId", request->id);
	sb_respond_json(response, result);
}

/* Where one who was asked signs, to be freed. */
char *
sb_signing_link(const SbRequest *request, const SbParticipant *participant)
{
	const char *bind = strcmp(sb_options.bind, "0.0.0.0") == 0 ? "127.0.0.1" : sb_options.bind;
	char	   *base = sb_options.public_url ? sb_strdup(sb_options.public_url) :
		sb_psprintf("%s://%s:%d", sb_options.tls ? "https" : "http", bind, sb_options.port);
	char	   *link = sb_psprintf("%s/sign/%s/%s/%s", base, request->id, participant->signer->id, participant->token);

	free(base);
	return link;
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

/* Whether somebody is asked by e-mail: all but those who sign in the application's page. */
static bool
gets_email(const SbRequest *request, const SbParticipant *participant)
{
	return participant->token != NULL && (sb_is_approver(request, participant) || !participant->signer->profile->embedded);
}

/* "Send" the e-mails to those who may sign or approve from now on: print the links. */
void
sb_invite(const SbRequest *request, const SbParticipant *participants, int count)
{
	for (int i = 0; i < count && sb_options.verbose; i++)
	{
		char	   *link;

		if (!gets_email(request, &participants[i]))
			continue;
		link = sb_signing_link(request, &participants[i]);
		printf("e-mail to %s: %s\n", participants[i].signer->inputs[SB_SIGNER_EMAIL], link);
		fflush(stdout);
		free(link);
	}
}

/* Add the e-mails to some of those whom a request asks, if they were sent. */
static void
add_emails(cJSON *list, const SbRequest *request, const SbParticipant *participants, int count, const char *to, int64_t limit)
{
	for (int i = 0; i < count && cJSON_GetArraySize(list) < limit; i++)
	{
		const SbParticipant *participant = &participants[i];
		bool		approves = sb_is_approver(request, participant);
		int64_t		sent_at = approves ? request->launched_at : sb_opened_at(request);
		const char *email = participant->signer->inputs[SB_SIGNER_EMAIL];
		cJSON	   *item;
		char	   *link;

		if (sent_at == 0 || !gets_email(request, participant) || (to != NULL && strcasecmp(to, email) != 0))
			continue;
		item = cJSON_CreateObject();
		link = sb_signing_link(request, participant);
		cJSON_AddStringToObject(item, "to", email);
		cJSON_AddStringToObject(item, "asks", approves ? "approve" : "sign");
		cJSON_AddStringToObject(item, "signatureRequestId", request->id);
		cJSON_AddStringToObject(item, "title", request->title ? request->title : "");
		cJSON_AddStringToObject(item, "link", link);
		sb_add_time(item, "sentAt", sent_at);
		cJSON_AddItemToArray(list, item);
		free(link);
	}
}

/* The e-mails with links, oldest request first; of one request, to one address, unless NULL. */
cJSON *
sb_list_emails(const char *request_id, const char *to, int64_t limit)
{
	cJSON	   *list = cJSON_CreateArray();

	for (size_t i = 0; i < sb_request_count() && cJSON_GetArraySize(list) < limit; i++)
	{
		SbRequest  *request = sb_request_by_number(i);

		if (request_id != NULL && strcmp(request->id, request_id) != 0)
			continue;
		sb_update_status(request);
		add_emails(list, request, request->approvers, request->napprovers, to, limit);
		add_emails(list, request, request->participants, request->nparticipants, to, limit);
	}
	return list;
}
