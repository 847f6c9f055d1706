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
typedef struct SbRecord
{
	bool		reading;
	bool		bad;			/* it cannot be read */
	int			version;		/* of the file */
	SbBuffer   *out;
	const char *in;
	size_t		left;
} SbRecord;

/* Writes the object, or reads one (NULL) and adds it, or changes the one it is. */
typedef void (*SbRecordFunction) (SbRecord *record, void *object);

/* Kinds of records. */
#define SB_STATE_SIGNER		'S'
#define SB_STATE_DOCUMENT		'D'
#define SB_STATE_REQUEST		'R'
#define SB_STATE_ENTRY			'J'
#define SB_STATE_LOGIN_KEY		'K'
#define SB_STATE_AUTHORITY		'A'
#define SB_STATE_ENDPOINT		'W'
#define SB_STATE_EVENT			'E'
#define SB_STATE_TOKEN			'T'
#define SB_STATE_CLEAR_JOURNAL	'c'
#define SB_STATE_RESET			'r'

extern void sb_record_number(SbRecord *record, int64_t *number);
extern void sb_record_int(SbRecord *record, int *number);
extern void sb_record_flag(SbRecord *record, bool *flag);
extern void sb_record_id(SbRecord *record, char id[SB_ID_LENGTH + 1]);
extern void sb_record_blob(SbRecord *record, void **data, size_t *size);
extern void sb_record_text(SbRecord *record, char **text);
extern void sb_record_word(SbRecord *record, const char **word);
extern void sb_record_json(SbRecord *record, cJSON **json);
extern void sb_record_app(SbRecord *record, SbApp **app);

/* Append a record; for what is not touched. */
extern void sb_state_append(char kind, void *object);
extern void sb_state_reset(void);

/* Of the parts that keep what they have to themselves. */
extern void sb_record_entry(SbRecord *record, void *object);
extern void sb_record_clear_journal(SbRecord *record, void *object);
extern void sb_record_login_key(SbRecord *record, void *object);
extern void sb_record_authority(SbRecord *record, void *object);
extern void sb_record_endpoint(SbRecord *record, void *object);
extern void sb_record_event(SbRecord *record, void *object);
extern void sb_record_token(SbRecord *record, void *object);
extern void sb_record_reset(SbRecord *record, void *object);
extern void sb_note_journal(void);
extern void sb_note_webhooks(void);
extern void sb_note_login_key(void);
extern void sb_note_authority(void);

#endif							/* SANDBOX_STATE_H */
