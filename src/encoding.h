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

/* What stands for a character that the database's encoding lacks. */
#define IG_REPLACEMENT		'?'

/* The same where texts are compared: nothing that can be sent contains it. */
#define IG_NO_CHARACTER		'\032'

/*
 * Both make a copy in the current memory context, and need a transaction.
 * Neither raises an error: ig_to_wire returns NULL for what is not valid, or
 * has no equivalent in UTF-8.  ig_from_wire takes any bytes.
 */
extern char *ig_to_wire(const char *text);
extern char *ig_from_wire(const char *text, char replacement);

#endif							/* IGNISIGN_ENCODING_H */
