/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Settings, and the names that all parts of the extension share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_GUC_H
#define IGNISIGN_GUC_H

#include "postgres.h"

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

#endif							/* IGNISIGN_GUC_H */
