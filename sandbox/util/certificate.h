/*-------------------------------------------------------------------------
 *
 * certificate.h
 *	  Certificates of throwaway authorities.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_CERTIFICATE_H
#define SB_CERTIFICATE_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

extern X509 *sb_make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key,
								 const char *usage);

/* Take what was written to a BIO as text; the BIO is freed. */
extern char *sb_take_bio_text(BIO *bio);

#endif							/* SB_CERTIFICATE_H */
