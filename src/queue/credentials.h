/*-------------------------------------------------------------------------
 *
 * credentials.h
 *	  From a foreign server and a user mapping to an account of the API.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_CREDENTIALS_H
#define IGNISIGN_CREDENTIALS_H

#include "postgres.h"

#include "foreign/foreign.h"

#include "api/api.h"

#define IG_FDW				"ignisign"
#define IG_DEFAULT_BASE_URL	"https://api.ignisign.io"

/* All that is needed to make calls for a role on a server. */
typedef struct IgAccount
{
	char	   *base_url;		/* without a slash at the end */
	bool		loopback_only;	/* http:// without allow_http */
	char	   *ca_file;		/* or NULL */
	int			connect_timeout;	/* ms */
	int			timeout;		/* ms */
	int			max_attempts;
	int			max_in_flight;	/* of the role */
	int			max_total_in_flight;	/* of all roles */
	int			breaker_failures;	/* in a row; 0: off */
	int			breaker_pause;	/* ms */
	int64		rate;			/* calls in 1000 s; 0: no limit */
	char	  **proof_types;
	int			nproof_types;
	char	   *bearer;			/* NULL: see secret */
	char	   *secret;			/* what to log in with, or NULL */
	IgApiKey	key;
} IgAccount;

/*
 * The account that the role of that name uses on the server of that name, in
 * the current memory context.  Returns NULL, with a text for people in
 * *problem that holds no secret, when there is none (no such server, no such
 * role and no mapping for PUBLIC, a key file that cannot be read, ...).
 * Needs a transaction.
 */
extern IgAccount *ig_account_load(const char *server, const char *role,
								  char **problem);

/* Whether two accounts are one at the API. */
typedef enum IgAccountMatch
{
	IG_ACCOUNT_SAME,			/* address, application and environment are equal */
	IG_ACCOUNT_UNKNOWN,			/* none of them differs, but not all are known */
	IG_ACCOUNT_DIFFERENT
} IgAccountMatch;

/* Compare the accounts that two roles use on two servers; any of them may be gone. */
extern IgAccountMatch ig_accounts_compare(const char *server, const char *role,
										  const char *other_server, const char *other_role);

/* Whether what signer profiles need is checked before a request is sent; the server exists. */
extern bool ig_server_checks_inputs(const char *server);

/*
 * Whether the role of that name exists and may use the server: what was queued
 * with a right that is gone since is not sent.  False: *problem says why.
 */
extern bool ig_account_allowed(const char *server, const char *role, char **problem);

/* The server of that name; raises 42704 if there is none, 42809 if it is another wrapper's. */
extern ForeignServer *ig_our_server(const char *name);

/*
 * Check that the role may use the server: it exists, is one of ours, the role
 * has USAGE on it, and there is a mapping for the role or for PUBLIC.  Raises
 * an error with its own SQLSTATE and a hint for each.  Fast enough to be
 * called for every row.
 */
extern void ig_check_server(const char *server, Oid role);

#endif							/* IGNISIGN_CREDENTIALS_H */
