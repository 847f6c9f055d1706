/*-------------------------------------------------------------------------
 *
 * fdw_options.c
 *	  ignisign_fdw_validator(): the options of a foreign server and of a user mapping.
 *
 * Options are validated one by one when they are set, so that what is stored is sound.
 * No message repeats a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "compat.h"
#include "queue/credentials.h"
#include "queue/fdw_options.h"
#include "util/url.h"

PG_FUNCTION_INFO_V1(ignisign_fdw_validator);

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

/* The value of an option in a list, or a fallback. */
const char *
ig_option_value(List *options, const char *name, const char *fallback)
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
		bool		has_key = ig_option_value(options, "api_key", NULL) != NULL;
		bool		has_file = ig_option_value(options, "api_key_file", NULL) != NULL;
		bool		has_secret = ig_option_value(options, "secret", NULL) != NULL;

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

	url = ig_option_value(options, "base_url", NULL);
	(void) parse_bool(ig_option_value(options, "allow_http", "false"), &allow_http);
	if (url != NULL && (problem = ig_url_problem(url, allow_http, &is_http)) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\": %s", "base_url", problem),
				 errhint("The default is \"%s\". A superuser can set allow_http.", IG_DEFAULT_BASE_URL)));

	PG_RETURN_VOID();
}
