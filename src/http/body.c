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
#include "postgres.h"

#include <openssl/evp.h>

#include "compat.h"
#include "http/body.h"

/*
 * Bytes of a document that are read at a time: those of all bodies together are
 * bounded, and less than the least of one costs more than it saves.  Multiples of 3
 * for base64.
 */
#define ALL_SLICES		(16 * 1024 * 1024)
#define LEAST_SLICE		(3 * 64 * 1024)
#define LARGEST_SLICE	(3 * 256 * 1024)

/* So long are three bytes in base64; OpenSSL writes a zero after them. */
#define QUAD			4

struct IgBody
{
	IgApiRequest request;
	int64	   *sizes;			/* of the documents */
	int			part;			/* the part that is being handed out */
	size_t		text_offset;	/* within it, if it is text */

	/*
	 * The document whose slices are being brought; it may lie ahead of "part", so that its first slice is
	 * there before the transfer starts.
	 */
	int			document_part;
	int64		document_offset;	/* of its next slice */
	bytea	   *slice;			/* its current slice; NULL: it was handed out */
	int			slice_offset;
	char		quad[QUAD + 1]; /* encoded, where there was no room for all of it */
	int			quad_length;
	int			quad_offset;
	bool		large;			/* it counts among large_bodies */
};

static int	large_bodies = 0;	/* that share what is allowed for slices */

/* Find the first document at or after a part. */
static int
find_document(IgBody *body, int part)
{
	while (part < body->request.nparts && body->request.parts[part].kind == IG_PART_TEXT)
		part++;
	return part;
}

/* How many bytes are left of the slice. */
static int
slice_left(const IgBody *body)
{
	return (int) (VARSIZE(body->slice) - VARHDRSZ) - body->slice_offset;
}

/* Whether what was brought of the current document was handed out. */
static bool
slice_done(const IgBody *body)
{
	return body->slice == NULL && body->quad_offset == body->quad_length;
}

/* Whether all of the current document was brought and handed out. */
static bool
document_done(const IgBody *body)
{
	return slice_done(body) &&
		body->document_offset >= body->sizes[body->request.parts[body->document_part].document];
}

/* Go on to the document after the current one. */
static void
next_document(IgBody *body)
{
	body->document_part = find_document(body, body->document_part + 1);
	body->document_offset = 0;
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
	for (int i = 0; i < nsizes; i++)
		body->large = body->large || sizes[i] > LEAST_SLICE;
	if (body->large)
		large_bodies++;
	return body;
}

/* So many bytes of the slice were handed out. */
static void
advance(IgBody *body, int length)
{
	body->slice_offset += length;
	if (slice_left(body) == 0)
	{
		pfree(body->slice);
		body->slice = NULL;
	}
}

/* Hand out some of the slice as it is. */
static size_t
read_raw(IgBody *body, char *buffer, size_t size)
{
	size_t		length = Min(size, (size_t) slice_left(body));

	memcpy(buffer, VARDATA(body->slice) + body->slice_offset, length);
	advance(body, (int) length);
	return length;
}

/*
 * Encode so many bytes of the slice, or what is left of it; only at a document's end is
 * that no multiple of 3.
 */
static int
encode(IgBody *body, char *buffer, size_t bytes)
{
	int			length = (int) Min(bytes, (size_t) slice_left(body));
	int			encoded;

	encoded = EVP_EncodeBlock((unsigned char *) buffer,
							  (const unsigned char *) VARDATA(body->slice) + body->slice_offset, length);
	advance(body, length);
	return encoded;
}

/* Hand out some of the slice in base64. */
static size_t
read_base64(IgBody *body, char *buffer, size_t size)
{
	size_t		length;

	/* A zero is written after what is encoded. */
	if (body->quad_offset == body->quad_length && size > QUAD)
		return encode(body, buffer, (size - 1) / QUAD * 3);

	if (body->quad_offset == body->quad_length)
	{
		body->quad_length = encode(body, body->quad, 3);
		body->quad_offset = 0;
	}
	length = Min(size, (size_t) (body->quad_length - body->quad_offset));
	memcpy(buffer, body->quad + body->quad_offset, length);
	body->quad_offset += length;
	return length;
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

		if (part->kind == IG_PART_TEXT)
		{
			size_t		length = Min(size - done, part->length - body->text_offset);

			memcpy(buffer + done, body->request.text + part->offset + body->text_offset, length);
			done += length;
			body->text_offset += length;
			if (body->text_offset == part->length)
			{
				body->part++;
				body->text_offset = 0;
			}
		}
		else if (document_done(body))
		{
			next_document(body);
			body->part++;
		}
		else if (part->kind == IG_PART_RAW && body->slice != NULL)
			done += read_raw(body, buffer + done, size - done);
		else if (part->kind == IG_PART_BASE64 && !slice_done(body))
			done += read_base64(body, buffer + done, size - done);
		else
			break;
	}
	return done;
}

/* Which slice is needed next, if the last one has been handed out. */
bool
ig_body_wants(const IgBody *body, int *document, int64 *offset, int *length)
{
	int64		left;
	int			most;

	/* What is done is passed over by the reader, in its own time. */
	if (body->document_part >= body->request.nparts || !slice_done(body) || document_done(body))
		return false;

	most = ALL_SLICES / Max(large_bodies, 1);
	most = Max(Min(most, LARGEST_SLICE), LEAST_SLICE) / 3 * 3;
	*document = body->request.parts[body->document_part].document;
	*offset = body->document_offset;
	left = body->sizes[*document] - body->document_offset;
	*length = (int) Min(left, most);
	return true;
}

/* Bring the slice that ig_body_wants named; it is freed when it was handed out. */
void
ig_body_load_chunk(IgBody *body, bytea *slice)
{
	int			document;
	int64		offset;
	int			length;

	if (!ig_body_wants(body, &document, &offset, &length) || (int) (VARSIZE(slice) - VARHDRSZ) != length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a document does not have the size that is recorded for it")));
	body->slice = slice;
	body->slice_offset = 0;
	body->document_offset = offset + length;
}

/* Forget a body. */
void
ig_body_free(IgBody *body)
{
	if (body->large)
		large_bodies--;
	ig_api_request_free(&body->request);
	if (body->sizes)
		pfree(body->sizes);
	if (body->slice)
		pfree(body->slice);
	pfree(body);
}
