/*-------------------------------------------------------------------------
 *
 * state.h
 *	  Keeping what the sandbox holds in a file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_STATE_H
#define SANDBOX_STATE_H

#include "sandbox.h"

/* A record that is read or written. */
typedef struct Record
{
	bool		reading;
	bool		bad;			/* it cannot be read */
	int			version;		/* of the file */
	Buffer	   *out;
	const char *in;
	size_t		left;
} Record;

/* Writes the object, or reads one (NULL) and adds it, or changes the one it is. */
typedef void (*RecordFunction) (Record *record, void *object);

/* Kinds of records. */
#define STATE_SIGNER		'S'
#define STATE_DOCUMENT		'D'
#define STATE_REQUEST		'R'
#define STATE_ENTRY			'J'
#define STATE_LOGIN_KEY		'K'
#define STATE_AUTHORITY		'A'
#define STATE_ENDPOINT		'W'
#define STATE_EVENT			'E'
#define STATE_TOKEN			'T'
#define STATE_CLEAR_JOURNAL	'c'
#define STATE_RESET			'r'

extern void record_number(Record *record, int64_t *number);
extern void record_int(Record *record, int *number);
extern void record_flag(Record *record, bool *flag);
extern void record_id(Record *record, char id[ID_LENGTH + 1]);
extern void record_blob(Record *record, void **data, size_t *size);
extern void record_text(Record *record, char **text);
extern void record_word(Record *record, const char **word);
extern void record_json(Record *record, cJSON **json);
extern void record_app(Record *record, App **app);

/* Append a record; for what is not touched. */
extern void state_note(char kind, void *object);
extern void state_reset(void);

/* Of the parts that keep what they have to themselves. */
extern void record_entry(Record *record, void *object);
extern void record_clear_journal(Record *record, void *object);
extern void record_login_key(Record *record, void *object);
extern void record_authority(Record *record, void *object);
extern void record_endpoint(Record *record, void *object);
extern void record_event(Record *record, void *object);
extern void record_token(Record *record, void *object);
extern void record_reset(Record *record, void *object);
extern void note_journal(void);
extern void note_webhooks(void);
extern void note_login_key(void);
extern void note_authority(void);

#endif							/* SANDBOX_STATE_H */
