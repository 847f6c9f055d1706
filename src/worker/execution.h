/*-------------------------------------------------------------------------
 *
 * execution.h
 *	  A call under way: from a row to a transfer, and from its response to what
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
#include "queue/queue.h"
#include "util/policy.h"
#include "worker/account_state.h"
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

typedef struct IgExecution
{
	MemoryContext context;		/* of all that belongs to the execution */
	IgCall		call;
	IgAccountState *account_state;
	IgTicket	ticket;			/* what it was started with */
	IgBatch    *batch;			/* of a refresh, else NULL */
	struct IgScan *scan;		/* of a reconciliation, else NULL */
	int			page;			/* of a list */
	int			first_document; /* number of the one that the body calls 0 */
	IgApiRequest request;		/* until the body takes it over */
	IgBody	   *body;			/* NULL: none */
	IgTransfer *transfer;		/* NULL: not started */
	bool		built;			/* request and body are ready */
	int			generation;		/* of the token it was sent with */

	/* What came of it; see ig_execution_digest. */
	bool		json;			/* a 2xx response is JSON, or empty */
	IgApiResponse response;
	IgDecision	decision;
	bool		localized;		/* its texts are in the database's encoding */
	IgHealth	health;			/* what it tells of the server */
	int64		retry_after;	/* ms; -1: the response does not tell */

	/* Local trouble; see ig_execution_fail and responses.c. */
	bool		failed;			/* it cannot be built or loaded */
	bool		passes;			/* but that passes */
	bool		held;			/* its response waits to be applied */
	bool		refused;		/* its response cannot be applied */
	int			tries;			/* to apply it that failed, one after another */
	TimestampTz next_try;
	bool		outcome_recorded;	/* what it means for server and account was seen to */
	const char *error;			/* text for people, or NULL */
	const char *code;			/* the API's, or NULL */
} IgExecution;

/* Make an execution in its own memory context, to which the call is copied. */
extern IgExecution *ig_execution_create(const IgCall *call, IgAccountState *state);

extern IgExecution *ig_execution_create_refresh(const IgBatch *batch, IgAccountState *state);

extern IgExecution *ig_execution_create_login(IgAccountState *state);

/*
 * Read what the executions have to say, and build their requests.  Needs a
 * transaction.  One that cannot be built is left with an error; the others are not
 * concerned.
 */
extern void ig_executions_build(IgExecution **executions, int n);

/* Send it. */
extern void ig_execution_start(IgExecution *execution);

/* Whether the body waits for a slice of a document. */
extern bool ig_execution_needs_data(const IgExecution *execution);

/*
 * Read the slice that it waits for; an error is raised.  The second one reads those of
 * many executions, of which each fails alone.  Need a transaction.
 */
extern void ig_execution_load_chunk(IgExecution *execution);
extern void ig_executions_load_chunks(IgExecution **executions, int n);

/* It cannot be built or loaded here. */
extern void ig_execution_fail(IgExecution *execution, const IgTrouble *trouble);

/* What is decided by, from the settings. */
extern IgPolicy ig_execution_policy(void);

/* Judge a finished or unbuildable execution: response, decision, error. */
extern void ig_execution_digest(IgExecution *execution);

/*
 * Have what the API said in the database's encoding, before it is stored or
 * compared.  Needs a transaction.
 */
extern void ig_execution_localize(IgExecution *execution);

extern void ig_execution_free(IgExecution *execution);

#endif							/* IGNISIGN_FLIGHT_H */
