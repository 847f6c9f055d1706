/*-------------------------------------------------------------------------
 *
 * api_value.c
 *	  Words and values of the API: ids, keys, hashes, types.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Say why, and return false. */
bool
ig_refuse(char *error, const char *what)
{
	snprintf(error, IG_API_ERROR_SIZE, "%s", what);
	return false;
}

/* Whether the text is one of the words. */
bool
ig_is_one_of(const char *text, const char *const *words)
{
	for (; text != NULL && *words != NULL; words++)
	{
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/*
 * Whether a request in this status will never change again.  One that became a
 * request for each signer does not: these are requests of their own.
 */
bool
ig_api_status_is_final(const char *status)
{
	static const char *const words[] = {
		"COMPLETED", "EXPIRED", "FAILED", "CANCELLED", "LAUNCH_ERROR", "CHILDREN_GENERATED", NULL
	};

	return ig_is_one_of(status, words);
}

/* Whether the signature method is one of the API's. */
bool
ig_api_known_signature_method(const char *method)
{
	static const char *const words[] = {
		"SIMPLE_STD", "ADVANCED_SMS", "ADVANCED_STD", "QUALIFIED_STD", NULL
	};

	return ig_is_one_of(method, words);
}

/* Whether the proof type is one of the API's for whole documents. */
bool
ig_api_known_proof_type(const char *type)
{
	static const char *const words[] = {
		"PDF_WITH_SIGNATURES", "ADVANCED_LEGAL_KIT", "SIGNED_DATA", NULL
	};

	return ig_is_one_of(type, words);
}

/* Whether the proof type is one of the API's for one signer of a document. */
bool
ig_api_known_signer_proof_type(const char *type)
{
	static const char *const words[] = {
		"CADES", "PKCS7", "PADES_ATTACHED", "JWSATT", "JADESDET", "JADESATT", "XADESDET",
		"XADESATT", "XMLDSIGDET", "XMLDSIGATT", NULL
	};

	return ig_is_one_of(type, words);
}

/* The value of a hexadecimal digit, or -1. */
static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The value of a base64 digit of either alphabet, or -1. */
static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

/* Read a SHA-256 in any of the encodings in use. */
bool
ig_api_read_sha256(const char *text, uint8_t sha256[32])
{
	size_t		length = text ? strlen(text) : 0;
	uint32_t	bits = 0;
	int			nbits = 0;
	int			n = 0;

	if (length == 64)
	{
		for (int i = 0; i < 32; i++)
		{
			int			high = hex_digit(text[2 * i]);
			int			low = hex_digit(text[2 * i + 1]);

			if (high < 0 || low < 0)
				return false;
			sha256[i] = (uint8_t) (high * 16 + low);
		}
		return true;
	}
	if (length == 44 && text[43] == '=')
		length = 43;
	if (length != 43)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		int			digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = (bits << 6 | (uint32_t) digit) & 0xFFFF;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			sha256[n++] = (uint8_t) (bits >> nbits);
		}
	}
	return (bits & ((1u << nbits) - 1)) == 0;
}

/* Whether the text is this SHA-256. */
bool
ig_api_same_sha256(const char *text, const uint8_t sha256[32])
{
	uint8_t		read[32];

	return ig_api_read_sha256(text, read) && memcmp(read, sha256, 32) == 0;
}

/* Whether n characters are hexadecimal digits. */
static bool
all_hex(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (hex_digit(text[i]) < 0)
			return false;
	}
	return true;
}

/* Whether the text starts with a uuid that ends at "end". */
static bool
is_uuid(const char *text, size_t length)
{
	if (length != 36)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		bool		dash = (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? text[i] != '-' : hex_digit(text[i]) < 0)
			return false;
	}
	return true;
}

/* Whether the text is an application's id. */
bool
ig_api_valid_app_id(const char *app_id)
{
	return app_id != NULL && strncmp(app_id, "appId_", 6) == 0 && is_uuid(app_id + 6, strlen(app_id + 6));
}

/* Whether the text is an environment of the API. */
bool
ig_api_known_environment(const char *app_env)
{
	static const char *const words[] = {"DEVELOPMENT", "STAGING", "PRODUCTION", NULL};

	return ig_is_one_of(app_env, words);
}

/* When a JWT expires. */
int64_t
ig_api_jwt_expiry(const char *token)
{
	const char *payload = strchr(token, '.');
	char		json[2048];
	uint32_t	bits = 0;
	int			nbits = 0;
	size_t		n = 0;
	cJSON	   *tree;
	const cJSON *exp;
	int64_t		result = -1;

	for (const char *c = payload ? payload + 1 : ""; *c && *c != '.' && *c != '='; c++)
	{
		int			digit = base64_digit(*c);

		if (digit < 0 || n + 1 >= sizeof(json))
			return -1;
		bits = (bits << 6 | (uint32_t) digit) & 0xFFFF;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			json[n++] = (char) (bits >> nbits & 0xFF);
		}
	}
	tree = cJSON_ParseWithLength(json, n);
	exp = cJSON_GetObjectItemCaseSensitive(tree, "exp");
	if (cJSON_IsNumber(exp) && exp->valuedouble > 0 && exp->valuedouble < 1e11)
		result = (int64_t) exp->valuedouble;
	cJSON_Delete(tree);
	return result;
}

