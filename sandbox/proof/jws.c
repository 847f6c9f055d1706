/*-------------------------------------------------------------------------
 *
 * jws.c
 *	  Signatures of data in JSON: JWS (RFC 7515), plain or as JAdES has it.
 *
 *-------------------------------------------------------------------------
 */
#include "proof/jws.h"

#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>

#include "model/store.h"
#include "proof/authority.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"

/* Length of one number of a signature by ES256. */
#define NUMBER_LENGTH 32

/* Sign text by ES256; NULL: not possible. */
static char *
sign_text(EVP_PKEY *key, const SbBuffer *text)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char der[128];
	size_t		length = sizeof(der);
	const unsigned char *start = der;
	unsigned char raw[2 * NUMBER_LENGTH];
	ECDSA_SIG  *signature = NULL;
	bool		done = false;

	if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(context, der, &length, (const unsigned char *) text->data, text->length) == 1)
		signature = d2i_ECDSA_SIG(NULL, &start, (long) length);
	if (signature != NULL)
		done = BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, NUMBER_LENGTH) == NUMBER_LENGTH &&
			BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + NUMBER_LENGTH, NUMBER_LENGTH) == NUMBER_LENGTH;
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
	return done ? sb_to_base64url(raw, sizeof(raw)) : NULL;
}

/* The header that is signed along; jades: with what JAdES adds, detached: and how to find the data. */
static char *
make_header(const SbDocument *document, const SbParticipant *participant, X509 *certificate, bool jades, bool detached)
{
	cJSON	   *header = cJSON_CreateObject();
	unsigned char *der = NULL;
	int			length = i2d_X509(certificate, &der);
	char	   *text = sb_to_base64(der, (size_t) length);
	uint8_t		hash[32];
	char		time[32];
	char	   *printed;

	cJSON_AddStringToObject(header, "alg", "ES256");
	cJSON_AddItemToArray(cJSON_AddArrayToObject(header, "x5c"), cJSON_CreateString(text));
	free(text);
	if (jades)
	{
		cJSON	   *critical = cJSON_AddArrayToObject(header, "crit");

		sb_sha256(der, (size_t) length, hash);
		text = sb_to_base64url(hash, sizeof(hash));
		cJSON_AddStringToObject(header, "x5t#S256", text);
		free(text);
		sb_format_time(participant->signed_at, time);
		time[19] = 'Z';			/* without fractions of a second */
		time[20] = '\0';
		cJSON_AddStringToObject(header, "sigT", time);
		cJSON_AddItemToArray(critical, cJSON_CreateString("sigT"));
		if (detached)
		{
			cJSON	   *data = cJSON_AddObjectToObject(header, "sigD");

			text = sb_to_base64url(document->hash, sizeof(document->hash));
			cJSON_AddStringToObject(data, "mId", "http://uri.etsi.org/19182/ObjectIdByURIHash");
			cJSON_AddItemToArray(cJSON_AddArrayToObject(data, "pars"), cJSON_CreateString(document->id));
			cJSON_AddStringToObject(data, "hashM", "S256");
			cJSON_AddItemToArray(cJSON_AddArrayToObject(data, "hashV"), cJSON_CreateString(text));
			cJSON_AddItemToArray(critical, cJSON_CreateString("sigD"));
			free(text);
		}
	}
	OPENSSL_free(der);
	printed = cJSON_PrintUnformatted(header);
	cJSON_Delete(header);
	text = sb_to_base64url(printed, strlen(printed));
	cJSON_free(printed);
	return text;
}

/* Sign a document in a participant's name; false: not possible. */
static bool
sign_json(const SbDocument *document, const SbParticipant *participant, bool jades, bool detached, char **header, char **signature)
{
	EVP_PKEY   *key;
	X509	   *certificate;
	SbBuffer	text = {0};
	char	   *payload = detached ? sb_strdup("") : sb_to_base64url(document->content, document->size);

	*signature = NULL;
	if (sb_make_identity(participant->signer, &key, &certificate))
	{
		*header = make_header(document, participant, certificate, jades, detached);
		sb_buffer_printf(&text, "%s.%s", *header, payload);
		*signature = sign_text(key, &text);
		if (*signature == NULL)
			free(*header);
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
	sb_buffer_free(&text);
	free(payload);
	return *signature != NULL;
}

/* JWSATT, JADESATT, JADESDET: a JWS in its compact form; false: there is none. */
bool
sb_make_jws(const SbDocument *document, const SbParticipant *participant, const char *type, SbBuffer *jws)
{
	bool		jades = strcmp(type, "JADESATT") == 0 || strcmp(type, "JADESDET") == 0;
	bool		detached = strcmp(type, "JADESDET") == 0;
	char	   *header;
	char	   *signature;
	char	   *payload;

	if (strcmp(document->nature, "DATA_JSON") != 0 || (!jades && strcmp(type, "JWSATT") != 0) ||
		!sign_json(document, participant, jades, detached, &header, &signature))
		return false;
	payload = sb_to_base64url(document->content, detached ? 0 : document->size);
	sb_buffer_printf(jws, "%s.%s.%s", header, payload, signature);
	free(payload);
	free(header);
	free(signature);
	return true;
}

/* SIGNED_DATA: a JWS in JSON, with a signature of each who has signed; false: there is none. */
bool
sb_make_signed_data(const SbDocument *document, SbBuffer *json)
{
	cJSON	   *tree;
	cJSON	   *list;
	char	   *text;

	if (strcmp(document->nature, "DATA_JSON") != 0)
		return false;
	tree = cJSON_CreateObject();
	text = sb_to_base64url(document->content, document->size);
	cJSON_AddStringToObject(tree, "payload", text);
	free(text);
	list = cJSON_AddArrayToObject(tree, "signatures");
	for (int i = 0; i < document->request->nparticipants; i++)
	{
		const SbParticipant *participant = &document->request->participants[i];
		char	   *header;
		char	   *signature;
		cJSON	   *item;

		if (participant->signed_at == 0 || !sign_json(document, participant, true, false, &header, &signature))
			continue;
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "protected", header);
		cJSON_AddStringToObject(item, "signature", signature);
		cJSON_AddItemToArray(list, item);
		free(header);
		free(signature);
	}
	text = cJSON_PrintUnformatted(tree);
	cJSON_Delete(tree);
	sb_buffer_add(json, text, strlen(text));
	cJSON_free(text);
	return true;
}
