/*-------------------------------------------------------------------------
 *
 * refresh.c
 *	  When which open requests have their status refreshed.
 *
 * The interval grows with the age of a request, so requests form classes by
 * age (policy.c), each with a time when its next round is due.  A round goes
 * through the class in order of age, many ids a call.  Each server has rounds of
 * its own, so that one that is slow does not delay the others'.  That schedule
 * lives in memory only: nothing is written for a request that did not change,
 * and after a restart each class is simply due soon.
 *
 * The API tells a status for many requests at once, but who has signed only
 * request by request: every few rounds, the contexts of those that wait for
 * several signers are read, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "util/session.h"
#include "util/spi.h"
#include "worker/refresh.h"

/*
 * A look at which servers have open requests, and how old they are, is slow where
 * many were closed that VACUUM cannot remove yet.  After one that took longer than so
 * many microseconds there is none for so many times its duration.
 */
#define FAST_LOOK	1000
#define LOOK_SHARE	20

/* Every how many rounds contexts are read where several signers sign. */
#define PROGRESS_ROUNDS 3

typedef struct IgClass
{
	TimestampTz due;			/* of the next round; 0: the class is empty */
	bool		running;		/* a round is under way */
	TimestampTz oldest;			/* bounds of that round */
	TimestampTz youngest;
	TimestampTz at;				/* how far it has come */
	pg_uuid_t	at_id;
	int			rounds;
} IgClass;

struct IgRounds
{
	NameData	server;			/* the key */
	IgClass		classes[IG_REFRESH_CLASSES];
	List	   *refused;		/* halves of refused batches */
	MemoryContext refused_context;
};

static HTAB *all_rounds = NULL;

