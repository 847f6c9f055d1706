/*-------------------------------------------------------------------------
 *
 * routes.h
 *	  The API's endpoints: one table of method, path and handler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ROUTES_H
#define SB_ROUTES_H

#include "http/call.h"

extern const char *sb_find_operation(SbCall *call);
extern SbHandler sb_route;

#endif							/* SB_ROUTES_H */
