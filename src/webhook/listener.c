/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  The listener of a database: takes webhook messages without any front.
 *
 * It waits in one place, for its latch, the postmaster and libmicrohttpd's epoll
 * set.  What has come in is handled together, outside of libmicrohttpd, in one
 * transaction in which each message fails alone; it is answered only after
 * COMMIT.  With no connection open, it sleeps.
 *
 * An address or a certificate that cannot be used is told once, and tried again
 * at growing pauses.  At a reload the certificate is read anew; another address
 * is for a new listener.
 *
 * Requests to unknown paths are counted apart from others, so that no flood of
 * them keeps out who has a token.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <microhttpd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sha2.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "launcher/slots.h"
#include "util/guard.h"
#include "util/session.h"
#include "util/wait_event.h"
#include "webhook/listen.h"
#include "webhook/listen_http.h"

/* Pause before what could not be opened is tried again: doubles up to the second. */
#define FIRST_PAUSE 1000
#define LAST_PAUSE	60000

/* Nobody is to be kept waiting by a lock on our tables. */
#define LOCK_TIMEOUT "5s"

/* Certificates and keys are not larger. */
#define MAX_PEM_SIZE (1024 * 1024)

/* The socket and its copy, libmicrohttpd's epoll set and wake-up, and ours. */
#define DESCRIPTORS 5

extern PGDLLEXPORT void ignisign_listener_main(Datum arg);

/* The server's, whose header "libpq/libpq.h" wants those of GSSAPI. */
extern bool check_ssl_key_file_permissions(const char *ssl_key_file, bool isServerStart);

typedef struct IgBucket
{
	double		tokens;
	TimestampTz at;				/* when it had so many */
} IgBucket;

static char *address;			/* as the setting has it */
static int	socket_fd = -1;
static WaitEventSet *wait_set = NULL;	/* NULL: not serving */
static char *certificate = NULL;	/* in PEM; NULL: no TLS */
static char *key = NULL;
static TimestampTz next_try = 0;	/* to open what could not be opened */
static int	failures = 0;		/* in a row */
static char *last_problem = NULL;
static HTAB *known = NULL;		/* keys of endpoints that were there */
static IgBucket bucket_known;
static IgBucket bucket_unknown;
static MemoryContext cycle_context; /* reset after each cycle */
static ResourceOwner process_owner; /* outside of transactions */

/* End because there is nothing (more) to listen on here. */
static void
leave(IgListenerEnd end)
{
	ig_slots_leave_listener(end);
	proc_exit(0);
}

/* ---- Opening ---- */

/* Tell why nothing is served, unless that is known, and try again later. */
static void
postpone(const char *problem)
{
	int			pause = LAST_PAUSE;

	if (failures < 6)
		pause = FIRST_PAUSE << failures;
	failures++;
	next_try = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
	if (last_problem == NULL || strcmp(last_problem, problem) != 0)
	{
		ereport(LOG,
				(errmsg("ignisign: could not listen for webhooks on %s: %s", address, problem),
				 errhint("It is tried again from time to time, and when the configuration is reloaded.")));
		if (last_problem)
			pfree(last_problem);
		last_problem = MemoryContextStrdup(TopMemoryContext, problem);
	}
	ig_slots_set_listener(psprintf("cannot listen on %s: %s", address, problem));
}

/* Read a file in PEM; NULL, with the problem. */
static char *
read_pem(const char *path, char **problem)
{
	struct stat st;
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	char	   *text = NULL;

	if (file == NULL)
		*problem = psprintf("could not open file \"%s\": %m", path);
	else if (fstat(fileno(file), &st) < 0)
		*problem = psprintf("could not stat file \"%s\": %m", path);
	else if (!S_ISREG(st.st_mode) || st.st_size > MAX_PEM_SIZE)
		*problem = psprintf("\"%s\" is not a file in PEM", path);
	else
	{
		text = MemoryContextAllocZero(TopMemoryContext, st.st_size + 1);
		if (fread(text, 1, st.st_size, file) != (size_t) st.st_size)
		{
			*problem = psprintf("could not read file \"%s\": %m", path);
			pfree(text);
			text = NULL;
		}
	}
	if (file != NULL)
		FreeFile(file);
	return text;
}