/* Find or make the rounds of a server. */
static IgRounds *
find_rounds(Name server)
{
	IgRounds   *rounds;
	bool		found;
	NameData	key;

	if (all_rounds == NULL)
	{
		HASHCTL		ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = sizeof(NameData);
		ctl.entrysize = sizeof(IgRounds);
		ctl.hcxt = TopMemoryContext;
		all_rounds = hash_create("ignisign rounds", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	memset(&key, 0, sizeof(key));
	namestrcpy(&key, NameStr(*server));
	rounds = hash_search(all_rounds, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) rounds + sizeof(key), 0, sizeof(IgRounds) - sizeof(key));
	return rounds;
}

/* The server of these rounds. */
const char *
ig_refresh_server(const IgRounds *rounds)
{
	return NameStr(rounds->server);
}

/* Set a class's next round, a little at random. */
static void
schedule(IgClass *class, int k, TimestampTz now)
{
	int64		interval = ig_policy_refresh_interval(k, ig_refresh_interval);
	double		part = 0.75 + 0.25 * pg_prng_double(&pg_global_prng_state);

	class->due = TimestampTzPlusMilliseconds(now, (int64) (interval * part));
}

/* When to collect next: the first of what is due. */
TimestampTz
ig_refresh_due(const IgRounds *rounds)
{
	TimestampTz due = 0;

	if (rounds->refused != NIL)
		return 1;
	for (int k = 0; k < IG_REFRESH_CLASSES; k++)
	{
		const IgClass *class = &rounds->classes[k];

		if (class->running)
			return 1;
		if (class->due != 0 && (due == 0 || class->due < due))
			due = class->due;
	}
	return due;
}

/* Have those classes scheduled that have a request. */
static void
schedule_all(IgRounds *rounds, TimestampTz oldest, TimestampTz youngest, TimestampTz now)
{
	int			last = ig_policy_refresh_class((now - oldest) / 1000, ig_refresh_interval);
	int			first = ig_policy_refresh_class((now - youngest) / 1000, ig_refresh_interval);

	for (int k = 0; k < IG_REFRESH_CLASSES; k++)
	{
		IgClass    *class = &rounds->classes[k];

		if (class->running)
			continue;
		if (k < first || k > last)
			class->due = 0;
		else if (class->due == 0)
			schedule(class, k, now);
	}
}

/* Look at which servers have open requests, and have their classes scheduled. */
static List *
look_at_servers(TimestampTz now)
{
	static IgStatement ends = {
		.sql = "WITH RECURSIVE s AS ("
		"(SELECT server FROM ignisign.request WHERE closed_at IS NULL AND sent_at IS NOT NULL "
		"ORDER BY server LIMIT 1) "
		"UNION ALL "
		"SELECT n.server FROM s CROSS JOIN LATERAL "
		"(SELECT r.server FROM ignisign.request r WHERE r.closed_at IS NULL AND r.sent_at IS NOT NULL "
		"AND r.server > s.server ORDER BY r.server LIMIT 1) n) "
		"SELECT s.server, "
		"(SELECT sent_at FROM ignisign.request r WHERE closed_at IS NULL AND sent_at IS NOT NULL "
		"AND r.server = s.server ORDER BY sent_at, id LIMIT 1), "
		"(SELECT sent_at FROM ignisign.request r WHERE closed_at IS NULL AND sent_at IS NOT NULL "
		"AND r.server = s.server ORDER BY sent_at DESC, id DESC LIMIT 1) FROM s"
	};
	List	   *result = NIL;
	bool		isnull;
	int			n;

	SPI_connect();
	n = (int) ig_spi_execute(&ends, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		IgRounds   *rounds = find_rounds(DatumGetName(ig_spi_datum(i, 1, &isnull)));
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		schedule_all(rounds, DatumGetTimestampTz(ig_spi_datum(i, 2, &isnull)),
					 DatumGetTimestampTz(ig_spi_datum(i, 3, &isnull)), now);
		result = lappend(result, rounds);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return result;
}

/* The servers that have open requests, as of the last look. */
List *
ig_refresh_servers(TimestampTz now, TimestampTz *again)
{
	static List *servers = NIL;
	static TimestampTz next_look = 0;
	TimestampTz begun = GetCurrentTimestamp();
	TimestampTz took;
	List	   *found;

	*again = 0;
	if (ig_refresh_interval == 0)
		return NIL;
	if (begun < next_look)
	{
		*again = next_look;
		return servers;
	}
	found = look_at_servers(now);
	list_free(servers);
	servers = found;
	next_look = GetCurrentTimestamp();
	took = next_look - begun;
	if (took > FAST_LOOK)
		next_look += LOOK_SHARE * took;
	return servers;
}

/* Begin a round. */
static void
begin_round(IgClass *class, int k, TimestampTz now)
{
	int64		end = ig_policy_refresh_class_end(k, ig_refresh_interval);
	int64		start = k == 0 ? -INT64CONST(3600000) :
		ig_policy_refresh_class_end(k - 1, ig_refresh_interval);

	class->running = true;
	class->rounds++;
	class->youngest = TimestampTzPlusMilliseconds(now, -start);
	class->oldest = end >= now / 1000 ? DT_NOBEGIN : TimestampTzPlusMilliseconds(now, -end);
	class->at = class->oldest;
	memset(&class->at_id, 0, sizeof(class->at_id));
}

/* Have the contexts of these requests, an array, read where several signers sign. */
static void
read_contexts(void *requests)
{
	static IgStatement read = {
		.sql = "INSERT INTO ignisign.call (request, operation, owner, server) "
		"SELECT id, 'context', owner, server FROM ignisign.request "
		"WHERE id = ANY ($1) AND signer_count > 1 "
		"ON CONFLICT (request, operation, document, signer, proof_type) DO NOTHING",
		.types = {UUIDARRAYOID}
	};

	ig_spi_execute(&read, requests, NULL);
}

/* The same of each, unless its owner has it locked. */
static void
try_contexts(Datum *ids, int n)
{
	Datum		requests = ig_array(UUIDOID, ids, NULL, n);

	if (ig_session_unless_locked(read_contexts, &requests))
		return;
	for (int i = 0; i < n; i++)
	{
		requests = ig_array(UUIDOID, &ids[i], NULL, 1);
		(void) ig_session_unless_locked(read_contexts, &requests);
	}
}

/* The batch that a request of this role goes to. */
static IgBatch *
find_batch(List **batches, const NameData *server, Name owner)
{
	ListCell   *lc;
	IgBatch    *batch;

	foreach(lc, *batches)
	{
		batch = lfirst(lc);
		if (batch->n < ig_refresh_batch &&
			strcmp(NameStr(batch->owner), NameStr(*owner)) == 0)
			return batch;
	}
	batch = palloc0(sizeof(IgBatch));
	batch->server = *server;
	batch->owner = *owner;
	batch->requests = palloc(ig_refresh_batch * sizeof(pg_uuid_t));
	batch->signature_request_ids = palloc(ig_refresh_batch * sizeof(char *));
	*batches = lappend(*batches, batch);
	return batch;
}

/* Go on with a class's round: add what comes next to the batches. */
static void
go_on(IgRounds *rounds, int k, List **batches, int rows, TimestampTz now)
{
	static IgStatement page = {
		.sql = "SELECT id, signature_request_id, owner, sent_at FROM ignisign.request "
		"WHERE closed_at IS NULL AND sent_at IS NOT NULL AND server = $5 "
		"AND (sent_at, id) > ($1, $2) AND sent_at <= $3 "
		"ORDER BY server, sent_at, id LIMIT $4",
		.types = {TIMESTAMPTZOID, UUIDOID, TIMESTAMPTZOID, INT4OID, NAMEOID}
	};
	IgClass    *class = &rounds->classes[k];
	MemoryContext context = CurrentMemoryContext;
	Datum		values[5];
	Datum	   *ids;
	int			n;

	SPI_connect();
	values[0] = TimestampTzGetDatum(class->at);
	values[1] = UUIDPGetDatum(&class->at_id);
	values[2] = TimestampTzGetDatum(class->youngest);
	values[3] = Int32GetDatum(rows);
	values[4] = NameGetDatum(&rounds->server);
	n = (int) ig_spi_execute(&page, values, NULL);
	ids = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(context);
		IgBatch    *batch = find_batch(batches, &rounds->server,
									   DatumGetName(ig_spi_datum(i, 3, &isnull)));

		ids[i] = ig_spi_datum(i, 1, &isnull);
		batch->requests[batch->n] = *DatumGetUUIDP(ids[i]);
		batch->signature_request_ids[batch->n] = ig_spi_text(i, 2, context);
		batch->n++;
		MemoryContextSwitchTo(old);
		if (i == n - 1)
		{
			class->at = DatumGetTimestampTz(ig_spi_datum(i, 4, &isnull));
			class->at_id = *DatumGetUUIDP(ids[i]);
		}
	}
	if (n > 0 && class->rounds % PROGRESS_ROUNDS == 0)
		try_contexts(ids, n);
	SPI_finish();

	if (n < rows)
	{
		class->running = false;
		schedule(class, k, now);
	}
}

/*
 * Batches that are due, in the current memory context, or good until the next
 * call.
 */
List *
ig_refresh_collect(IgRounds *rounds, TimestampTz now, int max)
{
	List	   *batches = NIL;

	if (rounds->refused == NIL && rounds->refused_context != NULL)
		MemoryContextReset(rounds->refused_context);
	while (rounds->refused != NIL && list_length(batches) < max)
	{
		batches = lappend(batches, linitial(rounds->refused));
		rounds->refused = list_delete_first(rounds->refused);
	}
	for (int k = 0; k < IG_REFRESH_CLASSES && list_length(batches) < max; k++)
	{
		IgClass    *class = &rounds->classes[k];

		if (!class->running)
		{
			if (class->due == 0 || class->due > now)
				continue;
			begin_round(class, k, now);
		}
		go_on(rounds, k, &batches, (max - list_length(batches)) * ig_refresh_batch, now);
	}
	return batches;
}

/* Copy a part of a batch. */
static void
add_refused(IgRounds *rounds, const IgBatch *batch, int first, int n)
{
	MemoryContext old;
	IgBatch    *part;

	if (rounds->refused_context == NULL)
		rounds->refused_context = AllocSetContextCreate(TopMemoryContext, "ignisign refused batches",
														ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(rounds->refused_context);
	part = palloc0(sizeof(IgBatch));
	part->server = batch->server;
	part->owner = batch->owner;
	part->n = n;
	part->requests = palloc(n * sizeof(pg_uuid_t));
	part->signature_request_ids = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		part->requests[i] = batch->requests[first + i];
		part->signature_request_ids[i] = pstrdup(batch->signature_request_ids[first + i]);
	}
	rounds->refused = lappend(rounds->refused, part);
	MemoryContextSwitchTo(old);
}

/* The API refuses a batch: its halves are tried, down to a single one. */
void
ig_refresh_refused(const IgBatch *batch)
{
	NameData	server = batch->server;
	IgRounds   *rounds = find_rounds(&server);

	if (batch->n == 1)
	{
		ereport(LOG,
				(errmsg("ignisign: the status of the request \"%s\" is refused",
						batch->signature_request_ids[0]),
				 errhint("See ignisign.attempt for what the API says; the request may be another application's.")));
		return;
	}
	add_refused(rounds, batch, 0, batch->n / 2);
	add_refused(rounds, batch, batch->n / 2, batch->n - batch->n / 2);
}
