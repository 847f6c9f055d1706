/*-------------------------------------------------------------------------
 *
 * account_token.c
 *	  Tokens of the accounts that log in.
 *
 * An account with a secret logs in and gets a token.  Its calls are sent with the token
 * until it is renewed or refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "worker/account_state.h"

/* Failures of a login, one after the other, before the account state is suspended. */
#define MAX_LOGIN_TRIES			5

/* A token that does not tell lives so long; one is renewed so long before its end. */
#define DEFAULT_TOKEN_LIFETIME	(5 * 60 * 1000)
#define TOKEN_MARGIN			(60 * 1000)

/* Tokens that work for a while and are then refused, one soon after the other, before the account state is suspended. */
#define MAX_REVOCATIONS			5

/* Whose token it is: the server, the application and the secret.  The caller overwrites it. */
static char *
token_account(const IgAccount *account)
{
	return psprintf("%s %s %s %s", account->base_url, account->key.app_id, account->key.app_env, account->secret);
}

/* Whether there is a token that will do, or none is needed. */
bool
ig_account_has_token(IgAccountState *state, TimestampTz now)
{
	const IgAccount *account = state->account;
	char	   *name;
	bool		same;

	if (account->secret == NULL)
		return true;
	name = token_account(account);
	same = state->token_account != NULL && strcmp(state->token_account, name) == 0;
	explicit_bzero(name, strlen(name));
	pfree(name);
	if (same && state->token != NULL && state->renew_at > now)
		return true;
	state->wants_token = state->next_login <= now;
	return false;
}

/* What the account state's calls are sent with. */
const char *
ig_account_bearer(const IgAccountState *state)
{
	return state->account->secret ? state->token : state->account->bearer;
}

/* Keep a text beyond the account; the old one is overwritten. */
static void
replace_secret(char **kept, const char *text)
{
	if (*kept)
	{
		explicit_bzero(*kept, strlen(*kept));
		pfree(*kept);
	}
	*kept = text ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
}

/* A login failed. */
bool
ig_account_login_failed(IgAccountState *state, bool for_good, TimestampTz now)
{
	int64		delay;

	state->logging_in = false;
	if (for_good || ++state->login_tries > MAX_LOGIN_TRIES)
	{
		state->login_tries = 0;
		return false;
	}
	delay = Min((int64) Max(ig_retry_delay, 10) << state->login_tries, (int64) ig_max_retry_delay);
	state->next_login = TimestampTzPlusMilliseconds(now, delay);
	return true;
}

/* A login has given a token. */
void
ig_account_logged_in(IgAccountState *state, const char *token)
{
	const IgAccount *account = state->account;
	int64_t		expiry;
	int64		lifetime;
	char	   *name;

	state->logging_in = false;
	state->login_tries = 0;
	if (account == NULL || account->secret == NULL)
		return;
	name = token_account(account);
	replace_secret(&state->token_account, name);
	explicit_bzero(name, strlen(name));
	pfree(name);
	replace_secret(&state->token, token);
	state->generation++;
	state->token_since = GetCurrentTimestamp();

	/* Renewed a minute early, or after half of a short life. */
	expiry = ig_api_jwt_expiry(token);
	lifetime = expiry < 0 ? DEFAULT_TOKEN_LIFETIME : (expiry - (int64_t) time(NULL)) * 1000;
	lifetime = Max(lifetime, 1000);
	state->renew_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  lifetime > 2 * TOKEN_MARGIN ? lifetime - TOKEN_MARGIN : lifetime / 2);
}

/* A call with a token was refused. */
bool
ig_account_token_refused(IgAccountState *state, int generation)
{
	if (state->account == NULL || state->account->secret == NULL)
		return false;
	if (generation != state->generation)
		return true;			/* there is a newer one already */

	if (generation == state->refused)
		return true;			/* the new one is on its way */

	/*
	 * One that is new in place of a refused one was to help.  It did not where it was never of use, or where
	 * that goes on and on.
	 */
	if (state->refused == generation - 1 && state->refused > 0 &&
		GetCurrentTimestamp() < TimestampTzPlusMilliseconds(state->token_since, TOKEN_MARGIN))
		state->refusals++;
	else
		state->refusals = 0;
	if (state->refusals > (state->accepted == generation ? MAX_REVOCATIONS : 0))
		return false;
	state->refused = generation;
	state->renew_at = 0;
	return true;
}

/* A call with the token of that generation was done. */
void
ig_account_token_accepted(IgAccountState *state, int generation)
{
	state->accepted = Max(state->accepted, generation);
}
