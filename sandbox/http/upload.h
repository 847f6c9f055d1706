/*-------------------------------------------------------------------------
 *
 * upload.h
 *	  A file that came as multipart/form-data.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_UPLOAD_H
#define SB_UPLOAD_H

#include "http/call.h"

/* A file that came as multipart/form-data. */
typedef struct SbUpload
{
	char	   *file_name;
	char	   *mime_type;
	SbBuffer	content;
	bool		present;
} SbUpload;

/* Take the file out of the part of that name; false, with the error, if none. */
extern bool sb_read_upload(SbCall *call, const char *part, SbUpload *upload, SbResponse *response);

#endif							/* SB_UPLOAD_H */
