/*-------------------------------------------------------------------------
 *
 * signing_page.h
 *	  The page at the link that a signer or an approver gets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SIGNING_PAGE_H
#define SB_SIGNING_PAGE_H

#include "http/call.h"

extern SbHandler sb_signing_page;

#endif							/* SB_SIGNING_PAGE_H */
