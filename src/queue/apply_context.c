/*-------------------------------------------------------------------------
 *
 * apply_context.c
 *	  What the context of a request changes in the tables: status, ids, who has
 *	  signed, whether there is a proof.
 *
 * Signers and documents of the API are matched with ours.  Both sides are put in
 * the order of what they are compared by, and gone through side by side: so the
 * time grows with their number, and not with its square.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/uuid.h"

#include "queue/apply.h"
#include "queue/import.h"
#include "queue/proofs.h"
#include "util/spi.h"

/* How long a proof is waited for after a request is completed, in days. */
#define PROOF_PATIENCE "7 days"

/* Something that is looked for on the other side. */
typedef struct Keyed
{
	const char *key;
	int			i;				/* its place in the order in which it was told */
} Keyed;

/* What is matched: n of each, and for each of ours which of theirs it is. */
typedef struct Matching
{
	int			nours;
	int			ntheirs;
	int		   *match;			/* -1: not known yet */
	bool	   *taken;			/* of theirs */
} Matching;

/* What something is compared by; NULL: nothing. */
typedef const char *(*KeyOf) (const void *side, int i);

/* Begin to match. */
static void
begin_matching(Matching *matching, int nours, int ntheirs)
{
	matching->nours = nours;
	matching->ntheirs = ntheirs;
	matching->match = palloc(Max(nours, 1) * sizeof(int));
	matching->taken = palloc0(Max(ntheirs, 1) * sizeof(bool));
	for (int i = 0; i < nours; i++)
		matching->match[i] = -1;
}

/* qsort comparator: by key, then in the order in which they were told. */
static int
compare_keyed(const void *a, const void *b)
{
	const Keyed *x = a;
	const Keyed *y = b;
	int			order = strcmp(x->key, y->key);

	return order != 0 ? order : x->i - y->i;
}

/* Match those that are left and equal in this key, each once, in order. */
static void
match_by(Matching *matching, KeyOf our_key, const void *our_side, KeyOf their_key, const void *their_side)
{
	Keyed	   *ours = palloc(Max(matching->nours, 1) * sizeof(Keyed));
	Keyed	   *theirs = palloc(Max(matching->ntheirs, 1) * sizeof(Keyed));
	int			nours = 0;
	int			ntheirs = 0;

	for (int i = 0; i < matching->nours; i++)
	{
		const char *key = matching->match[i] < 0 ? our_key(our_side, i) : NULL;

		if (key != NULL)
			ours[nours++] = (Keyed) {key, i};
	}
	for (int i = 0; nours > 0 && i < matching->ntheirs; i++)
	{
		const char *key = matching->taken[i] ? NULL : their_key(their_side, i);

		if (key != NULL)
			theirs[ntheirs++] = (Keyed) {key, i};
	}
	qsort(ours, nours, sizeof(Keyed), compare_keyed);
	qsort(theirs, ntheirs, sizeof(Keyed), compare_keyed);
	for (int i = 0, j = 0; i < nours && j < ntheirs;)
	{
		int			order = strcmp(ours[i].key, theirs[j].key);

		if (order == 0)
		{
			matching->match[ours[i].i] = theirs[j].i;
			matching->taken[theirs[j].i] = true;
		}
		i += order <= 0;
		j += order >= 0;
	}
	pfree(ours);
	pfree(theirs);
}

/* A document of ours. */
typedef struct LocalDocument
{
	int			n;
	char	   *file_name;
	char	   *sha256;			/* in hex, or NULL */
	char	   *document_id;	/* or NULL */
} LocalDocument;

/* A SHA-256 in hex. */
static char *
sha256_key(const uint8 *sha256)
{
	char	   *hex = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);

	hex_encode((const char *) sha256, PG_SHA256_DIGEST_LENGTH, hex);
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
	return hex;
}

static const char *
our_document_id(const void *side, int i)
{
	return ((const LocalDocument *) side)[i].document_id;
}

static const char *
their_document_id(const void *side, int i)
{
	return ((const IgApiContextDocument *) side)[i].document_id;
}

static const char *
our_hash(const void *side, int i)
{
	const LocalDocument *document = &((const LocalDocument *) side)[i];

	return document->document_id == NULL ? document->sha256 : NULL;
}

static const char *
their_hash(const void *side, int i)
{
	const IgApiContextDocument *document = &((const IgApiContextDocument *) side)[i];
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];

	if (document->document_id == NULL || document->document_hash == NULL ||
		!ig_api_read_sha256(document->document_hash, sha256))
		return NULL;
	return sha256_key(sha256);
}

static const char *
our_file_name(const void *side, int i)
{
	const LocalDocument *document = &((const LocalDocument *) side)[i];

	return document->document_id == NULL ? document->file_name : NULL;
}

static const char *
their_file_name(const void *side, int i)
{
	const IgApiContextDocument *document = &((const IgApiContextDocument *) side)[i];

	return document->document_id != NULL ? document->file_name : NULL;
}

/* All documents that are left are equal in this. */
static const char *
our_document(const void *side, int i)
{
	return ((const LocalDocument *) side)[i].document_id == NULL ? "" : NULL;
}

