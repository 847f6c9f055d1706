/*-------------------------------------------------------------------------
 *
 * api.h
 *	  Ignisign's REST API v4 as data: operations, bodies, responses.
 *
 * Pure C and cJSON: nothing here knows of PostgreSQL or of libcurl.  All
 * strings are UTF-8 and NUL-terminated; memory is malloc'd and released by
 * the matching free function.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_API_H
#define IGNISIGN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Operations that the code knows of; the table in api.c has more of them,
 * which are known by their names only.
 */
typedef enum IgOperation
{
	IG_OP_ONE_CALL_SIGN,
	IG_OP_STATUS,
	IG_OP_CONTEXT,
	IG_OP_LIST,
	IG_OP_PROOF,
	IG_OP_SIGNER_PROOF,
	IG_OP_CLOSE,
	IG_OP_RESEND_EMAIL,
	IG_OP_CREATE_REQUEST,
	IG_OP_INIT_DOCUMENT,
	IG_OP_UPLOAD_FILE,
	IG_OP_UPLOAD_JSON,
	IG_OP_UPLOAD_HASH,
	IG_OP_CREATE_SIGNER,
	IG_OP_UPDATE_REQUEST,
	IG_OP_PUBLISH,
	IG_OP_UPLOAD_DOCUMENT,
	IG_OP_CHECK_AUTHENTICITY,
	IG_OP_INPUTS_NEEDED,
	IG_OP_VERIFY_WEBHOOK,
	IG_OP_WEBHOOK_LOG,
	IG_OP_IMPORT,
	IG_OP_LOGIN,
	IG_OP_CALL,
	IG_OP_REPEATABLE_CALL
} IgOperation;

/* A signer as the API takes one; NULL fields are left out. */
typedef struct IgApiSigner
{
	const char *email;
	const char *first_name;
	const char *last_name;
	const char *signer_profile_id;
} IgApiSigner;

/* A document as the API takes one: with url, or with content sent apart. */
typedef struct IgApiDocument
{
	const char *file_name;
	const char *mime_type;
	const char *url;			/* NULL: content of "size" bytes follows */
	int64_t		size;
} IgApiDocument;

/* Whatever a builder may need; each operation uses its own few. */
typedef struct IgApiArgs
{
	const char *app_id;
	const char *app_env;
	const char *signature_request_id;
	const char *document_id;
	const char *signer_id;
	const char *signature_type;
	int			page;
	const char *const *signature_request_ids;
	int			nsignature_request_ids;
	const char *title;
	const char *signature_method;
	const IgApiSigner *signers;
	int			nsigners;
	const IgApiDocument *documents;
	int			ndocuments;
	const char *values;			/* the operation's fields: a JSON object, or NULL */
	const char *boundary;		/* of multipart/form-data: not in the content */
} IgApiArgs;

typedef enum IgApiPartKind
{
	IG_PART_TEXT,				/* bytes of IgApiRequest.text */
	IG_PART_BASE64,				/* a document's content in base64 */
	IG_PART_RAW					/* a document's content as it is */
} IgApiPartKind;

/* A stretch of a request's body, in order of sending. */
typedef struct IgApiPart
{
	IgApiPartKind kind;
	size_t		offset;			/* IG_PART_TEXT: where in text */
	size_t		length;			/* IG_PART_TEXT: how much */
	int			document;		/* else: index into IgApiArgs.documents */
} IgApiPart;

/* A request ready to be sent: what to ask, and the body in parts. */
typedef struct IgApiRequest
{
	char		method[8];
	char	   *path;			/* percent-encoded, starts with / */
	const char *accept;			/* static */
	char		content_type[128];	/* empty: no body */
	char	   *text;
	IgApiPart  *parts;
	int			nparts;
	int64_t		body_size;		/* Content-Length */
} IgApiRequest;

typedef struct IgApiStatus
{
	const char *signature_request_id;
	const char *status;
} IgApiStatus;

typedef struct IgApiContextSigner
{
	const char *signer_id;
	const char *email;
	const char *first_name;
	const char *last_name;
	bool		signed_;		/* in signedBy */
} IgApiContextSigner;

typedef struct IgApiContextDocument
{
	const char *document_id;
	const char *file_name;
	const char *mime_type;
	const char *document_hash;	/* encoding unknown: see ig_api_same_sha256 */
	const char *nature;			/* documentNature */
	const char *status;
} IgApiContextDocument;

typedef struct IgApiListItem
{
	const char *signature_request_id;
	const char *title;
	const char *status;
	const char *external_id;
	const char *created_at;
} IgApiListItem;

/* A signer of a published request who signs in a page of one's own. */
typedef struct IgApiEmbedded
{
	const char *signer_id;
	const char *token;			/* of the signature session */
} IgApiEmbedded;

/* An event of the delivery log of a webhook. */
typedef struct IgApiEvent
{
	const char *event_id;
	char	   *json;			/* the event as the API tells it */
} IgApiEvent;

