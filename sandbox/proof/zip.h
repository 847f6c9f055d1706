/*-------------------------------------------------------------------------
 *
 * zip.h
 *	  Zip archives, in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ZIP_H
#define SB_ZIP_H

#include <stdint.h>

#include "util/buffer.h"

typedef struct SbZipMember
{
	const char *name;
	const void *data;
	size_t		size;
} SbZipMember;

extern void sb_write_zip(const SbZipMember *members, int count, int64_t time, SbBuffer *zip);

#endif							/* SB_ZIP_H */
