/*-------------------------------------------------------------------------
 *
 * trouble.c
 *	  Local trouble: a step of the worker that fails here, and not at the API.
 *
 * The worker builds, loads and applies each call in a subtransaction.  So a damaged
 * row, a lock or a constraint that an administrator added concerns the calls that
 * meet it, and no others.  The SQLSTATE decides what follows (policy.c): trouble that
 * passes is waited for; any other is the end of that call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/api.h"
#include "guc.h"
#include "util/policy.h"
#include "util/session.h"
#include "worker/trouble.h"

/* The first pause before a step is tried again, and the longest one, in ms. */
#define FIRST_PAUSE			100
#define LAST_PAUSE			10000

/* Do a step in a subtransaction. */
bool
ig_try(void (*step) (void *arg), void *arg, const char *patience, IgTrouble *trouble)
{
	ErrorData  *error = ig_session_try(step, arg, patience);

	if (error == NULL)
		return true;
	strlcpy(trouble->sqlstate, unpack_sql_state(error->sqlerrcode), sizeof(trouble->sqlstate));
	trouble->passes = ig_policy_sqlstate_passes(trouble->sqlstate);
	trouble->locked = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	trouble->id_taken = error->constraint_name != NULL && strcmp(error->constraint_name, IG_ID_INDEX) == 0;
	trouble->text = error->message ? error->message : pstrdup("unknown error");
	return false;
}

/* When to try a step again. */
TimestampTz
ig_trouble_next_try(int failures, TimestampTz now)
{
	return TimestampTzPlusMilliseconds(now, ig_policy_local_pause(failures, FIRST_PAUSE, LAST_PAUSE,
																  pg_prng_uint64(&pg_global_prng_state)));
}

/* When a call is looked for whose response could not be applied. */
int64
ig_refused_delay(int waits)
{
	return ig_policy_local_pause(waits + 1, Max(ig_reconcile_delay, 1000), Max(ig_max_retry_delay, ig_reconcile_delay),
								 pg_prng_uint64(&pg_global_prng_state));
}

/* Name a call for the log. */
char *
ig_call_name(const IgCall *call)
{
	const char *operation = ig_api_operation_name(call->operation);

	if (call->id == 0)
		return psprintf("a call \"%s\" of role \"%s\" on server \"%s\"", operation,
						NameStr(call->owner), NameStr(call->server));
	return psprintf("the call %lld (%s) of request %s", (long long) call->id, operation,
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&call->request))));
}
