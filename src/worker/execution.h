/*-------------------------------------------------------------------------
 *
 * execution.h
 *	  A call under way: from a row to a transfer, and from its answer to what
 *	  is to follow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_FLIGHT_H
#define IGNISIGN_FLIGHT_H

#include "postgres.h"

#include "api/api.h"
#include "http/body.h"
#include "http/http.h"
#include "worker/account_state.h"
#include "util/policy.h"
#include "queue/queue.h"
#include "worker/trouble.h"

/* Several requests whose status is asked for by one call. */
typedef struct IgBatch
{
	NameData	server;
	NameData	owner;
	pg_uuid_t  *requests;
	char	  **signature_request_ids;
	int			n;
} IgBatch;

typedef struct IgFlight
{
	MemoryContext context;		/* of all that belongs to the flight */
	IgCall		call;
	IgLane	   *lane;
	IgTicket	ticket;			/* what it was started with */
	IgBatch    *batch;			/* of a refresh, else NULL */
	struct IgScan *scan;		/* of a reconciliation, else NULL */
	int			page;			/* of a list */
	int			first_document;	/* number of the one that the body calls 0 */
	IgApiRequest request;		/* until the body takes it over */
	IgBody	   *body;			/* NULL: none */
	IgTransfer *transfer;		/* NULL: not started */
	bool		built;			/* request and body are ready */
	bool		ahead;			/* it has no place yet */
	bool		relieved;		/* it has ended, and left its place */
	int			account_load;	/* of the account that it was claimed for */
	int			generation;		/* of the token it was sent with */

	/* What came of it; see ig_flight_digest. */
	bool		json;			/* a 2xx answer is JSON, or empty */
	IgApiAnswer answer;
	IgDecision	decision;
	bool		localized;		/* its texts are in the database's encoding */
	IgHealth	health;			/* what it tells of the server */
	int64		retry_after;	/* ms; -1: the answer does not tell */

	/* Local trouble; see ig_flight_fail and responses.c. */
	bool		failed;			/* it cannot be built or loaded */
	bool		passes;			/* but that passes */
	bool		held;			/* its response waits to be applied */
	bool		refused;		/* its response cannot be applied */
	int			tries;			/* to apply it that failed, one after another */
	TimestampTz next_try;
	bool		judged;			/* what it means for server and account was seen to */
	const char *error;			/* text for people, or NULL */
	const char *code;			/* the API's, or NULL */
} IgFlight;

/* Make a flight in its own memory context, to which the call is copied. */
extern IgFlight *ig_flight_create(const IgCall *call, IgLane *lane);

/* The same without a place: it is taken before it starts. */
extern IgFlight *ig_flight_create_ahead(const IgCall *call, IgLane *lane);
extern void ig_flight_take_place(IgFlight *flight);

/* Whether its account is still as it was when the flight was made. */
extern bool ig_flight_is_current(const IgFlight *flight);

/* One that has ended well leaves its place before it is applied; false: it does not, or has done so. */
extern bool ig_flight_leave_place(IgFlight *flight);

extern IgFlight *ig_flight_create_refresh(const IgBatch *batch, IgLane *lane);

extern IgFlight *ig_flight_create_login(IgLane *lane);

/*
 * Read what the flights have to say, and build their requests.  Needs a
 * transaction.  One that cannot be built is left with an error; the others are not
 * concerned.
 */
extern void ig_flights_build(IgFlight **flights, int n);

/* Send it. */
extern void ig_flight_start(IgFlight *flight);

/* Whether the body waits for a slice of a document. */
extern bool ig_flight_hungry(const IgFlight *flight);

/*
 * Read the slice that it waits for; an error is raised.  The second one reads those of
 * many flights, of which each fails alone.  Need a transaction.
 */
extern void ig_flight_feed(IgFlight *flight);
extern void ig_flights_feed(IgFlight **flights, int n);

/* It cannot be built or loaded here. */
extern void ig_flight_fail(IgFlight *flight, const IgTrouble *trouble);

/* What is decided by, from the settings. */
extern IgPolicy ig_flight_policy(void);

/* Judge a finished or unbuildable flight: answer, decision, error. */
extern void ig_flight_digest(IgFlight *flight);

/*
 * Have what the API said in the database's encoding, before it is stored or
 * compared.  Needs a transaction.
 */
extern void ig_flight_localize(IgFlight *flight);

extern void ig_flight_free(IgFlight *flight);

#endif							/* IGNISIGN_FLIGHT_H */
