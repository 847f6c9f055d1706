/*-------------------------------------------------------------------------
 *
 * invite.c
 *	  Who is asked to sign, and how: by e-mail, or in a page of the application's.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

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
	for (int i = 0; i < request->nparties; i++)
	{
		Party	   *party = &request->parties[i];
		char		id[ID_LENGTH + 1];

		make_id(id);
		if (party->signer->profile->embedded)
			party->token = xprintf("st_%s", id);
		else
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
		cJSON	   *signer = cJSON_CreateObject();

		cJSON_AddStringToObject(signer, "signerId", party->signer->id);
		if (party->signer->external_id)
			cJSON_AddStringToObject(signer, "signerExternalId", party->signer->external_id);
		else
			cJSON_AddNullToObject(signer, "signerExternalId");
		if (party->token)
			cJSON_AddStringToObject(signer, "token", party->token);
		cJSON_AddItemToArray(party->token ? embedded : by_side, signer);
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
