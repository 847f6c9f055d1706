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
#include "utils/uuid.h"

typedef struct IgSignSigner
{
	char	   *email;
	char	   *first_name;		/* these may be NULL */
	char	   *last_name;
	char	   *signer_profile_id;
} IgSignSigner;

typedef struct IgSignDocument
{
	bytea	   *content;		/* or NULL, with url */
	char	   *file_name;		/* NULL: chosen by the MIME type */
	char	   *mime_type;		/* NULL: guessed */
	char	   *url;
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
} IgSignRequest;

/*
 * Check a request as the current role, and queue it under the given id.
 * Raises an error with an SQLSTATE of its own for whatever is wrong.
 */
extern void ig_sign(IgSignRequest *request, const pg_uuid_t *id);

/*
 * Check the n-th of several documents, and complete what may be left out.
 */
extern void ig_check_document(IgSignDocument *document, int n, int of);

/* Store a document, as the extension's owner between SPI_connect and SPI_finish. */
extern void ig_insert_document(const IgSignDocument *document, int n, const pg_uuid_t *id);

/* Signers from jsonb in the API's field names. */
extern IgSignSigner *ig_signers_from_jsonb(Datum jsonb, int *nsigners);

/* Whether there is a request with this id, whoever owns it. */
extern bool ig_request_exists(const pg_uuid_t *id);

#endif							/* IGNISIGN_SIGN_H */
