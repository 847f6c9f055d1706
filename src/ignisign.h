/*-------------------------------------------------------------------------
 *
 * ignisign.h
 *	  Settings, and what all parts of the extension share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_H
#define IGNISIGN_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

#define IG_EXTENSION	"ignisign"
#define IG_VERSION		"1.1.0"
#define IG_CHANNEL		"ignisign"

/* Settings; docs/reference.md has their meaning. */
extern bool ig_enabled;
extern int	ig_max_document_size;	/* kB */
extern int	ig_max_response_size;	/* kB */
extern int	ig_max_proof_size;	/* kB */
extern int	ig_max_response_pages;
extern int	ig_refresh_interval;	/* ms */
extern int	ig_refresh_batch;
extern int	ig_reconcile_delay; /* ms */
extern int	ig_max_candidates;
extern int	ig_retry_delay;		/* ms */
extern int	ig_max_retry_delay; /* ms */
extern int	ig_callback_workers;
extern int	ig_callback_timeout;	/* ms */
extern int	ig_callback_max_attempts;
extern int	ig_max_retry_after; /* ms */
extern int	ig_max_request_size;	/* kB */
extern int	ig_max_header_size; /* kB */
extern int	ig_min_speed;		/* bytes a second */
extern int	ig_max_in_flight;
extern int	ig_max_databases;
extern char *ig_webhook_listen;
extern char *ig_webhook_tls_cert_file;
extern char *ig_webhook_tls_key_file;
extern int	ig_webhook_max_body;	/* kB */
extern int	ig_webhook_max_connections;
extern int	ig_webhook_rate;	/* a second */
extern int	ig_webhook_timeout; /* ms */

/* Fast uuid version 7, increasing within a process (uuid.c). */
extern void ig_uuid_v7(pg_uuid_t *uuid);

/*
 * Run statements as the extension's owner with a safe search_path (owner.c).
 * What is entered is left by ig_owner_leave, or by the abort of the
 * transaction.
 */
typedef struct IgOwnerState
{
	Oid			user;
	int			sec_context;
	int			guc_level;
} IgOwnerState;

extern void ig_owner_enter(IgOwnerState *state);
extern void ig_owner_leave(const IgOwnerState *state);

/* For a transaction that is committed with the owner's role: the two parts of ig_owner_leave. */
extern void ig_owner_restore_settings(const IgOwnerState *state);
extern void ig_owner_restore_role(const IgOwnerState *state);

/* The owner of the schema. */
extern Oid	ig_extension_owner(void);

/* Raise 25006 on a standby or in a read-only transaction; the name is told. */
extern void ig_check_writable(const char *function);

/* Owed to the workers at the end of the current transaction (wake.c). */
extern void ig_wake_at_commit(void);
extern void ig_want_at_commit(Oid database, const char *name);
extern void ig_hold_until_end(Oid database);
extern void ig_check_listener_at_commit(Oid database);

#endif							/* IGNISIGN_H */
