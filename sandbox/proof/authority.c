/*-------------------------------------------------------------------------
 *
 * authority.c
 *	  The throwaway authority that certifies signers.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/authority.h"

#include <openssl/pem.h>
#include <stdlib.h>

#include "model/record.h"
#include "model/state.h"
#include "model/store.h"
#include "util/certificate.h"

/* A kind of records in the state file. */
#define STATE_AUTHORITY 'A'

static EVP_PKEY *authority_key;
static X509 *authority;

/* Append the authority, once it is there. */
static void
append_authority(void)
{
	if (authority != NULL)
		sb_state_append(STATE_AUTHORITY, NULL);
}

/* Make the authority at first use; false: not possible. */
static bool
have_authority(void)
{
	if (authority == NULL)
	{
		authority_key = EVP_EC_gen("P-256");
		authority = authority_key ?
			sb_make_certificate(authority_key, "ignisign-sandbox signers CA", NULL, authority_key, NULL) : NULL;
		append_authority();
	}
	return authority != NULL;
}

/* The authority's certificate in PEM, to be freed; NULL: not possible. */
char *
sb_signing_authority(void)
{
	BIO		   *bio;

	if (!have_authority())
		return NULL;
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, authority);
	return sb_take_bio_text(bio);
}

/* Make a key of a signer and its certificate. */
bool
sb_make_identity(const SbSigner *signer, EVP_PKEY **key, X509 **certificate)
{
	*key = EVP_EC_gen("P-256");
	*certificate = *key && have_authority() ?
		sb_make_certificate(*key, signer->inputs[SB_SIGNER_EMAIL], authority, authority_key, "emailProtection") : NULL;
	if (*certificate == NULL)
		EVP_PKEY_free(*key);
	return *certificate != NULL;
}

/* The authority, as two texts in PEM. */
static void
record_authority(SbRecord *record, void *object)
{
	char	   *certificate = NULL;
	char	   *key = NULL;

	(void) object;
	if (!record->reading)
	{
		BIO		   *bio = BIO_new(BIO_s_mem());

		PEM_write_bio_PrivateKey(bio, authority_key, NULL, NULL, 0, NULL, NULL);
		key = sb_take_bio_text(bio);
		certificate = sb_signing_authority();
	}
	sb_record_text(record, &certificate);
	sb_record_text(record, &key);
	if (record->reading && certificate != NULL && key != NULL)
	{
		BIO		   *bio = BIO_new_mem_buf(certificate, -1);

		authority = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		BIO_free(bio);
		bio = BIO_new_mem_buf(key, -1);
		authority_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
		record->bad = record->bad || authority == NULL || authority_key == NULL;
	}
	free(certificate);
	free(key);
}

/* Keep the authority in the state file, so that signatures stay valid. */
void
sb_authority_register(void)
{
	static const SbStatePart part = {.kinds = {{STATE_AUTHORITY, record_authority}}, .append_all = append_authority};

	sb_state_register(&part);
}
