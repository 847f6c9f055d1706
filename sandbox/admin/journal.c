/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  What was received, and the responses, for tests to read.
 *
 *-------------------------------------------------------------------------
 */
#include "admin/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/call.h"
#include "model/record.h"
#include "model/state.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/options.h"

/* Kinds of records in the state file. */
#define STATE_ENTRY 'J'
#define STATE_CLEAR 'c'

static SbEntry *entries;
static size_t nentries;
static size_t first;			/* entries before it were cleared */
static int64_t total_emails;

/* Make room for one more. */
static SbEntry *
new_entry(void)
{
	if ((nentries & (nentries + 1)) == 0)
		entries = sb_realloc(entries, (nentries + 1) * 2 * sizeof(SbEntry));
	return memset(&entries[nentries++], 0, sizeof(SbEntry));
}

/* Note a call. */
void
sb_journal_add(const SbCall *call, int status, const char *broken, const char *fault, bool processed, int64_t duration)
{
	uint8_t		hash[32];
	SbEntry    *entry;

	entry = new_entry();
	entry->time = sb_now_ms();
	entry->method = sb_strdup(call->method);
	entry->path = call->query ? sb_psprintf("%s?%s", call->path, call->query) : sb_strdup(call->path);
	entry->operation = call->operation ? call->operation : "";
	entry->status = status;
	entry->broken = broken;
	entry->fault = fault[0] ? sb_strdup(fault) : NULL;
	entry->processed = processed;
	memcpy(entry->created, call->created, sizeof(entry->created));
	entry->title = call->title ? sb_strdup(call->title) : NULL;
	entry->emails = call->emails;
	entry->duration = duration;
	entry->body_size = call->body_length;
	if (call->body_length > 0)
	{
		sb_sha256(call->body, call->body_length, hash);
		entry->body_sha256 = sb_to_hex(hash, sizeof(hash));
	}
	total_emails += call->emails;
	sb_state_append(STATE_ENTRY, entry);
	if (sb_options.verbose)
	{
		char		time[32];

		sb_format_time(entry->time, time);
		printf("%.12s  %-4s %s  %s%d%s\n", time + 11, entry->method, entry->path,
			   broken ? "" : "-> ", status, broken ? broken : "");
		fflush(stdout);
	}
}

/* The calls in the order in which they were noted, counted from 0. */
const SbEntry *
sb_journal_entry(size_t number)
{
	return &entries[first + number];
}

size_t
sb_journal_size(void)
{
	return nentries - first;
}

/* Forget what was noted. */
void
sb_journal_clear(void)
{
	first = nentries;
	total_emails = 0;
	sb_state_append(STATE_CLEAR, NULL);
}

static void
record_entry(SbRecord *record, void *object)
{
	SbEntry    *entry = object ? object : new_entry();
	int64_t		size = (int64_t) entry->body_size;

	sb_record_number(record, &entry->time);
	sb_record_text(record, &entry->method);
	sb_record_text(record, &entry->path);
	sb_record_word(record, &entry->operation);
	sb_record_int(record, &entry->status);
	sb_record_word(record, &entry->broken);
	sb_record_text(record, &entry->fault);
	sb_record_flag(record, &entry->processed);
	sb_record_id(record, entry->created);
	sb_record_text(record, &entry->title);
	sb_record_int(record, &entry->emails);
	sb_record_number(record, &size);
	sb_record_text(record, &entry->body_sha256);
	sb_record_number(record, &entry->duration);
	entry->body_size = (size_t) size;
	if (record->reading)
		total_emails += entry->emails;
}

/* What was noted before is no longer told; its numbers stay used. */
static void
record_clear_journal(SbRecord *record, void *object)
{
	(void) object;
	if (record->reading)
		sb_journal_clear();
}

/* Append all entries. */
static void
append_all(void)
{
	for (size_t i = 0; i < nentries; i++)
	{
		if (i == first && first > 0)
			sb_state_append(STATE_CLEAR, NULL);
		sb_state_append(STATE_ENTRY, &entries[i]);
	}
	if (first > 0 && first == nentries)
		sb_state_append(STATE_CLEAR, NULL);
}

/* Keep the journal in the state file. */
void
sb_journal_register(void)
{
	static const SbStatePart part = {
		.kinds = {{STATE_ENTRY, record_entry}, {STATE_CLEAR, record_clear_journal}},
		.append_all = append_all,
		.forget = sb_journal_clear
	};

	sb_state_register(&part);
}

/* The calls after "since", of one operation unless NULL. */
cJSON *
sb_journal_list(const char *operation, int64_t since, int64_t limit)
{
	cJSON	   *list = cJSON_CreateArray();

	for (size_t i = first; i < nentries && limit > 0; i++)
	{
		const SbEntry *entry = &entries[i];
		cJSON	   *item;
		char		time[32];

		if ((int64_t) i + 1 <= since || (operation && strcmp(operation, entry->operation) != 0))
			continue;
		sb_format_time(entry->time, time);
		item = cJSON_CreateObject();
		cJSON_AddNumberToObject(item, "sequence", (double) i + 1);
		cJSON_AddStringToObject(item, "time", time);
		cJSON_AddStringToObject(item, "operation", entry->operation);
		cJSON_AddStringToObject(item, "method", entry->method);
		cJSON_AddStringToObject(item, "path", entry->path);
		cJSON_AddNumberToObject(item, "status", entry->status);
		if (entry->broken)
			cJSON_AddStringToObject(item, "broken", entry->broken);
		if (entry->fault)
			cJSON_AddStringToObject(item, "fault", entry->fault);
		cJSON_AddBoolToObject(item, "processed", entry->processed);
		if (entry->created[0])
			cJSON_AddStringToObject(item, "signatureRequestId", entry->created);
		if (entry->title)
			cJSON_AddStringToObject(item, "title", entry->title);
		cJSON_AddNumberToObject(item, "emails", entry->emails);
		cJSON_AddNumberToObject(item, "bodySize", (double) entry->body_size);
		if (entry->body_sha256)
			cJSON_AddStringToObject(item, "bodySha256", entry->body_sha256);
		cJSON_AddNumberToObject(item, "durationMs", (double) entry->duration);
		cJSON_AddItemToArray(list, item);
		limit--;
	}
	return list;
}

/* Add 1 to the number of that name. */
static void
count_one(cJSON *object, const char *name)
{
	cJSON	   *count = cJSON_GetObjectItemCaseSensitive(object, name);

	if (count)
		cJSON_SetNumberValue(count, count->valuedouble + 1);
	else
		cJSON_AddNumberToObject(object, name, 1);
}

/* How much there is. */
cJSON *
sb_journal_counts(bool titles)
{
	cJSON	   *counts = cJSON_CreateObject();
	cJSON	   *faults = cJSON_AddObjectToObject(counts, "faults");

	cJSON_AddNumberToObject(counts, "requests", (double) sb_request_count());
	cJSON_AddNumberToObject(counts, "emails", (double) total_emails);
	cJSON_AddNumberToObject(counts, "calls", (double) (nentries - first));
	for (size_t i = first; i < nentries; i++)
	{
		if (entries[i].fault)
			count_one(faults, entries[i].fault);
	}
	if (titles)
	{
		cJSON	   *by_title = cJSON_AddObjectToObject(counts, "byTitle");

		for (size_t i = 0; i < sb_request_count(); i++)
		{
			const char *title = sb_request_by_number(i)->title;

			count_one(by_title, title ? title : "");
		}
	}
	return counts;
}
