/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  From a foreign server and a user mapping to an account of the API.
 *
 * fdw_options.c has validated the options when they were set.  What can change
 * later (a role, a file) is a problem that the caller gets in words when it uses the
 * account.  No message repeats a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "errors.h"
#include "queue/credentials.h"
#include "queue/fdw_options.h"
#include "util/url.h"

/* Defaults of the server's options. */
#define DEFAULT_CONNECT_TIMEOUT	10000
#define DEFAULT_TIMEOUT			30000
#define DEFAULT_MAX_ATTEMPTS	10
#define DEFAULT_MAX_IN_FLIGHT	48
#define DEFAULT_MAX_TOTAL_IN_FLIGHT 192
#define DEFAULT_BREAKER_FAILURES	10
#define DEFAULT_BREAKER_PAUSE	10000
#define DEFAULT_PROOF_TYPES		"PDF_WITH_SIGNATURES,SIGNED_DATA"

/* Most bytes that are read of a key file. */
#define MAX_KEY_FILE_SIZE		4096

/* The value of an option that is a number. */
static int
option_number(List *options, const char *name, int fallback)
{
	const char *value = ig_option_value(options, name, NULL);

	return value ? atoi(value) : fallback;
}

/* The options of a role's mapping, or else of PUBLIC's; false: none. */
static bool
find_mapping(Oid server, Oid role, List **options)
{
	HeapTuple	tuple = NULL;
	Datum		datum;
	bool		isnull;

	if (OidIsValid(role))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role), ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid), ObjectIdGetDatum(server));
	if (!HeapTupleIsValid(tuple))
		return false;
	if (options != NULL)
	{
		datum = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
		*options = isnull ? NIL : untransformRelOptions(datum);
	}
	ReleaseSysCache(tuple);
	return true;
}

/* Read a key from its file; NULL, with *problem, when that fails. */
static char *
read_key_file(const char *path, char **problem)
{
	char		content[MAX_KEY_FILE_SIZE + 1];
	struct stat st;
	int			file;
	ssize_t		length = -1;

	/* Nobody is waited for who might write into a pipe. */
	file = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);
	if (file < 0)
	{
		*problem = psprintf("could not open the key file \"%s\": %m", path);
		return NULL;
	}
	if (fstat(file, &st) == 0 && !S_ISREG(st.st_mode))
		*problem = psprintf("the key file \"%s\" is not a regular file", path);
	else if ((length = read(file, content, MAX_KEY_FILE_SIZE)) < 0)
		*problem = psprintf("could not read the key file \"%s\": %m", path);
	CloseTransientFile(file);
	if (length < 0)
		return NULL;
	while (length > 0 && strchr(" \t\r\n", content[length - 1]))
		length--;
	content[length] = '\0';
	return pstrdup(content);
}

/* The key of a mapping; NULL, with *problem, when there is none of use. */
static char *
load_key(List *options, IgApiKey *parts, char **problem)
{
	const char *value = ig_option_value(options, "api_key", NULL);
	const char *path = ig_option_value(options, "api_key_file", NULL);
	char	   *key = value ? pstrdup(value) : NULL;
	char		error[IG_API_ERROR_SIZE];

	if (path != NULL)
	{
		key = read_key_file(path, problem);
		if (key == NULL)
			return NULL;
	}
	if (key == NULL)
	{
		*problem = pstrdup("the user mapping has neither api_key nor api_key_file nor secret");
		return NULL;
	}
	if (!ig_api_key_parse(key, parts, error))
	{
		*problem = psprintf("invalid API key%s: %s", path ? " in the key file" : "", error);
		return NULL;
	}
	return key;
}

/* The application and secret of a mapping; false, with *problem, if incomplete. */
static bool
load_secret(List *options, IgAccount *account, char **problem)
{
	const char *app_id = ig_option_value(options, "app_id", NULL);
	const char *app_env = ig_option_value(options, "app_env", NULL);

	if (app_id == NULL || app_env == NULL)
	{
		*problem = pstrdup("the user mapping has a secret, but no app_id or no app_env");
		return false;
	}
	account->secret = pstrdup(ig_option_value(options, "secret", NULL));
	strlcpy(account->key.app_id, app_id, sizeof(account->key.app_id));
	strlcpy(account->key.app_env, app_env, sizeof(account->key.app_env));
	return true;
}

