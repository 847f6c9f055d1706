/*-------------------------------------------------------------------------
 *
 * sign.h
 *	  Queue a request to sign.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SIGN_H
#define IGNISIGN_SIGN_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "queue/inputs.h"
#include "queue/insert.h"

typedef struct IgSignSigner
{
	char	   *email;
	char	   *first_name;		/* these may be NULL */
	char	   *last_name;
	char	   *signer_profile_id;
	char	   *external_id;
	char	   *inputs[IG_SIGN_INPUTS];
	bool		approver;
} IgSignSigner;

typedef enum IgSignKind
{
	IG_SIGN_FILE,
	IG_SIGN_JSON,
	IG_SIGN_PRIVATE,
	IG_SIGN_UPLOADED
} IgSignKind;

typedef struct IgSignDocument
{
	IgSignKind	kind;
	bytea	   *content;		/* or NULL, with url or document_id */
	char	   *file_name;		/* NULL: chosen by the MIME type */
	char	   *mime_type;		/* NULL: guessed */
	char	   *url;			/* these may be NULL */
	char	   *label;
	char	   *description;
	char	   *external_id;
	char	   *document_id;
	bytea	   *sha256;			/* of content, when ig_sign_fingerprint() was called */
} IgSignDocument;

typedef struct IgSignRequest
{
	const char *title;
	const char *signature_method;
	const char *server;
	IgSignSigner *signers;
	int			nsigners;
	IgSignDocument *documents;
	int			ndocuments;
	const char *description;	/* these may be NULL */
	const char *language;
	const char *external_id;
	const char *delivery;		/* one-call, staged; NULL: as needed */
	TimestampTz expires_at;		/* 0: never */
	Datum		recipients;		/* text[], 0: none */
	Datum		statements;		/* text[], 0: none */
	bytea	   *fingerprint;	/* set by ig_sign_fingerprint() */
} IgSignRequest;

/* Rows of requests that are inserted together. */
typedef struct IgSignRows
{
	IgRows		requests;
	IgRows		signers;
	IgRows		documents;
	IgRows		calls;
} IgSignRows;

/* Requests that are queued together, for the current role. */
typedef struct IgSigning
{
	NameData	owner;
	Oid			role;
	NameData	server;			/* the one that was checked last; empty: none */
	bool		owned;			/* the queue has an owner */
	IgSignRows	rows;
	Size		bytes;			/* of the documents in there */
} IgSigning;

/*
 * Check requests as the current role, and queue them under the given ids: begin,
 * add each, end.  Raises an error with an SQLSTATE of its own for whatever is wrong.
 * What a request consists of has to last until it is queued; ig_signing_add() tells
 * that all are.
 */
extern void ig_signing_begin(IgSigning *signing);
extern bool ig_signing_add(IgSigning *signing, IgSignRequest *request, const pg_uuid_t *id);
extern void ig_signing_end(IgSigning *signing);

/* The same with one request. */
extern void ig_sign(IgSignRequest *request, const pg_uuid_t *id);

/*
 * A SHA-256 of the id and all that is given to be signed, as it is before what is left
 * out is completed.  It shows later whether a row is the one that was signed.
 */
extern bytea *ig_sign_fingerprint(IgSignRequest *request, const pg_uuid_t *id);

/*
 * Check the n-th of several documents, and complete what may be left out.
 */
extern void ig_check_document(IgSignDocument *document, int n, int of);

/*
 * Gather the rows of requests with their signers and documents, and insert them, with
 * their first calls, as the extension's owner.  The names have to last until then.
 */
extern void ig_sign_rows_init(IgSignRows *rows);
extern void ig_sign_rows_add(IgSignRows *rows, const IgSignRequest *request, const pg_uuid_t *id,
							 Name owner, Name server);
extern void ig_sign_rows_insert(IgSignRows *rows);

/* Store a document, as the extension's owner. */
extern void ig_insert_document(IgSignDocument *document, int n, const pg_uuid_t *id);

/* Signers from jsonb in the API's field names. */
extern IgSignSigner *ig_signers_from_jsonb(Datum jsonb, int *nsigners);

/* Check an array of text by its name, that nothing in it is NULL; returns 0 for an empty one. */
extern Datum ig_text_array_argument(Datum value, const char *name);

#endif							/* IGNISIGN_SIGN_H */
