/*-------------------------------------------------------------------------
 *
 * encoding.h
 *	  Between the API, which speaks UTF-8, and a database in any encoding.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_ENCODING_H
#define IGNISIGN_ENCODING_H

#include "postgres.h"

/*
 * Both make a copy in the current memory context, and need a transaction.
 * Neither raises an error: ig_to_wire returns NULL for what is not valid, or
 * has no equivalent in UTF-8.  ig_from_wire takes any bytes, and writes a
 * question mark for each character that the database's encoding lacks.
 */
extern char *ig_to_wire(const char *text);
extern char *ig_from_wire(const char *text);

/*
 * JSON of the API as jsonb; the text is changed.  Raises the errors of jsonb's
 * input for what is not JSON, or not for jsonb.
 */
extern Datum ig_jsonb_from_wire(char *json);

#endif							/* IGNISIGN_ENCODING_H */
