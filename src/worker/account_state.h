/*-------------------------------------------------------------------------
 *
 * account_state.h
 *	  The accounts of one worker: each has an account state of its own, with its
 *	  credentials, its limit of calls in execution, and is held back alone when
 *	  the API refuses the account or asks for a pause.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LANES_H
#define IGNISIGN_LANES_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "queue/credentials.h"
#include "queue/queue.h"
#include "worker/limiter.h"

typedef struct IgAccountState
{
	NameData	server;			/* with owner: the key */
	NameData	owner;
	IgServerLimiter *limiter;	/* of the server */
	MemoryContext context;		/* of account */
	IgAccount  *account;		/* NULL: not loaded, or there is none */
	bool		stale;			/* account is to be loaded again */
	int			in_flight;
	int			granted;		/* not started yet; see ig_accounts_share_slots */
	int64		served;			/* counts up with each call that is started */
	bool		suspended;
	TimestampTz suspended_at;
	int			tries;			/* since it was suspended */
	TimestampTz next_try;		/* of a suspended account state */
	bool		scanning;		/* unknown calls are being looked for */
	TimestampTz scan_at;		/* not before, after local trouble */
	int			scan_failures;	/* of such trouble, one after another */
	TimestampTz throttled_until;	/* the API asked for a pause */
	int			throttled;		/* times that it did, one after the other */
	bool		trying;			/* a call is to show whether that is over */
	char		throttle_reason[300];
	bool		status_recorded;	/* why it is held back stands in ignisign.parked */
	TimestampTz status_recorded_until;	/* what stands there holds until then */

	/* Of an account that logs in. */
	char	   *token;			/* NULL: none yet */
	char	   *token_account;	/* what it was made for */
	TimestampTz renew_at;
	int			generation;		/* counts tokens */
	bool		wants_token;
	bool		logging_in;
	int			login_tries;	/* that failed, one after the other */
	TimestampTz next_login;		/* not before */
	TimestampTz token_since;
	int			accepted;		/* generation of the last one that was of use */
	int			refused;		/* of the last one that was refused */
	int			refusals;		/* of one soon after the other */
} IgAccountState;

extern void ig_account_states_init(void);
extern IgAccountState *ig_account_state(const char *server, const char *owner);

/* After how many attempts a call is dead; none is while the account is gone. */
extern int	ig_account_max_attempts(const IgAccountState *state);

/*
 * Whether one more call may be started now, beside those that are granted.  If
 * not, *again is the time to look again, or 0 where something else tells.  Needs
 * a transaction.
 */
extern bool ig_account_may_send(IgAccountState *state, TimestampTz now, TimestampTz *again);

/* The same for a refresh of a server that has room for it. */
extern bool ig_account_may_refresh(IgAccountState *state, TimestampTz now);

/*
 * Share out what may be started among accounts that have calls due: sets their
 * limits.  One after the other gets one more, the one that was served longest
 * ago first.
 */
extern void ig_accounts_share_slots(IgDue *due, int n, TimestampTz now);

/* A call starts, and ends. */
extern IgTicket ig_account_start_call(IgAccountState *state, bool refresh);
extern void ig_account_end_call(IgAccountState *state, const IgTicket *ticket);

/* Have it, or all of its server, wait: the API asked for it in these words. */
extern void ig_account_throttle(IgAccountState *state, IgThrottle hold, int64 delay, const char *reason, TimestampTz now);

/* The API takes its calls again. */
extern void ig_account_unthrottle(IgAccountState *state);

/*
 * Have ignisign.parked say why an account state's calls do not go, where that lasts; and no
 * longer where it is over; the latter has servers counted that are there, too.  Need
 * a transaction.
 */
extern void ig_account_record_status(IgAccountState *state, TimestampTz now);
extern void ig_accounts_clear_status(TimestampTz now);

/* What its calls are sent with; NULL: there is no token yet. */
extern bool ig_account_has_token(IgAccountState *state, TimestampTz now);
extern const char *ig_account_bearer(const IgAccountState *state);

/* The account states that want a token and are not logging in, which they are from here on. */
extern List *ig_accounts_to_log_in(void);

/* A token came, which the account state's calls share. */
extern void ig_account_logged_in(IgAccountState *state, const char *token);

/*
 * A login failed; for good, as far as the API says, or not.  True: it is tried
 * again soon; false: that was tried often enough.
 */
extern bool ig_account_login_failed(IgAccountState *state, bool for_good, TimestampTz now);

/* A call with the token of that generation was refused; true: a new one is to help. */
extern bool ig_account_token_refused(IgAccountState *state, int generation);

/* One was done. */
extern void ig_account_token_accepted(IgAccountState *state, int generation);

/* Hold the account state's calls back, and say why. */
extern void ig_account_suspend(IgAccountState *state, const char *reason, TimestampTz now);

/* A call that started then was answered: let the account state's calls go again if they were held back before it. */
extern void ig_account_responded(IgAccountState *state, TimestampTz started_at);

/* Have all accounts loaded again, and what is held back tried. */
extern void ig_accounts_reload(void);

#endif							/* IGNISIGN_LANES_H */
