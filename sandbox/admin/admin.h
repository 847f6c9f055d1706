/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  /_sandbox/...: what tests and developers tell the sandbox, and ask it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ADMIN_H
#define SB_ADMIN_H

#include "http/call.h"

extern SbHandler sb_admin_call;

#endif							/* SB_ADMIN_H */
