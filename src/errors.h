/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  SQLSTATEs of the extension, in a class of its own; see docs/reference.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_ERRORS_H
#define IGNISIGN_ERRORS_H

#include "postgres.h"

#define IG_ERRCODE_NO_SIGNER			MAKE_SQLSTATE('I', 'G', '0', '0', '1')
#define IG_ERRCODE_DUPLICATE_EMAIL		MAKE_SQLSTATE('I', 'G', '0', '0', '2')
#define IG_ERRCODE_INVALID_EMAIL		MAKE_SQLSTATE('I', 'G', '0', '0', '3')
#define IG_ERRCODE_EMPTY_DOCUMENT		MAKE_SQLSTATE('I', 'G', '0', '0', '4')
#define IG_ERRCODE_DOCUMENT_TOO_LARGE	MAKE_SQLSTATE('I', 'G', '0', '0', '5')
#define IG_ERRCODE_UNKNOWN_METHOD		MAKE_SQLSTATE('I', 'G', '0', '0', '6')
#define IG_ERRCODE_NO_DOCUMENT			MAKE_SQLSTATE('I', 'G', '0', '0', '7')
#define IG_ERRCODE_INVALID_SIGNER		MAKE_SQLSTATE('I', 'G', '0', '0', '8')
#define IG_ERRCODE_INVALID_DOCUMENT		MAKE_SQLSTATE('I', 'G', '0', '0', '9')
#define IG_ERRCODE_NO_MAPPING			MAKE_SQLSTATE('I', 'G', '0', '1', '0')
#define IG_ERRCODE_INVALID_TITLE		MAKE_SQLSTATE('I', 'G', '0', '1', '1')
#define IG_ERRCODE_NO_SUCH_REQUEST		MAKE_SQLSTATE('I', 'G', '0', '1', '2')
#define IG_ERRCODE_CALL_REFUSED			MAKE_SQLSTATE('I', 'G', '0', '1', '3')

#endif							/* IGNISIGN_ERRORS_H */
