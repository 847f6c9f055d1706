/*-------------------------------------------------------------------------
 *
 * attempt_log.c
 *	  The log of attempts, and the bound of foreign texts in our tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "queue/insert.h"
#include "queue/queue.h"

/* Room for the longest text that is kept of an error. */
#define MAX_ERROR_LENGTH 1000

/* A text of foreign origin, cut to a bound at a character's border. */
char *
ig_bounded_text(const char *text)
{
	int			length;

	if (text == NULL)
		return NULL;
	length = strlen(text);
	if (length > MAX_ERROR_LENGTH)
		length = pg_mbcliplen(text, length, MAX_ERROR_LENGTH);
	return pnstrdup(text, length);
}

/* A text of foreign origin as a column's value. */
static void
set_bounded_text(Datum *value, char *null, const char *text)
{
	*null = text ? ' ' : 'n';
	*value = text ? CStringGetTextDatum(ig_bounded_text(text)) : (Datum) 0;
}

/* Log attempts. */
void
ig_queue_log(const IgAttempt *attempts, int n)
{
	static IgInsert insert = {
		.table = "attempt",
		.columns = {"request", "started_at", "call", "operation", "owner", "server", "attempt", "outcome",
		"http_status", "code", "error", "duration", "bytes_sent", "bytes_received"}
	};
	IgRows		rows;

	ig_rows_init(&rows, &insert);
	for (int i = 0; i < n; i++)
	{
		const IgAttempt *attempt = &attempts[i];
		Interval   *duration = palloc0(sizeof(Interval));
		Datum		values[14];
		char		nulls[15] = "              ";

		duration->time = attempt->duration;
		values[0] = UUIDPGetDatum(&attempt->call->request);
		values[1] = TimestampTzGetDatum(attempt->started_at);
		values[2] = Int64GetDatum(attempt->call->id);
		nulls[2] = attempt->call->id != 0 ? ' ' : 'n';
		values[3] = CStringGetTextDatum(ig_api_operation_name(attempt->call->operation));
		values[4] = NameGetDatum(&attempt->call->owner);
		values[5] = NameGetDatum(&attempt->call->server);
		values[6] = Int32GetDatum(attempt->call->attempts);
		values[7] = CStringGetTextDatum(attempt->outcome);
		values[8] = Int32GetDatum(attempt->http_status);
		nulls[8] = attempt->http_status != 0 ? ' ' : 'n';
		set_bounded_text(&values[9], &nulls[9], attempt->code);
		set_bounded_text(&values[10], &nulls[10], attempt->error);
		values[11] = IntervalPGetDatum(duration);
		values[12] = Int64GetDatum(attempt->bytes_sent);
		values[13] = Int64GetDatum(attempt->bytes_received);
		ig_rows_add(&rows, values, nulls);
	}
	ig_insert_rows(&rows);
}