static const char *
their_document(const void *side, int i)
{
	return ((const IgApiContextDocument *) side)[i].document_id != NULL ? "" : NULL;
}

/* Read the request's documents; returns whether all have their ids. */
static bool
read_documents(const IgCall *call, LocalDocument **documents, int *n)
{
	static IgStatement read = {
		.sql = "SELECT n, file_name, sha256, document_id FROM ignisign.document "
		"WHERE request = $1 ORDER BY n",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(&call->request);
	bool		complete = true;

	*n = (int) ig_spi_execute(&read, &value, NULL);
	*documents = palloc0(Max(*n, 1) * sizeof(LocalDocument));
	for (int i = 0; i < *n; i++)
	{
		LocalDocument *document = &(*documents)[i];
		bool		isnull;
		Datum		sha256 = ig_spi_datum(i, 3, &isnull);

		document->n = (int) ig_spi_int64(i, 1, 0);
		document->file_name = ig_spi_text(i, 2, CurrentMemoryContext);
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(sha256);

			if (VARSIZE_ANY_EXHDR(bytes) == PG_SHA256_DIGEST_LENGTH)
				document->sha256 = sha256_key((const uint8 *) VARDATA_ANY(bytes));
		}
		document->document_id = ig_spi_text(i, 4, CurrentMemoryContext);
		complete = complete && document->document_id != NULL;
	}
	return complete;
}

/*
 * Store the ids of the request's documents, which are recognized by content, else by
 * file name, else by order.
 */
static void
apply_documents(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement store = {
		.sql = "UPDATE ignisign.document d SET document_id = u.document_id "
		"FROM unnest($2, $3) AS u (n, document_id) "
		"WHERE d.request = $1 AND d.n = u.n AND d.document_id IS NULL",
		.types = {UUIDOID, INT4ARRAYOID, TEXTARRAYOID}
	};
	const IgApiContextDocument *theirs = response->documents;
	LocalDocument *ours;
	Matching	matching;
	Datum	   *numbers;
	const char **ids;
	Datum		values[3];
	int			n;
	int			found = 0;

	if (read_documents(call, &ours, &n))
		return;
	begin_matching(&matching, n, response->ndocuments);
	match_by(&matching, our_document_id, ours, their_document_id, theirs);
	match_by(&matching, our_hash, ours, their_hash, theirs);
	match_by(&matching, our_file_name, ours, their_file_name, theirs);
	match_by(&matching, our_document, ours, their_document, theirs);

	numbers = palloc(n * sizeof(Datum));
	ids = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		if (matching.match[i] < 0 || ours[i].document_id != NULL)
			continue;
		numbers[found] = Int32GetDatum(ours[i].n);
		ids[found++] = theirs[matching.match[i]].document_id;
	}
	if (found == 0)
		return;
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = ig_array(INT4OID, numbers, NULL, found);
	values[2] = ig_text_array(ids, found);
	ig_spi_execute(&store, values, NULL);
}

/* A signer of ours. */
typedef struct LocalSigner
{
	int			n;
	char	   *email;			/* in lower case */
	char	   *signer_id;		/* or NULL */
	bool		has_signed;
} LocalSigner;

static const char *
our_signer_id(const void *side, int i)
{
	return ((const LocalSigner *) side)[i].signer_id;
}

static const char *
their_signer_id(const void *side, int i)
{
	return ((const IgApiContextSigner *) side)[i].signer_id;
}

static const char *
our_email(const void *side, int i)
{
	const LocalSigner *signer = &((const LocalSigner *) side)[i];

	return signer->signer_id == NULL ? signer->email : NULL;
}

static const char *
their_email(const void *side, int i)
{
	const char *email = ((const IgApiContextSigner *) side)[i].email;

	return email ? asc_tolower(email, strlen(email)) : NULL;
}

