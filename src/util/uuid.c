/*-------------------------------------------------------------------------
 *
 * uuid.c
 *	  UUID version 7 (RFC 9562): time-ordered, so that new rows go to the
 *	  right end of their indexes.
 *
 * 48 bits of milliseconds, 12 bits of the millisecond's fraction (method 3
 * of the RFC's section 6.2), 62 random bits.  A process never goes back: a
 * clock that stands or steps back is continued by one step of the fraction.
 * Since 18 the server makes them, in the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/time.h>

#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/fmgroids.h"
#include "utils/uuid.h"

#include "compat.h"
#include "util/uuid.h"

PG_FUNCTION_INFO_V1(ignisign_id);

/* Make a uuid that is greater than all that this process made before. */
void
ig_uuid_v7(pg_uuid_t *uuid)
{
#if PG_VERSION_NUM >= 180000
	*uuid = *DatumGetUUIDP(OidFunctionCall0(F_UUIDV7_));
#else
	static uint64 last = 0;
	struct timeval now;
	uint64		ticks;			/* 1/4096 ms */
	uint64		word;

	gettimeofday(&now, NULL);
	ticks = ((uint64) now.tv_sec * 1000 + now.tv_usec / 1000) << 12;
	ticks |= (uint64) (now.tv_usec % 1000) * 4096 / 1000;
	if (ticks <= last)
		ticks = last + 1;
	last = ticks;

	if (!pg_strong_random(uuid->data + 8, 8))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));

	word = ((ticks >> 12) << 16) | UINT64CONST(0x7000) | (ticks & 0xFFF);
	word = pg_hton64(word);
	memcpy(uuid->data, &word, 8);
	uuid->data[8] = (uuid->data[8] & 0x3F) | 0x80;
#endif
}

/*
 * ignisign_id() returns uuid
 *
 * A new uuid, version 7.
 */
Datum
ignisign_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	ig_uuid_v7(uuid);
	PG_RETURN_UUID_P(uuid);
}
