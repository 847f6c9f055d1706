/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  What ignisign_stats() tells of calls: counters in shared memory, server
 *	  by server.
 *
 * They belong to the database's slot (slots.c), and so outlive its worker, but
 * not the server's start.
 *
 * The database's worker writes them, and sessions copy them.  Each server's counters
 * have a spinlock.  Nothing that can raise an error runs while it is held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "launcher/counters.h"
#include "util/secrets.h"

/* Begin from nothing. */
void
ig_counters_reset(IgCounterSet *set)
{
	memset(set, 0, sizeof(*set));
	for (int i = 0; i < (int) lengthof(set->of); i++)
		SpinLockInit(&set->of[i].mutex);
}

/* Find or make the counters of a server; NULL: those of all others. */
IgCounters *
ig_counters_of(IgCounterSet *set, const char *server)
{
	IgCounters *counters = &set->of[IG_COUNTED_SERVERS];
	TimestampTz now = GetCurrentTimestamp();

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
	if (counters->since == 0 && counters < &set->of[IG_COUNTED_SERVERS])
	{
		SpinLockAcquire(&counters->mutex);
		strlcpy(NameStr(counters->server), server, NAMEDATALEN);
		counters->since = now;
		SpinLockRelease(&counters->mutex);
	}
	return counters;
}

/* Give a server's counters back. */
void
ig_counters_free(IgCounters *counters)
{
	SpinLockAcquire(&counters->mutex);
	memset((char *) counters + offsetof(IgCounters, server), 0, sizeof(*counters) - offsetof(IgCounters, server));
	SpinLockRelease(&counters->mutex);
}

/* A call begins. */
void
ig_counters_started(IgCounters *counters)
{
	TimestampTz now = GetCurrentTimestamp();

	SpinLockAcquire(&counters->mutex);
	if (counters->since == 0)
		counters->since = now;	/* of all others */
	counters->calls++;
	SpinLockRelease(&counters->mutex);
}

/* Keep an error, without keys and tokens. */
void
ig_counters_error(IgCounters *counters, const char *owner, const char *error, TimestampTz at)
{
	char	   *text = pstrdup(error);
	int			length;

	ig_hide_secrets(text);
	length = pg_mbcliplen(text, strlen(text), IG_COUNTED_ERROR - 1);
	SpinLockAcquire(&counters->mutex);
	memcpy(counters->error, text, length);
	counters->error[length] = '\0';
	strlcpy(NameStr(counters->error_owner), owner, NAMEDATALEN);
	counters->error_at = at;
	SpinLockRelease(&counters->mutex);
	pfree(text);
}

/* Copy the counters. */
bool
ig_counters_read(IgCounters *counters, IgCounters *copy)
{
	SpinLockAcquire(&counters->mutex);
	memcpy(copy, counters, sizeof(*copy));
	SpinLockRelease(&counters->mutex);
	return copy->since != 0;
}
