/*-------------------------------------------------------------------------
 *
 * execution_build.c
 *	  From claimed calls to requests that can be sent.
 *
 * What the requests of a turn consist of is read for all of them together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "queue/staged.h"
#include "util/encoding.h"
#include "util/session.h"
#include "util/spi.h"
#include "worker/execution.h"

/* Content of so many bytes is read along with the rows of other flights. */
#define SMALL_DOCUMENT (32 * 1024)

/* What is to be sent of signers and documents. */
typedef struct Contract
{
	IgApiSigner *signers;
	int			nsigners;
	IgApiDocument *documents;
	int64	   *sizes;
	int			ndocuments;
	bytea	   *first;			/* content of the first document, if it is small */
} Contract;

/*
 * A text as the API takes it; NULL for NULL.  One that cannot be converted was
 * refused when it was queued; should one be here all the same, the call fails.
 */
static char *
to_wire(IgFlight *flight, const char *text)
{
	char	   *result = text ? ig_to_wire(text) : NULL;

	if (text != NULL && result == NULL)
		flight->error = "a text of the request cannot be converted to UTF-8";
	return result;
}

/* Whether the flight carries all of its request. */
static bool
carries_request(const IgFlight *flight)
{
	return flight->lane->account != NULL && flight->call.operation == IG_OP_ONE_CALL_SIGN;
}

/* Whether the flight carries documents. */
static bool
carries_documents(const IgFlight *flight)
{
	return carries_request(flight) ||
		(flight->lane->account != NULL && ig_api_sends_content(flight->call.operation));
}

/* The flights of which something holds: their requests as an array, and how many. */
static int
pick(IgFlight **flights, int n, bool (*is) (const IgFlight *flight), int *picked, Datum *requests)
{
	Datum	   *ids = palloc(Max(n, 1) * sizeof(Datum));
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (!is(flights[i]))
			continue;
		ids[count] = UUIDPGetDatum(&flights[i]->call.request);
		picked[count++] = i;
	}
	*requests = ig_array(UUIDOID, ids, NULL, count);
	return count;
}

/* The flight that a row of the current result belongs to: its first column tells. */
static int
flight_of_row(uint64 row, const int *picked)
{
	return picked[ig_spi_int64(row, 1, 0) - 1];
}

/* Read the signers of all flights that carry a request. */
static void
read_signers(IgFlight **flights, Contract *contracts, int n)
{
	static IgStatement signers = {
		.sql = "SELECT u.i, s.email, s.first_name, s.last_name, s.signer_profile_id "
		"FROM unnest($1) WITH ORDINALITY AS u (request, i) CROSS JOIN LATERAL "
		"(SELECT * FROM ignisign.signer WHERE request = u.request ORDER BY n) s",
		.types = {UUIDARRAYOID}
	};
	int		   *picked = palloc(Max(n, 1) * sizeof(int));
	Datum		value;
	uint64		rows;

	if (pick(flights, n, carries_request, picked, &value) == 0)
		return;
	rows = ig_spi_execute(&signers, &value, NULL);
	for (uint64 row = 0; row < rows; row++)
		contracts[flight_of_row(row, picked)].nsigners++;
	for (int i = 0; i < n; i++)
	{
		contracts[i].signers = MemoryContextAllocZero(flights[i]->context,
													  Max(contracts[i].nsigners, 1) * sizeof(IgApiSigner));
		contracts[i].nsigners = 0;
	}
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = flight_of_row(row, picked);
		IgFlight   *flight = flights[i];
		IgApiSigner *signer = &contracts[i].signers[contracts[i].nsigners++];

		signer->email = to_wire(flight, ig_spi_text(row, 2, flight->context));
		signer->first_name = to_wire(flight, ig_spi_text(row, 3, flight->context));
		signer->last_name = to_wire(flight, ig_spi_text(row, 4, flight->context));
		signer->signer_profile_id = to_wire(flight, ig_spi_text(row, 5, flight->context));
	}
}

