/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The loop of one database: wait, apply, claim, commit, send.
 *
 * Each turn has at most one transaction.  It applies what has come back,
 * claims what fits, and reads what bodies wait for; only when it has
 * committed are the claimed calls sent.  While the network is waited for there
 * is no transaction, no snapshot and no lock.  With nothing under way and
 * nothing due, the worker sleeps until its latch is set.
 *
 * An answer that cannot be applied fails alone: the turn's answers are applied
 * together in a subtransaction and, if that fails, one by one.
 *
 * Should the worker itself fail, its successor finds the calls that were under
 * way in the state "sending" (queue.c).
 *
 *-------------------------------------------------------------------------
 */
#include "ignisign.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "apply.h"
#include "callbacks.h"
#include "calls.h"
#include "compat.h"
#include "flight.h"
#include "import.h"
#include "inputs.h"
#include "lanes.h"
#include "listen.h"
#include "queue.h"
#include "reconcile.h"
#include "refresh.h"
#include "session.h"
#include "signing_session.h"
#include "slots.h"
#include "spi.h"
#include "staged.h"
#include "webhook.h"

/* Answers that are applied in one transaction, by number and by memory. */
#define MAX_ANSWERS			500
#define MAX_ANSWER_MEMORY	(32 * 1024 * 1024)

/* After answers of so many bytes it is worth the time to give memory back. */
#define GIVE_BACK_AFTER		(8 * 1024 * 1024)

/* From when an answer could not be applied for a lock until it is tried again, in ms; it doubles. */
#define FIRST_PAUSE			100
#define LAST_PAUSE			5000

/*
 * Looks at the whole queue: one that takes so many microseconds is fast; after
 * a slow one there is none for so many times its duration, and one is made now
 * and then, in ms, though nobody has woken us.
 */
#define FAST_LOOK			2000
#define LOOK_SHARE			20
#define LOOK_INTERVAL		60000

extern PGDLLEXPORT void ignisign_worker_main(Datum arg);

static MemoryContext turn_context;	/* reset after each turn */
static List *flying = NIL;		/* flights with a transfer, in flying_context */
static MemoryContext flying_context;
static List *scans = NIL;		/* in flying_context */
static int64 answer_memory = 0; /* taken since some was given back */
static List *held = NIL;		/* flights to be applied again, in flying_context */
static TimestampTz held_until = 0;
static int	held_pause = FIRST_PAUSE;
static TimestampTz next_turn = 0;	/* something is due then; 0: nothing */
static bool look_wanted = true; /* at all of the queue */
static TimestampTz next_look = 0;	/* not before */
static TimestampTz looked_in = 0;	/* when the turn of the last look began */
static bool parked = false;		/* the queue is not this database's */
static bool warned = false;		/* and that has been said */
static bool stopping = false;	/* somebody wants the database for himself */
static Oid	my_extension = InvalidOid;	/* as it was at the start */

/* ---- Applying ---- */

/* What an attempt came to, for the log. */
static const char *
outcome_name(IgVerdict verdict)
{
	switch (verdict)
	{
		case IG_DONE:
			return "done";
		case IG_RETRY:
			return "retry";
		case IG_WAIT:
			return "wait";
		case IG_RECONCILE:
			return "reconcile";
		case IG_PARK:
			return "park";
		case IG_DEAD:
			return "dead";
	}
	return "done";
}

/* Apply the statuses of a refresh. */
static void
apply_refresh(IgFlight *flight)
{
	IgSeen	   *seen = palloc(Max(flight->answer.nstatuses, 1) * sizeof(IgSeen));
	int			n = 0;

	for (int i = 0; i < flight->answer.nstatuses; i++)
	{
		const IgApiStatus *status = &flight->answer.statuses[i];

		for (int j = 0; j < flight->batch->n; j++)
		{
			if (strcmp(flight->batch->signature_request_ids[j], status->signature_request_id) == 0)
			{
				seen[n].request = &flight->batch->requests[j];
				seen[n++].status = status->status;
				break;
			}
		}
	}
	ig_apply_statuses(seen, n, "poll");
}

