/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What the sandbox holds, in a file, so that it outlives a restart.
 *
 * The file is a log of records: an object that a call made or changed is
 * appended as it is then, before the call is answered; a later record of the
 * same object takes the place of an earlier one.  So nothing that was answered is
 * lost, however the sandbox ends.  What was being written at its end is passed
 * over.  At the start the log is read and written anew without what is outdated.
 *
 * The same function reads and writes a record, so that both agree.  Faults are
 * not kept.
 *
 *-------------------------------------------------------------------------
 */
#include "model/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How a file begins: with its version, which is written as the latest.  In the
 * first one nobody had a link to sign at, or could refuse, and only the last
 * delivery of an event was known.
 */
#define STATE_VERSION 2
static const char magic[] = "ignisign-sandbox state %d\n";

/* What comes before a record. */
typedef struct Head
{
	char		kind;
	uint64_t	length;
} Head;

/* Objects that changed since the last flush. */
typedef struct Touched
{
	void	  **objects;
	size_t		n;
} Touched;

static int	fd = -1;
static Buffer log_buffer;
static Touched signers;
static Touched documents;
static Touched requests;

/* ---- Fields of a record ---- */

/* Read or write bytes of a known number. */
static void
record_bytes(Record *record, void *data, size_t size)
{
	if (!record->reading)
		buffer_add(record->out, data, size);
	else if (record->bad || record->left < size)
	{
		record->bad = true;
		memset(data, 0, size);
	}
	else
	{
		memcpy(data, record->in, size);
		record->in += size;
		record->left -= size;
	}
}

void
record_number(Record *record, int64_t *number)
{
	record_bytes(record, number, sizeof(*number));
}

void
record_int(Record *record, int *number)
{
	record_bytes(record, number, sizeof(*number));
}

void
record_flag(Record *record, bool *flag)
{
	record_bytes(record, flag, sizeof(*flag));
}

void
record_id(Record *record, char id[ID_LENGTH + 1])
{
	record_bytes(record, id, ID_LENGTH + 1);
}

/* Bytes of any number, or NULL; a NUL follows those that were read. */
void
record_blob(Record *record, void **data, size_t *size)
{
	int64_t		length = *data ? (int64_t) *size : -1;

	record_number(record, &length);
	if (!record->reading)
	{
		if (length > 0)
			record_bytes(record, *data, (size_t) length);
		return;
	}
	free(*data);
	*data = NULL;
	*size = 0;
	if (record->bad || length < 0 || (uint64_t) length > record->left)
	{
		record->bad = record->bad || length >= 0;
		return;
	}
	*data = xcalloc(1, (size_t) length + 1);
	*size = (size_t) length;
	record_bytes(record, *data, *size);
}

/* Text, or NULL. */
void
record_text(Record *record, char **text)
{
	size_t		size = *text ? strlen(*text) : 0;

	record_blob(record, (void **) text, &size);
}

/* The one copy of a word; there are few of them. */
static const char *
keep_word(const char *text)
{
	static struct Word
	{
		struct Word *next;
		char		text[];
	}		   *words;
	struct Word *word;

	for (word = words; word != NULL; word = word->next)
	{
		if (strcmp(word->text, text) == 0)
			return word->text;
	}
	word = xcalloc(1, sizeof(*word) + strlen(text) + 1);
	memcpy(word->text, text, strlen(text));
	word->next = words;
	words = word;
	return word->text;
}

/* Text that nobody frees, such as a status. */
void
record_word(Record *record, const char **word)
{
	char	   *text = record->reading || *word == NULL ? NULL : xstrdup(*word);

	record_text(record, &text);
	if (record->reading)
		*word = text ? keep_word(text) : NULL;
	free(text);
}

void
record_json(Record *record, cJSON **json)
{
	char	   *text = record->reading || *json == NULL ? NULL : cJSON_PrintUnformatted(*json);

	record_text(record, &text);
	if (record->reading)
	{
		cJSON_Delete(*json);
		*json = text ? cJSON_Parse(text) : NULL;
	}
	free(text);
}

