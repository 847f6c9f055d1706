/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Signers, documents and requests, in memory, found by id in constant time.
 *
 *-------------------------------------------------------------------------
 */
#include "model/store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/apps.h"
#include "model/state.h"
#include "util/buffer.h"
#include "util/clock.h"

const char *const sb_signer_inputs[SB_NINPUTS] = {
	"email", "firstName", "lastName", "phoneNumber",
	"nationality", "birthDate", "birthPlace", "birthCountry"
};

/* A hash table from text to pointers that grows. */
typedef struct Table
{
	const char **keys;
	void	  **values;
	size_t		size;
	size_t		used;
} Table;

static Table requests_by_id;
static Table documents_by_id;
static Table signers_by_email;
static Table signers_by_id;
static SbSigner **signers;
static size_t nsigners;
static SbDocument **documents;
static size_t ndocuments;
static SbRequest **requests;
static size_t nrequests;

static size_t
hash_text(const char *text)
{
	uint64_t	hash = 14695981039346656037ULL;

	for (; *text; text++)
		hash = (hash ^ (unsigned char) *text) * 1099511628211ULL;
	return (size_t) (hash ^ hash >> 32);
}

static size_t
table_slot(const Table *table, const char *key)
{
	size_t		slot = hash_text(key) & (table->size - 1);

	while (table->keys[slot] != NULL && strcmp(table->keys[slot], key) != 0)
		slot = (slot + 1) & (table->size - 1);
	return slot;
}

static void *
table_find(const Table *table, const char *key)
{
	return table->size == 0 ? NULL : table->values[table_slot(table, key)];
}

static void
table_add(Table *table, const char *key, void *value)
{
	size_t		slot;

	if (2 * (table->used + 1) > table->size)
	{
		Table		old = *table;

		table->size = old.size ? old.size * 2 : 1024;
		table->keys = sb_calloc(table->size, sizeof(char *));
		table->values = sb_calloc(table->size, sizeof(void *));
		for (size_t i = 0; i < old.size; i++)
		{
			if (old.keys[i] != NULL)
			{
				slot = table_slot(table, old.keys[i]);
				table->keys[slot] = old.keys[i];
				table->values[slot] = old.values[i];
			}
		}
		free(old.keys);
		free(old.values);
	}
	slot = table_slot(table, key);
	table->keys[slot] = key;
	table->values[slot] = value;
	table->used++;
}

static void
table_clear(Table *table)
{
	free(table->keys);
	free(table->values);
	memset(table, 0, sizeof(*table));
}

/* The key of a signer by e-mail: application and address in lower case. */
static char *
email_key(const SbApp *app, const char *email)
{
	char	   *key = sb_psprintf("%s %s %s", app->app_id, app->app_env, email);

	for (char *c = key; *c; c++)
		*c = (char) tolower((unsigned char) *c);
	return key;
}

SbSigner *
sb_signer_by_email(SbApp *app, const char *email)
{
	char	   *key = email_key(app, email);
	SbSigner   *signer = table_find(&signers_by_email, key);

	free(key);
	return signer;
}

/* Whether an array of n pointers, grown by doubling, is full. */
static bool
is_full(size_t n)
{
	return (n & (n + 1)) == 0;
}

void
sb_add_signer(SbSigner *signer)
{
	if (is_full(nsigners))
		signers = sb_realloc(signers, (nsigners + 1) * 2 * sizeof(SbSigner *));
	signers[nsigners++] = signer;
	table_add(&signers_by_id, signer->id, signer);
	if (signer->inputs[SB_SIGNER_EMAIL])
		table_add(&signers_by_email, email_key(signer->app, signer->inputs[SB_SIGNER_EMAIL]), signer);
}

SbSigner *
sb_signer_by_id(const char *id)
{
	return table_find(&signers_by_id, id);
}

/* Signers in the order in which they were made, counted from 0. */
SbSigner *
sb_signer_by_number(size_t number)
{
	return signers[number];
}

size_t
sb_signer_count(void)
{
	return nsigners;
}

SbRequest *
sb_request_by_id(const char *id)
{
	return table_find(&requests_by_id, id);
}

