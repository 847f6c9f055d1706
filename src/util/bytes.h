/*-------------------------------------------------------------------------
 *
 * bytes.h
 *	  Byte strings as values of SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_BYTES_H
#define IGNISIGN_BYTES_H

#include "postgres.h"

/* A bytea, of up to 1 GB, in the current memory context. */
extern bytea *ig_bytea(const char *data, int64 size);

/* The SHA-256 of bytes, as a bytea. */
extern bytea *ig_sha256(const char *data, int64 size);

/* The same of bytes that are elsewhere, and how these are read. */
typedef void (*IgReadBytes) (void *arg, char *buffer, int64 offset, int length);

extern bytea *ig_sha256_read(IgReadBytes read, void *arg, int64 size, int at_once);

#endif							/* IGNISIGN_BYTES_H */
