/*-------------------------------------------------------------------------
 *
 * signing_view.h
 *	  What a link to sign leads to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SIGNING_VIEW_H
#define SB_SIGNING_VIEW_H

#include "model/store.h"

/* What a link leads to. */
typedef struct SbView
{
	SbRequest  *request;
	SbParticipant *participant;
	bool		approver;
	bool		embedded;		/* may be in a frame of the application's */
	char		path[256];		/* of the page */
	char		document[SB_ID_LENGTH + 1]; /* or empty: the page itself */
} SbView;

#endif							/* SB_SIGNING_VIEW_H */