/* Apply the answer of a flight that was a success. */
static void
apply_success(IgFlight *flight, IgSent *sent, int *nsent)
{
	if (flight->call.operation == IG_OP_LOGIN)
		return;
	if (flight->call.args != NULL)
	{
		if (flight->call.operation == IG_OP_VERIFY_WEBHOOK &&
			ig_webhook_apply_verdict(&flight->call, &flight->answer))
			return;
		if (flight->call.operation == IG_OP_WEBHOOK_LOG)
			ig_webhook_apply_log(&flight->call, &flight->answer);
		else if (flight->call.operation == IG_OP_IMPORT)
			ig_import_apply_page(&flight->call, &flight->answer);
		else if (flight->call.operation == IG_OP_INPUTS_NEEDED)
			ig_inputs_keep(&flight->call, &flight->answer);
		ig_apply_result(flight);
		return;
	}
	switch (flight->call.operation)
	{
		case IG_OP_INPUTS_NEEDED:
			{
				char	   *missing = ig_inputs_apply(&flight->call, &flight->answer);

				/* It would be refused: nothing is sent before a person has seen to it. */
				if (missing)
				{
					flight->decision.verdict = IG_DEAD;
					flight->error = MemoryContextStrdup(flight->context, missing);
				}
				break;
			}
		case IG_OP_CREATE_REQUEST:
		case IG_OP_INIT_DOCUMENT:
		case IG_OP_UPLOAD_FILE:
		case IG_OP_UPLOAD_JSON:
		case IG_OP_UPLOAD_HASH:
		case IG_OP_CREATE_SIGNER:
		case IG_OP_UPDATE_REQUEST:
			ig_staged_apply(&flight->call, &flight->answer);
			break;
		case IG_OP_PUBLISH:
			sent[*nsent].request = &flight->call.request;
			sent[(*nsent)++].signature_request_id = flight->call.signature_request_id;
			ig_staged_apply(&flight->call, &flight->answer);
			break;
		case IG_OP_ONE_CALL_SIGN:
			sent[*nsent].request = &flight->call.request;
			sent[(*nsent)++].signature_request_id = flight->answer.signature_request_id;
			ig_signing_session_keep(&flight->call, &flight->answer);
			break;
		case IG_OP_STATUS:
			apply_refresh(flight);
			break;
		case IG_OP_CONTEXT:
			if (ig_apply_context(&flight->call, &flight->answer, flight->lane->account))
			{
				int64		delay = Max(ig_refresh_interval, 10);

				/* The proof is still being made: ask again, ever more slowly. */
				flight->decision.verdict = IG_WAIT;
				flight->decision.burns_attempt = false;
				flight->decision.delay = Min(delay << Min(flight->call.waits / 2, 20),
											 (int64) 15 * 60 * 1000);
			}
			break;
		case IG_OP_PROOF:
		case IG_OP_SIGNER_PROOF:
			{
				char	   *content = ig_http_body(flight->transfer);

				ig_apply_proof(&flight->call, content, flight->transfer->body_length,
							   flight->transfer->content_type[0] ? flight->transfer->content_type : NULL);
				pfree(content);
				break;
			}
		case IG_OP_CLOSE:

			/* What it has become of it, cancelled or completed, the context tells. */
			ig_queue_add(&flight->call.request, IG_OP_CONTEXT, 0, 0, "", NameStr(flight->call.owner),
						 NameStr(flight->call.server), GetCurrentTimestamp());
			break;
		default:
			break;
	}
}

/* What is to become of a call that is not done. */
static IgReschedule
make_reschedule(IgFlight *flight, TimestampTz now)
{
	IgReschedule item;
	const IgDecision *decision = &flight->decision;

	memset(&item, 0, sizeof(item));
	item.call = &flight->call;
	item.run_at = TimestampTzPlusMilliseconds(now, decision->delay);
	item.give_back = !decision->burns_attempt;
	item.http_status = flight->transfer ? flight->transfer->http_status : 0;
	item.code = flight->code;
	item.error = flight->error;
	switch (decision->verdict)
	{
		case IG_RECONCILE:
			item.state = "unknown";
			item.give_back = false;
			break;
		case IG_DEAD:
			item.state = "dead";
			item.give_back = false;
			break;
		case IG_WAIT:
			item.state = "pending";
			item.waited = true;
			break;
		default:
			item.state = "pending";
			break;
	}
	return item;
}

