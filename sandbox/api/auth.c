/*-------------------------------------------------------------------------
 *
 * auth.c
 *	  Who calls: the bearer of a call, an API key or a JWT from a login.
 *
 *-------------------------------------------------------------------------
 */
#include "api/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/fields.h"
#include "api/validate.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/record.h"
#include "model/state.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"
#include "util/options.h"

/* A kind of records in the state file. */
#define STATE_LOGIN_KEY 'K'

/* What JWTs are signed with; a new one makes all of them invalid. */
static uint8_t signing_key[32];
static bool have_signing_key;

/* Append the key, once there is one. */
static void
append_key(void)
{
	if (have_signing_key)
		sb_state_append(STATE_LOGIN_KEY, NULL);
}

/* Make all tokens invalid. */
void
sb_revoke_logins(void)
{
	RAND_bytes(signing_key, sizeof(signing_key));
	have_signing_key = true;
	append_key();
}

static void
record_key(SbRecord *record, void *object)
{
	void	   *key = record->reading ? NULL : signing_key;
	size_t		size = sizeof(signing_key);

	(void) object;
	sb_record_blob(record, &key, &size);
	if (!record->reading)
		return;
	have_signing_key = size == sizeof(signing_key);
	if (have_signing_key)
		memcpy(signing_key, key, sizeof(signing_key));
	free(key);
}

/* Keep the key in the state file, so that tokens outlive a restart. */
void
sb_auth_register(void)
{
	static const SbStatePart part = {.kinds = {{STATE_LOGIN_KEY, record_key}}, .append_all = append_key};

	sb_state_register(&part);
}

/* The signature of the first two parts of a JWT, to be freed. */
static char *
sign_token(const char *text, size_t length)
{
	unsigned char mac[32];
	unsigned int size = sizeof(mac);

	if (!have_signing_key)
		sb_revoke_logins();
	HMAC(EVP_sha256(), signing_key, sizeof(signing_key), (const unsigned char *) text, length, mac, &size);
	return sb_to_base64url(mac, size);
}

/* A JWT for an application, to be freed. */
static char *
make_jwt(const SbApp *app)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	int64_t		now = sb_now_ms();
	char	   *payload = sb_psprintf("{\"appId\":\"%s\",\"appEnv\":\"%s\",\"iat\":%lld,\"exp\":%lld}", app->app_id, app->app_env,
									  (long long) now / 1000, (long long) (now + sb_options.jwt_lifetime + 999) / 1000);
	char	   *first = sb_to_base64url(header, strlen(header));
	char	   *second = sb_to_base64url(payload, strlen(payload));
	char	   *signed_text = sb_psprintf("%s.%s", first, second);
	char	   *signature = sign_token(signed_text, strlen(signed_text));
	char	   *token = sb_psprintf("%s.%s", signed_text, signature);

	free(payload);
	free(first);
	free(second);
	free(signed_text);
	free(signature);
	return token;
}

/* The payload of a JWT; NULL: it is not one of ours. */
static cJSON *
read_jwt(const char *token)
{
	const char *dot = strchr(token, '.');
	const char *end = dot ? strchr(dot + 1, '.') : NULL;
	char	   *signature = end ? sign_token(token, (size_t) (end - token)) : NULL;
	bool		genuine = signature != NULL && strcmp(signature, end + 1) == 0;
	cJSON	   *payload = NULL;

	free(signature);
	if (genuine)
	{
		char	   *text = sb_psprintf("%.*s%s", (int) (end - dot - 1), dot + 1, &"==="[3 - (4 - (end - dot - 1) % 4) % 4]);
		size_t		size;
		uint8_t    *json;

		for (char *c = text; *c; c++)
			*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
		json = sb_from_base64(text, strlen(text), &size);
		payload = json ? cJSON_ParseWithLength((const char *) json, size) : NULL;
		free(json);
		free(text);
	}
	return payload;
}

/* POST /v4/auth/app-api */
void
sb_login(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {
		{"appId", 'w', true}, {"appEnv", 'v', true}, {"secret", 's', true}, {NULL, 0, false}
	};
	cJSON	   *body = sb_parse_fields(call, fields, response);
	SbApp	   *app;

	if (body == NULL)
		return;
	app = sb_app_by_id(sb_get_text(body, "appId"), sb_get_text(body, "appEnv"));
	if (app == NULL)
		sb_respond_error(response, "APP_NOT_FOUND", "Application not found", NULL);
	else if (app->secret == NULL || strcmp(app->secret, sb_get_text(body, "secret")) != 0)
		sb_respond_error(response, "AUTHENTICATION_FAILED", "Authentication failed", NULL);
	else
	{
		char	   *token = make_jwt(app);

		sb_respond_id(response, "jwtToken", token);
		free(token);
	}
	cJSON_Delete(body);
}

/* Find the application of a JWT; false, with the error, if none. */
static bool
authenticate_jwt(SbCall *call, const char *token, SbResponse *response)
{
	cJSON	   *payload = read_jwt(token);
	const cJSON *exp = cJSON_GetObjectItemCaseSensitive(payload, "exp");

	if (payload == NULL)
		sb_respond_error(response, "INVALID_AUTH_JWT_TOKEN", "The token is not valid", NULL);
	else if (!cJSON_IsNumber(exp) || exp->valuedouble * 1000 <= (double) sb_now_ms())
		sb_respond_error(response, "OUTDATED_AUTH_JWT_TOKEN", "The token is outdated", NULL);
	else
		call->app = sb_app_by_id(sb_get_text(payload, "appId"), sb_get_text(payload, "appEnv"));
	cJSON_Delete(payload);
	return call->app != NULL;
}

/* Find the application of the call's bearer; false, with the error, if none. */
bool
sb_authenticate(SbCall *call, SbResponse *response)
{
	const char *token = call->authorization;

	if (token == NULL)
	{
		sb_respond_error(response, "AUTH_HEADER_NOT_FOUND", "Authorization header not found", NULL);
		return false;
	}
	if (strncasecmp(token, "Bearer", 6) != 0 || (token[6] != ' ' && token[6] != '\0'))
	{
		sb_respond_error(response, "AUTH_HEADER_NOT_BEARER", "Authorization header is not a bearer", NULL);
		return false;
	}
	for (token += 6; *token == ' '; token++)
		;
	if (*token == '\0')
	{
		sb_respond_error(response, "AUTH_HEADER_NO_TOKEN", "Authorization header has no token", NULL);
		return false;
	}
	if (strncmp(token, "eyJ", 3) == 0)
		return authenticate_jwt(call, token, response);
	call->app = sb_app_by_key(token);
	if (call->app == NULL)
	{
		sb_respond_error(response, "API_KEY_NOT_FOUND", "API key not found", NULL);
		return false;
	}
	return true;
}
