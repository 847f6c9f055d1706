/*-------------------------------------------------------------------------
 *
 * mail.c
 *	  E-mails that ask somebody to sign or approve.  None is sent.
 *
 *-------------------------------------------------------------------------
 */
#include "delivery/mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/lifecycle.h"
#include "model/participants.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/json.h"
#include "util/options.h"

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
