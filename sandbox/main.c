/*-------------------------------------------------------------------------
 *
 * main.c
 *	  ignisign-sandbox: a local server that behaves like the Ignisign API.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/journal.h"
#include "api/auth.h"
#include "delivery/delivery.h"
#include "dispatch.h"
#include "http/fault.h"
#include "http/server.h"
#include "model/apps.h"
#include "model/state.h"
#include "model/store_records.h"
#include "proof/authority.h"
#include "util/buffer.h"
#include "util/options.h"
#include "util/threads.h"

/* Take what the options say of applications and faults; false: a fault is not one. */
static bool
use_options(void)
{
	char		error[256];

	for (int i = 0; i < sb_options.napi_keys; i++)
		sb_add_app(sb_options.api_keys[i]);
	sb_set_text(&sb_last_app()->secret, sb_options.secret);
	for (int i = 0; i < sb_options.nfaults; i++)
	{
		if (!sb_fault_add(sb_options.faults[i], NULL, error, sizeof(error)))
		{
			fprintf(stderr, "ignisign-sandbox: %s\n", error);
			return false;
		}
	}
	return true;
}

/* Let each part keep its records: what others refer to comes first. */
static void
register_parts(void)
{
	sb_store_register();
	sb_auth_register();
	sb_authority_register();
	sb_journal_register();
	sb_delivery_register();
}

/* Say that calls are welcome. */
static bool
say_ready(void)
{
	FILE	   *file;

	printf("ignisign-sandbox is listening on %s://%s:%d\n", sb_options.tls ? "https" : "http",
		   sb_options.bind, sb_options.port);
	fflush(stdout);
	if (sb_options.ready_file == NULL)
		return true;
	file = fopen(sb_options.ready_file, "w");
	if (file == NULL || fprintf(file, "%d\n", (int) getpid()) < 0 || fclose(file) != 0)
	{
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\"\n", sb_options.ready_file);
		return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	sigset_t	signals;
	int			signal_number;
	bool		ready;

	sb_read_options(argc, argv);
	if (!use_options())
		return 2;
	register_parts();
	curl_global_init(CURL_GLOBAL_DEFAULT);

	/* Threads inherit the mask, so that only sigwait() sees these. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	/* The port first: who has it has the file. */
	pthread_mutex_lock(&sb_lock);
	ready = sb_http_start(sb_dispatch) && sb_state_start();
	pthread_mutex_unlock(&sb_lock);
	if (!ready || !sb_delivery_start())
		return 1;
	ready = say_ready();
	if (ready)
		sigwait(&signals, &signal_number);
	sb_delivery_stop();
	sb_http_stop();
	if (sb_options.ready_file != NULL)
		remove(sb_options.ready_file);
	return ready ? 0 : 1;
}
