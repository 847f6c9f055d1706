/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  The accounts of one worker: each has a lane of its own, with its
 *	  credentials, its limit of calls in flight, and a gate that closes when
 *	  the API refuses the account.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LANES_H
#define IGNISIGN_LANES_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "credentials.h"

typedef struct IgLane
{
	NameData	server;			/* with owner: the key */
	NameData	owner;
	MemoryContext context;		/* of account */
	IgAccount  *account;		/* NULL: not loaded, or there is none */
	bool		stale;			/* account is to be loaded again */
	int			in_flight;
	bool		parked;
	int			tries;			/* since it was parked */
	TimestampTz next_try;		/* of a parked lane */
	bool		scanning;		/* unknown calls are being looked for */
} IgLane;

extern void ig_lanes_init(void);
extern IgLane *ig_lane(const char *server, const char *owner);

/* How many calls may be started now.  Needs a transaction. */
extern int	ig_lane_room(IgLane *lane, TimestampTz now);

/* Hold the lane's calls back, and say why; let them go again. */
extern void ig_lane_park(IgLane *lane, const char *reason, TimestampTz now);
extern void ig_lane_unpark(IgLane *lane);

/* Have all accounts loaded again, and parked lanes tried. */
extern void ig_lanes_reload(void);

#endif							/* IGNISIGN_LANES_H */
