/*-------------------------------------------------------------------------
 *
 * reconcile_decide.c
 *	  Which of the requests that were found is which of ours, and what becomes
 *	  of those that are none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "queue/apply.h"
#include "queue/credentials.h"
#include "util/spi.h"
#include "worker/fingerprint.h"
#include "worker/reconcile_internal.h"

/* The longest pause before the next look at an undecidable call. */
#define UNDECIDED_PAUSE		(3600 * 1000)

/* Requests of ours that are read at once. */
#define READ_AT_ONCE		500

/* Which of our calls it is. */
typedef enum IgOursKind
{
	OURS_IN_DOUBT,				/* of the account that is scanned */
	OURS_ELSEWHERE,				/* in doubt, of the same account by another name */
	OURS_SENDING				/* being sent, of any of these */
} IgOursKind;

/* One of ours, in the form in which candidates are compared. */
typedef struct IgOurs
{
	IgCall	   *call;
	IgFingerprint fingerprint;
	IgOursKind	kind;
	IgCandidate *found;
} IgOurs;

/* What is decided. */
typedef struct IgDecisions
{
	IgScan	   *scan;
	TimestampTz now;
	IgOurs	   *ours;
	int			nours;
	IgFingerprintIndex *sending;
	IgFingerprintIndex *left;	/* candidates that none of the account's calls is */
} IgDecisions;

/*
 * Leave a candidate out because a row knows it, unless the row was imported since
 * the first of ours was sent: a row of the same account gives way (ig_apply_sent).
 * If the row is of another account, it is not known whose request it is.
 */
static void
drop_candidate(IgScan *scan, const char *id, IgAccountMatch account, bool imported)
{
	IgCandidate *candidate = hash_search(scan->candidates, id, HASH_FIND, NULL);

	if (candidate == NULL)
		return;
	if (account == IG_ACCOUNT_DIFFERENT || (imported && account != IG_ACCOUNT_SAME))
		candidate->fingerprint.doubt = "its id is that of a request of another account";
	else if (!imported)
		(void) hash_search(scan->candidates, id, HASH_REMOVE, NULL);
}

/* The ids of candidates: of those that are new, or of all. */
static const char **
candidate_ids(IgScan *scan, bool all, int *n)
{
	const char **ids = palloc(Max(hash_get_num_entries(scan->candidates), 1) * sizeof(char *));
	HASH_SEQ_STATUS status;
	IgCandidate *candidate;
	ListCell   *lc;

	*n = 0;
	if (!all)
	{
		foreach(lc, scan->fresh)
			ids[(*n)++] = ((IgCandidate *) lfirst(lc))->id;
		return ids;
	}
	hash_seq_init(&status, scan->candidates);
	while ((candidate = hash_seq_search(&status)) != NULL)
		ids[(*n)++] = candidate->id;
	return ids;
}

/* Leave out what a row of ours knows already. */
void
ig_scan_drop_known(IgScan *scan, bool all)
{
	static IgStatement known = {
		.sql = "SELECT signature_request_id, server::text, owner::text, delivery = 'imported' AND created_at >= $2 "
		"FROM ignisign.request WHERE signature_request_id = ANY ($1) ORDER BY server, owner",
		.types = {TEXTARRAYOID, TIMESTAMPTZOID}
	};
	const char *server = "";
	const char *owner = "";
	IgAccountMatch account = IG_ACCOUNT_UNKNOWN;
	Datum		values[2];
	uint64		nrows;
	int			n;
	const char **ids;

	SPI_connect();
	ids = candidate_ids(scan, all, &n);
	values[0] = ig_text_array(ids, n);
	values[1] = TimestampTzGetDatum(scan->sent_since);
	nrows = n > 0 ? ig_spi_execute(&known, values, NULL) : 0;
	for (uint64 i = 0; i < nrows; i++)
	{
		char	   *row_server = ig_spi_text(i, 2, CurrentMemoryContext);
		char	   *row_owner = ig_spi_text(i, 3, CurrentMemoryContext);
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (i == 0 || strcmp(server, row_server) != 0 || strcmp(owner, row_owner) != 0)
			account = ig_accounts_compare(NameStr(scan->account_state->server), NameStr(scan->account_state->owner),
										  row_server, row_owner);
		server = row_server;
		owner = row_owner;
		drop_candidate(scan, ig_spi_text(i, 1, CurrentMemoryContext), account,
					   DatumGetBool(ig_spi_datum(i, 4, &isnull)));
	}
	SPI_finish();
	list_free(scan->fresh);
	scan->fresh = NIL;
}

