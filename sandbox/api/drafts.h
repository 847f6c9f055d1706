/*-------------------------------------------------------------------------
 *
 * drafts.h
 *	  The endpoints that make a request step by step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DRAFTS_H
#define SB_DRAFTS_H

#include "http/call.h"

extern SbHandler sb_create_request,
			sb_create_signer_setup,
			sb_update_request,
			sb_publish_request;

#endif							/* SB_DRAFTS_H */
