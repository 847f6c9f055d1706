/*-------------------------------------------------------------------------
 *
 * limiter.c
 *	  Load control: how much a server, and the worker, is given to do.
 *
 * Each server has a gate: a breaker, a rate, and a limit of calls under way
 * over all roles.  The worker has a limit over all servers, because each call
 * costs it memory and a descriptor.
 *
 * So that a server that is slow cannot take all of the worker's places, one may
 * have three times as many calls under way as places are free: one slow server
 * gets three quarters of them, two get three sevenths each, and there is always
 * room for the next.  In the same way the roles of a server share its places.  A
 * role that has nothing under way gets one place, as long as there is any.
 *
 * All of it is in memory: a worker that starts finds every gate open, and a
 * server that does not work closes its gate again soon.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http/http.h"
#include "launcher/slots.h"
#include "worker/limiter.h"

/* How many times the free places one may take. */
#define SHARE			3

/* Refreshes of a server under way side by side. */
#define MAX_REFRESHES	8

static HTAB *gates = NULL;
static int	total_in_flight = 0;
static int	total_granted = 0;

/* Set up. */
void
ig_load_init(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(NameData);
	ctl.entrysize = sizeof(IgGate);
	ctl.hcxt = TopMemoryContext;
	gates = hash_create("ignisign servers", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Whether there is such a server (any more). */
static bool
server_exists(const char *server)
{
	return OidIsValid(get_foreign_server_oid(server, true));
}

/* The counters of a server; of its own only if it exists. */
static IgCounters *
find_counters(const char *server)
{
	return ig_counters_of(ig_slots_my_counters(), server_exists(server) ? server : NULL);
}

/* Find or make the gate of a server. */
IgGate *
ig_gate(const char *server)
{
	NameData	key;
	IgGate	   *gate;
	bool		found;

	memset(&key, 0, sizeof(key));
	namestrcpy(&key, server);
	gate = hash_search(gates, &key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) gate + sizeof(key), 0, sizeof(IgGate) - sizeof(key));
		gate->max_total_in_flight = 1;
		gate->counters = find_counters(server);
	}
	return gate;
}

/* Take over the server's options. */
void
ig_gate_configure(IgGate *gate, const IgAccount *account)
{
	gate->max_total_in_flight = account->max_total_in_flight;
	gate->breaker_failures = account->breaker_failures;
	gate->breaker_pause = account->breaker_pause;
	gate->rate = account->rate;

	/* One that is turned off is closed. */
	if (gate->breaker_failures == 0)
		memset(&gate->breaker, 0, sizeof(gate->breaker));
}

/* Servers were made or dropped. */
void
ig_gates_recount(void)
{
	IgCounterSet *set = ig_slots_my_counters();
	HASH_SEQ_STATUS scan;
	IgGate	   *gate;

	for (int i = 0; i < IG_COUNTED_SERVERS; i++)
	{
		if (set->of[i].since != 0 && !server_exists(NameStr(set->of[i].server)))
			ig_counters_free(&set->of[i]);
	}
	hash_seq_init(&scan, gates);
	while ((gate = hash_seq_search(&scan)) != NULL)
		gate->counters = find_counters(NameStr(gate->server));
}

/* Have broken servers tried again. */
void
ig_gates_reload(void)
{
	HASH_SEQ_STATUS scan;
	IgGate	   *gate;

	hash_seq_init(&scan, gates);
	while ((gate = hash_seq_search(&scan)) != NULL)
		gate->breaker.until = 0;
}

/* How many places a server has now, taken ones included. */
static int
places(const IgGate *gate)
{
	int			used = gate->in_flight + gate->granted;
	int			others = total_in_flight + total_granted - used;

	/* That part of what others leave, rounded up. */
	return Min(gate->max_total_in_flight,
			   (SHARE * (ig_http_max_transfers() - others) + SHARE) / (SHARE + 1));
}

/* Whether a role that has so many of the server's places may have one more. */
bool
ig_gate_has_place(const IgGate *gate, int used)
{
	int			left = places(gate) - gate->in_flight - gate->granted;

	return left > 0 && (used == 0 || used < SHARE * left);
}

/* Whether the breaker lets a call go; *again as below. */
static bool
breaker_open_for(IgGate *gate, TimestampTz now, TimestampTz *again)
{
	*again = 0;
	if (ig_breaker_allows(&gate->breaker, now))
		return gate->breaker.state == IG_BREAKER_CLOSED || gate->granted == 0;
	if (gate->breaker.state == IG_BREAKER_OPEN)
		*again = gate->breaker.until;
	return false;
}