/* Read what some requests of ours are compared by. */
static void
read_fingerprints(IgOurs *ours, int n)
{
	static IgStatement read = {
		.sql = "SELECT (SELECT string_agg(s.email, E'\\n') FROM ignisign.signer s WHERE s.request = q.id), "
		"(SELECT string_agg(d.file_name, E'\\n') FROM ignisign.document d WHERE d.request = q.id), "
		"(SELECT string_agg(coalesce(encode(d.sha256, 'hex'), '?'), E'\\n') FROM ignisign.document d WHERE d.request = q.id) "
		"FROM unnest($1) WITH ORDINALITY AS q (id, n) ORDER BY q.n",
		.types = {UUIDARRAYOID}
	};
	Datum	   *ids;
	Datum		value;

	SPI_connect();
	ids = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
		ids[i] = UUIDPGetDatum(&ours[i].call->request);
	value = ig_array(UUIDOID, ids, NULL, n);
	ig_spi_execute(&read, &value, NULL);
	for (int i = 0; i < n; i++)
		ig_fingerprint_of_rows(&ours[i].fingerprint, ours[i].call->title, ig_spi_text(i, 1, CurrentMemoryContext),
							   ig_spi_text(i, 2, CurrentMemoryContext), ig_spi_text(i, 3, CurrentMemoryContext));
	SPI_finish();
}

/* Add our calls in a state; of all accounts that may be the scan's unless own. */
static void
read_ours(IgDecisions *decisions, const char *state, bool own)
{
	IgScan	   *scan = decisions->scan;
	const char *server = NameStr(scan->account_state->server);
	const char *owner = NameStr(scan->account_state->owner);
	const IgCall *last = NULL;
	IgAccountMatch account = IG_ACCOUNT_SAME;
	int			first = decisions->nours;
	int			ncalls;
	IgCall	   *calls = ig_queue_in_state(state, false, own ? server : NULL, own ? owner : NULL, 0, &ncalls);

	decisions->ours = repalloc_huge(decisions->ours, (first + ncalls + 1) * sizeof(IgOurs));
	for (int i = 0; i < ncalls; i++)
	{
		IgCall	   *call = &calls[i];
		IgOurs	   *our = &decisions->ours[decisions->nours];
		bool		ours = strcmp(NameStr(call->server), server) == 0 && strcmp(NameStr(call->owner), owner) == 0;
		bool		sending = strcmp(state, "sending") == 0;

		CHECK_FOR_INTERRUPTS();
		if (!own && !sending && ours)
			continue;
		if (last == NULL || strcmp(NameStr(call->server), NameStr(last->server)) != 0 ||
			strcmp(NameStr(call->owner), NameStr(last->owner)) != 0)
			account = ours ? IG_ACCOUNT_SAME :
				ig_accounts_compare(server, owner, NameStr(call->server), NameStr(call->owner));
		last = call;
		if (account == IG_ACCOUNT_DIFFERENT)
			continue;
		memset(our, 0, sizeof(*our));
		our->call = call;
		our->kind = sending ? OURS_SENDING : own ? OURS_IN_DOUBT : OURS_ELSEWHERE;
		decisions->nours++;
	}
	for (int i = first; i < decisions->nours; i += READ_AT_ONCE)
		read_fingerprints(&decisions->ours[i], Min(READ_AT_ONCE, decisions->nours - i));
}

/* Whether a candidate can have been made by this call: not long before it was sent. */
static bool
in_window(const IgScan *scan, const IgCandidate *candidate, const IgOurs *our)
{
	return candidate->created == 0 || our->call->claimed_at == 0 ||
		candidate->created >= our->call->claimed_at - (scan->sent_since - scan->since);
}