/* Apply what has come back, in one go. */
static void
apply_all(IgFlight **flights, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	IgSent	   *sent = palloc(n * sizeof(IgSent));
	const IgCall **done = palloc(n * sizeof(IgCall *));
	const IgCall **dead = palloc(n * sizeof(IgCall *));
	const char **dead_errors = palloc(n * sizeof(char *));
	IgReschedule *left = palloc(n * sizeof(IgReschedule));
	IgAttempt  *attempts = palloc0(n * sizeof(IgAttempt));
	int			nsent = 0;
	int			ndone = 0;
	int			ndead = 0;
	int			nleft = 0;
	int			nattempts = 0;

	for (int i = 0; i < n; i++)
	{
		IgFlight   *flight = flights[i];

		/* What a scan asks is read by the scan. */
		if (flight->decision.verdict == IG_DONE && flight->scan == NULL)
			apply_success(flight, sent, &nsent);

		if (flight->call.id != 0)
		{
			if (flight->decision.verdict == IG_DONE)
				done[ndone++] = &flight->call;
			else
				left[nleft++] = make_reschedule(flight, now);
			if (flight->decision.verdict == IG_DEAD)
			{
				dead[ndead] = &flight->call;
				dead_errors[ndead++] = flight->error;
			}
		}
		if (flight->transfer)
		{
			IgAttempt  *attempt = &attempts[nattempts++];

			attempt->call = &flight->call;
			attempt->started_at = flight->transfer->started_at;
			attempt->outcome = outcome_name(flight->decision.verdict);
			attempt->http_status = flight->transfer->http_status;
			attempt->code = flight->code;
			attempt->error = flight->error;
			attempt->duration = flight->transfer->duration;
			attempt->bytes_sent = flight->transfer->bytes_sent;
			attempt->bytes_received = flight->transfer->bytes_received;
		}
	}
	ig_apply_sent(sent, nsent, "api");
	ig_queue_finish(done, ndone);
	ig_queue_reschedule(left, nleft);
	ig_apply_dead(dead, dead_errors, ndead);
	ig_queue_log(attempts, nattempts);
}

/* What is to be applied. */
typedef struct Finished
{
	IgFlight  **flights;
	int			n;
} Finished;

/* Apply it. */
static void
apply_some(void *arg)
{
	const Finished *some = arg;

	apply_all(some->flights, some->n);
}

/*
 * Apply in a subtransaction; returns the error's text, or NULL.  Who has locked
 * rows of theirs, and does not go on, is not waited for: *locked is set.
 */
static char *
try_apply(IgFlight **flights, int n, const char *patience, bool *locked)
{
	Finished	some = {flights, n};
	ErrorData  *error = ig_session_try(apply_some, &some, patience);

	*locked = error != NULL && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	if (error == NULL)
		return NULL;
	return error->message ? error->message : pstrdup("unknown error");
}

/* This answer cannot be applied: what follows depends on the operation. */
static void
refuse_answer(IgFlight *flight, const char *error)
{
	IgOutcome	outcome;
	IgPolicy	policy = ig_flight_policy();

	ereport(WARNING,
			(errmsg("ignisign: an answer to the call %lld could not be applied: %s",
					(long long) flight->call.id, error),
			 errdetail("What the call becomes is shown in ignisign.call.")));
	memset(&outcome, 0, sizeof(outcome));
	outcome.reach = IG_REACH_BAD_ANSWER;
	outcome.retry_after = -1;
	outcome.repeatable = ig_api_repeatable(flight->call.operation);
	outcome.traceable = ig_api_traceable(flight->call.operation);
	outcome.attempts = flight->call.attempts;
	outcome.max_attempts = ig_lane_max_attempts(flight->lane);
	flight->decision = ig_policy_decide(&outcome, &policy, 0);
	flight->error = MemoryContextStrdup(flight->context, error);
}

