/*-------------------------------------------------------------------------
 *
 * malformed.h
 *	  Responses that no server of good will sends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_MALFORMED_H
#define SB_MALFORMED_H

#include "http/fault.h"

extern const char *sb_malformed_body(SbResponse *response, const SbFault *fault);
extern void sb_malformed_write(int fd, const SbResponse *response, const SbFault *fault);

#endif							/* SB_MALFORMED_H */
