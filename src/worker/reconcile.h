/*-------------------------------------------------------------------------
 *
 * reconcile.h
 *	  Finding out what became of requests whose outcome is unknown.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_RECONCILE_H
#define IGNISIGN_RECONCILE_H

#include "postgres.h"

#include "worker/execution.h"

typedef struct IgScan IgScan;

/*
 * Begin to look for an account's unknown calls that are due at "now".
 * Returns NULL when there are none.  Needs a transaction.
 */
extern IgScan *ig_scan_begin(IgAccountState *state, TimestampTz now);

/*
 * Settle an account's unknown calls that are due, and whose request has the API's id.
 * Needs a transaction.
 */
extern void ig_scan_settle_identified(IgAccountState *state, TimestampTz now);

/* Local trouble: look for the account's unknown calls later; a step of the scan failed. */
extern void ig_scan_put_off_account(IgAccountState *state, const IgTrouble *trouble, TimestampTz now);
extern void ig_scan_fail(IgScan *scan, const IgTrouble *trouble);

/*
 * The next calls to make for it, as executions that are not built yet.  Needs a
 * transaction, which decides the calls when nothing is left to be asked; the
 * scan is then over, and *over is set.  *when is the time to ask again, 0 when
 * a response tells.
 */
extern List *ig_scan_next(IgScan *scan, TimestampTz now, TimestampTz *when, bool *over);

/*
 * A call of the scan has come back and is over.  Exactly once for each execution that
 * ig_scan_next() made: the scan lives until then.
 */
extern void ig_scan_apply_response(IgScan *scan, IgExecution *execution);

#endif							/* IGNISIGN_RECONCILE_H */