/* Take an API key apart. */
bool
ig_api_key_parse(const char *key, IgApiKey *parts, char error[IG_API_ERROR_SIZE])
{
	static const char *const environments[][2] = {
		{"development", "DEVELOPMENT"}, {"staging", "STAGING"}, {"production", "PRODUCTION"}
	};
	const char *environment;
	const char *uuid;
	const char *secret;
	bool		known = false;

	if (key == NULL || strncmp(key, "skv2_", 5) != 0)
		return ig_refuse(error, "it does not start with \"skv2_\"");
	environment = key + 5;
	uuid = strchr(environment, '_');
	secret = uuid ? strchr(uuid + 1, '_') : NULL;
	if (secret == NULL)
		return ig_refuse(error, "it does not have four parts: skv2_<environment>_<application uuid>_<secret>");
	for (size_t i = 0; i < 3; i++)
	{
		if (strlen(environments[i][0]) == (size_t) (uuid - environment) &&
			strncmp(environment, environments[i][0], (size_t) (uuid - environment)) == 0)
		{
			snprintf(parts->app_env, sizeof(parts->app_env), "%s", environments[i][1]);
			known = true;
		}
	}
	if (!known)
		return ig_refuse(error, "its second part is not development, staging or production");
	uuid++;
	if (!is_uuid(uuid, (size_t) (secret - uuid)))
		return ig_refuse(error, "its third part is not the uuid of an application");
	snprintf(parts->app_id, sizeof(parts->app_id), "appId_%.36s", uuid);
	secret++;
	if (*secret == '\0')
		return ig_refuse(error, "its fourth part, the secret, is empty");
	if (strlen(secret) > 512)
		return ig_refuse(error, "its fourth part, the secret, is too long");
	for (; *secret; secret++)
	{
		if ((unsigned char) *secret <= ' ' || (unsigned char) *secret >= 127)
			return ig_refuse(error, "its fourth part, the secret, has a character that cannot be in a key");
	}
	return true;
}

/* Whether the text has the form of an e-mail address. */
bool
ig_api_valid_email(const char *email)
{
	const char *at = email ? strchr(email, '@') : NULL;
	const char *domain;
	size_t		length = email ? strlen(email) : 0;

	if (at == NULL || at == email || at - email > 64 || length > 254)
		return false;
	for (const char *c = email; *c; c++)
	{
		if ((unsigned char) *c <= ' ' || *c == 127 || strchr("()<>[]:;,\\\"", *c))
			return false;
	}
	if (strchr(at + 1, '@') || email[0] == '.' || at[-1] == '.' || strstr(email, ".."))
		return false;

	/* The domain: two labels at least, none of them empty or with a dash at an end. */
	domain = at + 1;
	if (strchr(domain, '.') == NULL || domain[0] == '.' || email[length - 1] == '.')
		return false;
	for (const char *c = domain; *c; c++)
	{
		if (*c == '-' && (c == domain || c[-1] == '.' || c[1] == '.' || c[1] == '\0'))
			return false;
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
			  *c == '-' || *c == '.' || (unsigned char) *c >= 128))
			return false;
	}
	return true;
}

/* Whether the text is an ObjectId. */
bool
ig_api_valid_object_id(const char *id)
{
	return id != NULL && strlen(id) == 24 && all_hex(id, 24);
}

/* Compare ids. */
int
ig_api_compare_ids(const char *a, const char *b)
{
	return strcasecmp(a, b);
}

/* Guess a MIME type. */
const char *
ig_api_sniff_mime_type(const uint8_t *head, size_t length, const char *file_name)
{
	static const struct
	{
		const char *ending;
		const char *type;
	}			endings[] = {
		{".pdf", "application/pdf"}, {".json", "application/json"}, {".xml", "application/xml"},
		{".txt", "text/plain"}, {".csv", "text/csv"}, {".png", "image/png"},
		{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".zip", "application/zip"},
		{".doc", "application/msword"},
		{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{".odt", "application/vnd.oasis.opendocument.text"},
		{".ods", "application/vnd.oasis.opendocument.spreadsheet"}
	};
	static const struct
	{
		const char *magic;
		size_t		length;
		const char *type;
	}			magics[] = {
		{"%PDF-", 5, "application/pdf"}, {"\211PNG\r\n\032\n", 8, "image/png"},
		{"\377\330\377", 3, "image/jpeg"}, {"GIF8", 4, "image/gif"}, {"{\\rtf", 5, "application/rtf"}
	};

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
	{
		if (length >= magics[i].length && memcmp(head, magics[i].magic, magics[i].length) == 0)
			return magics[i].type;
	}
	for (size_t i = 0; file_name != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
	{
		size_t		name = strlen(file_name);
		size_t		ending = strlen(endings[i].ending);
		bool		same = name > ending;

		for (size_t j = 0; same && j < ending; j++)
		{
			char		c = file_name[name - ending + j];

			same = (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) == endings[i].ending[j];
		}
		if (same)
			return endings[i].type;
	}
	if (length >= 4 && memcmp(head, "PK\003\004", 4) == 0)
		return "application/zip";
	return "application/octet-stream";
}

/* Whether the bytes are valid UTF-8 without NUL. */
bool
ig_api_valid_utf8(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;
	size_t		i = 0;

	while (i < length)
	{
		unsigned char c = s[i];
		size_t		more;
		uint32_t	value;

		if (c == 0)
			return false;
		if (c < 0x80)
		{
			i++;
			continue;
		}
		if (c >= 0xC2 && c <= 0xDF)
			more = 1;
		else if (c >= 0xE0 && c <= 0xEF)
			more = 2;
		else if (c >= 0xF0 && c <= 0xF4)
			more = 3;
		else
			return false;
		if (length - i <= more)
			return false;
		value = c & (0x3F >> more);
		for (size_t j = 1; j <= more; j++)
		{
			if ((s[i + j] & 0xC0) != 0x80)
				return false;
			value = value << 6 | (s[i + j] & 0x3F);
		}
		/* No overlong forms, no surrogates, nothing beyond Unicode. */
		if ((more == 2 && (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF))) ||
			(more == 3 && (value < 0x10000 || value > 0x10FFFF)))
			return false;
		i += more + 1;
	}
	return true;
}