/* An application, by its id; it has to be one that still has a key. */
void
record_app(Record *record, App **app)
{
	char		id[sizeof((*app)->app_id)] = "";
	char		env[sizeof((*app)->app_env)] = "";

	if (!record->reading)
	{
		memcpy(id, (*app)->app_id, sizeof(id));
		memcpy(env, (*app)->app_env, sizeof(env));
	}
	record_bytes(record, id, sizeof(id));
	record_bytes(record, env, sizeof(env));
	if (record->reading)
	{
		*app = app_by_id(id, env);
		record->bad = record->bad || *app == NULL;
	}
}

/* ---- Objects ---- */

static void
record_signer(Record *record, void *object)
{
	Signer	   *signer = object;
	char		id[ID_LENGTH + 1] = "";
	char		profile[ID_LENGTH + 1] = "";
	bool		new = false;

	if (signer != NULL)
	{
		memcpy(id, signer->id, sizeof(id));
		memcpy(profile, signer->profile->id, sizeof(profile));
	}
	record_id(record, id);
	if (signer == NULL && (signer = signer_by_id(id)) == NULL)
	{
		signer = xcalloc(1, sizeof(Signer));
		memcpy(signer->id, id, sizeof(id));
		new = true;
	}
	record_app(record, &signer->app);
	record_id(record, profile);
	for (int k = 0; k < NINPUTS; k++)
		record_text(record, &signer->inputs[k]);
	record_text(record, &signer->external_id);
	record_text(record, &signer->auth_secret);
	record_flag(record, &signer->revoked);
	if (record->reading && !record->bad)
	{
		signer->profile = profile_by_id(signer->app, profile);
		record->bad = signer->profile == NULL;
		if (new)
			add_signer(signer);
	}
	else if (new)
		free(signer);
}

static void
record_document(Record *record, void *object)
{
	Document   *document = object;
	char		id[ID_LENGTH + 1] = "";
	char		request[ID_LENGTH + 1] = "";
	bool		new = false;

	if (document != NULL)
	{
		memcpy(id, document->id, sizeof(id));
		if (document->request)
			memcpy(request, document->request->id, sizeof(request));
	}
	record_id(record, id);
	if (document == NULL && (document = document_by_id(id)) == NULL)
	{
		document = xcalloc(1, sizeof(Document));
		memcpy(document->id, id, sizeof(id));
		new = true;
	}
	record_app(record, &document->app);
	record_id(record, request);
	record_number(record, &document->created_at);
	record_word(record, &document->nature);
	record_text(record, &document->file_name);
	record_text(record, &document->mime_type);
	record_text(record, &document->external_id);
	record_text(record, &document->label);
	record_text(record, &document->description);
	record_blob(record, (void **) &document->content, &document->size);
	record_bytes(record, document->hash, sizeof(document->hash));
	record_flag(record, &document->deleted);
	record_flag(record, &document->cleaned);
	record_blob(record, (void **) &document->proof.data, &document->proof.length);
	if (record->reading && !record->bad)
	{
		document->proof.capacity = document->proof.length;
		document->request = request_by_id(request);
		if (new)
			add_document(document);
	}
	else if (new)
		free(document);
}

/* Whom a request asks; the signers have been read before. */
static void
record_parties(Record *record, Party **parties, int *count)
{
	int			old_count = *count;

	record_int(record, count);
	if (record->reading)
	{
		free_parties(*parties, old_count);
		*parties = xcalloc((size_t) *count + 1, sizeof(Party));
	}
	for (int i = 0; i < *count; i++)
	{
		Party	   *party = &(*parties)[i];
		char		id[ID_LENGTH + 1] = "";

		if (party->signer)
			memcpy(id, party->signer->id, sizeof(id));
		record_id(record, id);
		record_number(record, &party->signed_at);
		record_text(record, &party->token);
		if (record->version >= 2)
		{
			record_number(record, &party->refused_at);
			record_text(record, &party->reason);
		}
		if (record->reading && (party->signer = signer_by_id(id)) == NULL)
			record->bad = true;
	}
}

