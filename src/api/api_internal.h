/*-------------------------------------------------------------------------
 *
 * api_internal.h
 *	  What the files api*.c share: an entry of the table of operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_API_INTERNAL_H
#define IGNISIGN_API_INTERNAL_H

#include "api/api.h"

#include <cjson/cJSON.h>

/* What a field of an operation's arguments must be, as JSON. */
typedef enum IgKind
{
	IG_STRING,					/* a string that is not empty */
	IG_TITLE,					/* one of at most 1024 characters */
	IG_DESCRIPTION,				/* one of at most 4096 characters */
	IG_STRINGS,					/* an array of such strings */
	IG_ID,						/* an ObjectId */
	IG_IDS,						/* an array of ObjectIds */
	IG_EMAIL,					/* an e-mail address */
	IG_EMAILS,					/* an array of e-mail addresses, at least one */
	IG_TIME,					/* an ISO 8601 date, with or without a time */
	IG_URL,						/* an http(s) URL */
	IG_BOOLEAN,					/* true or false */
	IG_NUMBER,					/* a whole number from 0 */
	IG_SIGNATURE_METHOD,		/* one of the API's signature methods */
	IG_SIGNER_PROOF_TYPE,		/* one of the API's types of a signer's proof */
	IG_SHA256,					/* a SHA-256 in base64 or hex */
	IG_JSON						/* a string with any JSON, which is sent as such */
} IgKind;

/* Field of a body, or, when the path has {name}, of the path. */
typedef struct IgField
{
	const char *name;			/* NULL ends a list */
	IgKind		kind;
	bool		required;
} IgField;

/* What is special about an operation. */
#define IG_REPEATABLE	0x01	/* sending it twice does no harm */
#define IG_TRACEABLE	0x02	/* else: a lost one can be looked for */
#define IG_NOT_YET		0x04	/* a refusal may mean "not ready yet" */
#define IG_NO_BODY		0x08	/* without a body, though it is not a GET */
#define IG_BYTES		0x10	/* answers bytes rather than JSON */
#define IG_PUBLIC		0x40	/* is called without a bearer */
#define IG_ANY			0x20	/* answers JSON or bytes, as its content type says */

typedef struct IgOperationEntry IgOperationEntry;
typedef bool (*IgBuilder) (const IgOperationEntry *entry, const IgApiArgs *args,
						   IgApiRequest *request, char *error);
typedef bool (*IgReader) (cJSON *tree, IgApiResponse *response, char *error);

struct IgOperationEntry
{
	const char *name;			/* as in ignisign.call */
	const char *method;
	const char *path;			/* {name} stands for an argument */
	int			flags;
	const IgField *fields;		/* what may be given in IgApiArgs.values */
	IgBuilder	build;			/* NULL: a body of the fields, if there are any */
	IgReader	read;			/* NULL: any JSON will do, or none */
	const char *part;			/* of multipart/form-data; NULL: JSON */
	const char *done_code;		/* a refusal that means: it is done already */
	bool		by_others;		/* or it was somebody else, if never tried before */
};

extern const IgOperationEntry *ig_api_entry(IgOperation op);

/* Builders (api_build.c). */
extern bool ig_build_sign(const IgOperationEntry *entry, const IgApiArgs *args,
						  IgApiRequest *request, char *error);
extern bool ig_build_status(const IgOperationEntry *entry, const IgApiArgs *args,
							IgApiRequest *request, char *error);
extern bool ig_build_call(const IgOperationEntry *entry, const IgApiArgs *args,
						  IgApiRequest *request, char *error);

/* What must be among the values. */
typedef enum IgCompleteness
{
	IG_ALL_REQUIRED,
	IG_BODY_REQUIRED,			/* what the path needs may be known apart */
	IG_IDS_LATER				/* ids that the API gives are not known yet */
} IgCompleteness;

/*
 * Checks (api_check.c): of a text, which may be NULL where it is optional; of what
 * is to be signed; of an operation's values; of those of "call".
 */
extern bool ig_sendable(const char *text, bool required);
extern bool ig_check_sign(const IgApiArgs *args, char *error);
extern bool ig_check_values(const IgOperationEntry *entry, const cJSON *values,
							IgCompleteness completeness, char *error);
extern bool ig_check_call(const cJSON *values, char *error);

/* One of the values, or NULL; whether its name stands in the path. */
extern const cJSON *ig_api_field(const cJSON *values, const char *name, size_t length);
extern bool ig_in_path(const IgOperationEntry *entry, const char *name);

/* Say which limit a response exceeds, mark it so, and return false (api_json.c). */
extern bool ig_api_exceed(IgApiResponse *response, char *error, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/*
 * Parse foreign bytes, within the limits (api_json.c).  The response gets the tree and about what
 * it takes; false, with the reason in error: they are not JSON that can be used.
 */
extern bool ig_api_parse(const char *body, size_t length, IgApiResponse *response, char *error);

/* Readers (api_read.c). */
extern bool ig_read_sign(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_status(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_context(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_list(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_document(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_signer(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_inputs(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_login(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_verification(cJSON *tree, IgApiResponse *response, char *error);
extern bool ig_read_events(cJSON *tree, IgApiResponse *response, char *error);

/* Values (api_value.c). */
extern bool ig_is_one_of(const char *text, const char *const *words);

/* Say why, and return false. */
extern bool ig_refuse(char *error, const char *what);

#endif							/* IGNISIGN_API_INTERNAL_H */
