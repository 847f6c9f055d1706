/*-------------------------------------------------------------------------
 *
 * download.h
 *	  Documents that are given as a URL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DOWNLOAD_H
#define SB_DOWNLOAD_H

#include <stddef.h>
#include <stdint.h>

extern uint8_t *sb_download(const char *url, size_t *size);

#endif							/* SB_DOWNLOAD_H */
