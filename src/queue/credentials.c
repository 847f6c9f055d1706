/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  From a foreign server and a user mapping to an account of the API.
 *
 * Options are validated one by one when they are set, so that what is stored
 * is sound; what can change later (a role, a file) is a problem told in words
 * when the account is used.  No message repeats a key.
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
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
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
#include "util/url.h"

PG_FUNCTION_INFO_V1(ignisign_fdw_validator);

/* Defaults of the server's options. */
#define DEFAULT_CONNECT_TIMEOUT	10000
#define DEFAULT_TIMEOUT			30000
#define DEFAULT_MAX_ATTEMPTS	10
#define DEFAULT_MAX_IN_FLIGHT	32
#define DEFAULT_MAX_TOTAL_IN_FLIGHT 128
#define DEFAULT_BREAKER_FAILURES	10
#define DEFAULT_BREAKER_PAUSE	10000
#define DEFAULT_PROOF_TYPES		"PDF_WITH_SIGNATURES,SIGNED_DATA"

/* Most bytes that are read of a key file. */
#define MAX_KEY_FILE_SIZE		4096

typedef void (*Check) (const char *name, const char *value);

pg_noreturn static void refuse_option(const char *name, Oid catalog);
static void check_boolean(const char *name, const char *value);
static void check_key(const char *name, const char *value);
static void check_number(const char *name, const char *value);
static void check_path(const char *name, const char *value);
static void check_rate(const char *name, const char *value);
static void check_proof_types(const char *name, const char *value);
static void check_app_id(const char *name, const char *value);
static void check_app_env(const char *name, const char *value);
static void check_secret(const char *name, const char *value);

/* The options; the base URL depends on another and is checked apart. */
typedef struct IgOption
{
	const char *name;
	Oid			catalog;
	bool		superuser;		/* only a superuser may set it */
	Check		check;
	int			min;			/* of a number */
	int			max;
} IgOption;

static const IgOption valid_options[] = {
	{"base_url", ForeignServerRelationId, false, NULL, 0, 0},
	{"allow_http", ForeignServerRelationId, true, check_boolean, 0, 0},
	{"ca_file", ForeignServerRelationId, true, check_path, 0, 0},
	{"connect_timeout", ForeignServerRelationId, false, check_number, 1, 600000},
	{"timeout", ForeignServerRelationId, false, check_number, 1, 3600000},
	{"max_attempts", ForeignServerRelationId, false, check_number, 1, 1000000},
	{"max_in_flight", ForeignServerRelationId, false, check_number, 1, 1000},
	{"max_total_in_flight", ForeignServerRelationId, false, check_number, 1, 1000},
	{"max_calls_per_second", ForeignServerRelationId, false, check_rate, 0, 10000},
	{"breaker_failures", ForeignServerRelationId, false, check_number, 0, 1000000},
	{"breaker_pause", ForeignServerRelationId, false, check_number, 100, 3600000},
	{"proof_types", ForeignServerRelationId, false, check_proof_types, 0, 0},
	{"check_inputs", ForeignServerRelationId, false, check_boolean, 0, 0},
	{"api_key", UserMappingRelationId, false, check_key, 0, 0},
	{"api_key_file", UserMappingRelationId, true, check_path, 0, 0},
	{"app_id", UserMappingRelationId, false, check_app_id, 0, 0},
	{"app_env", UserMappingRelationId, false, check_app_env, 0, 0},
	{"secret", UserMappingRelationId, false, check_secret, 0, 0}
};

/* Find an option of a catalog. */
static const IgOption *
find_valid_option(const char *name, Oid catalog)
{
	for (int i = 0; i < (int) lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog && strcmp(valid_options[i].name, name) == 0)
			return &valid_options[i];
	}
	return NULL;
}

/* An option that is "on" or "off" in any of the server's spellings. */
static void
check_boolean(const char *name, const char *value)
{
	bool		result;

	if (!parse_bool(value, &result))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errhint("Valid values are \"true\" and \"false\".")));
}

