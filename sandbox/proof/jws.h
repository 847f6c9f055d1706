/*-------------------------------------------------------------------------
 *
 * jws.h
 *	  Signatures of data in JSON: JWS (RFC 7515), plain or as JAdES has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_JWS_H
#define SB_JWS_H

#include "model/store.h"

extern bool sb_make_jws(const SbDocument *document, const SbParticipant *participant, const char *type, SbBuffer *jws);
extern bool sb_make_signed_data(const SbDocument *document, SbBuffer *json);

#endif							/* SB_JWS_H */
