/*-------------------------------------------------------------------------
 *
 * ca_folder.c
 *	  Let libcurl find the system's folder of certificates elsewhere.
 *
 * The test of TLS needs an authority that the system trusts.  This object is
 * preloaded: where libcurl hands the system's folder to OpenSSL, OpenSSL gets
 * the folder that the environment's CA_FOLDER names.
 *
 *-------------------------------------------------------------------------
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

/* The folder that Debian builds libcurl with. */
#define SYSTEM_FOLDER	"/etc/ssl/certs"

/* The folder to read in its place. */
static const char *
replaced(const char *folder)
{
	return folder != NULL && strcmp(folder, SYSTEM_FOLDER) == 0 ? getenv("CA_FOLDER") : folder;
}

/* libcurl 7.87 and newer */
int
X509_STORE_load_path(X509_STORE *store, const char *folder)
{
	int			(*next) (X509_STORE *, const char *) = dlsym(RTLD_NEXT, "X509_STORE_load_path");

	return next(store, replaced(folder));
}

/* Older versions */
int
SSL_CTX_load_verify_dir(SSL_CTX *context, const char *folder)
{
	int			(*next) (SSL_CTX *, const char *) = dlsym(RTLD_NEXT, "SSL_CTX_load_verify_dir");

	return next(context, replaced(folder));
}
