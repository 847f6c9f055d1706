/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  A throwaway certificate authority, and a certificate for this machine.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Make a certificate for a key; issuer NULL: of an authority, by itself. */
static X509 *
make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
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
			add_extension(certificate, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
			add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth");
	if (!done || X509_sign(certificate, issuer_key, EVP_sha256()) == 0)
	{
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

/* Take what was written to a BIO as text. */
static char *
take_text(BIO *bio)
{
	char	   *data;
	long		length = BIO_get_mem_data(bio, &data);
	char	   *text = xmalloc((size_t) length + 1);

	memcpy(text, data, (size_t) length);
	text[length] = '\0';
	BIO_free(bio);
	return text;
}

static bool
write_file(const char *dir, const char *name, const char *text)
{
	char	   *path = xprintf("%s/%s", dir, name);
	FILE	   *file = fopen(path, "w");
	bool		done = file != NULL && fputs(text, file) >= 0;

	if (file != NULL && fclose(file) != 0)
		done = false;
	if (!done)
		fprintf(stderr, "ignisign-sandbox: could not write \"%s\"\n", path);
	free(path);
	return done;
}

/*
 * Make a server's certificate and key, in PEM, to be freed.  Clients need the
 * authority, which goes into the file ca.pem in dir.
 */
bool
tls_make(const char *dir, char **certificate, char **key)
{
	EVP_PKEY   *ca_key = EVP_EC_gen("P-256");
	EVP_PKEY   *server_key = EVP_EC_gen("P-256");
	X509	   *ca = ca_key ? make_certificate(ca_key, "ignisign-sandbox CA", NULL, ca_key) : NULL;
	X509	   *server = ca && server_key ? make_certificate(server_key, "localhost", ca, ca_key) : NULL;
	bool		done = false;

	if (server != NULL)
	{
		BIO		   *bio = BIO_new(BIO_s_mem());
		char	   *ca_text;

		PEM_write_bio_X509(bio, ca);
		ca_text = take_text(bio);
		bio = BIO_new(BIO_s_mem());
		PEM_write_bio_X509(bio, server);
		*certificate = take_text(bio);
		bio = BIO_new(BIO_s_mem());
		PEM_write_bio_PrivateKey(bio, server_key, NULL, NULL, 0, NULL, NULL);
		*key = take_text(bio);
		done = write_file(dir, "ca.pem", ca_text);
		free(ca_text);
	}
	X509_free(server);
	X509_free(ca);
	EVP_PKEY_free(server_key);
	EVP_PKEY_free(ca_key);
	return done;
}
