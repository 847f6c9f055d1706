/*-------------------------------------------------------------------------
 *
 * assets.h
 *	  What the pages for people load.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_ASSETS_H
#define SB_ASSETS_H

#include "http/call.h"

extern SbHandler sb_respond_asset;

#endif							/* SB_ASSETS_H */
