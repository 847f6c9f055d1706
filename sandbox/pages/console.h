/*-------------------------------------------------------------------------
 *
 * console.h
 *	  The console: pages that show what the sandbox holds and does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CONSOLE_H
#define SB_CONSOLE_H

#include "http/call.h"

extern SbHandler sb_console_page;

#endif							/* SB_CONSOLE_H */
