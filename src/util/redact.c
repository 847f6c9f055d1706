/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Keep API keys and tokens of endpoints out of the server log and of what
 *	  others see of a session.
 *
 * A statement that contains a key is written to the log by log_statement,
 * with an error, or by log_min_duration_statement.  Before a message goes to
 * the log, each secret in it is overwritten (secrets.c knows their forms), and a
 * statement that contains one is left out.  The client gets the same texts,
 * overwritten, too.
 *
 * A command with a key is shown overwritten, too, as soon as it is executed: in
 * pg_stat_activity, and to the modules that are named before this one in
 * shared_preload_libraries, such as pg_stat_statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/elog.h"

#include "util/redact.h"
#include "util/secrets.h"

static emit_log_hook_type prev_emit_log = NULL;

/*
 * Leave out what debug_print_parse or one of its like prints.  It has the texts and
 * constants of a statement in a form of its own.
 */
static void
hide_tree(ErrorData *edata)
{
	if (edata->detail != NULL && edata->funcname != NULL && strcmp(edata->funcname, "elog_node_display") == 0)
		edata->detail = pstrdup("It is left out, because it can have an API key.");
}

/* A statement as it may be shown; the same text, where nothing is to be overwritten. */
const char *
ig_redact_statement(const char *text)
{
	char	   *copy;

	if (!ig_has_secret(text))
		return text;
	copy = pstrdup(text);
	ig_hide_secrets(copy);
	return copy;
}

/* Have what the session does now shown overwritten. */
void
ig_redact_activity(void)
{
	const char *text = debug_query_string ? ig_redact_statement(debug_query_string) : NULL;

	if (text != debug_query_string)
		pgstat_report_activity(STATE_RUNNING, text);
}

/* emit_log_hook. */
static void
emit_log(ErrorData *edata)
{
	/* The statement itself is the session's, and not to be overwritten. */
	if (ig_has_secret(debug_query_string))
		edata->hide_stmt = true;

	hide_tree(edata);
	ig_hide_secrets(edata->message);
	ig_hide_secrets(edata->detail);
	ig_hide_secrets(edata->detail_log);
	ig_hide_secrets(edata->hint);
	ig_hide_secrets(edata->context);
	ig_hide_secrets(edata->internalquery);

	if (prev_emit_log)
		prev_emit_log(edata);
}

/* Install the hook; called while the module is preloaded. */
void
ig_redact_init(void)
{
	prev_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
