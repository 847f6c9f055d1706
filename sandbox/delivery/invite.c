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
	hex = to_hex(random, sizeof(random));
	token = xprintf("%s_%s", embedded ? "st" : "lt", hex);
	free(hex);
	return token;
}

/*
 * Ask the signers to sign.  Those who are invited only after approval count
 * among the call's e-mails, too: it is what causes them.
 */
void
publish(Call *call, Request *request)
{
	memcpy(call->created, request->id, sizeof(call->created));
	call->title = request->title;
	request->status = "LAUNCHING";
	request->published_at = now_ms();
	call->emails += request->napprovers;
	for (int i = 0; i < request->napprovers; i++)
		request->approvers[i].token = make_link_token(false);
	for (int i = 0; i < request->nparties; i++)
	{
		Party	   *party = &request->parties[i];

		party->token = make_link_token(party->signer->profile->embedded);
		if (!party->signer->profile->embedded)
			call->emails++;
	}
	advance(request);
}

/* Who is asked to sign, by mail or in a page of the application's. */
cJSON *
describe_parties(const Request *request)
{
	cJSON	   *result = cJSON_CreateObject();
	cJSON	   *by_side = cJSON_AddArrayToObject(result, "signersBySide");
	cJSON	   *embedded = cJSON_AddArrayToObject(result, "signersEmbedded");

	for (int i = 0; i < request->nparties; i++)
	{
		const Party *party = &request->parties[i];
		bool		is_embedded = party->signer->profile->embedded;
		cJSON	   *signer = cJSON_CreateObject();

		cJSON_AddStringToObject(signer, "signerId", party->signer->id);
		if (party->signer->external_id)
			cJSON_AddStringToObject(signer, "signerExternalId", party->signer->external_id);
		else
			cJSON_AddNullToObject(signer, "signerExternalId");
		if (is_embedded && party->token)
			cJSON_AddStringToObject(signer, "token", party->token);
		cJSON_AddItemToArray(is_embedded ? embedded : by_side, signer);
	}
	return result;
}

/* What the API answers when a request is published. */
void
answer_published(Answer *answer, const Request *request)
{
	cJSON	   *result = describe_parties(request);

	cJSON_AddStringToObject(result, "signatureRequestId", request->id);
	answer_json(answer, result);
}

/* Where one who was asked signs, to be freed. */
char *
signing_link(const Request *request, const Party *party)
{
	const char *bind = strcmp(options.bind, "0.0.0.0") == 0 ? "127.0.0.1" : options.bind;
	char	   *base = options.public_url ? xstrdup(options.public_url) :
		xprintf("%s://%s:%d", options.tls ? "https" : "http", bind, options.port);
	char	   *link = xprintf("%s/sign/%s/%s/%s", base, request->id, party->signer->id, party->token);

	free(base);
	return link;
}

/* Whether it is the one whose link this is; the time that it takes tells nothing. */
static bool
has_token(const Party *party, const char *signer_id, const char *token)
{
	size_t		length = strlen(token);

	return party->token != NULL && strcmp(party->signer->id, signer_id) == 0 && strlen(party->token) == length &&
		CRYPTO_memcmp(party->token, token, length) == 0;
}

/* Find whose link it is among those whom a request asks; NULL: nobody's. */
Party *
party_by_token(const Request *request, const char *signer_id, const char *token)
{
	for (int i = 0; i < request->napprovers; i++)
	{
		if (has_token(&request->approvers[i], signer_id, token))
			return &request->approvers[i];
	}
	for (int i = 0; i < request->nparties; i++)
	{
		if (has_token(&request->parties[i], signer_id, token))
			return &request->parties[i];
	}
	return NULL;
}

/* Whether somebody is asked by e-mail: all but those who sign in the application's page. */
static bool
gets_email(const Request *request, const Party *party)
{
	return party->token != NULL && (is_approver(request, party) || !party->signer->profile->embedded);
}

/* "Send" the e-mails to those who may sign or approve from now on: print the links. */
void
invite(const Request *request, const Party *parties, int count)
{
	for (int i = 0; i < count && options.verbose; i++)
	{
		char	   *link;

		if (!gets_email(request, &parties[i]))
			continue;
		link = signing_link(request, &parties[i]);
		printf("e-mail to %s: %s\n", parties[i].signer->inputs[SIGNER_EMAIL], link);
		fflush(stdout);
		free(link);
	}
}

/* Add the e-mails to some of those whom a request asks, if they were sent. */
static void
add_emails(cJSON *list, const Request *request, const Party *parties, int count, const char *to, int64_t limit)
{
	for (int i = 0; i < count && cJSON_GetArraySize(list) < limit; i++)
	{
		const Party *party = &parties[i];
		bool		approves = is_approver(request, party);
		int64_t		sent_at = approves ? request->launched_at : opened_at(request);
		const char *email = party->signer->inputs[SIGNER_EMAIL];
		cJSON	   *item;
		char	   *link;

		if (sent_at == 0 || !gets_email(request, party) || (to != NULL && strcasecmp(to, email) != 0))
			continue;
		item = cJSON_CreateObject();
		link = signing_link(request, party);
		cJSON_AddStringToObject(item, "to", email);
		cJSON_AddStringToObject(item, "asks", approves ? "approve" : "sign");
		cJSON_AddStringToObject(item, "signatureRequestId", request->id);
		cJSON_AddStringToObject(item, "title", request->title ? request->title : "");
		cJSON_AddStringToObject(item, "link", link);
		add_time(item, "sentAt", sent_at);
		cJSON_AddItemToArray(list, item);
		free(link);
	}
}

/* The e-mails with links, oldest request first; of one request, to one address, unless NULL. */
cJSON *
list_emails(const char *request_id, const char *to, int64_t limit)
{
	cJSON	   *list = cJSON_CreateArray();

	for (size_t i = 0; i < request_count() && cJSON_GetArraySize(list) < limit; i++)
	{
		Request    *request = request_by_number(i);

		if (request_id != NULL && strcmp(request->id, request_id) != 0)
			continue;
		advance(request);
		add_emails(list, request, request->approvers, request->napprovers, to, limit);
		add_emails(list, request, request->parties, request->nparties, to, limit);
	}
	return list;
}