/* Apply what has come back; each answer fails, or is held, alone. */
static void
apply_finished(IgFlight **flights, int n)
{
	char	   *error;
	bool		locked;

	for (int i = 0; i < n; i++)
	{
		ig_flight_localize(flights[i]);
		flights[i]->held = false;
	}
	if (n == 0 || try_apply(flights, n, IG_LOCK_PATIENCE, &locked) == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		IgFlight   *flight = flights[i];

		if ((error = try_apply(&flight, 1, IG_SHORT_PATIENCE, &flight->held)) == NULL || flight->held)
			continue;
		refuse_answer(flight, error);
		if ((error = try_apply(&flight, 1, IG_SHORT_PATIENCE, &flight->held)) != NULL && !flight->held)
			ereport(ERROR,
					(errmsg("ignisign: could not record the outcome of the call %lld: %s",
							(long long) flight->call.id, error),
					 errhint("The worker starts again, and looks for what became of the calls that were under way.")));
	}
}

/* What an outcome means for the server, and for how fast it may be called. */
static void
judge_load(IgFlight *flight, TimestampTz now)
{
	IgPolicy	policy = ig_flight_policy();
	IgLane	   *lane = flight->lane;
	int64		delay;
	IgHold		hold;

	ig_gate_judge(lane->gate, &flight->ticket, flight->health, flight->error, now);
	if (flight->transfer == NULL || flight->transfer->reach != IG_REACH_ANSWERED)
		return;
	hold = ig_policy_hold(flight->transfer->http_status, flight->retry_after, lane->throttled + 1,
						  &policy, pg_prng_uint64(&pg_global_prng_state), &delay);
	if (hold == IG_HOLD_NOTHING)
		ig_lane_release(lane);
	else
		ig_lane_hold(lane, hold, delay, flight->error, now);
}

/*
 * Put flights aside that wait for a lock; returns the others.  A refresh is not
 * kept: the next one tells the same.
 */
static List *
put_aside(List *finished, TimestampTz now)
{
	MemoryContext old = MemoryContextSwitchTo(flying_context);
	ListCell   *lc;

	foreach(lc, finished)
	{
		IgFlight   *flight = lfirst(lc);

		if (!flight->held || flight->batch)
			continue;
		flying = list_delete_ptr(flying, flight);
		held = lappend(held, flight);
		finished = foreach_delete_current(finished, lc);
	}
	MemoryContextSwitchTo(old);
	if (held == NIL)
		held_pause = FIRST_PAUSE;
	else if (held_until == 0)
	{
		held_until = TimestampTzPlusMilliseconds(now, held_pause);
		held_pause = Min(2 * held_pause, LAST_PAUSE);
	}
	return finished;
}

/* Take them up again, when it is time. */
static List *
take_up(List *finished)
{
	if (held_until == 0 || held_until > GetCurrentTimestamp())
		return finished;
	finished = list_concat(finished, held);
	list_free(held);
	held = NIL;
	held_until = 0;
	return finished;
}

/* Count what came of an attempt, for those who look. */
static void
count_outcome(IgFlight *flight, TimestampTz now)
{
	static const IgCounted counted[] = {
		[IG_DONE] = IG_COUNTED_SUCCESS,
		[IG_RETRY] = IG_COUNTED_FAILURE,
		[IG_WAIT] = IG_COUNTED_SUCCESS,
		[IG_RECONCILE] = IG_COUNTED_LOSS,
		[IG_PARK] = IG_COUNTED_REFUSAL,
		[IG_DEAD] = IG_COUNTED_REFUSAL
	};
	IgCounters *counters = flight->lane->gate->counters;
	IgCounted	outcome = counted[flight->decision.verdict];
	IgTransfer *transfer = flight->transfer;

	ig_counters_begin(counters);
	if (transfer != NULL)
	{
		counters->ended[outcome]++;
		counters->bytes_sent += transfer->bytes_sent;
		counters->bytes_received += transfer->bytes_received;
		if (transfer->reach == IG_REACH_ANSWERED)
			ig_histogram_add(&counters->latency, transfer->duration);
		if (flight->health == IG_HEALTH_GOOD)
			counters->failing = 0;
		else if (flight->health == IG_HEALTH_BAD)
			counters->failing++;
	}
	if (outcome != IG_COUNTED_SUCCESS && flight->error != NULL)
		ig_counters_error(counters, NameStr(flight->call.owner), flight->error, now);
	ig_counters_end(counters);
}

