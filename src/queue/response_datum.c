/*-------------------------------------------------------------------------
 *
 * response_datum.c
 *	  The content of a response as a value of SQL.
 *
 * A large response is in a temporary file.  It is an expanded object here, which the
 * server asks for its bytes when it makes a row of it: so they go from the file to
 * the row, and are in memory once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/expandeddatum.h"
#include "utils/memutils.h"

#include "compat.h"
#include "queue/response_datum.h"
#include "util/bytes.h"

/* What is read at a time to be hashed. */
#define HASHED_AT_ONCE	(64 * 1024)

typedef struct Content
{
	ExpandedObjectHeader header;
	IgTransfer *transfer;
} Content;

/* EOM_get_flat_size_method. */
static Size
flat_size(ExpandedObjectHeader * header)
{
	return VARHDRSZ + ((Content *) header)->transfer->body_length;
}

/* EOM_flatten_into_method. */
static void
flatten_into(ExpandedObjectHeader * header, void *result, Size size)
{
	SET_VARSIZE(result, size);
	ig_http_read(((Content *) header)->transfer, VARDATA(result), 0, size - VARHDRSZ);
}

/* The content of a response, until ig_content_free; the transfer must be there as long. */
Datum
ig_content(IgTransfer *transfer)
{
	static const ExpandedObjectMethods methods = {flat_size, flatten_into};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ignisign content", ALLOCSET_SMALL_SIZES);
	Content    *content = MemoryContextAlloc(context, sizeof(Content));

	EOH_init_header(&content->header, &methods, context);
	content->transfer = transfer;
	return EOHPGetRODatum(&content->header);
}

/* Forget it. */
void
ig_content_free(Datum content)
{
	MemoryContextDelete(DatumGetEOHP(content)->eoh_context);
}

/* IgReadBytes of bytes.h: from a response. */
static void
read_response(void *transfer, char *buffer, int64 offset, int length)
{
	ig_http_read(transfer, buffer, offset, length);
}

/* The SHA-256 of a response. */
bytea *
ig_content_sha256(IgTransfer *transfer)
{
	return ig_sha256_read(read_response, transfer, transfer->body_length, HASHED_AT_ONCE);
}
