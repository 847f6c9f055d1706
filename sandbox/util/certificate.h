/*-------------------------------------------------------------------------
 *
 * certificate.h
 *	  Certificates of throwaway authorities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_CERTIFICATE_H
#define SANDBOX_CERTIFICATE_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "sandbox.h"

extern X509 *sb_make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key,
								 const char *usage);

/* A new key of a signer, with a certificate of the signers' authority; false: not possible. */
extern bool sb_make_identity(const SbSigner *signer, EVP_PKEY **key, X509 **certificate);

/* Take what was written to a BIO as text; the BIO is freed. */
extern char *sb_take_bio_text(BIO *bio);

#endif							/* SANDBOX_CERTIFICATE_H */