/* What an outcome means for the account. */
static void
judge_account(IgFlight *flight, TimestampTz now)
{
	if (flight->call.operation == IG_OP_LOGIN)
	{
		if (flight->decision.verdict == IG_DONE)
			ig_lane_logged_in(flight->lane, flight->answer.token);
		else if (ig_lane_login_failed(flight->lane, flight->decision.verdict != IG_RETRY, now))
			return;
	}
	if (flight->decision.verdict == IG_PARK && flight->transfer && flight->transfer->http_status == 401 &&
		flight->call.operation != IG_OP_LOGIN && ig_lane_token_refused(flight->lane, flight->generation))
		return;
	if (flight->decision.verdict == IG_PARK ||
		(flight->call.operation == IG_OP_LOGIN && flight->decision.verdict != IG_DONE))
	{
		const char *reason = flight->code ?
			psprintf("%s: %s", flight->code, flight->error) : flight->error;

		ig_lane_park(flight->lane, reason, now);
	}
	else if (flight->transfer && flight->transfer->reach == IG_REACH_ANSWERED &&
			 flight->call.operation != IG_OP_LOGIN)
		ig_lane_answered(flight->lane, flight->transfer->started_at);
}

/* ---- Claiming ---- */

/* Have the next turn at this time, unless it is sooner; 0: not for this. */
static void
look_again(TimestampTz *next, TimestampTz at)
{
	if (at != 0 && (*next == 0 || at < *next))
		*next = at;
}

/* Take what is next of the scans, and begin new ones where it is time. */
static void
claim_scans(List **flights, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	TimestampTz again;
	int			ndue;
	ListCell   *lc;

	due = ig_queue_due("unknown", &ndue);
	for (int i = 0; i < ndue; i++)
	{
		IgLane	   *lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));
		IgScan	   *scan;

		if (lane->scanning)
			continue;
		if (due[i].run_at > now)
		{
			look_again(next, due[i].run_at);
			continue;
		}
		if (!ig_lane_may_send(lane, now, &again))
		{
			ig_lane_note(lane, now);
			look_again(next, again);
			continue;
		}
		scan = ig_scan_begin(lane, now);
		if (scan != NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(flying_context);

			scans = lappend(scans, scan);
			MemoryContextSwitchTo(old);
		}
	}

	foreach(lc, scans)
	{
		bool		over;
		TimestampTz when;
		List	   *calls = ig_scan_next(lfirst(lc), now, &when, &over);

		look_again(next, when);
		*flights = list_concat(*flights, calls);
		if (over)
		{
			scans = foreach_delete_current(scans, lc);

			/* It changed when calls are due. */
			*next = now;
		}
	}
}

/*
 * The first pending call of each account.  Rows that are dead, but that VACUUM
 * cannot remove because of somebody's old snapshot, lie where the queue began;
 * so a known account is looked at from where it was.  What is new may be
 * another account's, or was queued long ago in a transaction that has just
 * committed: then we are woken, and look at everything.  Where that is slow, it
 * is done only so often that it takes a small part of the time.
 */
static IgDue *
look_at_queue(TimestampTz *next, int *n)
{
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz took;
	IgDue	   *due;

	if (begun >= next_look && (look_wanted || begun >= TimestampTzPlusMilliseconds(next_look, LOOK_INTERVAL)))
	{
		due = ig_queue_due("pending", n);
		look_wanted = false;
		next_look = GetCurrentTimestamp();
		took = next_look - begun;
		if (took > FAST_LOOK)
			next_look += LOOK_SHARE * took;
	}
	else
	{
		IgDue	   *fronts;
		int			nfronts;

		/*
		 * What we have queued since the last look is due when that look's
		 * turn began, or later.
		 */
		fronts = ig_lanes_fronts(looked_in, &nfronts);
		due = ig_queue_due_from(fronts, nfronts, n);
		if (look_wanted)
			look_again(next, next_look);
	}
	ig_lanes_set_fronts(due, *n);
	looked_in = GetCurrentTransactionStartTimestamp();
	return due;
}

