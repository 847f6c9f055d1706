/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Which requests a role may see, and the locks that functions take on them.
 *
 * A request that a role may not see does not exist for that role: functions report it
 * as missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "errors.h"
#include "queue/access.h"
#include "util/spi.h"

PG_FUNCTION_INFO_V1(ignisign_may_see);

/* Whether a role has the privileges of the role of that name. */
bool
ig_may_see(Oid role, const char *owner)
{
	Oid			owner_oid = get_role_oid(owner, true);

	if (superuser_arg(role))
		return true;
	return OidIsValid(owner_oid) && has_privs_of_role(role, owner_oid);
}

/*
 * ignisign.may_see(owner name) returns boolean
 *
 * For the policies of the tables: false also when there is no such role.
 */
Datum
ignisign_may_see(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ig_may_see(GetUserId(), NameStr(*PG_GETARG_NAME(0))));
}

/* There is no such request, or the caller may not see it. */
void
ig_no_such_request(const pg_uuid_t *id)
{
	ereport(ERROR,
			(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
			 errmsg("there is no request %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)))),
			 errhint("A request of a transaction that has not committed is seen by that transaction only.")));
}

/* The request has no signer of that number. */
void
ig_no_such_signer(int signer)
{
	ereport(ERROR,
			(errcode(IG_ERRCODE_NO_SUCH_REQUEST),
			 errmsg("the request has no signer %d", signer),
			 errhint("Signers are numbered from 1, as in ignisign.signer.")));
}

/*
 * Lock a request and return its server; owner and signature_request_id are set.
 * As the extension's owner, between SPI_connect and SPI_finish.
 */
char *
ig_lock_request(const pg_uuid_t *id, Oid caller, char **owner, char **signature_request_id)
{
	static IgStatement lock = {
		.sql = "SELECT owner::text, server::text, signature_request_id FROM ignisign.request WHERE id = $1 FOR UPDATE",
		.types = {UUIDOID}
	};
	Datum		value = UUIDPGetDatum(id);

	if (ig_spi_execute(&lock, &value, NULL) != 1)
		ig_no_such_request(id);
	*owner = ig_spi_text(0, 1, CurrentMemoryContext);
	*signature_request_id = ig_spi_text(0, 3, CurrentMemoryContext);
	if (!ig_may_see(caller, *owner))
		ig_no_such_request(id);
	return ig_spi_text(0, 2, CurrentMemoryContext);
}

/* The same of a request that Ignisign knows. */
char *
ig_lock_sent_request(const pg_uuid_t *id, Oid caller, char **owner, char **signature_request_id)
{
	char	   *server = ig_lock_request(id, caller, owner, signature_request_id);

	if (*signature_request_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the request has not been sent yet"),
				 errhint("SELECT * FROM ignisign_status('%s') tells why.",
						 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id))))));
	return server;
}
