/*-------------------------------------------------------------------------
 *
 * user_event.c
 *	  Events in a request's history that a person caused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "queue/user_event.h"
#include "util/spi.h"

/* Note in the request's history what a person decided. */
void
ig_add_user_event(const pg_uuid_t *request, const char *kind, const char *value, const char *detail)
{
	static IgStatement add = {
		.sql = "INSERT INTO ignisign.event (request, source, kind, value, detail) "
		"SELECT id, 'user', $2, $3, $4 FROM ignisign.request WHERE id = $1",
		.types = {UUIDOID, TEXTOID, TEXTOID, TEXTOID}
	};
	Datum		values[4];
	char		nulls[5] = "    ";

	values[0] = UUIDPGetDatum(request);
	values[1] = CStringGetTextDatum(kind);
	values[2] = value ? CStringGetTextDatum(value) : (Datum) 0;
	values[3] = CStringGetTextDatum(detail);
	if (value == NULL)
		nulls[2] = 'n';
	ig_spi_execute(&add, values, nulls);
}
