/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Fields of the records of the state file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_RECORD_H
#define SB_RECORD_H

#include <cjson/cJSON.h>

#include "model/apps.h"
#include "util/buffer.h"

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

extern void sb_record_bytes(SbRecord *record, void *data, size_t size);
extern void sb_record_number(SbRecord *record, int64_t *number);
extern void sb_record_int(SbRecord *record, int *number);
extern void sb_record_flag(SbRecord *record, bool *flag);
extern void sb_record_id(SbRecord *record, char id[SB_ID_LENGTH + 1]);
extern void sb_record_blob(SbRecord *record, void **data, size_t *size);
extern void sb_record_text(SbRecord *record, char **text);
extern void sb_record_word(SbRecord *record, const char **word);
extern void sb_record_json(SbRecord *record, cJSON **json);
extern void sb_record_app(SbRecord *record, SbApp **app);

#endif							/* SB_RECORD_H */
