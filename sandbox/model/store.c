/*-------------------------------------------------------------------------
 *
 * store.c
 *	  What the sandbox holds, in memory, found by id in constant time.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static Signer **signers;
static size_t nsigners;
static Document **documents;
static size_t ndocuments;
static Request **requests;
static size_t nrequests;
static App *apps;
static int	napps;

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
		table->keys = xcalloc(table->size, sizeof(char *));
		table->values = xcalloc(table->size, sizeof(void *));
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

/* An application for each key: skv2_<env>_<uuid>_<secret>. */
void
add_app(const char *key)
{
	App		   *app;
	char		env[16];
	char		uuid[37];
	uint8_t		hash[32];
	static const char *const names[] = {"By e-mail", "By e-mail and SMS", "Embedded", "By e-mail and name"};
	static const char *const email[] = {"email", NULL};
	static const char *const with_phone[] = {"email", "firstName", "lastName", "phoneNumber", NULL};
	static const char *const with_names[] = {"email", "firstName", "lastName", NULL};
	static const char *const names_and_phone[] = {"firstName", "lastName", "phoneNumber", NULL};
	static const char *const none[] = {NULL};

	if (sscanf(key, "skv2_%15[a-z]_%36[0-9a-fA-F-]_", env, uuid) != 2)
	{
		fprintf(stderr, "ignisign-sandbox: invalid API key, expected skv2_<environment>_<uuid>_<secret>\n");
		exit(2);
	}
	apps = xrealloc(apps, (size_t) (napps + 1) * sizeof(App));
	app = &apps[napps++];
	memset(app, 0, sizeof(*app));
	snprintf(app->app_id, sizeof(app->app_id), "appId_%s", uuid);
	for (int i = 0; env[i]; i++)
		app->app_env[i] = (char) toupper((unsigned char) env[i]);
	app->key = xstrdup(key);

	/* The same at every start, for those who write it into their settings. */
	sha256(key, strlen(key), hash);
	for (int i = 0; i < NPROFILES; i++)
	{
		Profile    *profile = &app->profiles[i];
		char	   *hex = to_hex(hash + 10 * i % 25, ID_LENGTH / 2);

		memcpy(profile->id, hex, ID_LENGTH + 1);
		free(hex);
		profile->name = names[i];
		profile->inputs_needed = i == 1 ? with_phone : i == 3 ? with_names : email;
		profile->optional_inputs = i == 1 ? none : names_and_phone;
		profile->embedded = i == 2;
	}
}

/* Find a signer profile; NULL for id: the default one. */
const Profile *
profile_by_id(const App *app, const char *id)
{
	for (int i = 0; i < NPROFILES; i++)
	{
		if (id == NULL || strcmp(app->profiles[i].id, id) == 0)
			return &app->profiles[i];
	}
	return NULL;
}

/* The application of the last key. */
App *
last_app(void)
{
	return &apps[napps - 1];
}

/* The application of the first key. */
App *
first_app(void)
{
	return &apps[0];
}

App *
app_by_id(const char *app_id, const char *app_env)
{
	for (int i = 0; i < napps; i++)
	{
		if (strcmp(apps[i].app_id, app_id) == 0 && strcmp(apps[i].app_env, app_env) == 0)
			return &apps[i];
	}
	return NULL;
}

App *
app_by_key(const char *key)
{
	for (int i = 0; i < napps; i++)
	{
		if (strcmp(apps[i].key, key) == 0)
			return &apps[i];
	}
	return NULL;
}

/* The key of a signer by e-mail: application and address in lower case. */
static char *
email_key(const App *app, const char *email)
{
	char	   *key = xprintf("%s %s %s", app->app_id, app->app_env, email);

	for (char *c = key; *c; c++)
		*c = (char) tolower((unsigned char) *c);
	return key;
}

Signer *
signer_by_email(App *app, const char *email)
{
	char	   *key = email_key(app, email);
	Signer	   *signer = table_find(&signers_by_email, key);

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
add_signer(Signer *signer)
{
	if (is_full(nsigners))
		signers = xrealloc(signers, (nsigners + 1) * 2 * sizeof(Signer *));
	signers[nsigners++] = signer;
	table_add(&signers_by_id, signer->id, signer);
	if (signer->inputs[SIGNER_EMAIL])
		table_add(&signers_by_email, email_key(signer->app, signer->inputs[SIGNER_EMAIL]), signer);
}

Signer *
signer_by_id(const char *id)
{
	return table_find(&signers_by_id, id);
}

/* Signers in the order in which they were made, counted from 0. */
Signer *
signer_by_number(size_t number)
{
	return signers[number];
}

size_t
signer_count(void)
{
	return nsigners;
}

Request *
request_by_id(const char *id)
{
	return table_find(&requests_by_id, id);
}

void
add_request(Request *request)
{
	if (is_full(nrequests))
		requests = xrealloc(requests, (nrequests + 1) * 2 * sizeof(Request *));
	requests[nrequests++] = request;
	table_add(&requests_by_id, request->id, request);
}

/* Requests in the order in which they were made, counted from 0. */
Request *
request_by_number(size_t number)
{
	return requests[number];
}

size_t
request_count(void)
{
	return nrequests;
}

Document *
document_by_id(const char *id)
{
	return table_find(&documents_by_id, id);
}

/* Documents in the order in which they were made, counted from 0. */
Document *
document_by_number(size_t number)
{
	return documents[number];
}

size_t
document_count(void)
{
	return ndocuments;
}

void
add_document(Document *document)
{
	if (is_full(ndocuments))
		documents = xrealloc(documents, (ndocuments + 1) * 2 * sizeof(Document *));
	documents[ndocuments++] = document;
	table_add(&documents_by_id, document->id, document);
}

/* A new request, as a draft. */
Request *
make_request(App *app, const char *type)
{
	Request    *request = xcalloc(1, sizeof(Request));

	make_id(request->id);
	request->app = app;
	request->type = type;
	request->status = "DRAFT";
	request->proof_status = "NOT_INITIALIZED";
	request->created_at = now_ms();
	add_request(request);
	touch_request(request);
	return request;
}

/* A new document, without content. */
Document *
make_document(App *app)
{
	Document   *document = xcalloc(1, sizeof(Document));

	make_id(document->id);
	document->app = app;
	document->created_at = now_ms();
	add_document(document);
	touch_document(document);
	return document;
}

/* Set a field to a copy of the text, which may be NULL. */
void
set_text(char **field, const char *text)
{
	free(*field);
	*field = text ? xstrdup(text) : NULL;
}

/* Free the parties of a request. */
void
free_parties(Party *parties, int count)
{
	for (int i = 0; i < count; i++)
	{
		free(parties[i].token);
		free(parties[i].reason);
	}
	free(parties);
}

/* Forget all requests, signers and documents. */
void
store_reset(void)
{
	for (size_t i = 0; i < nrequests; i++)
	{
		Request    *request = requests[i];

		free_parties(request->parties, request->nparties);
		free_parties(request->approvers, request->napprovers);
		free(request->documents);
		free(request->title);
		free(request->method);
		cJSON_Delete(request->settings);
		free(request);
	}
	for (size_t i = 0; i < ndocuments; i++)
	{
		Document   *document = documents[i];

		free(document->file_name);
		free(document->mime_type);
		free(document->external_id);
		free(document->label);
		free(document->description);
		free(document->content);
		buffer_free(&document->proof);
		free(document);
	}
	for (size_t i = 0; i < signers_by_email.size; i++)
		free((char *) signers_by_email.keys[i]);
	for (size_t i = 0; i < nsigners; i++)
	{
		for (int k = 0; k < NINPUTS; k++)
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