/* Claim calls of the queue. */
static void
claim_calls(List **flights, TimestampTz now, TimestampTz *next)
{
	IgDue	   *due;
	IgCall	   *calls;
	TimestampTz again;
	int			ndue;
	int			nready = 0;
	int			n;

	due = look_at_queue(next, &ndue);
	for (int i = 0; i < ndue; i++)
	{
		if (due[i].run_at > now)
			look_again(next, due[i].run_at);
		else
			due[nready++] = due[i];
	}
	ndue = nready;
	nready = 0;
	ig_lanes_share(due, ndue, now);
	for (int i = 0; i < ndue; i++)
	{
		IgLane	   *lane = ig_lane(NameStr(due[i].server), NameStr(due[i].owner));

		if (due[i].limit > 0)
			due[nready++] = due[i];
		else if (!ig_lane_may_send(lane, now, &again))
		{
			ig_lane_note(lane, now);
			look_again(next, again);
		}
	}
	if (nready == 0)
		return;

	calls = ig_queue_claim(due, nready, now, &n);
	for (int i = 0; i < n; i++)
		*flights = lappend(*flights,
						   ig_flight_create(&calls[i], ig_lane(NameStr(calls[i].server), NameStr(calls[i].owner))));

	/* Where fewer were there than fit, the next one's time is to be seen. */
	for (int i = 0; n > 0 && i < ndue; i++)
	{
		if (ig_lane_may_send(ig_lane(NameStr(due[i].server), NameStr(due[i].owner)), now, &again))
			again = now;
		look_again(next, again);
	}
}

/* Ask for the status of open requests. */
static void
claim_refreshes(List **flights, TimestampTz now, TimestampTz *next)
{
	ListCell   *lc;
	ListCell   *lb;

	foreach(lc, ig_refresh_servers(now))
	{
		IgRounds   *rounds = lfirst(lc);
		IgGate	   *gate = ig_gate(ig_refresh_server(rounds));
		TimestampTz at = ig_refresh_due(rounds);
		TimestampTz again;
		int			room;

		if (at > now)
		{
			look_again(next, at);
			continue;
		}
		room = ig_gate_refresh_room(gate, now, &again);
		if (room == 0)
		{
			look_again(next, again);
			continue;
		}
		foreach(lb, ig_refresh_collect(rounds, now, room))
		{
			IgBatch    *batch = lfirst(lb);
			IgLane	   *lane = ig_lane(NameStr(batch->server), NameStr(batch->owner));

			/* An account that is held back misses this round. */
			if (ig_lane_may_refresh(lane, now))
				*flights = lappend(*flights, ig_flight_create_refresh(batch, lane));
		}
		at = ig_refresh_due(rounds);
		if (at > now || ig_gate_refresh_room(gate, now, &again) > 0)
			look_again(next, at);
		else
			look_again(next, again);
	}
}

/* Log in where a token is wanted; the lane's other calls wait for that. */
static void
claim_logins(List **flights, TimestampTz now, TimestampTz *next)
{
	TimestampTz again;
	ListCell   *lc;

	foreach(lc, ig_lanes_to_log_in())
	{
		IgLane	   *lane = lfirst(lc);

		if (ig_gate_open(lane->gate, now, &again))
			*flights = lappend(*flights, ig_flight_create_login(lane));
		else
		{
			lane->logging_in = false;
			look_again(next, again);
		}
	}
}

/* ---- The turn ---- */

/* Whether the extension is (still) there. */
static bool
extension_exists(void)
{
	Oid			extension = ig_session_extension();

	if (!OidIsValid(extension))
		return false;

	/* One that was dropped and made anew has nothing to do with our calls. */
	if (!OidIsValid(my_extension))
		my_extension = extension;
	return extension == my_extension;
}

/* Look whose queue it is, and say so when that changes. */
static void
check_origin(void)
{
	char	   *other;

	parked = !ig_queue_is_ours(&other);
	if (other != NULL && !warned)
		ereport(WARNING,
				(errmsg("ignisign: the queue was copied here from database \"%s\": nothing is sent", other),
				 errhint("If this database is to make those calls from now on, run SELECT ignisign_adopt().")));
	else if (!parked && warned)
		ereport(LOG, (errmsg("ignisign: the queue belongs to this database now")));
	warned = (other != NULL);
}

