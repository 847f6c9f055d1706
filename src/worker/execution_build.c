/*-------------------------------------------------------------------------
 *
 * execution_build.c
 *	  From claimed calls to requests that can be sent.
 *
 * What the requests of a cycle consist of is read for all of them together.
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

/* Content of so many bytes is read along with the rows of other executions. */
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
to_wire(IgExecution *execution, const char *text)
{
	char	   *result = text ? ig_to_wire(text) : NULL;

	if (text != NULL && result == NULL)
		execution->error = "a text of the request cannot be converted to UTF-8";
	return result;
}

/* Whether the execution carries all of its request. */
static bool
carries_request(const IgExecution *execution)
{
	return execution->account_state->account != NULL && execution->call.operation == IG_OP_ONE_CALL_SIGN;
}

/* Whether the execution carries documents. */
static bool
carries_documents(const IgExecution *execution)
{
	return carries_request(execution) ||
		(execution->account_state->account != NULL && ig_api_sends_content(execution->call.operation));
}

/* The executions of which something holds: their requests as an array, and how many. */
static int
pick(IgExecution **executions, int n, bool (*is) (const IgExecution *execution), int *picked, Datum *requests)
{
	Datum	   *ids = palloc(Max(n, 1) * sizeof(Datum));
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (!is(executions[i]))
			continue;
		ids[count] = UUIDPGetDatum(&executions[i]->call.request);
		picked[count++] = i;
	}
	*requests = ig_array(UUIDOID, ids, NULL, count);
	return count;
}

/* The execution that a row of the current result belongs to: its first column tells. */
static int
execution_of_row(uint64 row, const int *picked)
{
	return picked[ig_spi_int64(row, 1, 0) - 1];
}

/* Read the signers of all executions that carry a request. */
static void
read_signers(IgExecution **executions, Contract *contracts, int n)
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

	if (pick(executions, n, carries_request, picked, &value) == 0)
		return;
	rows = ig_spi_execute(&signers, &value, NULL);
	for (uint64 row = 0; row < rows; row++)
		contracts[execution_of_row(row, picked)].nsigners++;
	for (int i = 0; i < n; i++)
	{
		contracts[i].signers = MemoryContextAllocZero(executions[i]->context,
													  Max(contracts[i].nsigners, 1) * sizeof(IgApiSigner));
		contracts[i].nsigners = 0;
	}
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = execution_of_row(row, picked);
		IgExecution *execution = executions[i];
		IgApiSigner *signer = &contracts[i].signers[contracts[i].nsigners++];

		signer->email = to_wire(execution, ig_spi_text(row, 2, execution->context));
		signer->first_name = to_wire(execution, ig_spi_text(row, 3, execution->context));
		signer->last_name = to_wire(execution, ig_spi_text(row, 4, execution->context));
		signer->signer_profile_id = to_wire(execution, ig_spi_text(row, 5, execution->context));
	}
}

