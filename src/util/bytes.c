/*-------------------------------------------------------------------------
 *
 * bytes.c
 *	  Byte strings as values of SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/memutils.h"

#include "compat.h"
#include "util/bytes.h"

/* Make a bytea. */
bytea *
ig_bytea(const char *data, int64 size)
{
	bytea	   *result = MemoryContextAllocHuge(CurrentMemoryContext, VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), data, size);
	return result;
}

/* An operation of the server's on a hash has failed, if this is not so. */
static void
must_be(bool done)
{
	if (!done)
		elog(ERROR, "could not compute a SHA-256");
}

/* Compute a SHA-256 of bytes that are read so many at a time. */
bytea *
ig_sha256_read(IgReadBytes read, void *arg, int64 size, int at_once)
{
	bytea	   *result = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	char	   *buffer = palloc(at_once);

	must_be(hash != NULL && pg_cryptohash_init(hash) >= 0);
	for (int64 offset = 0; offset < size; offset += at_once)
	{
		int			length = (int) Min(size - offset, at_once);

		read(arg, buffer, offset, length);
		must_be(pg_cryptohash_update(hash, (const uint8 *) buffer, length) >= 0);
	}
	SET_VARSIZE(result, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	must_be(pg_cryptohash_final(hash, (uint8 *) VARDATA(result), PG_SHA256_DIGEST_LENGTH) >= 0);
	pg_cryptohash_free(hash);
	pfree(buffer);
	return result;
}

/* Compute a SHA-256. */
bytea *
ig_sha256(const char *data, int64 size)
{
	bytea	   *result = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	SET_VARSIZE(result, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	must_be(hash != NULL && pg_cryptohash_init(hash) >= 0 &&
			pg_cryptohash_update(hash, (const uint8 *) data, size) >= 0 &&
			pg_cryptohash_final(hash, (uint8 *) VARDATA(result), PG_SHA256_DIGEST_LENGTH) >= 0);
	pg_cryptohash_free(hash);
	return result;
}