/* Read the slices that bodies wait for. */
static void
feed_bodies(void)
{
	ListCell   *lc;

	foreach(lc, flying)
	{
		IgFlight   *flight = lfirst(lc);

		if (ig_flight_hungry(flight))
			ig_flight_feed(flight);
	}
}

/* Whether any body waits for a slice. */
static bool
any_hungry(void)
{
	ListCell   *lc;

	foreach(lc, flying)
	{
		if (ig_flight_hungry(lfirst(lc)))
			return true;
	}
	return false;
}

/* Forget a flight that is over. */
static void
end_flight(IgFlight *flight)
{
	flying = list_delete_ptr(flying, flight);
	ig_flight_free(flight);
}

/* Start the flights that were claimed; those that cannot be are returned. */
static List *
start_flights(List *flights)
{
	List	   *failed = NIL;
	ListCell   *lc;
	MemoryContext old;

	foreach(lc, flights)
	{
		IgFlight   *flight = lfirst(lc);

		if (!flight->built || flight->lane->account == NULL)
		{
			failed = lappend(failed, flight);
			continue;
		}
		ig_flight_start(flight);
		ig_counters_started(flight->lane->gate->counters);
		old = MemoryContextSwitchTo(flying_context);
		flying = lappend(flying, flight);
		MemoryContextSwitchTo(old);
	}
	return failed;
}

/*
 * One turn: apply these flights' outcomes, claim what fits, commit, send.
 * Returns the flights that could not be sent, whose outcome is to be applied
 * in the next turn; *gone is set when the extension is no longer there.
 */
static List *
turn(List *finished, bool *gone)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *flights = NIL;
	IgFlight  **array = palloc(Max(list_length(finished), 1) * sizeof(IgFlight *));
	ListCell   *lc;
	int			n = 0;

	next_turn = 0;
	ig_session_begin("working on the queue");
	if (!extension_exists())
	{
		*gone = true;
		ig_session_commit();
		return NIL;
	}

	foreach(lc, finished)
		array[n++] = lfirst(lc);
	apply_finished(array, n);
	for (int i = 0; i < n; i++)
	{
		if (!array[i]->judged)
		{
			count_outcome(array[i], now);
			judge_load(array[i], now);
			judge_account(array[i], now);
			array[i]->judged = true;
		}
		if (array[i]->batch && array[i]->decision.verdict == IG_DEAD)
			ig_refresh_refused(array[i]->batch);
		if (array[i]->scan)
			ig_scan_answered(array[i]->scan, array[i]);
	}

	finished = put_aside(finished, now);
	look_again(&next_turn, held_until);

	/* Room is counted without what is over. */
	foreach(lc, finished)
		end_flight(lfirst(lc));

	ig_lanes_settle(now);
	check_origin();
	if (ig_enabled && !parked && !stopping)
	{
		/* The clock goes on, and a call queued just now is due. */
		now = GetCurrentTimestamp();
		claim_scans(&flights, now, &next_turn);
		claim_calls(&flights, now, &next_turn);
		claim_refreshes(&flights, now, &next_turn);
		claim_logins(&flights, now, &next_turn);
		look_again(&next_turn, ig_callbacks_collect(now));
		n = 0;
		array = palloc(Max(list_length(flights), 1) * sizeof(IgFlight *));
		foreach(lc, flights)
			array[n++] = lfirst(lc);
		ig_flights_build(array, n);
	}
	feed_bodies();
	ig_session_commit();

	if (finished != NIL)
		ig_slots_broadcast();
	if (ig_enabled && !parked && !stopping)
		ig_callbacks_start();
	return start_flights(flights);
}

/* Flights whose transfer has finished, judged. */
static List *
collect_finished(List *finished)
{
	IgTransfer *transfer;
	int64		memory = 0;

	while (list_length(finished) < MAX_ANSWERS && memory < MAX_ANSWER_MEMORY &&
		   (transfer = ig_http_next_finished()) != NULL)
	{
		IgFlight   *flight = transfer->user;

		ig_flight_digest(flight);
		memory += transfer->body_length + flight->answer.memory;
		finished = lappend(finished, flight);
	}
	answer_memory += memory;
	return finished;
}