/* Forget a text in PEM. */
static void
forget_pem(char **text)
{
	if (*text == NULL)
		return;
	explicit_bzero(*text, strlen(*text));
	pfree(*text);
	*text = NULL;
}

/* Read certificate and key, if TLS is wanted. */
static bool
read_certificate(char **new_certificate, char **new_key, char **problem)
{
	bool		has_certificate = ig_webhook_tls_cert_file[0] != '\0';
	bool		has_key = ig_webhook_tls_key_file[0] != '\0';

	*new_certificate = *new_key = NULL;
	if (has_certificate != has_key)
	{
		*problem = pstrdup("of ignisign.webhook_tls_cert_file and ignisign.webhook_tls_key_file only one is set");
		return false;
	}
	if (!has_certificate)
		return true;
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
	{
		*problem = pstrdup("libmicrohttpd was built without TLS");
		return false;
	}
	if (access(ig_webhook_tls_key_file, R_OK) < 0)
	{
		*problem = psprintf("could not open file \"%s\": %m", ig_webhook_tls_key_file);
		return false;
	}

	/* The server's own rule for keys; it tells the details. */
	if (!check_ssl_key_file_permissions(ig_webhook_tls_key_file, false))
	{
		*problem = psprintf("private key file \"%s\" has group or world access, or another owner",
							ig_webhook_tls_key_file);
		return false;
	}
	*new_certificate = read_pem(ig_webhook_tls_cert_file, problem);
	if (*new_certificate != NULL)
		*new_key = read_pem(ig_webhook_tls_key_file, problem);
	if (*new_key != NULL)
		return true;
	forget_pem(new_certificate);
	return false;
}

/* Start to serve on the open socket. */
static bool
serve(void)
{
	if (!ig_listen_http_start(socket_fd, certificate, key))
		return false;
	wait_set = CreateProcessWaitEventSet(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, ig_listen_http_descriptor(), NULL, NULL);
	return true;
}

/* Open what is to be served, or postpone that. */
static void
open_listener(void)
{
	bool		local = false;
	char	   *problem;

	next_try = 0;
	if (!read_certificate(&certificate, &key, &problem))
	{
		postpone(problem);
		return;
	}
	socket_fd = ig_listen_socket(address, &local, &problem);
	if (socket_fd >= 0 && serve())
	{
		failures = 0;
		if (last_problem)
			pfree(last_problem);
		last_problem = NULL;
		ereport(LOG,
				(errmsg("ignisign: listening for webhooks on %s, %s", address, certificate ? "with TLS" : "without TLS")));
		if (!local && certificate == NULL)
			ereport(WARNING,
					(errmsg("ignisign: webhooks on %s come unencrypted", address),
					 errhint("Set ignisign.webhook_tls_cert_file and ignisign.webhook_tls_key_file, or listen on 127.0.0.1 behind a proxy that speaks TLS.")));
		ig_slots_set_listener(psprintf("listening on %s", address));
		pgstat_report_activity(STATE_IDLE, psprintf("webhooks on %s", address));
		return;
	}
	if (socket_fd >= 0)
	{
		close(socket_fd);
		socket_fd = -1;
		problem = certificate ? "certificate and key are not valid, or do not belong together" :
			"libmicrohttpd could not start";
	}
	forget_pem(&certificate);
	forget_pem(&key);
	postpone(problem);
}

