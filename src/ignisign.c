/*-------------------------------------------------------------------------
 *
 * ignisign.c
 *	  Module initialization: settings, shared memory, hooks.
 *
 * Preloaded, the module starts the launcher and watches for commands on
 * databases (process_utility.c).  Loaded by a session only, because it is not in
 * shared_preload_libraries, its functions still queue durably, but there is
 * nobody to send.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "api/api.h"
#include "compat.h"
#include "guc.h"
#include "launcher/process_utility.h"
#include "launcher/slots.h"
#include "util/policy.h"
#include "util/redact.h"
#include "webhook/listen.h"

IG_MODULE_MAGIC;

bool		ig_enabled = true;
int			ig_max_document_size = 36 * 1024;
int			ig_max_response_size = 8 * 1024;
int			ig_max_proof_size = 64 * 1024;
int			ig_max_response_pages = 20000;
int			ig_refresh_interval = 10 * 1000;
int			ig_refresh_batch = 100;
int			ig_reconcile_delay = 30 * 1000;
int			ig_max_candidates = 10000;
int			ig_retry_delay = 1000;
int			ig_max_retry_delay = 15 * 60 * 1000;
int			ig_callback_workers = 4;
int			ig_callback_timeout = 30 * 1000;
int			ig_callback_max_attempts = 10;
int			ig_max_request_size = 1024;
int			ig_max_header_size = 64;
int			ig_min_speed = 1000;
int			ig_max_retry_after = 60 * 60 * 1000;
int			ig_max_in_flight = 256;
int			ig_max_databases = 128;
char	   *ig_webhook_listen = NULL;
char	   *ig_webhook_tls_cert_file = NULL;
char	   *ig_webhook_tls_key_file = NULL;
int			ig_webhook_max_body = 1024;
int			ig_webhook_max_connections = 256;
int			ig_webhook_rate = 100;
int			ig_webhook_timeout = 10 * 1000;

PGDLLEXPORT void _PG_init(void);

/*
 * Define the settings of the listener.  A database may have its own, so that
 * several can listen in one cluster.
 */
