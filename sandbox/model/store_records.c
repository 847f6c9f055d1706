/*-------------------------------------------------------------------------
 *
 * store_records.c
 *	  Signers, documents and requests in the state file.
 *
 *-------------------------------------------------------------------------
 */
#include "model/store_records.h"

#include <stdlib.h>
#include <string.h>

#include "model/apps.h"
#include "model/record.h"
#include "model/state.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"

static void
record_signer(SbRecord *record, void *object)
{
	SbSigner   *signer = object;
	char		id[SB_ID_LENGTH + 1] = "";
	char		profile[SB_ID_LENGTH + 1] = "";
	bool		new = false;

	if (signer != NULL)
	{
		memcpy(id, signer->id, sizeof(id));
		memcpy(profile, signer->profile->id, sizeof(profile));
	}
	sb_record_id(record, id);
	if (signer == NULL && (signer = sb_signer_by_id(id)) == NULL)
	{
		signer = sb_calloc(1, sizeof(SbSigner));
		memcpy(signer->id, id, sizeof(id));
		new = true;
	}
	sb_record_app(record, &signer->app);
	sb_record_id(record, profile);
	for (int k = 0; k < SB_NINPUTS; k++)
		sb_record_text(record, &signer->inputs[k]);
	sb_record_text(record, &signer->external_id);
	sb_record_text(record, &signer->auth_secret);
	sb_record_flag(record, &signer->revoked);
	if (record->reading && !record->bad)
	{
		signer->profile = sb_profile_by_id(signer->app, profile);
		record->bad = signer->profile == NULL;
		if (new)
			sb_add_signer(signer);
	}
	else if (new)
		free(signer);
}

static void
record_document(SbRecord *record, void *object)
{
	SbDocument *document = object;
	char		id[SB_ID_LENGTH + 1] = "";
	char		request[SB_ID_LENGTH + 1] = "";
	bool		new = false;

	if (document != NULL)
	{
		memcpy(id, document->id, sizeof(id));
		if (document->request)
			memcpy(request, document->request->id, sizeof(request));
	}
	sb_record_id(record, id);
	if (document == NULL && (document = sb_document_by_id(id)) == NULL)
	{
		document = sb_calloc(1, sizeof(SbDocument));
		memcpy(document->id, id, sizeof(id));
		new = true;
	}
	sb_record_app(record, &document->app);
	sb_record_id(record, request);
	sb_record_number(record, &document->created_at);
	sb_record_word(record, &document->nature);
	sb_record_text(record, &document->file_name);
	sb_record_text(record, &document->mime_type);
	sb_record_text(record, &document->external_id);
	sb_record_text(record, &document->label);
	sb_record_text(record, &document->description);
	sb_record_blob(record, (void **) &document->content, &document->size);
	sb_record_bytes(record, document->hash, sizeof(document->hash));
	sb_record_flag(record, &document->deleted);
	sb_record_flag(record, &document->cleaned);
	sb_record_blob(record, (void **) &document->proof.data, &document->proof.length);
	if (record->reading && !record->bad)
	{
		document->proof.capacity = document->proof.length;
		document->request = sb_request_by_id(request);
		if (new)
			sb_add_document(document);
	}
	else if (new)
		free(document);
}

/* Whom a request asks; the signers have been read before. */
static void
record_participants(SbRecord *record, SbParticipant **participants, int *count)
{
	int			old_count = *count;

	sb_record_int(record, count);
	if (record->reading)
	{
		sb_free_participants(*participants, old_count);
		*participants = sb_calloc((size_t) *count + 1, sizeof(SbParticipant));
	}
	for (int i = 0; i < *count; i++)
	{
		SbParticipant *participant = &(*participants)[i];
		char		id[SB_ID_LENGTH + 1] = "";

		if (participant->signer)
			memcpy(id, participant->signer->id, sizeof(id));
		sb_record_id(record, id);
		sb_record_number(record, &participant->signed_at);
		sb_record_text(record, &participant->token);
		if (record->version >= 2)
		{
			sb_record_number(record, &participant->refused_at);
			sb_record_text(record, &participant->reason);
		}
		if (record->reading && (participant->signer = sb_signer_by_id(id)) == NULL)
			record->bad = true;
	}
}