/* Give each of ours a candidate that matches so well, each candidate once. */
static void
match_all(IgDecisions *decisions, IgFingerprintIndex *index, IgMatch least)
{
	for (int i = 0; i < decisions->nours; i++)
	{
		IgOurs	   *our = &decisions->ours[i];
		IgFingerprintSearch search = {.index = index, .ours = &our->fingerprint};
		IgCandidate *candidate;

		if (our->found)
			continue;
		do
			candidate = ig_fingerprint_index_next(&search, least);
		while (candidate != NULL && !in_window(decisions->scan, candidate, our));
		if (candidate == NULL)
			continue;
		our->found = candidate;
		candidate->taker = our;
		candidate->fingerprint.taken = true;
	}
}

/*
 * Find which is which.  Those whose hashes agree go first, so that others do not
 * take them, and the account's own calls go before those by other names.
 */
static void
match(IgDecisions *decisions)
{
	IgFingerprintIndex *index = ig_fingerprint_index();
	HASH_SEQ_STATUS status;
	IgCandidate *candidate;

	hash_seq_init(&status, decisions->scan->candidates);
	while ((candidate = hash_seq_search(&status)) != NULL)
	{
		candidate->taker = NULL;
		candidate->fingerprint.taken = false;
		ig_fingerprint_index_add(index, &candidate->fingerprint, candidate);
	}
	match_all(decisions, index, IG_MATCH_EXACT);
	match_all(decisions, index, IG_MATCH_PROBABLE);

	decisions->left = ig_fingerprint_index();
	hash_seq_init(&status, decisions->scan->candidates);
	while ((candidate = hash_seq_search(&status)) != NULL)
	{
		candidate->fingerprint.taken = false;
		if (candidate->taker == NULL || candidate->taker->kind != OURS_IN_DOUBT)
			ig_fingerprint_index_add(decisions->left, &candidate->fingerprint, candidate);
	}
	decisions->sending = ig_fingerprint_index();
	for (int i = 0; i < decisions->nours; i++)
	{
		if (decisions->ours[i].kind == OURS_SENDING)
			ig_fingerprint_index_add(decisions->sending, &decisions->ours[i].fingerprint, &decisions->ours[i]);
	}
}

/* Whether a request is being sent that can be equal. */
static bool
equal_is_sent(const IgDecisions *decisions, const IgOurs *our)
{
	IgFingerprintSearch search = {.index = decisions->sending, .ours = &our->fingerprint};

	while (ig_fingerprint_index_next(&search, IG_MATCH_INCOMPLETE) != NULL)
	{
		if (search.match != IG_MATCH_POSSIBLE)
			return true;
	}
	return false;
}

/*
 * A candidate that may be this one of ours: one that none of ours is, or one that
 * another call may have, but that is equal.
 */
static const IgCandidate *
find_doubtful(const IgDecisions *decisions, const IgOurs *our)
{
	IgFingerprintSearch search = {.index = decisions->left, .ours = &our->fingerprint};
	const IgCandidate *candidate;

	while ((candidate = ig_fingerprint_index_next(&search, IG_MATCH_INCOMPLETE)) != NULL)
	{
		if (in_window(decisions->scan, candidate, our) &&
			(candidate->taker == NULL || search.match >= IG_MATCH_PROBABLE))
			return candidate;
	}
	return NULL;
}

/* bsearch comparator of ids. */
static int
compare_ids(const void *a, const void *b)
{
	int64		first = *(const int64 *) a;
	int64		second = *(const int64 *) b;

	return first < second ? -1 : first > second ? 1 : 0;
}

/* Whether the call was due when the scan began, and was not sent since. */
static bool
was_due(const IgScan *scan, const IgCall *call)
{
	return call->claimed_at < scan->begun_at &&
		bsearch(&call->id, scan->due, scan->ndue, sizeof(int64), compare_ids) != NULL;
}

/* A call of ours that stays in doubt until then. */
static IgReschedule
stay_in_doubt(const IgOurs *our, TimestampTz run_at, const char *error)
{
	IgReschedule item;

	memset(&item, 0, sizeof(item));
	item.call = our->call;
	item.state = "unknown";
	item.run_at = run_at;
	item.looks = our->call->looks;
	item.error = error;
	return item;
}

/*
 * A call that a person decides, unless what is in its way has gone by the next look:
 * the worker looks soon at first, then less often.
 */