/* Read the request's signers. */
static LocalSigner *
read_signers(const IgCall *call, int *n)
{
	static IgStatement read = {
		.sql = "SELECT n, email, signer_id, signed_at IS NOT NULL FROM ignisign.signer WHERE request = $1 ORDER BY n",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(&call->request);
	LocalSigner *signers;
	bool		isnull;

	*n = (int) ig_spi_execute(&read, &value, NULL);
	signers = palloc(Max(*n, 1) * sizeof(LocalSigner));
	for (int i = 0; i < *n; i++)
	{
		char	   *email = ig_spi_text(i, 2, CurrentMemoryContext);

		signers[i].n = (int) ig_spi_int64(i, 1, 0);
		signers[i].email = asc_tolower(email, strlen(email));
		signers[i].signer_id = ig_spi_text(i, 3, CurrentMemoryContext);
		signers[i].has_signed = DatumGetBool(ig_spi_datum(i, 4, &isnull));
	}
	return signers;
}

/*
 * Store the ids of the request's signers, and who has signed.  A signer is
 * recognized by the id, and by the e-mail address only as long as no id is known:
 * somebody else with that address has not signed for this one.
 */
static void
apply_signers(const IgCall *call, const IgApiResponse *response)
{
	static IgStatement apply = {
		.sql = "WITH changed AS ("
		"UPDATE ignisign.signer s SET signer_id = coalesce(s.signer_id, u.signer_id), "
		"signed_at = coalesce(s.signed_at, CASE WHEN u.signed THEN now() END) "
		"FROM unnest($2, $3, $4) AS u (n, signer_id, signed) WHERE s.request = $1 AND s.n = u.n "
		"RETURNING s.request, s.email, u.signed) "
		"INSERT INTO ignisign.event (request, source, kind, value) "
		"SELECT request, 'api', 'signed', email FROM changed WHERE signed",
		.types = {UUIDOID, INT4ARRAYOID, TEXTARRAYOID, BOOLARRAYOID}
	};
	const IgApiContextSigner *theirs = response->signers;
	LocalSigner *ours;
	Matching	matching;
	Datum	   *numbers;
	const char **ids;
	Datum	   *news;
	Datum		values[4];
	int			n;
	int			changed = 0;

	ours = read_signers(call, &n);
	begin_matching(&matching, n, response->nsigners);
	match_by(&matching, our_signer_id, ours, their_signer_id, theirs);
	match_by(&matching, our_email, ours, their_email, theirs);

	numbers = palloc(Max(n, 1) * sizeof(Datum));
	ids = palloc(Max(n, 1) * sizeof(char *));
	news = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		const IgApiContextSigner *signer = matching.match[i] < 0 ? NULL : &theirs[matching.match[i]];
		bool		new = signer != NULL && signer->signed_ && !ours[i].has_signed;

		if (signer == NULL || (!new && (ours[i].signer_id != NULL || signer->signer_id == NULL)))
			continue;
		numbers[changed] = Int32GetDatum(ours[i].n);
		ids[changed] = signer->signer_id;
		news[changed++] = BoolGetDatum(new);
	}
	if (changed == 0)
		return;
	values[0] = UUIDPGetDatum(&call->request);
	values[1] = ig_array(INT4OID, numbers, NULL, changed);
	values[2] = ig_text_array(ids, changed);
	values[3] = ig_array(BOOLOID, news, NULL, changed);
	ig_spi_execute(&apply, values, NULL);
}

/* Whether a proof in this status is still to be expected. */
static bool
proof_is_due(const char *proof_status)
{
	return proof_status != NULL &&
		(strcmp(proof_status, "NOT_INITIALIZED") == 0 ||
		 strcmp(proof_status, "IN_PROGRESS") == 0 ||
		 strcmp(proof_status, "WAITING_IMAGES") == 0);
}

/*
 * Apply a request's context.  That it is completed, who has signed, and
 * whether there is a proof, are three facts that come in any order.
 */
bool
ig_apply_context(const IgCall *call, const IgApiResponse *response, const IgAccount *account)
{
	static IgStatement apply = {
		.sql = "WITH old AS (SELECT id, proof_status, signed_count FROM ignisign.request WHERE id = $1), "
		"changed AS ("
		"UPDATE ignisign.request r SET context_at = now(), "
		"proof_status = coalesce($2, r.proof_status), signed_count = greatest(r.signed_count, $3) "
		"FROM old WHERE r.id = old.id "
		"RETURNING r.id, r.status, r.proof_status, old.proof_status AS previous, "
		"r.closed_at < now() - interval '" PROOF_PATIENCE "' AS late), "
		"event AS ("
		"INSERT INTO ignisign.event (request, source, kind, previous, value) "
		"SELECT id, 'api', 'proof status', previous, proof_status FROM changed "
		"WHERE proof_status IS DISTINCT FROM previous) "
		"SELECT status, proof_status, late FROM changed",
		.types = {UUIDOID, TEXTOID, INT4OID}
	};
	IgSeen		seen = {&call->request, response->status};
	Datum		values[3];
	char		nulls[4] = "   ";
	bool		again = false;

	ig_apply_status_of_context(&seen);

	SPI_connect();
	ig_import_apply_context(call, response);
	apply_documents(call, response);
	apply_signers(call, response);

	values[0] = UUIDPGetDatum(&call->request);
	values[1] = response->proof_status ? CStringGetTextDatum(response->proof_status) : (Datum) 0;
	if (response->proof_status == NULL)
		nulls[1] = 'n';
	values[2] = Int32GetDatum(response->nsigned);
	if (ig_spi_execute(&apply, values, nulls) == 1)
	{
		char	   *status = ig_spi_text(0, 1, CurrentMemoryContext);
		char	   *proof_status = ig_spi_text(0, 2, CurrentMemoryContext);
		bool		isnull;
		bool		late = DatumGetBool(ig_spi_datum(0, 3, &isnull)) && !isnull;

		if (status != NULL && strcmp(status, "COMPLETED") == 0)
		{
			/* Where the API tells nothing, asking for the proof will. */
			if (proof_status == NULL || strcmp(proof_status, "CREATED") == 0)
			{
				/* Which ones are wanted is not known while the server is gone. */
				if (account != NULL)
					ig_proofs_queue(call, account);
				else
					again = true;
			}
			else if (proof_is_due(proof_status))
				again = !late;
		}
	}
	SPI_finish();
	return again;
}
