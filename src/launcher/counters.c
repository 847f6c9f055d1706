/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  What ignisign_stats() tells of calls: counters in shared memory, server
 *	  by server.
 *
 * They belong to the database's slot (slots.c), and so outlive its worker, but
 * not the server's start.
 *
 * There is one writer, which never waits: it makes "changes" odd, writes, and
 * makes it even again.  Who reads takes a copy that no change was made to
 * meanwhile.  A writer that was stopped in the midst of it holds nobody up: after
 * some tries the copy is taken as it is, without what it says in words.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "launcher/counters.h"
#include "util/secrets.h"

/* How often a reader tries. */
#define READ_TRIES	1000

/* Begin from nothing. */
void
ig_counters_reset(IgCounterSet *set)
{
	memset(set, 0, sizeof(*set));
	for (int i = 0; i < (int) lengthof(set->of); i++)
		pg_atomic_init_u32(&set->of[i].changes, 0);
}

/* Begin a change, whatever the last writer was ended in. */
void
ig_counters_begin(IgCounters *counters)
{
	pg_atomic_write_u32(&counters->changes, (pg_atomic_read_u32(&counters->changes) + 1) | 1);
	pg_write_barrier();
}

/* End it. */
void
ig_counters_end(IgCounters *counters)
{
	pg_write_barrier();
	pg_atomic_write_u32(&counters->changes, pg_atomic_read_u32(&counters->changes) + 1);
}

/*
 * Find or make the counters of a server.  Whatever a worker was ended in, its
 * successor does not find a change that never ends.
 */
IgCounters *
ig_counters_of(IgCounterSet *set, const char *server)
{
	IgCounters *counters = &set->of[IG_COUNTED_SERVERS];

	/* Its own, or the first that are free, or those of all others. */
	for (IgCounters *one = counters - 1; server != NULL && one >= set->of; one--)
	{
		if (one->since == 0)
			counters = one;
	}
	for (IgCounters *one = set->of; server != NULL && one < &set->of[IG_COUNTED_SERVERS]; one++)
	{
		if (one->since != 0 && strcmp(NameStr(one->server), server) == 0)
			counters = one;
	}
	if (pg_atomic_read_u32(&counters->changes) % 2 != 0)
		ig_counters_end(counters);
	if (counters->since == 0 && counters < &set->of[IG_COUNTED_SERVERS])
	{
		ig_counters_begin(counters);
		namestrcpy(&counters->server, server);
		counters->since = GetCurrentTimestamp();
		ig_counters_end(counters);
	}
	return counters;
}

/* Give a server's counters back. */
void
ig_counters_free(IgCounters *counters)
{
	ig_counters_begin(counters);
	memset((char *) counters + offsetof(IgCounters, server), 0, sizeof(*counters) - offsetof(IgCounters, server));
	ig_counters_end(counters);
}

/* A call begins. */
void
ig_counters_started(IgCounters *counters)
{
	ig_counters_begin(counters);
	if (counters->since == 0)
		counters->since = GetCurrentTimestamp();	/* of all others */
	counters->calls++;
	ig_counters_end(counters);
}

/* Keep an error, without keys and tokens; within a change. */
void
ig_counters_error(IgCounters *counters, const char *owner, const char *error, TimestampTz at)
{
	char	   *text = pstrdup(error);
	int			length;

	ig_hide_secrets(text);
	length = pg_mbcliplen(text, strlen(text), IG_COUNTED_ERROR - 1);
	memcpy(counters->error, text, length);
	counters->error[length] = '\0';
	namestrcpy(&counters->error_owner, owner);
	counters->error_at = at;
	pfree(text);
}

/* Take a copy. */
bool
ig_counters_read(const IgCounters *counters, IgCounters *copy)
{
	IgCounters *source = unconstify(IgCounters *, counters);

	for (int i = 0; i < READ_TRIES; i++)
	{
		uint32		before = pg_atomic_read_u32(&source->changes);

		pg_read_barrier();
		memcpy(copy, source, sizeof(*copy));
		pg_read_barrier();
		if (before % 2 == 0 && pg_atomic_read_u32(&source->changes) == before)
			return copy->since != 0;
	}
	copy->server.data[NAMEDATALEN - 1] = '\0';
	copy->error[0] = '\0';
	return copy->since != 0;
}
