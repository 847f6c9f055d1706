/*-------------------------------------------------------------------------
 *
 * body.c
 *	  The body of a request, handed out piece by piece.
 *
 * A body is text with documents in between, in base64 or as they are.  One is
 * brought slice by slice, as the network takes them, so that the memory of a
 * transfer does not depend on the document's size.
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#include "common/base64.h"
#include "utils/memutils.h"

#include "body.h"

struct IgBody
{
	IgApiRequest request;
	int64	   *sizes;			/* of the documents */
	int			part;			/* the part that is being handed out */
	size_t		text_offset;	/* within it, if it is text */

	/*
	 * The document whose slices are being brought; it may lie ahead of
	 * "part", so that its first slice is there before the transfer starts.
	 */
	int			document_part;
	int64		document_offset;	/* of its next slice */
	char	   *encoded;		/* its current slice as it is sent */
	int			encoded_room;
	int			encoded_length;
	int			encoded_offset;
};

/* Find the first document at or after a part. */
static int
find_document(IgBody *body, int part)
{
	while (part < body->request.nparts && body->request.parts[part].kind == IG_PART_TEXT)
		part++;
	return part;
}

/* Whether all of the current document was brought and handed out. */
static bool
document_done(IgBody *body)
{
	return body->encoded_offset == body->encoded_length &&
		body->document_offset >= body->sizes[body->request.parts[body->document_part].document];
}

/* Go on to the document after the current one. */
static void
next_document(IgBody *body)
{
	body->document_part = find_document(body, body->document_part + 1);
	body->document_offset = 0;
	body->encoded_length = 0;
	body->encoded_offset = 0;
}

/* Make a body; it takes over what the request owns. */
IgBody *
ig_body_create(IgApiRequest *request, const int64 *sizes, int nsizes)
{
	IgBody	   *body = palloc0(sizeof(IgBody));

	body->request = *request;
	memset(request, 0, sizeof(*request));
	if (nsizes > 0)
	{
		body->sizes = palloc(nsizes * sizeof(int64));
		memcpy(body->sizes, sizes, nsizes * sizeof(int64));
	}
	body->document_part = find_document(body, 0);
	return body;
}

/* Hand out at most "size" bytes; 0: a slice is needed, or all has been. */
size_t
ig_body_read(void *arg, char *buffer, size_t size)
{
	IgBody	   *body = arg;
	size_t		done = 0;

	while (done < size && body->part < body->request.nparts)
	{
		const IgApiPart *part = &body->request.parts[body->part];
		size_t		length;

		if (part->kind == IG_PART_TEXT)
		{
			length = Min(size - done, part->length - body->text_offset);
			memcpy(buffer + done, body->request.text + part->offset + body->text_offset, length);
			body->text_offset += length;
			if (body->text_offset == part->length)
			{
				body->part++;
				body->text_offset = 0;
			}
		}
		else if (document_done(body))
		{
			length = 0;
			next_document(body);
			body->part++;
		}
		else
		{
			length = Min(size - done, (size_t) (body->encoded_length - body->encoded_offset));
			if (length == 0)
				break;
			memcpy(buffer + done, body->encoded + body->encoded_offset, length);
			body->encoded_offset += length;
		}
		done += length;
	}
	return done;
}

/* Which slice is needed next, if the last one has been handed out. */
bool
ig_body_wants(IgBody *body, int *document, int64 *offset, int *length)
{
	int64		left;

	/* What is done is passed over by the reader, in its own time. */
	if (body->document_part >= body->request.nparts ||
		body->encoded_offset < body->encoded_length || document_done(body))
		return false;

	*document = body->request.parts[body->document_part].document;
	*offset = body->document_offset;
	left = body->sizes[*document] - body->document_offset;
	*length = (int) Min(left, IG_SLICE_SIZE);
	return true;
}

/* Bring the slice that ig_body_wants named. */
void
ig_body_feed(IgBody *body, const char *data, int length)
{
	bool		raw;
	int			room = pg_b64_enc_len(length) + 1;
	int			document;
	int64		offset;
	int			wanted;

	if (!ig_body_wants(body, &document, &offset, &wanted) || wanted != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a document does not have the size that is recorded for it")));

	if (body->encoded_room < room)
	{
		if (body->encoded)
			pfree(body->encoded);
		body->encoded = MemoryContextAlloc(GetMemoryChunkContext(body), room);
		body->encoded_room = room;
	}
	raw = body->request.parts[body->document_part].kind == IG_PART_RAW;
	if (raw)
		memcpy(body->encoded, data, length);
	body->encoded_length = raw ? length : pg_b64_encode((const void *) data, length, body->encoded, room);
	body->encoded_offset = 0;
	body->document_offset = offset + length;
}

/* Forget a body. */
void
ig_body_free(IgBody *body)
{
	ig_api_request_free(&body->request);
	if (body->sizes)
		pfree(body->sizes);
	if (body->encoded)
		pfree(body->encoded);
	pfree(body);
}