static void
define_listener_settings(void)
{
	DefineCustomStringVariable("ignisign.webhook_listen",
							   "Address and port to listen on for webhooks.",
							   "An IP address, or * for all, and a port. Empty turns listening off.",
							   &ig_webhook_listen,
							   "",
							   PGC_SUSET, 0,
							   ig_check_webhook_listen, NULL, NULL);

	DefineCustomStringVariable("ignisign.webhook_tls_cert_file",
							   "File with the certificate of the listener for webhooks.",
							   "Empty turns TLS off.",
							   &ig_webhook_tls_cert_file,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("ignisign.webhook_tls_key_file",
							   "File with the private key of the listener for webhooks.",
							   NULL,
							   &ig_webhook_tls_key_file,
							   "",
							   PGC_SUSET, 0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.webhook_max_body",
							"Largest webhook message that is listened to.",
							NULL,
							&ig_webhook_max_body,
							1024, 1, 16 * 1024,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.webhook_max_connections",
							"How many connections the listener for webhooks has at a time.",
							"With one more, the oldest is cut off.",
							&ig_webhook_max_connections,
							256, 1, 10000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.webhook_rate",
							"How many webhook messages are taken a second.",
							NULL,
							&ig_webhook_rate,
							100, 1, 100000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.webhook_timeout",
							"How long sending a webhook message may take.",
							"Who has not sent all of it by then is cut off.",
							&ig_webhook_timeout,
							10 * 1000, 10, 600 * 1000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* Define the settings that bound the size of what is read, sent and stored. */
static void
define_bound_settings(void)
{
	DefineCustomIntVariable("ignisign.max_document_size",
							"Largest document that can be signed.",
							NULL,
							&ig_max_document_size,
							36 * 1024, 1, 512 * 1024,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_response_size",
							"Largest answer of the API that is read.",
							"Proofs have a limit of their own.",
							&ig_max_response_size,
							8 * 1024, 16, 512 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_proof_size",
							"Largest proof that is retrieved.",
							NULL,
							&ig_max_proof_size,
							64 * 1024, 1, 512 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_request_size",
							"Largest texts or arguments of one request or call, documents aside.",
							NULL,
							&ig_max_request_size,
							1024, 1, 64 * 1024,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_header_size",
							"Largest headers of an answer that are read.",
							NULL,
							&ig_max_header_size,
							64, 1, 1024,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_json_depth",
							"How deep an answer in JSON, or a webhook message, may be nested.",
							NULL,
							&ig_api_limits.max_depth,
							64, 8, 500,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_json_values",
							"How many values an answer in JSON, or a webhook message, may have.",
							"Each takes about a hundred bytes while the answer is read.",
							&ig_api_limits.max_values,
							100000, 1000, 10000000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_response_items",
							"How many items a list in a response may have, where the list is read.",
							"Such lists are signers, documents, requests, statuses and events.",
							&ig_api_limits.max_items,
							1000, 100, 100000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_response_text",
							"Longest text of a response that is read, such as a title or an id.",
							NULL,
							&ig_api_limits.max_text,
							16, 1, 1024,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_response_pages",
							"How many pages of a list or of a delivery log are read one after another.",
							NULL,
							&ig_max_response_pages,
							20000, 1, 1000000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
}

/* Define the settings of callbacks. */
static void
define_callback_settings(void)
{
	DefineCustomIntVariable("ignisign.callback_workers",
							"How many callbacks are called side by side, in each database.",
							"Each takes a background worker while it is at work. 0: none is called.",
							&ig_callback_workers,
							4, 0, 1000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.callback_timeout",
							"How long a callback may take.",
							NULL,
							&ig_callback_timeout,
							30 * 1000, 1, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.callback_max_attempts",
							"Attempts before the delivery of an event to a callback is dead.",
							NULL,
							&ig_callback_max_attempts,
							10, 1, 1000000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
}

/* Define the settings of calls: whether they are made, how many at a time, and how fast. */
static void
define_call_settings(void)
{
	DefineCustomBoolVariable("ignisign.enabled",
							 "Whether the workers make calls to the Ignisign API.",
							 "Turned off, functions still queue.",
							 &ig_enabled,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.min_speed",
							"Bytes a second below which a transfer is broken off.",
							"For as long as the server option timeout. 0 allows any.",
							&ig_min_speed,
							1000, 0, INT_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_in_flight",
							"How many calls a worker has under way at a time.",
							"It never has more than there are file descriptors for.",
							&ig_max_in_flight,
							256, 1, 10000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
}

/* Define the settings of when a call, a poll or a search is made again. */
static void
define_retry_settings(void)
{
	DefineCustomIntVariable("ignisign.refresh_interval",
							"How often the status of a new request is refreshed.",
							"The interval grows with the request's age, up to an hour. 0 turns refreshing off.",
							&ig_refresh_interval,
							10 * 1000, 0, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.refresh_batch",
							"How many requests are refreshed by one call.",
							NULL,
							&ig_refresh_batch,
							100, 1, 1000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.reconcile_delay",
							"How long to wait before looking for a request whose outcome is unknown.",
							"The API may still be working on it.",
							&ig_reconcile_delay,
							30 * 1000, 0, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_candidates",
							"How many requests at Ignisign are compared at most with those whose outcome is unknown.",
							NULL,
							&ig_max_candidates,
							10000, 1, 1000000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.retry_delay",
							"Upper bound of the pause before the first retry of a call.",
							"It doubles with each attempt; the pause is chosen at random below it.",
							&ig_retry_delay,
							1000, 1, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_retry_delay",
							"Upper bound of the pause before any retry of a call.",
							NULL,
							&ig_max_retry_delay,
							15 * 60 * 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("ignisign.max_retry_after",
							"Longest pause that the API can ask for.",
							NULL,
							&ig_max_retry_after,
							60 * 60 * 1000, 0, IG_MAX_RETRY_AFTER,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* Define the settings. */
static void
define_settings(void)
{
	define_call_settings();
	define_retry_settings();
	define_bound_settings();
	define_callback_settings();
	define_listener_settings();
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("ignisign.max_databases",
								"How many databases can have a worker.",
								NULL,
								&ig_max_databases,
								128, 1, 10000,
								PGC_POSTMASTER, 0,
								NULL, NULL, NULL);

	MarkGUCPrefixReserved("ignisign");
}

/* Called once a process, or once in the postmaster when preloaded. */
void
_PG_init(void)
{
	define_settings();

	if (!process_shared_preload_libraries_in_progress)
		return;

	ig_slots_init();
	ig_utility_init();
	ig_redact_init();
	ig_launcher_register();
}