/* What it is about; the documents have been read before, and belong to it. */
static void
record_contents(Record *record, Request *request)
{
	if (record->reading)
	{
		free(request->documents);
		request->documents = xcalloc((size_t) request->ndocuments + 1, sizeof(Document *));
	}
	for (int i = 0; i < request->ndocuments; i++)
	{
		char		id[ID_LENGTH + 1] = "";

		if (!record->reading)
			memcpy(id, request->documents[i]->id, sizeof(id));
		record_id(record, id);
		if (!record->reading)
			continue;
		request->documents[i] = document_by_id(id);
		if (request->documents[i] == NULL)
			record->bad = true;
		else
			request->documents[i]->request = request;
	}
}

static void
record_request(Record *record, void *object)
{
	Request    *request = object;
	char		id[ID_LENGTH + 1] = "";
	bool		new = false;

	if (request != NULL)
		memcpy(id, request->id, sizeof(id));
	record_id(record, id);
	if (request == NULL && (request = request_by_id(id)) == NULL)
	{
		request = xcalloc(1, sizeof(Request));
		memcpy(request->id, id, sizeof(id));
		new = true;
	}
	record_app(record, &request->app);
	record_word(record, &request->type);
	record_json(record, &request->settings);
	record_text(record, &request->title);
	record_text(record, &request->method);
	record_word(record, &request->status);
	record_word(record, &request->proof_status);
	record_number(record, &request->created_at);
	record_number(record, &request->published_at);
	record_number(record, &request->launched_at);
	record_number(record, &request->expires_at);
	record_number(record, &request->diffusion_at);
	record_number(record, &request->signed_at);
	record_number(record, &request->closed_at);
	record_parties(record, &request->parties, &request->nparties);
	record_parties(record, &request->approvers, &request->napprovers);
	record_int(record, &request->ndocuments);
	record_contents(record, request);
	if (record->reading && !record->bad && new)
		add_request(request);
	else if (new)
		free(request);
}

/* How records of each kind are read and written. */
static const struct
{
	char		kind;
	RecordFunction function;
}			kinds[] = {
	{STATE_SIGNER, record_signer},
	{STATE_DOCUMENT, record_document},
	{STATE_REQUEST, record_request},
	{STATE_ENTRY, record_entry},
	{STATE_LOGIN_KEY, record_login_key},
	{STATE_AUTHORITY, record_authority},
	{STATE_ENDPOINT, record_endpoint},
	{STATE_EVENT, record_event},
	{STATE_TOKEN, record_token},
	{STATE_CLEAR_JOURNAL, record_clear_journal},
	{STATE_RESET, record_reset}
};

static RecordFunction
function_of(char kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		if (kinds[i].kind == kind)
			return kinds[i].function;
	}
	return NULL;
}

/* ---- Writing ---- */

/* Append a record of an object, to be written with the next flush. */
void
state_note(char kind, void *object)
{
	Record		record = {.out = &log_buffer, .version = STATE_VERSION};
	Head		head = {.kind = kind};
	size_t		start = log_buffer.length;

	if (fd < 0)
		return;
	buffer_add(&log_buffer, &head, sizeof(head));
	function_of(kind) (&record, object);
	head.length = log_buffer.length - start - sizeof(head);
	memcpy(log_buffer.data + start, &head, sizeof(head));
}

/* Note that an object changed. */
static void
touch(Touched *touched, bool *mark, void *object)
{
	if (fd < 0 || *mark)
		return;
	*mark = true;
	if ((touched->n & (touched->n + 1)) == 0)
		touched->objects = xrealloc(touched->objects, (touched->n + 1) * 2 * sizeof(void *));
	touched->objects[touched->n++] = object;
}

void
touch_signer(Signer *signer)
{
	touch(&signers, &signer->touched, signer);
}

void
touch_document(Document *document)
{
	touch(&documents, &document->touched, document);
}

void
touch_request(Request *request)
{
	touch(&requests, &request->touched, request);
}

/* Append all that was touched: what others refer to comes first. */
static void
note_touched(void)
{
	for (size_t i = 0; i < signers.n; i++)
	{
		((Signer *) signers.objects[i])->touched = false;
		state_note(STATE_SIGNER, signers.objects[i]);
	}
	for (size_t i = 0; i < documents.n; i++)
	{
		((Document *) documents.objects[i])->touched = false;
		state_note(STATE_DOCUMENT, documents.objects[i]);
	}
	for (size_t i = 0; i < requests.n; i++)
	{
		((Request *) requests.objects[i])->touched = false;
		state_note(STATE_REQUEST, requests.objects[i]);
	}
	signers.n = documents.n = requests.n = 0;
}

