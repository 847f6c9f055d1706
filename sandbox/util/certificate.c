/*-------------------------------------------------------------------------
 *
 * certificate.c
 *	  Certificates of throwaway authorities.
 *
 *-------------------------------------------------------------------------
 */
#include "util/certificate.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "util/buffer.h"

#define VALID_DAYS 30

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX	context;
	X509_EXTENSION *extension;
	bool		done;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done;
}

/*
 * Make a certificate for a key; issuer NULL: of an authority, by itself.  usage
 * is the extended key usage of one that is not.
 */
X509 *
sb_make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key,
					const char *usage)
{
	X509	   *certificate = X509_new();
	X509_NAME  *subject = X509_get_subject_name(certificate);
	uint64_t	serial = 0;
	bool		done;

	RAND_bytes((unsigned char *) &serial, sizeof(serial));
	done = X509_set_version(certificate, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
		X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0, NULL) != NULL &&
		X509_set_pubkey(certificate, key) == 1 &&
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *) name, -1, -1, 0) == 1 &&
		X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject) == 1 &&
		add_extension(certificate, issuer ? issuer : certificate, NID_subject_key_identifier, "hash");
	if (issuer == NULL)
		done = done && add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE") &&
			add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
	else
		done = done && add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
			(strcmp(usage, "serverAuth") != 0 ||
			 add_extension(certificate, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1")) &&
			add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature,nonRepudiation") &&
			add_extension(certificate, issuer, NID_ext_key_usage, usage);
	if (!done || X509_sign(certificate, issuer_key, EVP_sha256()) == 0)
	{
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

/* Take what was written to a BIO as text. */
char *
sb_take_bio_text(BIO *bio)
{
	char	   *data;
	long		length = BIO_get_mem_data(bio, &data);
	char	   *text = sb_malloc((size_t) length + 1);

	memcpy(text, data, (size_t) length);
	text[length] = '\0';
	BIO_free(bio);
	return text;
}
