/*-------------------------------------------------------------------------
 *
 * bytes.c
 *	  Byte strings as values of SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/memutils.h"

#include "bytes.h"
#include "compat.h"

/* Make a bytea. */
bytea *
ig_bytea(const char *data, int64 size)
{
	bytea	   *result = MemoryContextAllocHuge(CurrentMemoryContext, VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), data, size);
	return result;
}

/* Compute a SHA-256. */
bytea *
ig_sha256(const char *data, int64 size)
{
	bytea	   *result = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	SET_VARSIZE(result, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) data, size) < 0 ||
		pg_cryptohash_final(hash, (uint8 *) VARDATA(result), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a SHA-256");
	pg_cryptohash_free(hash);
	return result;
}