/* Whether one more call may start. */
bool
ig_gate_open(IgGate *gate, TimestampTz now, TimestampTz *again)
{
	if (!breaker_open_for(gate, now, again) || !ig_gate_has_place(gate, 0))
		return false;
	if (ig_bucket_room(&gate->bucket, gate->rate, now) > gate->granted)
		return true;
	*again = ig_bucket_next(&gate->bucket, gate->rate);
	return false;
}

/* How many refreshes may start. */
int
ig_gate_refresh_room(IgGate *gate, TimestampTz now, TimestampTz *again)
{
	int			room = MAX_REFRESHES - gate->refreshes;

	if (!breaker_open_for(gate, now, again))
		return 0;
	if (gate->breaker.state != IG_BREAKER_CLOSED)
		room = 1;
	room = Min(room, places(gate) - gate->in_flight);
	if (room <= 0)
		return 0;

	/*
	 * They have half of the rate to themselves and may owe it to the bucket of
	 * all, which would be empty whenever they look while there is a backlog.
	 */
	room = Min(room, ig_bucket_room(&gate->refresh_bucket, gate->rate / 2, now));
	if (room == 0)
		*again = ig_bucket_next(&gate->refresh_bucket, gate->rate / 2);
	return room;
}

/* Whether the breaker holds calls back. */
bool
ig_gate_broken(const IgGate *gate)
{
	return gate->breaker.state != IG_BREAKER_CLOSED;
}

/* Set places aside. */
void
ig_gate_grant(IgGate *gate, int n)
{
	gate->granted += n;
	total_granted += n;
}

/* A call starts. */
IgTicket
ig_gate_start(IgGate *gate, bool refresh)
{
	TimestampTz now = GetCurrentTimestamp();
	IgTicket	ticket = {0};

	ticket.refresh = refresh;
	ticket.epoch = ig_breaker_start(&gate->breaker);
	ticket.probe = gate->breaker.probing;
	ig_bucket_take(&gate->bucket, gate->rate, now);
	if (refresh)
	{
		ig_bucket_take(&gate->refresh_bucket, gate->rate / 2, now);
		gate->refreshes++;
	}
	gate->in_flight++;
	total_in_flight++;
	return ticket;
}

/* It has ended. */
void
ig_gate_end(IgGate *gate, const IgTicket *ticket)
{
	if (ticket->refresh)
		gate->refreshes--;
	gate->in_flight--;
	total_in_flight--;
}

/* Have others see how the gates stand; of servers that are counted together, not. */
void
ig_gates_publish(void)
{
	HASH_SEQ_STATUS scan;
	IgGate	   *gate;

	hash_seq_init(&scan, gates);
	while ((gate = hash_seq_search(&scan)) != NULL)
	{
		IgCounters *counters = gate->counters;

		if (NameStr(counters->server)[0] == '\0')
			continue;
		ig_counters_begin(counters);
		counters->in_flight = gate->in_flight;
		counters->breaker = gate->breaker;
		counters->bucket = gate->bucket;
		counters->rate = gate->rate;
		ig_counters_end(counters);
	}
}

/* What an attempt tells of the server. */
void
ig_gate_judge(IgGate *gate, const IgTicket *ticket, IgHealth health,
			  const char *error, TimestampTz now)
{
	IgBreakerState before = ig_breaker_report(&gate->breaker, ticket->epoch, health,
											  gate->breaker_failures, gate->breaker_pause, now);

	if (gate->breaker.state == before)
		return;
	if (gate->breaker.state == IG_BREAKER_CLOSED)
		ereport(LOG,
				(errmsg("ignisign: server \"%s\" works again", NameStr(gate->server))));
	else
	{
		snprintf(gate->reason, sizeof(gate->reason),
				 "the server does not work, one call is tried every %g s: %s",
				 gate->breaker_pause / 1000.0, error ? error : "unknown error");
		if (before == IG_BREAKER_CLOSED)
			ereport(WARNING,
					(errmsg("ignisign: calls on server \"%s\" are held back after %d failures in a row: %s",
							NameStr(gate->server), gate->breaker_failures, error ? error : "unknown error"),
					 errhint("They are kept. One call is tried every %g s.", gate->breaker_pause / 1000.0)));
	}
}