/* What of JSON is read; the settings point to it. */
typedef struct IgApiLimits
{
	int			max_depth;		/* arrays and objects in each other */
	int			max_values;
	int			max_items;		/* in one list that is read */
	int			max_text;		/* kB of one text that is read */
} IgApiLimits;

extern IgApiLimits ig_api_limits;

/* A word of a webhook message, with its zero byte. */
#define IG_API_WORD_SIZE 513

/* What a webhook message says of itself. */
typedef struct IgApiMessage
{
	char		app_id[IG_API_WORD_SIZE];
	char		app_env[IG_API_WORD_SIZE];
	char		topic[IG_API_WORD_SIZE];
	char		action[IG_API_WORD_SIZE];
	char		token[IG_API_WORD_SIZE];	/* verificationToken */
	char		nature[IG_API_WORD_SIZE];	/* msgNature; empty: it tells none */
} IgApiMessage;

/*
 * What a response said.  Strings point into the parsed tree and live until
 * ig_api_response_free; absent or ill-typed optional fields are NULL or -1.
 */
typedef struct IgApiResponse
{
	void	   *tree;
	size_t		memory;			/* about as many bytes are kept in tree */
	bool		exceeded;		/* it was not read because it exceeds a limit */
	/* one-call-sign, context */
	const char *signature_request_id;
	const char *status;
	const char *title;
	const char *external_id;
	const char *created_at;
	const char *signature_method;	/* defaultSignatureMethod */
	const char *proof_status;	/* signatureProofStatus */
	IgApiContextSigner *signers;
	int			nsigners;
	int			nsigned;		/* of signers, those in signedBy */
	IgApiContextDocument *documents;
	int			ndocuments;
	/* status */
	IgApiStatus *statuses;
	int			nstatuses;
	/* list */
	IgApiListItem *items;
	int			nitems;
	int64_t		total;
	int64_t		page;
	int64_t		page_size;
	/* init-document, upload-document; create-signer; publish */
	const char *document_id;
	const char *signer_id;
	const char *auth_secret;
	IgApiEmbedded *embedded;
	int			nembedded;
	/* inputs-needed */
	const char *signer_profile_id;
	const char **inputs_needed;
	int			ninputs_needed;
	const char **optional_inputs;
	int			noptional_inputs;
	/* login */
	const char *token;
	/* verify-webhook */
	bool		is_valid;
	bool		already_consumed;
	/* webhook-log */
	IgApiEvent *events;
	int			nevents;
	/* error body */
	const char *error_message;
	const char *error_code;
	char	   *error_text;		/* owner of a message that was an object */
} IgApiResponse;

/* The parts of an API key skv2_<env>_<uuid>_<secret>. */
typedef struct IgApiKey
{
	char		app_id[64];		/* appId_<uuid> */
	char		app_env[16];	/* DEVELOPMENT, STAGING, PRODUCTION */
} IgApiKey;

/* What is kept of an error's message or code, in bytes. */
#define IG_API_MESSAGE_SIZE 1000

/* Longest error text that a function here writes, with its NUL. */
#define IG_API_ERROR_SIZE 256

extern int	ig_api_operation_count(void);
extern const char *ig_api_operation_name(IgOperation op);
extern bool ig_api_operation_by_name(const char *name, IgOperation *op);

/* Whether sending the operation twice does no harm. */
extern bool ig_api_repeatable(IgOperation op);

/* Whether one whose response was lost can be looked for at the API. */
extern bool ig_api_traceable(IgOperation op);

/* Whether a 2xx response is JSON to be read (false: bytes to be stored). */
extern bool ig_api_response_is_json(IgOperation op);

/* Whether a 2xx response is JSON or bytes, as its content type says. */
extern bool ig_api_response_is_any(IgOperation op);

/* Whether the operation is called without a bearer. */
extern bool ig_api_public(IgOperation op);

/* Whether the operation only reads: the same response would come again. */
extern bool ig_api_only_reads(IgOperation op);

/* Whether the operation sends a document's content, as multipart/form-data. */
extern bool ig_api_sends_content(IgOperation op);

/*
 * Whether a refusal of the operation may not be one, which its code tells: see
 * the next two.
 */
extern bool ig_api_code_counts(IgOperation op);

/*
 * Whether this refusal means that an earlier attempt was carried out; attempts
 * are those made so far, this one included.
 */
extern bool ig_api_done_already(IgOperation op, int http_status, const char *code, int attempts);

/*
 * Whether this refusal only means "not ready yet, ask again later", as for a
 * proof that is still being made.  code may be NULL.
 */
extern bool ig_api_not_yet(IgOperation op, int http_status, const char *code);

/*
 * Check what is to be given to an operation in IgApiArgs.values, NULL for
 * nothing.  Returns false, with the reason in error, when a field is unknown,
 * missing or not what it must be.
 */
