/*-------------------------------------------------------------------------
 *
 * authority.h
 *	  The throwaway authority that certifies signers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_AUTHORITY_H
#define SB_AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "model/store.h"

extern void sb_authority_register(void);
extern char *sb_signing_authority(void);

/* A new key of a signer, with a certificate of the authority; false: not possible. */
extern bool sb_make_identity(const SbSigner *signer, EVP_PKEY **key, X509 **certificate);

#endif							/* SB_AUTHORITY_H */
