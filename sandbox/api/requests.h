/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  The endpoints of signature requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_REQUESTS_H
#define SB_REQUESTS_H

#include "http/call.h"

extern SbHandler sb_list_requests,
			sb_requests_status,
			sb_request_context,
			sb_close_request,
			sb_check_signers_can_be_added,
			sb_resend_email,
			sb_application_context;

#endif							/* SB_REQUESTS_H */