/* Write what was noted; a sandbox that cannot keep its word ends. */
void
state_flush(void)
{
	size_t		done = 0;

	if (fd < 0)
		return;
	note_touched();
	while (done < log_buffer.length)
	{
		ssize_t		n = write(fd, log_buffer.data + done, log_buffer.length - done);

		if (n < 0 && errno != EINTR)
		{
			fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", options.state_file, strerror(errno));
			abort();
		}
		done += n > 0 ? (size_t) n : 0;
	}
	log_buffer.length = 0;
}

/* All is forgotten. */
void
state_reset(void)
{
	signers.n = documents.n = requests.n = 0;
	state_note(STATE_RESET, NULL);
}

/* ---- Start ---- */

/* Read the records of a file's content; false: they cannot be understood. */
static bool
read_records(const char *data, size_t size)
{
	Head		head;
	int			version = 0;
	int			length = 0;

	for (int v = 1; v <= STATE_VERSION && version == 0; v++)
	{
		char		start[sizeof(magic)];

		length = snprintf(start, sizeof(start), magic, v);
		if (size >= (size_t) length && memcmp(data, start, (size_t) length) == 0)
			version = v;
	}
	if (version == 0)
		return false;
	data += length;
	size -= (size_t) length;
	while (size >= sizeof(head))
	{
		Record		record = {.reading = true, .version = version};
		RecordFunction function;

		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		size -= sizeof(head);
		if (head.length > size)
			break;
		function = function_of(head.kind);
		if (function == NULL)
			return false;
		record.in = data;
		record.left = (size_t) head.length;
		function(&record, NULL);
		if (record.bad)
			return false;
		data += head.length;
		size -= (size_t) head.length;
	}
	return true;
}

/* Read a file whole; false, with errno, if it cannot be. */
static bool
read_file(const char *name, Buffer *content)
{
	char		chunk[65536];
	size_t		n;
	FILE	   *file = fopen(name, "rb");
	bool		done;

	if (file == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buffer_add(content, chunk, n);
	done = !ferror(file);
	fclose(file);
	return done;
}

/* Whether the request of a document lists it. */
static bool
is_listed(const Document *document)
{
	const Request *request = document->request;

	for (int i = 0; request != NULL && i < request->ndocuments; i++)
	{
		if (request->documents[i] == document)
			return true;
	}
	return request == NULL;
}

/* Note everything there is. */
static void
note_all(void)
{
	for (size_t i = 0; i < signer_count(); i++)
		touch_signer(signer_by_number(i));
	for (size_t i = 0; i < document_count(); i++)
		touch_document(document_by_number(i));
	for (size_t i = 0; i < request_count(); i++)
		touch_request(request_by_number(i));

	note_touched();

	/* What a request does not list is tied to it once it is there. */
	for (size_t i = 0; i < document_count(); i++)
	{
		if (!is_listed(document_by_number(i)))
			touch_document(document_by_number(i));
	}
	note_login_key();
	note_authority();
	note_journal();
	note_webhooks();
}

/* Read the state, if there is one, and go on with it; false: not possible. */
bool
state_start(void)
{
	Buffer		content = {0};
	char	   *name;

	if (options.state_file == NULL)
		return true;
	if (!read_file(options.state_file, &content) && errno != ENOENT)
	{
		fprintf(stderr, "ignisign-sandbox: could not read \"%s\": %s\n", options.state_file, strerror(errno));
		buffer_free(&content);
		return false;
	}
	if (content.length > 0 && !read_records(content.data, content.length))
	{
		fprintf(stderr, "ignisign-sandbox: \"%s\" is not a state of these applications\n", options.state_file);
		buffer_free(&content);
		return false;
	}
	buffer_free(&content);

	name = xprintf("%s.new", options.state_file);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
	{
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", name, strerror(errno));
		free(name);
		return false;
	}
	buffer_printf(&log_buffer, magic, STATE_VERSION);
	note_all();
	state_flush();
	if (rename(name, options.state_file) != 0)
	{
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", options.state_file, strerror(errno));
		free(name);
		return false;
	}
	free(name);
	return true;
}
