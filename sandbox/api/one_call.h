/*-------------------------------------------------------------------------
 *
 * one_call.h
 *	  The endpoint that makes and publishes a request in one call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ONE_CALL_H
#define SB_ONE_CALL_H

#include "http/call.h"

extern SbHandler sb_one_call_sign;

#endif							/* SB_ONE_CALL_H */