/* The proof types to fetch. */
static void
load_proof_types(IgAccount *account, const char *value)
{
	List	   *types;
	ListCell   *lc;

	if (!SplitGUCList(pstrdup(value), ',', &types))
		types = list_make1(pstrdup(DEFAULT_PROOF_TYPES));
	account->proof_types = palloc(Max(list_length(types), 1) * sizeof(char *));
	foreach(lc, types)
		account->proof_types[account->nproof_types++] = lfirst(lc);
}

/* The account that a role uses on a server. */
IgAccount *
ig_account_load(const char *server_name, const char *role, char **problem)
{
	ForeignServer *server = GetForeignServerByName(server_name, true);
	IgAccount  *account;
	List	   *mapping;
	bool		allow_http = false;
	bool		is_http;

	*problem = NULL;
	if (server == NULL)
	{
		*problem = psprintf("server \"%s\" does not exist", server_name);
		return NULL;
	}
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, IG_FDW) != 0)
	{
		*problem = psprintf("server \"%s\" is not one of ignisign", server_name);
		return NULL;
	}
	if (!find_mapping(server->serverid, get_role_oid(role, true), &mapping))
	{
		*problem = psprintf("there is no user mapping for \"%s\" on server \"%s\"", role, server_name);
		return NULL;
	}

	account = palloc0(sizeof(IgAccount));
	if (ig_option_value(mapping, "secret", NULL))
	{
		if (!load_secret(mapping, account, problem))
			return NULL;
	}
	else if ((account->bearer = load_key(mapping, &account->key, problem)) == NULL)
		return NULL;

	account->base_url = pstrdup(ig_option_value(server->options, "base_url", IG_DEFAULT_BASE_URL));
	while (account->base_url[0] && account->base_url[strlen(account->base_url) - 1] == '/')
		account->base_url[strlen(account->base_url) - 1] = '\0';
	(void) parse_bool(ig_option_value(server->options, "allow_http", "false"), &allow_http);
	if (ig_url_problem(account->base_url, allow_http, &is_http) != NULL)
	{
		*problem = pstrdup("the server's base_url cannot be used");
		return NULL;
	}
	account->loopback_only = is_http && !allow_http;
	if (ig_option_value(server->options, "ca_file", NULL))
		account->ca_file = pstrdup(ig_option_value(server->options, "ca_file", NULL));
	account->connect_timeout = option_number(server->options, "connect_timeout", DEFAULT_CONNECT_TIMEOUT);
	account->timeout = option_number(server->options, "timeout", DEFAULT_TIMEOUT);
	account->max_attempts = option_number(server->options, "max_attempts", DEFAULT_MAX_ATTEMPTS);
	account->max_in_flight = option_number(server->options, "max_in_flight", DEFAULT_MAX_IN_FLIGHT);
	account->max_total_in_flight = option_number(server->options, "max_total_in_flight",
												 DEFAULT_MAX_TOTAL_IN_FLIGHT);
	account->breaker_failures = option_number(server->options, "breaker_failures", DEFAULT_BREAKER_FAILURES);
	account->breaker_pause = option_number(server->options, "breaker_pause", DEFAULT_BREAKER_PAUSE);
	account->rate = llround(strtod(ig_option_value(server->options, "max_calls_per_second", "0"), NULL) * 1000);
	load_proof_types(account, ig_option_value(server->options, "proof_types", DEFAULT_PROOF_TYPES));
	return account;
}

/* Whether a role still is one and may use the server, or else why not. */
bool
ig_account_allowed(const char *server_name, const char *role, char **problem)
{
	ForeignServer *server = GetForeignServerByName(server_name, true);
	Oid			role_oid = get_role_oid(role, true);

	if (!OidIsValid(role_oid))
		*problem = psprintf("role \"%s\" does not exist", role);
	else if (server == NULL)
		*problem = psprintf("server \"%s\" does not exist", server_name);
	else if (ig_foreign_server_aclcheck(server->serverid, role_oid, ACL_USAGE) != ACLCHECK_OK)
		*problem = psprintf("role \"%s\" has no USAGE on server \"%s\"", role, server_name);
	else
		return true;
	return false;
}

