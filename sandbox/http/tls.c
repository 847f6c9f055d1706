/*-------------------------------------------------------------------------
 *
 * tls.c
 *	  A certificate for this machine, of a throwaway authority.
 *
 *-------------------------------------------------------------------------
 */
#include "http/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/certificate.h"

static bool
write_file(const char *dir, const char *name, const char *text)
{
	char	   *path = sb_psprintf("%s/%s", dir, name);
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
sb_tls_make(const char *dir, char **certificate, char **key)
{
	EVP_PKEY   *ca_key = EVP_EC_gen("P-256");
	EVP_PKEY   *server_key = EVP_EC_gen("P-256");
	X509	   *ca = ca_key ? sb_make_certificate(ca_key, "ignisign-sandbox CA", NULL, ca_key, NULL) : NULL;
	X509	   *server = ca && server_key ? sb_make_certificate(server_key, "localhost", ca, ca_key, "serverAuth") : NULL;
	bool		done = false;

	if (server != NULL)
	{
		BIO		   *bio = BIO_new(BIO_s_mem());
		char	   *ca_text;

		PEM_write_bio_X509(bio, ca);
		ca_text = sb_take_bio_text(bio);
		bio = BIO_new(BIO_s_mem());
		PEM_write_bio_X509(bio, server);
		*certificate = sb_take_bio_text(bio);
		bio = BIO_new(BIO_s_mem());
		PEM_write_bio_PrivateKey(bio, server_key, NULL, NULL, 0, NULL, NULL);
		*key = sb_take_bio_text(bio);
		done = write_file(dir, "ca.pem", ca_text);
		free(ca_text);
	}
	X509_free(server);
	X509_free(ca);
	EVP_PKEY_free(server_key);
	EVP_PKEY_free(ca_key);
	return done;
}