/* Read the certificate anew; connections end only if it is another one. */
static void
renew_certificate(void)
{
	char	   *new_certificate;
	char	   *new_key;
	char	   *old_certificate;
	char	   *old_key;
	char	   *problem;
	bool		same;

	if (!read_certificate(&new_certificate, &new_key, &problem))
	{
		ereport(LOG,
				(errmsg("ignisign: the listener goes on with its old certificate: %s", problem)));
		return;
	}
	if ((certificate == NULL) != (new_certificate == NULL))
		leave(IG_LISTENER_AGAIN);
	same = certificate == NULL ||
		(strcmp(certificate, new_certificate) == 0 && strcmp(key, new_key) == 0);
	if (same)
	{
		forget_pem(&new_certificate);
		forget_pem(&new_key);
		return;
	}

	FreeWaitEventSet(wait_set);
	wait_set = NULL;
	ig_listen_http_stop();
	old_certificate = certificate;
	old_key = key;
	certificate = new_certificate;
	key = new_key;
	if (serve())
	{
		forget_pem(&old_certificate);
		forget_pem(&old_key);
		ereport(LOG, (errmsg("ignisign: the listener has a new certificate")));
		return;
	}

	/* A new one that is not valid must not end what worked. */
	forget_pem(&certificate);
	forget_pem(&key);
	certificate = old_certificate;
	key = old_key;
	if (!serve())
		ereport(ERROR, (errmsg("ignisign: the listener could not go on with its old certificate")));
	ereport(LOG,
			(errmsg("ignisign: the listener goes on with its old certificate: the new one and its key are not valid, or do not belong together")));
}

/* Tell libmicrohttpd's side what is allowed. */
static void
set_limits(void)
{
	IgListenLimits limits = {
		.connections = ig_webhook_max_connections,
		.timeout = ig_webhook_timeout,
		.body = (size_t) ig_webhook_max_body * 1024
	};

	ig_listen_http_limit(&limits);
}

/* ---- Judging ---- */

/* Whether one more is within the rate. */
static bool
take(IgBucket *bucket)
{
	TimestampTz now = GetCurrentTimestamp();
	double		elapsed = bucket->at == 0 ? 1 : (double) (now - bucket->at) / USECS_PER_SEC;

	bucket->tokens = Min(bucket->tokens + Max(elapsed, 0) * ig_webhook_rate, (double) ig_webhook_rate);
	bucket->at = now;
	if (bucket->tokens < 1)
		return false;
	bucket->tokens -= 1;
	return true;
}

/* A request and what has been found out about it. */
typedef struct IgRecorded
{
	IgExchange *exchange;
	bytea	   *key;
	int			status;			/* 0: to be read on */
} IgRecorded;

/* Look for the endpoints of requests. */
static void
find_endpoints(List *requests)
{
	ListCell   *lc;

	foreach(lc, requests)
	{
		IgRecorded *outcome_recorded = lfirst(lc);

		outcome_recorded->status = ig_endpoint_exists(outcome_recorded->key) ? 0 : MHD_HTTP_NOT_FOUND;
	}
}

/* Take the messages. */
static void
receive_messages(List *requests)
{
	ListCell   *lc;

	foreach(lc, requests)
	{
		IgRecorded *outcome_recorded = lfirst(lc);

		outcome_recorded->status = ig_endpoint_receive(outcome_recorded->key, outcome_recorded->exchange->body, outcome_recorded->exchange->length);
	}
}

/* Do it in a transaction; whatever is not committed is server trouble. */
static void
in_transaction(void (*work) (List *requests), List *requests)
{
	ListCell   *lc;
	volatile bool done = false;

	if (requests == NIL)
		return;
	PG_TRY();
	{
		ig_session_begin(psprintf("webhooks on %s", address));
		if (!OidIsValid(ig_session_extension()))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("extension \"%s\" does not exist", IG_EXTENSION)));
		ig_guard_check();
		work(requests);
		ig_session_commit();
		done = true;
	}
	PG_CATCH();
	{
		ig_session_abort();
	}
	PG_END_TRY();

	foreach(lc, requests)
	{
		IgRecorded *outcome_recorded = lfirst(lc);

		if (!done)
			outcome_recorded->status = MHD_HTTP_SERVICE_UNAVAILABLE;

		/* What is known is only what was there just now. */
		if (outcome_recorded->status == MHD_HTTP_NOT_FOUND)
			(void) hash_search(known, VARDATA(outcome_recorded->key), HASH_REMOVE, NULL);
		else if (done)
			(void) hash_search(known, VARDATA(outcome_recorded->key), HASH_ENTER, NULL);

		if (outcome_recorded->status == 0)
			ig_listen_http_admit(outcome_recorded->exchange);
		else
			ig_listen_http_respond(outcome_recorded->exchange, outcome_recorded->status);
	}
}