/* Take a document from a row. */
static void
read_document(IgExecution *execution, Contract *contract, uint64 row)
{
	IgApiDocument *document = &contract->documents[contract->ndocuments];
	Datum		content;
	bool		isnull;

	document->file_name = to_wire(execution, ig_spi_text(row, 2, execution->context));
	document->mime_type = to_wire(execution, ig_spi_text(row, 3, execution->context));
	document->url = to_wire(execution, ig_spi_text(row, 4, execution->context));
	document->size = contract->sizes[contract->ndocuments] = ig_spi_int64(row, 5, 0);
	contract->ndocuments++;
	content = ig_spi_datum(row, 6, &isnull);
	if (!isnull && document->url == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(execution->context);

		contract->first = DatumGetByteaPCopy(content);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Read the documents of all executions that carry some: that of an execution's number, or
 * all of its request.  Of the first one small content comes along.
 */
static void
read_documents(IgExecution **executions, Contract *contracts, int n)
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
	int			count = pick(executions, n, carries_documents, picked, &values[0]);

	if (count == 0)
		return;
	for (int k = 0; k < count; k++)
	{
		IgExecution *execution = executions[picked[k]];

		execution->first_document = carries_request(execution) ? 1 : execution->call.document;
		first[k] = Int32GetDatum(execution->first_document);
		last[k] = Int32GetDatum(execution->call.document ? execution->call.document : PG_INT32_MAX);
	}
	values[1] = ig_array(INT4OID, first, NULL, count);
	values[2] = ig_array(INT4OID, last, NULL, count);
	values[3] = Int32GetDatum(SMALL_DOCUMENT);
	rows = ig_spi_execute(&documents, values, NULL);
	for (uint64 row = 0; row < rows; row++)
		contracts[execution_of_row(row, picked)].ndocuments++;
	for (int i = 0; i < n; i++)
	{
		int			slots = Max(contracts[i].ndocuments, 1);

		contracts[i].documents = MemoryContextAllocZero(executions[i]->context, slots * sizeof(IgApiDocument));
		contracts[i].sizes = MemoryContextAllocZero(executions[i]->context, slots * sizeof(int64));
		contracts[i].ndocuments = 0;
	}
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = execution_of_row(row, picked);

		read_document(executions[i], &contracts[i], row);
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

/* Build the request of one execution. */
static void
build(IgExecution *execution, Contract *contract)
{
	const IgAccount *account = execution->account_state->account;
	IgApiArgs	args;
	char		error[IG_API_ERROR_SIZE];

	/* The account may have gone since the call was claimed. */
	if (account == NULL)
		return;

	memset(&args, 0, sizeof(args));
	args.app_id = account->key.app_id;
	args.app_env = account->key.app_env;
	args.signature_request_id = execution->call.signature_request_id;
	args.document_id = execution->call.document_id;
	args.signer_id = execution->call.signer_id;
	args.signature_type = execution->call.proof_type;
	args.page = execution->page;
	if (execution->batch)
	{
		args.signature_request_ids = (const char *const *) execution->batch->signature_request_ids;
		args.nsignature_request_ids = execution->batch->n;
	}
	args.values = to_wire(execution, execution->call.args ? execution->call.args :
						  ig_staged_values(&execution->call.request, execution->call.operation, execution->call.document,
										   execution->call.signer, &account->key, execution->context));

	/* SPI may have left us in a context of its own. */
	MemoryContextSwitchTo(execution->context);
	args.signers = contract->signers;
	args.nsigners = contract->nsigners;
	args.documents = contract->documents;
	args.ndocuments = contract->ndocuments;
	if (ig_api_sends_content(execution->call.operation))
		args.boundary = make_boundary();
	if (carries_request(execution))
	{
		args.title = to_wire(execution, execution->call.title);
		args.signature_method = execution->call.signature_method;
	}

	if (execution->error)
		return;
	if (!ig_api_build(execution->call.operation, &args, &execution->request, error))
	{
		execution->error = pstrdup(error);
		return;
	}
	if (execution->request.content_type[0])
	{
		/* The body owns the rest from here on, but not these. */
		IgApiRequest request = execution->request;
		int			document;
		int64		offset;
		int			length;

		execution->request.text = NULL;
		execution->request.parts = NULL;
		request.path = NULL;
		execution->body = ig_body_create(&request, contract->sizes, contract->ndocuments);
		if (contract->first != NULL &&
			ig_body_wants(execution->body, &document, &offset, &length) && document == 0)
		{
			ig_body_load_chunk(execution->body, contract->first);
			contract->first = NULL;
		}

		/* A larger one begins with a slice. */
		ig_execution_load_chunk(execution);
	}
	execution->built = true;
}

/* Some executions. */
typedef struct Flights
{
	IgExecution **executions;
	int			n;
} Flights;

/* Build the requests of executions; an error is raised. */
static void
build_some(void *arg)
{
	const Flights *some = arg;
	IgExecution **executions = some->executions;
	int			n = some->n;
	Contract   *contracts = palloc0(Max(n, 1) * sizeof(Contract));

	SPI_connect();
	read_signers(executions, contracts, n);
	read_documents(executions, contracts, n);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(executions[i]->context);

		build(executions[i], &contracts[i]);
		if (contracts[i].first)
			pfree(contracts[i].first);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

/* Undo what a build that failed has made of an execution. */
static void
unbuild(IgExecution *execution)
{
	execution->built = false;
	execution->error = NULL;
	if (execution->body)
		ig_body_free(execution->body);
	execution->body = NULL;
	ig_api_request_free(&execution->request);
}

/* Build the requests of all executions; each fails alone. */
void
ig_executions_build(IgExecution **executions, int n)
{
	Flights		all = {executions, n};
	IgTrouble	trouble;

	if (n == 0 || ig_try(build_some, &all, IG_LOCK_PATIENCE, &trouble))
		return;
	for (int i = 0; i < n; i++)
		unbuild(executions[i]);
	for (int i = 0; i < n; i++)
	{
		Flights		one = {&executions[i], 1};

		if (ig_try(build_some, &one, IG_SHORT_PATIENCE, &trouble))
			continue;
		unbuild(executions[i]);
		ig_execution_fail(executions[i], &trouble);
	}
}
