/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What the sandbox holds, in a file, so that it outlives a restart.
 *
 * The file is a log of records: an object that a call made or changed is
 * appended as it is then, before the response is sent; a later record of the
 * same object takes the place of an earlier one.  So no change that was confirmed is
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
static SbBuffer log_buffer;
static Touched signers;
static Touched documents;
static Touched requests;

/* ---- Fields of a record ---- */

/* Read or write bytes of a known number. */
static void
record_bytes(SbRecord *record, void *data, size_t size)
{
	if (!record->reading)
		sb_buffer_add(record->out, data, size);
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
sb_record_number(SbRecord *record, int64_t *number)
{
	record_bytes(record, number, sizeof(*number));
}

void
sb_record_int(SbRecord *record, int *number)
{
	record_bytes(record, number, sizeof(*number));
}

void
sb_record_flag(SbRecord *record, bool *flag)
{
	record_bytes(record, flag, sizeof(*flag));
}

void
sb_record_id(SbRecord *record, char id[SB_ID_LENGTH + 1])
{
	record_bytes(record, id, SB_ID_LENGTH + 1);
}

/* Bytes of any number, or NULL; a NUL follows those that were read. */
void
sb_record_blob(SbRecord *record, void **data, size_t *size)
{
	int64_t		length = *data ? (int64_t) *size : -1;

	sb_record_number(record, &length);
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
	*data = sb_calloc(1, (size_t) length + 1);
	*size = (size_t) length;
	record_bytes(record, *data, *size);
}

/* Text, or NULL. */
void
sb_record_text(SbRecord *record, char **text)
{
	size_t		size = *text ? strlen(*text) : 0;

	sb_record_blob(record, (void **) text, &size);
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
	word = sb_calloc(1, sizeof(*word) + strlen(text) + 1);
	memcpy(word->text, text, strlen(text));
	word->next = words;
	words = word;
	return word->text;
}

/* Text that nobody frees, such as a status. */
void
sb_record_word(SbRecord *record, const char **word)
{
	char	   *text = record->reading || *word == NULL ? NULL : sb_strdup(*word);

	sb_record_text(record, &text);
	if (record->reading)
		*word = text ? keep_word(text) : NULL;
	free(text);
}

void
sb_record_json(SbRecord *record, cJSON **json)
{
	char	   *text = record->reading || *json == NULL ? NULL : cJSON_PrintUnformatted(*json);

	sb_record_text(record, &text);
	if (record->reading)
	{
		cJSON_Delete(*json);
		*json = text ? cJSON_Parse(text) : NULL;
	}
	free(text);
}

/* An application, by its id; it has to be one that still has a key. */
void
sb_record_app(SbRecord *record, SbApp **app)
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
		*app = sb_app_by_id(id, env);
		record->bad = record->bad || *app == NULL;
	}
}

/* ---- Objects ---- */

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
	record_bytes(record, document->hash, sizeof(document->hash));
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

/* How records of each kind are read and written. */
static const struct
{
	char		kind;
	SbRecordFunction function;
}			kinds[] = {
	{SB_STATE_SIGNER, record_signer},
	{SB_STATE_DOCUMENT, record_document},
	{SB_STATE_REQUEST, record_request},
	{SB_STATE_ENTRY, sb_record_entry},
	{SB_STATE_LOGIN_KEY, sb_record_login_key},
	{SB_STATE_AUTHORITY, sb_record_authority},
	{SB_STATE_ENDPOINT, sb_record_endpoint},
	{SB_STATE_EVENT, sb_record_event},
	{SB_STATE_TOKEN, sb_record_token},
	{SB_STATE_CLEAR_JOURNAL, sb_record_clear_journal},
	{SB_STATE_RESET, sb_record_reset}
};

static SbRecordFunction
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
sb_state_append(char kind, void *object)
{
	SbRecord	record = {.out = &log_buffer, .version = STATE_VERSION};
	Head		head = {.kind = kind};
	size_t		start = log_buffer.length;

	if (fd < 0)
		return;
	sb_buffer_add(&log_buffer, &head, sizeof(head));
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
		touched->objects = sb_realloc(touched->objects, (touched->n + 1) * 2 * sizeof(void *));
	touched->objects[touched->n++] = object;
}

