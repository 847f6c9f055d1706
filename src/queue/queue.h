/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  The only SQL on the queue.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_QUEUE_H
#define IGNISIGN_QUEUE_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "queue/insert.h"

/* The index by which an id at the API belongs to one request. */
#define IG_ID_INDEX		"request_signature_request_id"

/* A call to be made, from the queue or (id 0) one of the worker's own. */
typedef struct IgCall
{
	pg_uuid_t	request;
	int64		id;
	IgOperation operation;
	NameData	server;
	NameData	owner;
	int			document;		/* number of a document, or 0 */
	int			signer;			/* number of a signer, or 0 */
	char	   *proof_type;		/* or "" */
	int			attempts;		/* this one included */
	int			waits;
	int			looks;
	TimestampTz claimed_at;
	char	   *title;
	char	   *signature_method;
	char	   *signature_request_id;	/* or NULL */
	char	   *document_id;	/* or NULL */
	char	   *signer_id;		/* or NULL */
	char	   *args;			/* of one that belongs to no request, else NULL */
	int			http_status;	/* of the last response; 0: none */
	char	   *code;			/* of the last error: the API's, or a SQLSTATE of ours; or NULL */
} IgCall;

/* The key of a call. */
typedef struct IgCallKey
{
	pg_uuid_t	request;
	int64		id;
} IgCallKey;

/* An account's calls: who they are for, and the first, which is due then. */
typedef struct IgDue
{
	NameData	server;
	NameData	owner;
	TimestampTz run_at;
	int64		id;
	int			limit;			/* how many may be claimed */
} IgDue;

/* What a call is to become. */
typedef struct IgReschedule
{
	const IgCall *call;
	const char *state;			/* pending, unknown or dead */
	TimestampTz run_at;
	bool		give_back;		/* the attempt does not count */
	bool		waited;			/* it was not a failure */
	int			looks;
	int			http_status;
	const char *code;
	const char *error;
} IgReschedule;

/* An attempt for the log. */
typedef struct IgAttempt
{
	const IgCall *call;
	TimestampTz started_at;
	const char *outcome;
	int			http_status;
	const char *code;
	const char *error;
	int64		duration;		/* microseconds */
	int64		bytes_sent;
	int64		bytes_received;
} IgAttempt;

/* Calls that were under way when a worker ended, with the times when they were claimed. */
typedef struct IgOrphaned
{
	int			n;
	int64	   *ids;
	TimestampTz *claimed_at;
} IgOrphaned;

/* Make this database the owner of its queue, unless it has one. */
extern void ig_queue_own(void);

/*
 * Whether it is the owner; else *other names the database that is, or is NULL
 * where nothing was ever queued.
 */
extern bool ig_queue_is_ours(char **other);

/*
 * Add a call for a request; nothing happens if the same step is queued
 * already, but it is brought forward to run_at, revived if it is dead, and made
 * again if it is under way.
 * As the extension's owner.
 */
extern void ig_queue_add(const pg_uuid_t *request, IgOperation operation,
						 int document, int signer, const char *proof_type,
						 const char *owner, const char *server,
						 TimestampTz run_at);

/*
 * Gather calls of requests that do not have these yet, due at run_at;
 * ig_insert_rows() inserts them.  What is pointed to has to last until then.
 */
extern void ig_queue_calls_init(IgRows *rows);
extern void ig_queue_calls_add(IgRows *rows, const pg_uuid_t *request, IgOperation operation, Name owner, Name server,
							   TimestampTz run_at);

/*
 * Add a call that belongs to no request, under a uuid of its own; args are the
 * fields of the operation, as JSON, and document the number of its file, or 0.
 * Returns its id.  As the extension's owner.
 */
extern int64 ig_queue_add_alone(const pg_uuid_t *id, IgOperation operation, int document,
								const char *args, const char *owner, const char *server);

/* A copy of a text of foreign origin, cut to what is kept of one; NULL for NULL. */
extern char *ig_bounded_text(const char *text);

/* The rest is the worker's. */

/*
 * Whether the API has carried a call out, though its response could not be applied
 * here: the response was a success, and the error is ours.  Such a call is never sent
 * again.
 */
extern bool ig_call_confirmed(const IgCall *call);

/* The same of a row of ignisign.call by the name of, or before a dot, its alias. */
#define IG_CONFIRMED(alias) \
	"(" alias "http_status BETWEEN 200 AND 299 AND " alias "code ~ '^[0-9A-Z]{5}$') IS TRUE"

/*
 * Queue the same call for the page after the one that it asked for.  Between
 * SPI_connect and SPI_finish.
 */
extern void ig_queue_add_next_page(const IgCall *call);

extern uint64 ig_queue_mark_unverified(TimestampTz look_at);
extern void ig_queue_check_timeline(TimestampTz look_at);

/*
 * Calls that are "sending", and nobody's: those there are, with their rows locked
 * where others' locks are waited for; and what becomes of them.  Those that
 * somebody has locked are left in the list, to be tried again.
 */
extern void ig_queue_find_orphaned(IgOrphaned *orphaned, bool wait);
extern void ig_queue_recover_orphaned(IgOrphaned *orphaned, TimestampTz look_at, bool log_attempts);

/*
 * The accounts that have calls in the state "pending" or "unknown", and of
 * each the first.
 */
extern IgDue *ig_queue_due(const char *state, int *n);

/*
 * The same of pending calls, but only of these accounts, and of each from its place (run_at,
 * id) on.  What lies before is not read.
 */
extern IgDue *ig_queue_due_from(const IgDue *places, int nplaces, int *n);

extern IgCall *ig_queue_claim(const IgDue *due, int ndue, TimestampTz now, int *n);

/*
 * The same one by one, where one of the calls is in the way of the others: their keys;
 * claim one; and have one that cannot be claimed be dead.
 */
extern IgCallKey *ig_queue_due_keys(const IgDue *due, int ndue, TimestampTz now, int *n);
extern IgCall *ig_queue_claim_one(const IgCallKey *key, TimestampTz now);
extern char *ig_queue_refuse(const IgCallKey *key, const char *code, const char *error);
extern IgCall *ig_queue_in_state(const char *state, bool identified, const char *server, const char *owner,
								 TimestampTz now, int *n);
extern void ig_queue_finish(const IgCall *const *calls, int n);
extern void ig_queue_reschedule(const IgReschedule *items, int n);
extern void ig_queue_log(const IgAttempt *attempts, int n);

/*
 * Add a dead call that says why something cannot be applied to a request; false: the
 * request has such a call.
 */
extern bool ig_queue_add_refused(const pg_uuid_t *request, IgOperation operation,
								 const char *code, const char *error);

#endif							/* IGNISIGN_QUEUE_H */
