/*-------------------------------------------------------------------------
 *
 * body.h
 *	  The body of a request, handed out piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_BODY_H
#define IGNISIGN_BODY_H

#include "postgres.h"

#include "api/api.h"

typedef struct IgBody IgBody;

/* Make the body of a request; sizes are those of its documents, in bytes. */
extern IgBody *ig_body_create(IgApiRequest *request, const int64 *sizes, int nsizes);

/* IgHttpRead of http.h, with an IgBody as argument. */
extern size_t ig_body_read(void *body, char *buffer, size_t size);

/* Which slice is needed next: false when none is, for now. */
extern bool ig_body_wants(const IgBody *body, int *document, int64 *offset, int *length);

/* Bring that slice, with a header of 4 bytes; it is the body's from then on. */
extern void ig_body_load_chunk(IgBody *body, bytea *slice);

extern void ig_body_free(IgBody *body);

#endif							/* IGNISIGN_BODY_H */
