/*-------------------------------------------------------------------------
 *
 * dispatch.c
 *	  Which part of the sandbox handles a call.
 *
 * A call of the API is broken as a fault says, and recorded in the journal.  A thread
 * holds the lock while a part handles the call, and writes what changed to the state
 * file before it lets go of the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/journal.h"
#include "api/routes.h"
#include "http/call.h"
#include "http/damage.h"
#include "http/fault.h"
#include "http/response.h"
#include "model/state.h"
#include "pages/assets.h"
#include "pages/console.h"
#include "pages/html.h"
#include "pages/signing_page.h"
#include "util/clock.h"
#include "util/options.h"
#include "util/threads.h"

/* Handle a call that is not one of the API; false: it is one. */
static bool
handle_other(SbCall *call, SbResponse *response)
{
	bool		here = sb_is_local(call);
	bool		admin = strncmp(call->path, "/_sandbox/", 10) == 0;
	bool		console = strcmp(call->path, "/console") == 0 || strncmp(call->path, "/console/", 9) == 0;

	if (!admin && !console && strncmp(call->path, "/sign/", 6) != 0 && strncmp(call->path, "/page/", 6) != 0)
		return false;
	pthread_mutex_lock(&sb_lock);
	if (admin && (!here || (strcmp(call->method, "GET") != 0 && !sb_same_site(call))))
		sb_respond_error(response, "INVALID_CONTEXT", "only from this machine", NULL);
	else if (admin)
		sb_admin_call(call, response);
	else if (console && !here && !sb_options.open_console)
		sb_respond_notice(response, 403, "The console is closed", "It is open to this machine only, or with --open-console.");
	else if (console)
		sb_console_page(call, response);
	else if (call->path[1] == 's')
		sb_signing_page(call, response);
	else
		sb_respond_asset(call, response);
	sb_state_flush();
	pthread_mutex_unlock(&sb_lock);
	return true;
}

/* Handle a call of the API; false: the connection is to be closed. */
static bool
handle_api(SbCall *call, SbResponse *response, SbFault *fault)
{
	int64_t		started = sb_now_ms();
	const char *broken = NULL;
	bool		processed = false;

	pthread_mutex_lock(&sb_lock);
	call->operation = sb_find_operation(call);
	*fault = sb_fault_take(call);
	pthread_mutex_unlock(&sb_lock);

	sb_pause_ms(fault->delay);

	pthread_mutex_lock(&sb_lock);
	if (fault->close == 'b')
		broken = "closed before";
	else if (fault->redirect[0])
		response->status = fault->status ? fault->status : 302;
	else if (fault->status != 0)
		sb_respond_fault(response, fault);
	else
	{
		sb_route(call, response);
		processed = true;
		broken = fault->close == 'a' ? "closed after" : sb_damage(response, fault);
	}
	sb_journal_add(call, fault->close == 'b' || fault->close == 'a' ? 0 : response->status,
				   broken, fault->words, processed, sb_now_ms() - started);
	sb_state_flush();
	pthread_mutex_unlock(&sb_lock);

	free(fault->response);
	fault->response = NULL;
	sb_pause_ms(fault->delay_after);
	return fault->close != 'b' && fault->close != 'a';
}

bool
sb_dispatch(SbCall *call, SbResponse *response, SbFault *fault)
{
	return handle_other(call, response) || handle_api(call, response, fault);
}
