/*-------------------------------------------------------------------------
 *
 * response_datum.h
 *	  The content of a response as a value of SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_CONTENT_H
#define IGNISIGN_CONTENT_H

#include "postgres.h"

#include "http/http.h"

/*
 * The content of a response as a bytea in the current memory context, whose bytes are
 * read when a row is made of it.
 */
extern Datum ig_content(IgTransfer *transfer);
extern void ig_content_free(Datum content);

/* Its SHA-256. */
extern bytea *ig_content_sha256(IgTransfer *transfer);

#endif							/* IGNISIGN_CONTENT_H */
