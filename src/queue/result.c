/*-------------------------------------------------------------------------
 *
 * result.c
 *	  The response to a call that belongs to no request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "queue/response_datum.h"
#include "queue/result.h"
#include "util/encoding.h"
#include "util/secrets.h"
#include "util/spi.h"

/* Store the response of a call. */
void
ig_apply_result(const IgCall *call, IgTransfer *transfer, bool json)
{
	static IgStatement store = {
		.sql = "WITH sent AS (DELETE FROM ignisign.document WHERE request = $1) "
		"INSERT INTO ignisign.result (request, call, operation, owner, server, http_status, answer, content, mime_type) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		.types = {UUIDOID, INT8OID, TEXTOID, NAMEOID, NAMEOID, INT4OID, JSONBOID, BYTEAOID, TEXTOID}
	};
	Datum		content = (Datum) 0;
	Datum		values[9];
	char		nulls[10] = "         ";

	values[0] = UUIDPGetDatum(&call->request);
	values[1] = Int64GetDatum(call->id);
	values[2] = CStringGetTextDatum(ig_api_operation_name(call->operation));
	values[3] = NameGetDatum(&call->owner);
	values[4] = NameGetDatum(&call->server);
	values[5] = Int32GetDatum(transfer->http_status);
	nulls[6] = nulls[7] = nulls[8] = 'n';
	if (json && transfer->body_length > 0)
	{
		char	   *body = ig_http_body(transfer);

		/* It may tell of the URLs of our endpoints. */
		ig_hide_tokens(body);
		values[6] = ig_jsonb_from_wire(body);
		nulls[6] = ' ';
		pfree(body);
	}
	else if (!json)
	{
		values[7] = content = ig_content(transfer);
		values[8] = CStringGetTextDatum(ig_from_wire(transfer->content_type));
		nulls[7] = nulls[8] = ' ';
	}
	SPI_connect();
	ig_spi_execute(&store, values, nulls);
	SPI_finish();
	if (content != (Datum) 0)
		ig_content_free(content);
}