/* How long to wait until a time, in ms; -1: until something happens. */
static long
time_to(TimestampTz at)
{
	if (at == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), at);
}

/*
 * With nothing under way, give back what malloc keeps of large answers: pieces
 * between small ones that stay.
 */
static void
give_back_memory(void)
{
	if (flying != NIL || answer_memory < GIVE_BACK_AFTER)
		return;
	answer_memory = 0;
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/*
 * Wait for the latch, which makes it true, the network, or what is due, such as
 * a look at the listener.
 */
static bool
wait_for_work(TimestampTz watch_at)
{
	TimestampTz until = next_turn;
	TimestampTz rest;
	bool		woken;

	look_again(&until, watch_at);
	look_again(&until, ig_session_report_at());
	give_back_memory();
	rest = until;
	look_again(&rest, ig_http_deadline());
	ig_slots_rests(rest);
	woken = ig_http_wait(time_to(until));
	ig_session_report();
	return woken;
}

/* Begin: false when there is nothing to do in this database. */
static bool
start_up(void)
{
	bool		exists;

	turn_context = AllocSetContextCreate(TopMemoryContext, "ignisign turn", ALLOCSET_DEFAULT_SIZES);
	flying_context = AllocSetContextCreate(TopMemoryContext, "ignisign flying", ALLOCSET_SMALL_SIZES);
	ig_session_init();

	MemoryContextSwitchTo(turn_context);
	ig_session_begin("working on the queue");
	exists = extension_exists();
	if (exists)
	{
		char	   *other;

		ig_lanes_init();

		/* In a copy, "sending" is another worker's, and stays as it is. */
		if (ig_queue_is_ours(&other))
		{
			TimestampTz look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ig_reconcile_delay);

			ig_lanes_forget_parked();
			ig_queue_check_timeline(look_at);
			ig_queue_sort_out(look_at);
		}
	}
	ig_session_commit();
	if (exists)
		ig_http_init();
	return exists;
}

/*
 * End, because the extension is not there.  It may have been made since we
 * looked, by somebody who found a worker here and did not ask for another one.
 */
pg_noreturn static void
leave(void)
{
	bool		exists;

	ig_slots_about_to_leave();
	ig_session_begin("working on the queue");
	exists = OidIsValid(get_extension_oid(IG_EXTENSION, true));
	ig_session_commit();
	ig_slots_leave(exists);
	proc_exit(0);
}

/* Entry point of a database's worker; the argument is the database's OID. */
void
ignisign_worker_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	List	   *unsent = NIL;
	bool		gone = false;
	bool		woken = true;
	bool		reloaded = false;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, ig_session_sigterm);
	BackgroundWorkerUnblockSignals();

	if (!ig_slots_attach_worker(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	if (!start_up())
		leave();
	ig_slots_turn_ends();
	ereport(DEBUG1, (errmsg_internal("ignisign worker started")));

	while (!ShutdownRequestPending && !gone)
	{
		List	   *finished;

		MemoryContextSwitchTo(turn_context);

		/* What is under way is waited for; who cannot wait sends SIGTERM. */
		stopping = ig_slots_stop_requested();
		if (stopping && flying == NIL && held == NIL && unsent == NIL)
			break;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			ig_lanes_reload();
			woken = reloaded = true;
		}

		look_wanted = look_wanted || woken;
		finished = take_up(collect_finished(unsent));
		unsent = NIL;
		if (finished != NIL || woken || any_hungry() || time_to(next_turn) == 0)
		{
			ig_slots_turn_begins();
			unsent = turn(finished, &gone);
			ig_gates_publish();
			ig_slots_turn_ends();
			for (int i = 0; i < list_length(unsent); i++)
				ig_flight_digest(list_nth(unsent, i));
		}

		if (unsent == NIL)
		{
			TimestampTz watch_at = ig_listen_watch(!warned && !stopping, reloaded);

			MemoryContextReset(turn_context);
			woken = gone || wait_for_work(watch_at);
			reloaded = false;
		}
		else
			woken = true;
	}

	ig_callbacks_end();
	if (gone)
		leave();
	proc_exit(0);
}
