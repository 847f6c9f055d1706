/* ignisign 1.1: from 1.0, by ALTER EXTENSION UPDATE, or after it by CREATE EXTENSION */

\echo Use "ALTER EXTENSION ignisign UPDATE" to load this file. \quit

/* ---- A function that is made anew keeps the roles that may call it ---- */

CREATE FUNCTION ignisign.grant_again(function regprocedure, acl aclitem[])
RETURNS void
AS 'MODULE_PATHNAME', 'ignisign_grant_again' LANGUAGE C VOLATILE STRICT;

REVOKE ALL ON FUNCTION ignisign.grant_again(regprocedure, aclitem[]) FROM PUBLIC;

COMMENT ON FUNCTION ignisign.grant_again(regprocedure, aclitem[]) IS
'for update scripts: let the roles call a function that could call the one in whose place it is';

/* ---- ignisign_stats() tells what the worker counts, and how it is ---- */

DO $$
DECLARE
	before aclitem[];
BEGIN
	SELECT p.proacl INTO before FROM pg_catalog.pg_proc p
	WHERE p.oid OPERATOR(pg_catalog.=) 'ignisign_stats()'::pg_catalog.regprocedure;

	DROP FUNCTION ignisign_stats();

	CREATE FUNCTION ignisign_stats(OUT server name,
								   OUT pending bigint,
								   OUT sending bigint,
								   OUT unknown bigint,
								   OUT dead bigint,
								   OUT oldest_pending timestamptz,
								   OUT open_requests bigint,
								   OUT worker_pid integer,
								   OUT worker_state text,
								   OUT listener text,
								   OUT hint text,
								   OUT due bigint,
								   OUT retried bigint,
								   OUT in_flight integer,
								   OUT calls bigint,
								   OUT succeeded bigint,
								   OUT failed bigint,
								   OUT refused bigint,
								   OUT lost bigint,
								   OUT bytes_sent bigint,
								   OUT bytes_received bigint,
								   OUT latency_avg double precision,
								   OUT latency_max double precision,
								   OUT latency_p50 double precision,
								   OUT latency_p95 double precision,
								   OUT latency_p99 double precision,
								   OUT breaker text,
								   OUT breaker_until timestamptz,
								   OUT rate_room integer,
								   OUT failing integer,
								   OUT last_error text,
								   OUT last_error_at timestamptz,
								   OUT counted_since timestamptz,
								   OUT worker_since timestamptz,
								   OUT heartbeat timestamptz,
								   OUT stuck boolean,
								   OUT held_back bigint,
								   OUT held_back_since timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

	REVOKE ALL ON FUNCTION ignisign_stats() FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION ignisign_stats() TO pg_monitor;

	/* NULL is the default, which is for PUBLIC, too. */
	PERFORM ignisign.grant_again('ignisign_stats()',
		coalesce(before, pg_catalog.acldefault('f', (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user))));
END
$$;

COMMENT ON FUNCTION ignisign_stats() IS
'the queue by server as far as the caller may see it, what was counted of each server''s calls, and the state of this database''s worker and listener; one row with a NULL server when there is none';

/* ---- What is one role's is given to another ---- */

CREATE FUNCTION ignisign_reassign(old_role name, new_role name)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT;

REVOKE ALL ON FUNCTION ignisign_reassign(name, name) FROM PUBLIC;

COMMENT ON FUNCTION ignisign_reassign(name, name) IS
'give requests, and all else that is a role''s, to another, such as the same after ALTER ROLE ... RENAME; returns how many requests';

/* ---- Figures for monitors: without a right to the rows ---- */

CREATE FUNCTION ignisign_latency_stats(OUT server name,
									   OUT calls bigint,
									   OUT total double precision,
									   OUT up_to double precision[],
									   OUT calls_within bigint[])
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 5;

COMMENT ON FUNCTION ignisign_latency_stats() IS
'by server, calls that were answered since the counting began, milliseconds that they took in total, and how many took up to so many of them';

CREATE FUNCTION ignisign_queue_stats(OUT server name,
									 OUT operation text,
									 OUT state text,
									 OUT calls bigint,
									 OUT queued_since timestamptz,
									 OUT claimed_since timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 20;

COMMENT ON FUNCTION ignisign_queue_stats() IS
'the calls in the queue by server, operation and state, and since when the oldest is there, and was claimed, as far as the caller may see them';

CREATE FUNCTION ignisign_callback_stats(OUT callback bigint,
										OUT function text,
										OUT owner name,
										OUT problem text,
										OUT pending bigint,
										OUT running bigint,
										OUT dead bigint,
										OUT retried bigint,
										OUT oldest_pending timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT ROWS 10;

COMMENT ON FUNCTION ignisign_callback_stats() IS
'by callback, its calls by state, those that have failed before, and when the first is or was due, as far as the caller may see them';

REVOKE ALL ON FUNCTION ignisign_latency_stats(), ignisign_queue_stats(), ignisign_callback_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ignisign_latency_stats(), ignisign_queue_stats(), ignisign_callback_stats() TO pg_monitor;