extern bool ig_api_check(IgOperation op, const char *values, char error[IG_API_ERROR_SIZE]);

/* The same, but what the path or the API's own ids need may be missing yet. */
extern bool ig_api_check_known(IgOperation op, const char *values, char error[IG_API_ERROR_SIZE]);

/*
 * Build the request of an operation.  Returns false, with the reason in
 * error, when the arguments cannot be sent (a value missing, invalid UTF-8,
 * an id that is not one).
 */
extern bool ig_api_build(IgOperation op, const IgApiArgs *args,
						 IgApiRequest *request, char error[IG_API_ERROR_SIZE]);
extern void ig_api_request_free(IgApiRequest *request);

/*
 * Read the body of a 2xx response.  Returns false, with the reason in error,
 * when it is not what the operation responses; the response is then empty but for
 * "exceeded".
 */
extern bool ig_api_read(IgOperation op, const char *body, size_t length,
						IgApiResponse *response, char error[IG_API_ERROR_SIZE]);

/*
 * Whether a response is about the request that was asked for, if the operation's
 * response names one; else false, with the reason in error.  asked may be NULL.
 */
extern bool ig_api_is_about(IgOperation op, const IgApiResponse *response, const char *asked,
							char error[IG_API_ERROR_SIZE]);

/* Whether more pages follow the one that was read, by what the response says. */
extern bool ig_api_has_more_pages(const IgApiResponse *response);

/* Read an error body; never fails, fields that are not there stay NULL. */
extern void ig_api_read_error(const char *body, size_t length,
							  IgApiResponse *response);
extern void ig_api_response_free(IgApiResponse *response);

/*
 * Read the body of a webhook message.  Returns false, with the reason in error,
 * when the API does not send such a one.
 */
extern bool ig_api_read_message(const char *body, size_t length, IgApiMessage *message,
								char error[IG_API_ERROR_SIZE]);

/*
 * Show every text of a response that may be stored or compared, for it to be
 * replaced by another one; some are NULL.
 */
typedef void (*IgApiVisitor) (const char **text, void *arg);

extern void ig_api_response_texts(IgApiResponse *response, IgApiVisitor visit, void *arg);

/*
 * Write JSON's escapes of characters beyond ASCII as the characters, in place:
 * not every encoding of a database has an equivalent for each.
 */
extern void ig_api_json_unescape(char *json);

/* Whether a request in this status will never change again. */
extern bool ig_api_status_is_final(const char *status);

/* Whether the method, proof type or environment is one of the API's. */
extern bool ig_api_known_signature_method(const char *method);
extern bool ig_api_known_proof_type(const char *type);

/* The types of both kinds, for people. */
#define IG_API_PROOF_TYPES \
	"PDF_WITH_SIGNATURES, ADVANCED_LEGAL_KIT and SIGNED_DATA, and of one signer CADES, PKCS7, PADES_ATTACHED, " \
	"JWSATT, JADESDET, JADESATT, XADESDET, XADESATT, XMLDSIGDET and XMLDSIGATT"

/* Whether the proof type is one of the API's for one signer of a document. */
extern bool ig_api_known_signer_proof_type(const char *type);

/*
 * Read a SHA-256 in any encoding the API may use (base64 with either
 * alphabet, padded or not, or hex in either case); false: it is none.
 */
extern bool ig_api_read_sha256(const char *text, uint8_t sha256[32]);

/* Whether the text is this SHA-256, in any of these encodings. */
extern bool ig_api_same_sha256(const char *text, const uint8_t sha256[32]);

/*
 * Take an API key apart.  Returns false, with a text in error that names the
 * part that is wrong and never repeats the key.
 */
extern bool ig_api_key_parse(const char *key, IgApiKey *parts,
							 char error[IG_API_ERROR_SIZE]);

/* Whether the text is an application's id, and an environment of the API. */
extern bool ig_api_valid_app_id(const char *app_id);
extern bool ig_api_known_environment(const char *app_env);

/* When a JWT expires, in seconds since 1970; -1: it does not tell. */
extern int64_t ig_api_jwt_expiry(const char *token);

/* Whether the text has the form of an e-mail address (one @, sane parts). */
extern bool ig_api_valid_email(const char *email);

/* Whether the text is a 24-digit hexadecimal ObjectId. */
extern bool ig_api_valid_object_id(const char *id);

/* Compare ids, as strcmp does; upper and lower case are the same. */
extern int	ig_api_compare_ids(const char *a, const char *b);

/* Guess a MIME type from first bytes, then from the file name's ending. */
extern const char *ig_api_sniff_mime_type(const uint8_t *head, size_t length,
										  const char *file_name);

/* Whether the bytes are valid UTF-8 without NUL. */
extern bool ig_api_valid_utf8(const char *text, size_t length);

#endif							/* IGNISIGN_API_H */