/* A whole number within the option's range. */
static void
check_number(const char *name, const char *value)
{
	const IgOption *option = find_valid_option(name, ForeignServerRelationId);
	char	   *end;
	long		number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (end == value || *end != '\0' || errno != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errhint("The value must be a whole number from %d to %d.", option->min, option->max)));
	if (number < option->min || number > option->max)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value for option \"%s\" is out of range: %s", name, value),
				 errhint("The value must be a whole number from %d to %d.", option->min, option->max)));
}

/* Calls per second: a decimal number. */
static void
check_rate(const char *name, const char *value)
{
	const IgOption *option = find_valid_option(name, ForeignServerRelationId);
	char	   *end;
	double		number;

	number = strtod(value, &end);
	if (end == value || *end != '\0' || isnan(number))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errhint("The value must be a number from 0.002 to %d, or 0 for no limit.", option->max)));
	if (number != 0 && (number < 0.002 || number > option->max))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value for option \"%s\" is out of range: %s", name, value),
				 errhint("The value must be a number from 0.002 to %d, or 0 for no limit.", option->max)));
}

/* The absolute path of a file of the server. */
static void
check_path(const char *name, const char *value)
{
	if (!is_absolute_path(value))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errhint("The value must be the absolute path of a file on the database server.")));
}

/* Proof types with commas in between. */
static void
check_proof_types(const char *name, const char *value)
{
	List	   *types;
	ListCell   *lc;

	/* Identifiers are folded to lower case; types have upper case only. */
	if (!SplitGUCList(pstrdup(value), ',', &types) || types == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errhint("The value must be a list of proof types with commas in between.")));
	foreach(lc, types)
	{
		if (!ig_api_known_proof_type(lfirst(lc)) && !ig_api_known_signer_proof_type(lfirst(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("unknown proof type \"%s\" in option \"%s\"", (char *) lfirst(lc), name),
					 errhint("Valid proof types are %s.", IG_API_PROOF_TYPES)));
	}
}

/* An API key. */
static void
check_key(const char *name, const char *value)
{
	IgApiKey	key;
	char		error[IG_API_ERROR_SIZE];

	if (!ig_api_key_parse(value, &key, error))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid API key in option \"%s\": %s", name, error),
				 errhint("An API key looks like skv2_<environment>_<application uuid>_<secret>; copy it from the Ignisign console."),
				 errhidestmt(true)));
}

/* An application's id. */
static void
check_app_id(const char *name, const char *value)
{
	if (!ig_api_valid_app_id(value))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", name),
				 errhint("The id of an application looks like appId_<uuid>."),
				 errhidestmt(true)));
}

/* An environment of an application. */
static void
check_app_env(const char *name, const char *value)
{
	if (!ig_api_known_environment(value))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", name),
				 errhint("Valid values are DEVELOPMENT, STAGING and PRODUCTION."),
				 errhidestmt(true)));
}

/* The secret of an application, which is not an API key. */
static void
check_secret(const char *name, const char *value)
{
	bool		bad = *value == '\0' || strlen(value) > 512;

	for (const char *c = value; *c; c++)
		bad = bad || (unsigned char) *c <= ' ' || (unsigned char) *c >= 127;
	if (bad || strncmp(value, "skv2_", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", name),
				 errhint("It is the secret of an application, without spaces. A key that starts with skv2_ goes into api_key."),
				 errhidestmt(true)));
}

/* The value of an option in a list, or a fallback. */
static const char *
option_value(List *options, const char *name, const char *fallback)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return fallback;
}

/* The value of an option that is a number. */
static int
option_number(List *options, const char *name, int fallback)
{
	const char *value = option_value(options, name, NULL);

	return value ? atoi(value) : fallback;
}

/* Refuse an option that the catalog does not have. */
static void
refuse_option(const char *name, Oid catalog)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(valid_options); i++)
	{
		if (valid_options[i].catalog == catalog)
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", valid_options[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 names.len > 0 ? errhint("Valid options in this context are: %s.", names.data) :
			 errhint("There are no valid options in this context."),
			 errhidestmt(catalog == UserMappingRelationId)));
}

/*
 * ignisign_fdw_validator(options text[], catalog oid) returns void
 *
 * Validate the options of a server or user mapping.  Errors: HV00D for an
 * option that does not exist, HV024 for a malformed value, 22003 for a number
 * out of range, 42501 for an option that is a superuser's.
 */