void
sb_add_request(SbRequest *request)
{
	if (is_full(nrequests))
		requests = sb_realloc(requests, (nrequests + 1) * 2 * sizeof(SbRequest *));
	requests[nrequests++] = request;
	table_add(&requests_by_id, request->id, request);
}

/* Requests in the order in which they were made, counted from 0. */
SbRequest *
sb_request_by_number(size_t number)
{
	return requests[number];
}

size_t
sb_request_count(void)
{
	return nrequests;
}

SbDocument *
sb_document_by_id(const char *id)
{
	return table_find(&documents_by_id, id);
}

/* Documents in the order in which they were made, counted from 0. */
SbDocument *
sb_document_by_number(size_t number)
{
	return documents[number];
}

size_t
sb_document_count(void)
{
	return ndocuments;
}

void
sb_add_document(SbDocument *document)
{
	if (is_full(ndocuments))
		documents = sb_realloc(documents, (ndocuments + 1) * 2 * sizeof(SbDocument *));
	documents[ndocuments++] = document;
	table_add(&documents_by_id, document->id, document);
}

/* A change of an object, for the state file. */
void
sb_touch_signer(SbSigner *signer)
{
	sb_state_touch(SB_STATE_SIGNER, signer, &signer->touched);
}

void
sb_touch_document(SbDocument *document)
{
	sb_state_touch(SB_STATE_DOCUMENT, document, &document->touched);
}

void
sb_touch_request(SbRequest *request)
{
	sb_state_touch(SB_STATE_REQUEST, request, &request->touched);
}

/* A new request, as a draft. */
SbRequest *
sb_make_request(SbApp *app, const char *type)
{
	SbRequest  *request = sb_calloc(1, sizeof(SbRequest));

	sb_make_id(request->id);
	request->app = app;
	request->type = type;
	request->status = "DRAFT";
	request->proof_status = "NOT_INITIALIZED";
	request->created_at = sb_now_ms();
	sb_add_request(request);
	sb_touch_request(request);
	return request;
}

/* A new document, without content. */
SbDocument *
sb_make_document(SbApp *app)
{
	SbDocument *document = sb_calloc(1, sizeof(SbDocument));

	sb_make_id(document->id);
	document->app = app;
	document->created_at = sb_now_ms();
	sb_add_document(document);
	sb_touch_document(document);
	return document;
}

/* Free the participants of a request. */
void
sb_free_participants(SbParticipant *participants, int count)
{
	for (int i = 0; i < count; i++)
	{
		free(participants[i].token);
		free(participants[i].reason);
	}
	free(participants);
}

/* Forget all requests, signers and documents. */
void
sb_store_reset(void)
{
	for (size_t i = 0; i < nrequests; i++)
	{
		SbRequest  *request = requests[i];

		sb_free_participants(request->participants, request->nparticipants);
		sb_free_participants(request->approvers, request->napprovers);
		free(request->documents);
		free(request->title);
		free(request->method);
		cJSON_Delete(request->settings);
		free(request);
	}
	for (size_t i = 0; i < ndocuments; i++)
	{
		SbDocument *document = documents[i];

		free(document->file_name);
		free(document->mime_type);
		free(document->external_id);
		free(document->label);
		free(document->description);
		free(document->content);
		sb_buffer_free(&document->proof);
		free(document);
	}
	for (size_t i = 0; i < signers_by_email.size; i++)
		free((char *) signers_by_email.keys[i]);
	for (size_t i = 0; i < nsigners; i++)
	{
		for (int k = 0; k < SB_NINPUTS; k++)
			free(signers[i]->inputs[k]);
		free(signers[i]->external_id);
		free(signers[i]->auth_secret);
		free(signers[i]);
	}
	free(requests);
	free(documents);
	free(signers);
	requests = NULL;
	documents = NULL;
	signers = NULL;
	nrequests = ndocuments = nsigners = 0;
	table_clear(&requests_by_id);
	table_clear(&documents_by_id);
	table_clear(&signers_by_email);
	table_clear(&signers_by_id);
}