/* What is known of the account that a role uses on a server; NULL: not known. */
typedef struct IgIdentity
{
	const char *url;			/* as ig_url_normalize() has it */
	const IgApiKey *key;
} IgIdentity;

/* Find out what is known of an account. */
static IgIdentity
account_identity(const char *server_name, const char *role)
{
	ForeignServer *server = GetForeignServerByName(server_name, true);
	IgIdentity	identity = {NULL, NULL};
	IgAccount  *account;
	char	   *problem;
	char		url[IG_URL_SIZE];

	if (server == NULL || strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, IG_FDW) != 0)
		return identity;
	if (ig_url_normalize(ig_option_value(server->options, "base_url", IG_DEFAULT_BASE_URL), url, sizeof(url)))
		identity.url = pstrdup(url);

	/* A role that is gone, or has another name, may have had a mapping of its own. */
	if (OidIsValid(get_role_oid(role, true)) &&
		(account = ig_account_load(server_name, role, &problem)) != NULL)
		identity.key = &account->key;
	return identity;
}

/* Compare the accounts that two roles use on two servers. */
IgAccountMatch
ig_accounts_compare(const char *server, const char *role, const char *other_server, const char *other_role)
{
	IgIdentity	one;
	IgIdentity	other;

	if (strcmp(server, other_server) == 0 && strcmp(role, other_role) == 0)
		return IG_ACCOUNT_SAME;
	one = account_identity(server, role);
	other = account_identity(other_server, other_role);
	if (one.url != NULL && other.url != NULL && strcmp(one.url, other.url) != 0)
		return IG_ACCOUNT_DIFFERENT;
	if (one.key != NULL && other.key != NULL &&
		(pg_strcasecmp(one.key->app_id, other.key->app_id) != 0 ||
		 pg_strcasecmp(one.key->app_env, other.key->app_env) != 0))
		return IG_ACCOUNT_DIFFERENT;
	return one.url && other.url && one.key && other.key ? IG_ACCOUNT_SAME : IG_ACCOUNT_UNKNOWN;
}

/* Whether what signer profiles need is checked before a request is sent. */
bool
ig_server_checks_inputs(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, false);
	bool		result = true;

	(void) parse_bool(ig_option_value(server->options, "check_inputs", "true"), &result);
	return result;
}

/* The server of that name, if it is one of ours. */
ForeignServer *
ig_our_server(const char *name)
{
	ForeignServer *server = GetForeignServerByName(name, true);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("server \"%s\" does not exist", name),
				 errhint("Connect with SELECT ignisign_connect('<API key>'), or use CREATE SERVER ... FOREIGN DATA WRAPPER ignisign.")));
	if (strcmp(GetForeignDataWrapper(server->fdwid)->fdwname, IG_FDW) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is not one of the foreign data wrapper \"%s\"", name, IG_FDW),
				 errhint("Name a server that was created with FOREIGN DATA WRAPPER ignisign.")));
	return server;
}

/* Check that the role may use the server. */
void
ig_check_server(const char *name, Oid role)
{
	ForeignServer *server = ig_our_server(name);
	AclResult	acl;

	acl = ig_foreign_server_aclcheck(server->serverid, role, ACL_USAGE);
	if (acl != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign server %s", name),
				 errhint("The server's owner can run SELECT ignisign_grant('%s').",
						 GetUserNameFromId(role, false))));
	if (!find_mapping(server->serverid, role, NULL))
		ereport(ERROR,
				(errcode(IG_ERRCODE_NO_MAPPING),
				 errmsg("there is no user mapping for \"%s\" on server \"%s\"",
						GetUserNameFromId(role, false), name),
				 errhint("Run CREATE USER MAPPING FOR %s SERVER %s OPTIONS (api_key '...'), or make a mapping for PUBLIC.",
						 quote_identifier(GetUserNameFromId(role, false)), quote_identifier(name))));
}
