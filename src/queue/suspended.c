/*-------------------------------------------------------------------------
 *
 * suspended.c
 *	  Accounts whose calls are held back: the table ignisign.parked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue/suspended.h"
#include "util/spi.h"

/* Write why an account's calls are held back. */
void
ig_suspended_set(const NameData *server, const NameData *owner, const char *reason, TimestampTz next_try)
{
	static IgStatement set = {
		.sql = "INSERT INTO ignisign.parked AS p (server, owner, reason, next_try) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (server, owner) DO UPDATE SET reason = excluded.reason, "
		"next_try = excluded.next_try, tries = p.tries + 1",
		.types = {NAMEOID, NAMEOID, TEXTOID, TIMESTAMPTZOID}
	};
	Datum		values[4];

	SPI_connect();
	values[0] = NameGetDatum(server);
	values[1] = NameGetDatum(owner);
	values[2] = CStringGetTextDatum(reason);
	values[3] = TimestampTzGetDatum(next_try);
	ig_spi_execute(&set, values, NULL);
	SPI_finish();
}

/* An account's calls are no longer held back. */
void
ig_suspended_clear(const NameData *server, const NameData *owner)
{
	static IgStatement clear = {
		.sql = "DELETE FROM ignisign.parked WHERE server = $1 AND owner = $2",
		.types = {NAMEOID, NAMEOID}
	};
	Datum		values[2] = {NameGetDatum(server), NameGetDatum(owner)};

	SPI_connect();
	ig_spi_execute(&clear, values, NULL);
	SPI_finish();
}

/* No account's calls are held back any more. */
void
ig_suspended_clear_all(void)
{
	static IgStatement clear = {.sql = "DELETE FROM ignisign.parked"};

	SPI_connect();
	ig_spi_execute(&clear, NULL, NULL);
	SPI_finish();
}