/* Take a document from a row. */
static void
read_document(IgFlight *flight, Contract *contract, uint64 row)
{
	IgApiDocument *document = &contract->documents[contract->ndocuments];
	Datum		content;
	bool		isnull;

	document->file_name = to_wire(flight, ig_spi_text(row, 2, flight->context));
	document->mime_type = to_wire(flight, ig_spi_text(row, 3, flight->context));
	document->url = to_wire(flight, ig_spi_text(row, 4, flight->context));
	document->size = contract->sizes[contract->ndocuments] = ig_spi_int64(row, 5, 0);
	contract->ndocuments++;
	content = ig_spi_datum(row, 6, &isnull);
	if (!isnull && document->url == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(flight->context);

		contract->first = DatumGetByteaPCopy(content);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Read the documents of all flights that carry some: that of a flight's number, or
 * all of its request.  Of the first one small content comes along.
 */
static void
read_documents(IgFlight **flights, Contract *contracts, int n)
{
	static IgStatement documents = {
		.sql = "SELECT u.i, d.file_name, d.mime_type, d.url, d.size, "
		"CASE WHEN d.n = u.first AND d.size <= $4 THEN d.content END "
		"FROM unnest($1, $2, $3) WITH ORDINALITY AS u (request, first, last, i) CROSS JOIN LATERAL "
		"(SELECT * FROM ignisign.document WHERE request = u.request AND n BETWEEN u.first AND u.last ORDER BY n) d",
		.types = {UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID, INT4OID}
	};
	int		   *picked = palloc(Max(n, 1) * sizeof(int));
	Datum	   *first = palloc(Max(n, 1) * sizeof(Datum));
	Datum	   *last = palloc(Max(n, 1) * sizeof(Datum));
	Datum		values[4];
	uint64		rows;
	int			count = pick(flights, n, carries_documents, picked, &values[0]);

	if (count == 0)
		return;
	for (int k = 0; k < count; k++)
	{
		IgFlight   *flight = flights[picked[k]];

		flight->first_document = carries_request(flight) ? 1 : flight->call.document;
		first[k] = Int32GetDatum(flight->first_document);
		last[k] = Int32GetDatum(flight->call.document ? flight->call.document : PG_INT32_MAX);
	}
	values[1] = ig_array(INT4OID, first, NULL, count);
	values[2] = ig_array(INT4OID, last, NULL, count);
	values[3] = Int32GetDatum(SMALL_DOCUMENT);
	rows = ig_spi_execute(&documents, values, NULL);
	for (uint64 row = 0; row < rows; row++)
		contracts[flight_of_row(row, picked)].ndocuments++;
	for (int i = 0; i < n; i++)
	{
		int			room = Max(contracts[i].ndocuments, 1);

		contracts[i].documents = MemoryContextAllocZero(flights[i]->context, room * sizeof(IgApiDocument));
		contracts[i].sizes = MemoryContextAllocZero(flights[i]->context, room * sizeof(int64));
		contracts[i].ndocuments = 0;
	}
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = flight_of_row(row, picked);

		read_document(flights[i], &contracts[i], row);
	}
}

/* A boundary for multipart/form-data, which no content has by chance. */
static const char *
make_boundary(void)
{
	uint8		bytes[16];
	char		hex[2 * sizeof(bytes) + 1];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	hex_encode((const char *) bytes, sizeof(bytes), hex);
	hex[2 * sizeof(bytes)] = '\0';
	return psprintf("ignisign-%s", hex);
}

/* Build the request of one flight. */
static void
build(IgFlight *flight, Contract *contract)
{
	const IgAccount *account = flight->lane->account;
	IgApiArgs	args;
	char		error[IG_API_ERROR_SIZE];

	/* The account may have gone since the call was claimed. */
	if (account == NULL)
		return;

	memset(&args, 0, sizeof(args));
	args.app_id = account->key.app_id;
	args.app_env = account->key.app_env;
	args.signature_request_id = flight->call.signature_request_id;
	args.document_id = flight->call.document_id;
	args.signer_id = flight->call.signer_id;
	args.signature_type = flight->call.proof_type;
	args.page = flight->page;
	if (flight->batch)
	{
		args.signature_request_ids = (const char *const *) flight->batch->signature_request_ids;
		args.nsignature_request_ids = flight->batch->n;
	}
	args.values = to_wire(flight, flight->call.args ? flight->call.args :
						  ig_staged_values(&flight->call.request, flight->call.operation, flight->call.document,
										   flight->call.signer, &account->key, flight->context));

	/* SPI may have left us in a context of its own. */
	MemoryContextSwitchTo(flight->context);
	args.signers = contract->signers;
	args.nsigners = contract->nsigners;
	args.documents = contract->documents;
	args.ndocuments = contract->ndocuments;
	if (ig_api_sends_content(flight->call.operation))
		args.boundary = make_boundary();
	if (carries_request(flight))
	{
		args.title = to_wire(flight, flight->call.title);
		args.signature_method = flight->call.signature_method;
	}

	if (flight->error)
		return;
	if (!ig_api_build(flight->call.operation, &args, &flight->request, error))
	{
		flight->error = pstrdup(error);
		return;
	}
	if (flight->request.content_type[0])
	{
		/* The body owns the rest from here on, but not these. */
		IgApiRequest request = flight->request;
		int			document;
		int64		offset;
		int			length;

		flight->request.text = NULL;
		flight->request.parts = NULL;
		request.path = NULL;
		flight->body = ig_body_create(&request, contract->sizes, contract->ndocuments);
		if (contract->first != NULL &&
			ig_body_wants(flight->body, &document, &offset, &length) && document == 0)
		{
			ig_body_feed(flight->body, contract->first);
			contract->first = NULL;
		}

		/* A larger one begins with a slice. */
		ig_flight_feed(flight);
	}
	flight->built = true;
}

/* Some flights. */
typedef struct Flights
{
	IgFlight  **flights;
	int			n;
} Flights;

/* Build the requests of flights; an error is raised. */
static void
build_some(void *arg)
{
	const Flights *some = arg;
	IgFlight  **flights = some->flights;
	int			n = some->n;
	Contract   *contracts = palloc0(Max(n, 1) * sizeof(Contract));

	SPI_connect();
	read_signers(flights, contracts, n);
	read_documents(flights, contracts, n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(flights[i]->context);

		build(flights[i], &contracts[i]);
		if (contracts[i].first)
			pfree(contracts[i].first);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

/* Undo what a build that failed has made of a flight. */
static void
unbuild(IgFlight *flight)
{
	flight->built = false;
	flight->error = NULL;
	if (flight->body)
		ig_body_free(flight->body);
	flight->body = NULL;
	ig_api_request_free(&flight->request);
}

/* Build the requests of all flights; each fails alone. */
void
ig_flights_build(IgFlight **flights, int n)
{
	Flights		all = {flights, n};
	IgTrouble	trouble;

	if (n == 0 || ig_try(build_some, &all, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < n; i++)
		unbuild(flights[i]);
	for (int i = 0; i < n; i++)
	{
		Flights		one = {&flights[i], 1};

		if (ig_try(build_some, &one, IG_SHORT_PATIENCE, &trouble))
			continue;
		unbuild(flights[i]);
		ig_flight_fail(flights[i], &trouble);
	}
}