static IgReschedule
leave_undecided(const IgDecisions *decisions, const IgOurs *our, const char *error)
{
	int64		pause = ig_policy_local_pause(our->call->waits + 1, Max(ig_reconcile_delay, 1000), UNDECIDED_PAUSE,
											  pg_prng_uint64(&pg_global_prng_state));
	IgReschedule item = stay_in_doubt(our, TimestampTzPlusMilliseconds(decisions->now, pause), error);

	item.waited = true;
	return item;
}

/* What becomes of a call that was not found. */
static IgReschedule
not_found(const IgDecisions *decisions, const IgOurs *our)
{
	IgScan	   *scan = decisions->scan;
	TimestampTz later = TimestampTzPlusMilliseconds(decisions->now, Max(ig_reconcile_delay, 10));
	const IgCandidate *candidate = find_doubtful(decisions, our);
	IgReschedule item;

	if (candidate != NULL && candidate->taker != NULL)
		return stay_in_doubt(our, later, "sent, but no response came; an equal request is in doubt, too, or being sent: to be decided after it");
	if (candidate != NULL)
		return leave_undecided(decisions, our,
							   psprintf("sent, but no response came; whether signature request %s at Ignisign is this one cannot be told, because %s: "
										"decide with ignisign_resolve()",
										candidate->id, ig_fingerprint_reason(&candidate->fingerprint, &our->fingerprint)));
	if (scan->gap != NULL)
		return leave_undecided(decisions, our,
							   psprintf("sent, but no response came; whether it is at Ignisign cannot be told, because %s: "
										"decide with ignisign_resolve()", scan->gap));

	item = stay_in_doubt(our, later, NULL);
	if (our->call->looks == 0)
	{
		item.looks = 1;
		item.error = "sent, but no response came; not found at Ignisign so far, looking again before it is sent again";
	}
	else if (our->call->attempts >= ig_account_max_attempts(scan->account_state))
	{
		item.state = "dead";
		item.error = "sent, but no response came, and it is not at Ignisign; all attempts are used up";
	}
	else
	{
		item.state = "pending";
		item.run_at = decisions->now;
		item.looks = 0;
		item.error = "sent, but no response came, and it is not at Ignisign: to be sent again";
	}
	return item;
}

/* All is known that can be: decide. */
void
ig_scan_decide(void *arg)
{
	IgScan	   *scan = arg;
	IgDecisions decisions = {.scan = scan, .now = GetCurrentTimestamp()};
	IgSent	   *sent;
	const IgCall **found;
	IgReschedule *left;
	int			nsent = 0;
	int			nleft = 0;
	int			nown = 0;

	decisions.ours = palloc(sizeof(IgOurs));
	read_ours(&decisions, "unknown", true);
	read_ours(&decisions, "unknown", false);
	read_ours(&decisions, "sending", false);
	ig_scan_drop_known(scan, true);
	match(&decisions);

	sent = palloc((decisions.nours + 1) * sizeof(IgSent));
	found = palloc((decisions.nours + 1) * sizeof(IgCall *));
	left = palloc((decisions.nours + 1) * sizeof(IgReschedule));
	for (int i = 0; i < decisions.nours && decisions.ours[i].kind == OURS_IN_DOUBT; i++, nown++)
	{
		IgOurs	   *our = &decisions.ours[i];

		CHECK_FOR_INTERRUPTS();
		if (our->found != NULL && equal_is_sent(&decisions, our))
			left[nleft++] = stay_in_doubt(our, TimestampTzPlusMilliseconds(decisions.now, Max(ig_reconcile_delay, 10)),
										  "sent, but no response came; an equal request is being sent: to be decided after it");
		else if (our->found != NULL)
		{
			sent[nsent].request = &our->call->request;
			sent[nsent].signature_request_id = our->found->id;
			found[nsent++] = our->call;
		}
		else if (was_due(scan, our->call))
			left[nleft++] = not_found(&decisions, our);
	}

	ig_scan_settle(scan, sent, found, nsent, left, nleft);
	if (nsent + nleft > 0)
		ereport(LOG,
				(errmsg("ignisign: of %d calls with unknown outcome on server \"%s\", %d were found at Ignisign",
						nown, NameStr(scan->account_state->server), nsent)));
}
