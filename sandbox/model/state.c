/*-------------------------------------------------------------------------
 *
 * state.c
 *	  What the sandbox holds, in a file, so that it outlives a restart.
 *
 * The file is a log of records.  Before the response to a call is sent, each object
 * that the call made or changed is appended as it is then; a later record of the same
 * object takes the place of an earlier one.  So no change that was confirmed is lost,
 * however the sandbox ends.  A record that was being written at its end is passed over.
 * At the start the log is read, and written again without what is outdated.
 *
 * Each part of the sandbox registers the kinds of records that it keeps.  The same
 * function reads and writes a record, so that both agree.  Faults are not kept.
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

#include "model/record.h"
#include "util/buffer.h"
#include "util/options.h"

/*
 * How a file begins: with its version, which is written as the latest.  In version 1
 * nobody had a link to sign at, or could refuse, and only the last delivery of an event
 * was known.
 */
#define STATE_VERSION 2
static const char magic[] = "ignisign-sandbox state %d\n";

/* What comes before a record. */
typedef struct Head
{
	char		kind;
	uint64_t	length;
} Head;

/* An object that changed since the last flush, and its mark. */
typedef struct Touched
{
	void	   *object;
	bool	   *mark;
} Touched;

/* A kind of records, with the objects of it that changed. */
typedef struct Kind
{
	char		kind;
	SbRecordFunction function;
	Touched    *touched;
	size_t		ntouched;
} Kind;

#define MAX_PARTS 16
#define MAX_KINDS 32

/* All is forgotten: the one kind that no part has. */
#define STATE_RESET 'r'

static void record_reset(SbRecord *record, void *object);

static const SbStatePart *parts[MAX_PARTS];
static int	nparts;
static Kind kinds[MAX_KINDS] = {{.kind = STATE_RESET, .function = record_reset}};
static int	nkinds = 1;
static int	fd = -1;
static SbBuffer log_buffer;

/* ---- Parts ---- */

/* Find a kind of records; NULL: it is not known. */
static Kind *
find_kind(char kind)
{
	for (int i = 0; i < nkinds; i++)
	{
		if (kinds[i].kind == kind)
			return &kinds[i];
	}
	return NULL;
}

/* Let a part keep records in the file.  Records of a part come after those of earlier ones. */
void
sb_state_register(const SbStatePart *part)
{
	parts[nparts++] = part;
	for (int i = 0; part->kinds[i].kind != '\0'; i++)
	{
		if (nparts == MAX_PARTS || nkinds == MAX_KINDS || find_kind(part->kinds[i].kind) != NULL)
			abort();
		kinds[nkinds++] = (Kind) {.kind = part->kinds[i].kind, .function = part->kinds[i].function};
	}
}

/* Let all parts forget what they have. */
static void
forget_all(void)
{
	for (int i = nparts; i-- > 0;)
	{
		if (parts[i]->forget != NULL)
			parts[i]->forget();
	}
}

static void
record_reset(SbRecord *record, void *object)
{
	(void) object;
	if (record->reading)
		forget_all();
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
	find_kind(kind)->function(&record, object);
	head.length = log_buffer.length - start - sizeof(head);
	memcpy(log_buffer.data + start, &head, sizeof(head));
}

/* Have an object appended with the next flush; its mark says that it will be. */
void
sb_state_touch(char kind, void *object, bool *mark)
{
	Kind	   *found = find_kind(kind);

	if (fd < 0 || *mark)
		return;
	*mark = true;
	if ((found->ntouched & (found->ntouched + 1)) == 0)
		found->touched = sb_realloc(found->touched, (found->ntouched + 1) * 2 * sizeof(Touched));
	found->touched[found->ntouched++] = (Touched) {object, mark};
}

/* Append all that was touched: what others refer to comes first. */
static void
append_touched(void)
{
	for (int k = 0; k < nkinds; k++)
	{
		for (size_t i = 0; i < kinds[k].ntouched; i++)
		{
			*kinds[k].touched[i].mark = false;
			sb_state_append(kinds[k].kind, kinds[k].touched[i].object);
		}
		kinds[k].ntouched = 0;
	}
}

/* Write what was appended; a sandbox that cannot keep its word ends. */
void
sb_state_flush(void)
{
	size_t		done = 0;

	if (fd < 0)
		return;
	append_touched();
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

/* Forget all that there is. */
void
sb_state_reset(void)
{
	for (int k = 0; k < nkinds; k++)
		kinds[k].ntouched = 0;
	sb_state_append(STATE_RESET, NULL);
	forget_all();
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
		Kind	   *kind;

		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		size -= sizeof(head);
		if (head.length > size)
			break;
		kind = find_kind(head.kind);
		if (kind == NULL)
			return false;
		record.in = data;
		record.left = (size_t) head.length;
		kind->function(&record, NULL);
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
	for (int i = 0; i < nparts; i++)
	{
		if (parts[i]->append_all != NULL)
			parts[i]->append_all();
	}
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
