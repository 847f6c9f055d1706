/*-------------------------------------------------------------------------
 *
 * signing_standing.h
 *	  How things stand for the one who looks at a signing page.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SIGNING_STANDING_H
#define SB_SIGNING_STANDING_H

#include "pages/signing_view.h"

/* How things stand for the one who looks. */
typedef struct SbStanding
{
	const char *tone;			/* good, bad, busy, plain */
	const char *word;			/* for the title */
	const char *heading;
	const char *text;
} SbStanding;

extern SbStanding sb_find_standing(const SbView *view);

#endif							/* SB_SIGNING_STANDING_H */
