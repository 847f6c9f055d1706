/*-------------------------------------------------------------------------
 *
 * send.h
 *	  A response as libmicrohttpd sends it: whole, or as slow, long or broken as a
 *	  fault says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SEND_H
#define SB_SEND_H

#include <microhttpd.h>

#include "http/fault.h"

extern struct MHD_Response *sb_make_mhd_response(SbResponse *response, const SbFault *fault);

#endif							/* SB_SEND_H */