/* Judge the requests that wait for it. */
static void
record_outcome(void)
{
	List	   *asking = NIL;
	List	   *whole = NIL;
	IgExchange *exchange;

	CurrentResourceOwner = process_owner;
	while ((exchange = ig_listen_http_next()) != NULL)
	{
		IgRecorded *outcome_recorded = palloc0(sizeof(IgRecorded));
		bool		is_known;

		outcome_recorded->exchange = exchange;
		outcome_recorded->key = ig_endpoint_key(exchange->token);
		if (exchange->whole)
		{
			whole = lappend(whole, outcome_recorded);
			continue;
		}
		is_known = hash_search(known, VARDATA(outcome_recorded->key), HASH_FIND, NULL) != NULL;
		if (!take(is_known ? &bucket_known : &bucket_unknown))
			ig_listen_http_respond(exchange, MHD_HTTP_TOO_MANY_REQUESTS);
		else if (is_known)
			ig_listen_http_admit(exchange);
		else
			asking = lappend(asking, outcome_recorded);
	}
	in_transaction(find_endpoints, asking);
	in_transaction(receive_messages, whole);
}

/* ---- The loop ---- */

/* Wait for the latch, the sockets or the time. */
static void
wait(void)
{
	TimestampTz deadline = wait_set ? ig_listen_http_deadline() : next_try;
	TimestampTz report_at = ig_session_report_at();
	long		timeout = -1;
	WaitEvent	events[3];

	if (report_at != 0 && (deadline == 0 || report_at < deadline))
		deadline = report_at;
	if (deadline != 0)
		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

	/* What waits within a transaction resets the latch, too. */
	if (ConfigReloadPending || ShutdownRequestPending)
		timeout = 0;
	if (wait_set)
		(void) WaitEventSetWait(wait_set, timeout, events, lengthof(events), ig_wait_event(IG_WAIT_LISTENER));
	else
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, ig_wait_event(IG_WAIT_LISTENER));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	ig_session_report();
}

/* The configuration was read again. */
static void
reload(void)
{
	ProcessConfigFile(PGC_SIGHUP);
	if (strcmp(address, ig_webhook_listen) != 0)
		leave(IG_LISTENER_AGAIN);
	set_limits();
	if (wait_set)
		renew_certificate();
	else
	{
		failures = 0;
		next_try = GetCurrentTimestamp();
	}
}

/* Begin. */
static void
start_up(Oid database)
{
	HASHCTL		info;

	if (!ig_slots_attach_listener(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	ig_session_init();
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	if (ig_webhook_listen[0] == '\0')
		leave(IG_LISTENER_IDLE);

	address = MemoryContextStrdup(TopMemoryContext, ig_webhook_listen);
	cycle_context = AllocSetContextCreate(TopMemoryContext, "ignisign cycle", ALLOCSET_DEFAULT_SIZES);
	process_owner = ResourceOwnerCreate(NULL, "ignisign listener");
	info.keysize = PG_SHA256_DIGEST_LENGTH;
	info.entrysize = PG_SHA256_DIGEST_LENGTH;
	known = hash_create("ignisign endpoints", 16, &info, HASH_ELEM | HASH_BLOBS);
	for (int i = 0; i < DESCRIPTORS; i++)
		ReserveExternalFD();
	set_limits();
	MemoryContextSwitchTo(cycle_context);
	open_listener();
}

/* Entry point of a database's listener; the argument is the database's OID. */
void
ignisign_listener_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, ig_session_sigterm);
	BackgroundWorkerUnblockSignals();

	start_up(DatumGetObjectId(arg));
	while (!ShutdownRequestPending)
	{
		MemoryContextReset(cycle_context);
		MemoryContextSwitchTo(cycle_context);
		wait();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			reload();
		}
		if (wait_set == NULL && next_try != 0 && next_try <= GetCurrentTimestamp())
			open_listener();
		if (wait_set == NULL)
			continue;
		ig_listen_http_run();
		record_outcome();
	}

	/* What was committed just now is still answered. */
	if (wait_set)
		ig_listen_http_run();
	proc_exit(0);
}