void
sb_touch_signer(SbSigner *signer)
{
	touch(&signers, &signer->touched, signer);
}

void
sb_touch_document(SbDocument *document)
{
	touch(&documents, &document->touched, document);
}

void
sb_touch_request(SbRequest *request)
{
	touch(&requests, &request->touched, request);
}

/* Append all that was touched: what others refer to comes first. */
static void
note_touched(void)
{
	for (size_t i = 0; i < signers.n; i++)
	{
		((SbSigner *) signers.objects[i])->touched = false;
		sb_state_append(SB_STATE_SIGNER, signers.objects[i]);
	}
	for (size_t i = 0; i < documents.n; i++)
	{
		((SbDocument *) documents.objects[i])->touched = false;
		sb_state_append(SB_STATE_DOCUMENT, documents.objects[i]);
	}
	for (size_t i = 0; i < requests.n; i++)
	{
		((SbRequest *) requests.objects[i])->touched = false;
		sb_state_append(SB_STATE_REQUEST, requests.objects[i]);
	}
	signers.n = documents.n = requests.n = 0;
}

/* Write what was noted; a sandbox that cannot keep its word ends. */
void
sb_state_flush(void)
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
			fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", sb_options.state_file, strerror(errno));
			abort();
		}
		done += n > 0 ? (size_t) n : 0;
	}
	log_buffer.length = 0;
}

/* All is forgotten. */
void
sb_state_reset(void)
{
	signers.n = documents.n = requests.n = 0;
	sb_state_append(SB_STATE_RESET, NULL);
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
		SbRecord	record = {.reading = true, .version = version};
		SbRecordFunction function;

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
read_file(const char *name, SbBuffer *content)
{
	char		chunk[65536];
	size_t		n;
	FILE	   *file = fopen(name, "rb");
	bool		done;

	if (file == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		sb_buffer_add(content, chunk, n);
	done = !ferror(file);
	fclose(file);
	return done;
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

/* Note everything there is. */
static void
note_all(void)
{
	for (size_t i = 0; i < sb_signer_count(); i++)
		sb_touch_signer(sb_signer_by_number(i));
	for (size_t i = 0; i < sb_document_count(); i++)
		sb_touch_document(sb_document_by_number(i));
	for (size_t i = 0; i < sb_request_count(); i++)
		sb_touch_request(sb_request_by_number(i));

	note_touched();

	/* What a request does not list is tied to it once it is there. */
	for (size_t i = 0; i < sb_document_count(); i++)
	{
		if (!is_listed(sb_document_by_number(i)))
			sb_touch_document(sb_document_by_number(i));
	}
	sb_note_login_key();
	sb_note_authority();
	sb_note_journal();
	sb_note_webhooks();
}

/* Read the state, if there is one, and go on with it; false: not possible. */
bool
sb_state_start(void)
{
	SbBuffer	content = {0};
	char	   *name;

	if (sb_options.state_file == NULL)
		return true;
	if (!read_file(sb_options.state_file, &content) && errno != ENOENT)
	{
		fprintf(stderr, "ignisign-sandbox: could not read \"%s\": %s\n", sb_options.state_file, strerror(errno));
		sb_buffer_free(&content);
		return false;
	}
	if (content.length > 0 && !read_records(content.data, content.length))
	{
		fprintf(stderr, "ignisign-sandbox: \"%s\" is not a state of these applications\n", sb_options.state_file);
		sb_buffer_free(&content);
		return false;
	}
	sb_buffer_free(&content);

	name = sb_psprintf("%s.new", sb_options.state_file);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
	{
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", name, strerror(errno));
		free(name);
		return false;
	}
	sb_buffer_printf(&log_buffer, magic, STATE_VERSION);
	note_all();
	sb_state_flush();
	if (rename(name, sb_options.state_file) != 0)
	{
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\": %s\n", sb_options.state_file, strerror(errno));
		free(name);
		return false;
	}
	free(name);
	return true;
}
