/*-------------------------------------------------------------------------
 *
 * uploads.h
 *	  The endpoints by which documents get their content.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_UPLOADS_H
#define SB_UPLOADS_H

#include "http/call.h"

extern SbHandler sb_upload_document,
			sb_init_document,
			sb_provide_file,
			sb_provide_json,
			sb_provide_hash,
			sb_log_capsule,
			sb_update_document,
			sb_delete_document,
			sb_delete_content,
			sb_check_authenticity;

#endif							/* SB_UPLOADS_H */