Datum
ignisign_fdw_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	const char *url;
	const char *problem;
	bool		allow_http = false;
	bool		is_http;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *element = lfirst_node(DefElem, lc);
		const IgOption *option = find_valid_option(element->defname, catalog);

		if (option == NULL)
			refuse_option(element->defname, catalog);
		if (option->superuser && !superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("only superusers can set option \"%s\"", option->name),
					 errhidestmt(catalog == UserMappingRelationId)));
		if (option->check)
			option->check(option->name, defGetString(element));
	}

	if (catalog == UserMappingRelationId)
	{
		bool		has_key = option_value(options, "api_key", NULL) != NULL;
		bool		has_file = option_value(options, "api_key_file", NULL) != NULL;
		bool		has_secret = option_value(options, "secret", NULL) != NULL;

		if (has_key && has_file)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("options \"api_key\" and \"api_key_file\" exclude each other"),
					 errhidestmt(true)));
		if (has_secret && (has_key || has_file))
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("option \"secret\" excludes \"api_key\" and \"api_key_file\""),
					 errhidestmt(true)));
	}

	url = option_value(options, "base_url", NULL);
	(void) parse_bool(option_value(options, "allow_http", "false"), &allow_http);
	if (url != NULL && (problem = ig_url_problem(url, allow_http, &is_http)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": %s", "base_url", problem),
				 errhint("The default is \"%s\". A superuser can set allow_http.", IG_DEFAULT_BASE_URL)));

	PG_RETURN_VOID();
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
	const char *value = option_value(options, "api_key", NULL);
	const char *path = option_value(options, "api_key_file", NULL);
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
	const char *app_id = option_value(options, "app_id", NULL);
	const char *app_env = option_value(options, "app_env", NULL);

	if (app_id == NULL || app_env == NULL)
	{
		*problem = pstrdup("the user mapping has a secret, but no app_id or no app_env");
		return false;
	}
	account->secret = pstrdup(option_value(options, "secret", NULL));
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
	if (option_value(mapping, "secret", NULL))
	{
		if (!load_secret(mapping, account, problem))
			return NULL;
	}
	else if ((account->bearer = load_key(mapping, &account->key, problem)) == NULL)
		return NULL;

	account->base_url = pstrdup(option_value(server->options, "base_url", IG_DEFAULT_BASE_URL));
	while (account->base_url[0] && account->base_url[strlen(account->base_url) - 1] == '/')
		account->base_url[strlen(account->base_url) - 1] = '\0';
	(void) parse_bool(option_value(server->options, "allow_http", "false"), &allow_http);
	if (ig_url_problem(account->base_url, allow_http, &is_http) != NULL)
	{
		*problem = pstrdup("the server's base_url cannot be used");
		return NULL;
	}
	account->loopback_only = is_http && !allow_http;
	if (option_value(server->options, "ca_file", NULL))
		account->ca_file = pstrdup(option_value(server->options, "ca_file", NULL));
	account->connect_timeout = option_number(server->options, "connect_timeout", DEFAULT_CONNECT_TIMEOUT);
	account->timeout = option_number(server->options, "timeout", DEFAULT_TIMEOUT);
	account->max_attempts = option_number(server->options, "max_attempts", DEFAULT_MAX_ATTEMPTS);
	account->max_in_flight = option_number(server->options, "max_in_flight", DEFAULT_MAX_IN_FLIGHT);
	account->max_total_in_flight = option_number(server->options, "max_total_in_flight",
												 DEFAULT_MAX_TOTAL_IN_FLIGHT);
	account->breaker_failures = option_number(server->options, "breaker_failures", DEFAULT_BREAKER_FAILURES);
	account->breaker_pause = option_number(server->options, "breaker_pause", DEFAULT_BREAKER_PAUSE);
	account->rate = llround(strtod(option_value(server->options, "max_calls_per_second", "0"), NULL) * 1000);
	load_proof_types(account, option_value(server->options, "proof_types", DEFAULT_PROOF_TYPES));
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
}			IgIdentity;

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
	if (ig_url_normalize(option_value(server->options, "base_url", IG_DEFAULT_BASE_URL), url, sizeof(url)))
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

	(void) parse_bool(option_value(server->options, "check_inputs", "true"), &result);
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
