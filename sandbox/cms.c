/*-------------------------------------------------------------------------
 *
 * cms.c
 *	  The technical signature of a signer: CMS, of a throwaway authority.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"
#include "certificate.h"

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdlib.h>

static EVP_PKEY *authority_key;
static X509 *authority;

/* Make the authority at first use; false: not possible. */
static bool
have_authority(void)
{
	if (authority == NULL)
	{
		authority_key = EVP_EC_gen("P-256");
		authority = authority_key ?
			make_certificate(authority_key, "ignisign-sandbox signers CA", NULL, authority_key, NULL) : NULL;
	}
	return authority != NULL;
}

/* The authority's certificate in PEM, to be freed; NULL: not possible. */
char *
signing_authority(void)
{
	BIO		   *bio;

	if (!have_authority())
		return NULL;
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, authority);
	return take_text(bio);
}

/* Sign bytes in a signer's name, detached, in DER; false: not possible. */
bool
sign_bytes(const Signer *signer, const void *data, size_t size, Buffer *signature)
{
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	X509	   *certificate = key && have_authority() ?
		make_certificate(key, signer->inputs[SIGNER_EMAIL], authority, authority_key, "emailProtection") : NULL;
	BIO		   *content = BIO_new_mem_buf(data, (int) size);
	CMS_ContentInfo *cms = NULL;
	unsigned char *der = NULL;
	int			length = 0;

	if (certificate != NULL)
		cms = CMS_sign(certificate, key, NULL, content, CMS_DETACHED | CMS_BINARY | CMS_CADES);
	if (cms != NULL)
		length = i2d_CMS_ContentInfo(cms, &der);
	if (length > 0)
		buffer_add(signature, der, (size_t) length);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return length > 0;
}

/* CADES and PKCS7 of a party under a document; false: not possible. */
bool
make_cms(const Document *document, const Party *party, Buffer *cms)
{
	return document->content != NULL && sign_bytes(party->signer, document->content, document->size, cms);
}
