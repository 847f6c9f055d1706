/*-------------------------------------------------------------------------
 *
 * cms.c
 *	  The technical signature of a signer: CMS.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/cms.h"

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "model/store.h"
#include "proof/authority.h"
#include "util/buffer.h"

/* Sign what the content is, or has the hash of that where only that is known. */
static CMS_ContentInfo *
sign_content(EVP_PKEY *key, X509 *certificate, BIO *content, const uint8_t *hash)
{
	CMS_ContentInfo *cms;
	CMS_SignerInfo *info;

	if (hash == NULL)
		return CMS_sign(certificate, key, NULL, content, CMS_DETACHED | CMS_BINARY | CMS_CADES);
	cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_DETACHED | CMS_BINARY | CMS_PARTIAL);
	info = cms ? CMS_add1_signer(cms, certificate, key, EVP_sha256(), CMS_PARTIAL | CMS_CADES) : NULL;
	if (info == NULL ||
		CMS_signed_add1_attr_by_NID(info, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_pkcs7_data), -1) != 1 ||
		CMS_signed_add1_attr_by_NID(info, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING, hash, 32) != 1 ||
		CMS_SignerInfo_sign(info) != 1)
	{
		CMS_ContentInfo_free(cms);
		return NULL;
	}
	return cms;
}

/* Sign in a signer's name, detached, in DER; false: not possible. */
static bool
sign_as(const SbSigner *signer, const void *data, size_t size, const uint8_t *hash, SbBuffer *signature)
{
	EVP_PKEY   *key;
	X509	   *certificate;
	BIO		   *content;
	CMS_ContentInfo *cms;
	unsigned char *der = NULL;
	int			length = 0;

	if (!sb_make_identity(signer, &key, &certificate))
		return false;
	content = BIO_new_mem_buf(data, (int) size);
	cms = sign_content(key, certificate, content, hash);
	if (cms != NULL)
		length = i2d_CMS_ContentInfo(cms, &der);
	if (length > 0)
		sb_buffer_add(signature, der, (size_t) length);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return length > 0;
}

/* Sign bytes in a signer's name. */
bool
sb_sign_bytes(const SbSigner *signer, const void *data, size_t size, SbBuffer *signature)
{
	return sign_as(signer, data, size, NULL, signature);
}

/* CADES and PKCS7 of a participant under a document, of which only the hash may be here; false: not possible. */
bool
sb_make_cms(const SbDocument *document, const SbParticipant *participant, SbBuffer *cms)
{
	return document->content != NULL ?
		sign_as(participant->signer, document->content, document->size, NULL, cms) :
		sign_as(participant->signer, "", 0, document->hash, cms);
}