/* What it is about; the documents have been read before, and belong to it. */
static void
record_contents(SbRecord *record, SbRequest *request)
{
	if (record->reading)
	{
		free(request->documents);
		request->documents = sb_calloc((size_t) request->ndocuments + 1, sizeof(SbDocument *));
	}
	for (int i = 0; i < request->ndocuments; i++)
	{
		char		id[SB_ID_LENGTH + 1] = "";

		if (!record->reading)
			memcpy(id, request->documents[i]->id, sizeof(id));
		sb_record_id(record, id);
		if (!record->reading)
			continue;
		request->documents[i] = sb_document_by_id(id);
		if (request->documents[i] == NULL)
			record->bad = true;
		else
			request->documents[i]->request = request;
	}
}

static void
record_request(SbRecord *record, void *object)
{
	SbRequest  *request = object;
	char		id[SB_ID_LENGTH + 1] = "";
	bool		new = false;

	if (request != NULL)
		memcpy(id, request->id, sizeof(id));
	sb_record_id(record, id);
	if (request == NULL && (request = sb_request_by_id(id)) == NULL)
	{
		request = sb_calloc(1, sizeof(SbRequest));
		memcpy(request->id, id, sizeof(id));
		new = true;
	}
	sb_record_app(record, &request->app);
	sb_record_word(record, &request->type);
	sb_record_json(record, &request->settings);
	sb_record_text(record, &request->title);
	sb_record_text(record, &request->method);
	sb_record_word(record, &request->status);
	sb_record_word(record, &request->proof_status);
	sb_record_number(record, &request->created_at);
	sb_record_number(record, &request->published_at);
	sb_record_number(record, &request->launched_at);
	sb_record_number(record, &request->expires_at);
	sb_record_number(record, &request->diffusion_at);
	sb_record_number(record, &request->signed_at);
	sb_record_number(record, &request->closed_at);
	record_participants(record, &request->participants, &request->nparticipants);
	record_participants(record, &request->approvers, &request->napprovers);
	sb_record_int(record, &request->ndocuments);
	record_contents(record, request);
	if (record->reading && !record->bad && new)
		sb_add_request(request);
	else if (new)
		free(request);
}

/* Whether the request of a document lists it. */
static bool
is_listed(const SbDocument *document)
{
	const SbRequest *request = document->request;

	for (int i = 0; request != NULL && i < request->ndocuments; i++)
	{
		if (request->documents[i] == document)
			return true;
	}
	return request == NULL;
}

/* Append all there is: what others refer to comes first. */
static void
append_all(void)
{
	for (size_t i = 0; i < sb_signer_count(); i++)
		sb_state_append(SB_STATE_SIGNER, sb_signer_by_number(i));
	for (size_t i = 0; i < sb_document_count(); i++)
		sb_state_append(SB_STATE_DOCUMENT, sb_document_by_number(i));
	for (size_t i = 0; i < sb_request_count(); i++)
		sb_state_append(SB_STATE_REQUEST, sb_request_by_number(i));

	/* What a request does not list is tied to it once it is there. */
	for (size_t i = 0; i < sb_document_count(); i++)
	{
		if (!is_listed(sb_document_by_number(i)))
			sb_state_append(SB_STATE_DOCUMENT, sb_document_by_number(i));
	}
}

/* Keep signers, documents and requests in the state file. */
void
sb_store_register(void)
{
	static const SbStatePart part = {
		.kinds = {
			{SB_STATE_SIGNER, record_signer},
			{SB_STATE_DOCUMENT, record_document},
			{SB_STATE_REQUEST, record_request}
		},
		.append_all = append_all,
		.forget = sb_store_reset
	};

	sb_state_register(&part);
}
