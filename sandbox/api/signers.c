/*-------------------------------------------------------------------------
 *
 * signers.c
 *	  The endpoints of signers and their profiles.
 *
 *-------------------------------------------------------------------------
 */
#include "api/signers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/describe.h"
#include "api/fields.h"
#include "api/lookup.h"
#include "api/validate.h"
#include "http/call.h"
#include "http/response.h"
#include "model/apps.h"
#include "model/store.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/json.h"

#define SIGNERS_PER_PAGE 20

#define SIGNER_FIELDS \
	{"signerProfileId", 'i', false}, {"email", 'e', false}, {"firstName", 's', false}, \
	{"lastName", 's', false}, {"phoneNumber", 'p', false}, {"nationality", 'c', false}, \
	{"birthDate", 'd', false}, {"birthPlace", 's', false}, {"birthCountry", 'c', false}, \
	{"externalId", 's', false}

static const SbField signer_fields[] = {SIGNER_FIELDS, {NULL, 0, false}};

/* An update may repeat the id of the path. */
static const SbField signer_changes[] = {SIGNER_FIELDS, {"signerId", 'i', false}, {NULL, 0, false}};

/* Find the signer that the path names; NULL, with the error. */
static SbSigner *
named_signer(SbCall *call, SbResponse *response)
{
	SbSigner   *signer;

	if (!sb_check_app(call, response))
		return NULL;
	if (!sb_is_id(call->arguments[2]))
	{
		sb_respond_error(response, "PARAMS_VALIDATION_FAILED", "signerId is not an id", NULL);
		return NULL;
	}
	signer = sb_signer_by_id(call->arguments[2]);
	if (signer == NULL)
	{
		sb_respond_error(response, "SIGNER_NOT_FOUND", "Signer not found", NULL);
		return NULL;
	}
	if (signer->app != call->app)
	{
		sb_respond_error(response, sb_foreign_code(call->app, signer->app, "SIGNER_BAD_ENV", "SIGNER_NOT_OWNED_BY_APP"),
						 "The signer is of another application or environment", NULL);
		return NULL;
	}
	if (strcmp(call->method, "GET") != 0)
		sb_touch_signer(signer);
	return signer;
}

/* Add what was not known of a signer. */
static void
complete_signer(SbSigner *signer, const cJSON *json)
{
	sb_touch_signer(signer);
	for (int k = 0; k < SB_NINPUTS; k++)
	{
		if (signer->inputs[k] == NULL && sb_get_text(json, sb_signer_inputs[k]) != NULL)
			signer->inputs[k] = sb_strdup(sb_get_text(json, sb_signer_inputs[k]));
	}
	if (sb_get_text(json, "externalId") != NULL)
		sb_set_text(&signer->external_id, sb_get_text(json, "externalId"));
}

static void
make_secret(char **secret)
{
	char		id[SB_ID_LENGTH + 1];

	sb_make_id(id);
	free(*secret);
	*secret = sb_psprintf("as_%s", id);
}

/* Find a signer by e-mail, or make one; what was not known of it is added. */
SbSigner *
sb_upsert_signer(SbApp *app, const cJSON *json)
{
	const char *email = sb_get_text(json, "email");
	SbSigner   *signer = email ? sb_signer_by_email(app, email) : NULL;

	if (signer == NULL)
	{
		signer = sb_calloc(1, sizeof(SbSigner));
		sb_make_id(signer->id);
		signer->app = app;
		signer->profile = sb_profile_by_id(app, sb_get_text(json, "signerProfileId"));
		make_secret(&signer->auth_secret);
		complete_signer(signer, json);
		sb_add_signer(signer);
	}
	else
		complete_signer(signer, json);
	return signer;
}

/* Respond to creation and update. */
static void
respond_signer(SbResponse *response, const SbSigner *signer, bool existed)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "signerId", signer->id);
	cJSON_AddStringToObject(json, "entityType", "NATURAL");
	cJSON_AddTrueToObject(json, "success");
	cJSON_AddBoolToObject(json, "alreadyExists", existed);
	if (signer->profile->embedded)
		cJSON_AddStringToObject(json, "authSecret", signer->auth_secret);
	sb_respond_json(response, json);
}

/* Respond that an input is missing. */
static void
respond_missing(SbResponse *response, const char *input)
{
	cJSON	   *context = cJSON_CreateObject();

	cJSON_AddStringToObject(context, "input", input);
	sb_respond_error(response, "SIGNER_CREATION__INPUT_FIELD_MISSING", "The signer profile needs another input", context);
}

/* POST .../signers */
void
sb_create_signer(SbCall *call, SbResponse *response)
{
	cJSON	   *body;
	const char *profile;
	SbSigner   *known;

	if (!sb_check_app(call, response) || (body = sb_parse_fields(call, signer_fields, response)) == NULL)
		return;
	profile = sb_get_text(body, "signerProfileId");
	known = sb_get_text(body, "email") ? sb_signer_by_email(call->app, sb_get_text(body, "email")) : NULL;
	if (sb_profile_by_id(call->app, profile) == NULL)
		sb_respond_error(response, "SIGNER_PROFILE_NOT_FOUND", "Signer profile not found", NULL);
	else if (sb_missing_input(call->app, body, known) != NULL)
		respond_missing(response, sb_missing_input(call->app, body, known));
	else
		respond_signer(response, sb_upsert_signer(call->app, body), known != NULL);
	cJSON_Delete(body);
}

/* PUT .../signers/:signerId */
void
sb_update_signer(SbCall *call, SbResponse *response)
{
	SbSigner   *signer = named_signer(call, response);
	cJSON	   *body;

	if (signer == NULL || (body = sb_parse_fields(call, signer_changes, response)) == NULL)
		return;
	if (sb_get_text(body, "signerId") && strcmp(sb_get_text(body, "signerId"), signer->id) != 0)
		sb_respond_error(response, "BODY_VALIDATION_FAILED", "signerId is not that of the path", NULL);
	else if (sb_profile_by_id(call->app, sb_get_text(body, "signerProfileId")) == NULL)
		sb_respond_error(response, "SIGNER_PROFILE_NOT_FOUND", "Signer profile not found", NULL);
	else if (signer->revoked)
		sb_respond_error(response, "SIGNER_BLOCKED", "The signer is revoked", NULL);
	else
	{
		complete_signer(signer, body);
		respond_signer(response, signer, true);
	}
	cJSON_Delete(body);
}

/* GET .../signers/:signerId */
void
sb_get_signer(SbCall *call, SbResponse *response)
{
	SbSigner   *signer = named_signer(call, response);

	if (signer)
		sb_respond_json(response, sb_describe_signer(signer));
}

/* GET .../signers/:signerId/details */
void
sb_signer_details(SbCall *call, SbResponse *response)
{
	SbSigner   *signer = named_signer(call, response);
	cJSON	   *json;
	cJSON	   *claims;
	cJSON	   *claim;

	if (signer == NULL)
		return;
	json = sb_describe_signer(signer);
	claims = cJSON_AddArrayToObject(json, "claims");
	claim = cJSON_CreateObject();
	cJSON_AddStringToObject(claim, "claimRef", "EMAIL_POSSESSION");
	cJSON_AddStringToObject(claim, "status", "DECLARED");
	cJSON_AddItemToArray(claims, claim);
	cJSON_AddArrayToObject(json, "latestSignatureRequests");
	sb_respond_json(response, json);
}

/* DELETE .../signers/:signerId/revoke */
void
sb_revoke_signer(SbCall *call, SbResponse *response)
{
	SbSigner   *signer = named_signer(call, response);

	if (signer == NULL)
		return;
	signer->revoked = true;
	sb_respond_id(response, "signerId", signer->id);
}

/* PUT .../signers/:signerId/regenerate-auth-secret */
void
sb_regenerate_auth_secret(SbCall *call, SbResponse *response)
{
	static const SbField none[] = {{NULL, 0, false}};
	SbSigner   *signer = named_signer(call, response);
	cJSON	   *body;

	if (signer == NULL || (body = sb_parse_fields(call, none, response)) == NULL)
		return;
	cJSON_Delete(body);
	if (signer->revoked)
	{
		sb_respond_error(response, "SIGNER_BLOCKED", "The signer is revoked", NULL);
		return;
	}
	make_secret(&signer->auth_secret);
	sb_respond_id(response, "authSecret", signer->auth_secret);
}

/* Respond with a page of the signers in which the text occurs (NULL: of all). */
static void
respond_signers(SbCall *call, const char *filter, size_t page, SbResponse *response)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *list = cJSON_AddArrayToObject(json, "signers");
	size_t		total = 0;

	for (size_t i = 0; i < sb_signer_count(); i++)
	{
		SbSigner   *signer = sb_signer_by_number(i);
		bool		found = filter == NULL;

		for (int k = 0; k <= SB_SIGNER_LAST_NAME; k++)
			found = found || (signer->inputs[k] != NULL && strcasestr(signer->inputs[k], filter) != NULL);
		if (signer->app != call->app || !found)
			continue;
		if (total >= page * SIGNERS_PER_PAGE && total < (page + 1) * SIGNERS_PER_PAGE)
			cJSON_AddItemToArray(list, sb_describe_signer(signer));
		total++;
	}
	cJSON_AddNumberToObject(json, "total", (double) total);
	sb_respond_json(response, json);
}

/* GET .../signers-paginate?page= */
void
sb_list_signers(SbCall *call, SbResponse *response)
{
	size_t		page;

	if (sb_check_app(call, response) && sb_query_page(call, 0, &page, response))
		respond_signers(call, NULL, page > 0 ? page - 1 : 0, response);
}

/* GET or POST .../signers-search?filter=; a POST may have it in its body instead. */
void
sb_search_signers(SbCall *call, SbResponse *response)
{
	static const SbField fields[] = {{"filter", 'w', false}, {NULL, 0, false}};
	char		filter[513] = "";

	if (!sb_check_app(call, response))
		return;
	if (!sb_query_value(call->query, "filter", filter, sizeof(filter)) && call->body_length > 0)
	{
		cJSON	   *body = sb_parse_fields(call, fields, response);

		if (body == NULL)
			return;
		snprintf(filter, sizeof(filter), "%s", sb_get_text(body, "filter") ? sb_get_text(body, "filter") : "");
		cJSON_Delete(body);
	}
	if (filter[0] == '\0')
		sb_respond_error(response, "SEARCH_APPLICATION_SIGNERS_INVALID_FILTER", "filter is missing", NULL);
	else
		respond_signers(call, filter, 0, response);
}

/* ---- Profiles ---- */

/* GET .../signer-profiles */
void
sb_list_profiles(SbCall *call, SbResponse *response)
{
	if (sb_check_app(call, response))
		sb_respond_json(response, sb_describe_profiles(call->app));
}

/* Find the profile that the path names; NULL, with the error. */
static const SbProfile *
named_profile(SbCall *call, SbResponse *response)
{
	const SbProfile *profile;

	if (!sb_check_app(call, response))
		return NULL;
	profile = sb_profile_by_id(call->app, call->arguments[2]);
	if (profile == NULL)
		sb_respond_error(response, sb_is_id(call->arguments[2]) ? "SIGNER_PROFILE_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
						 "Signer profile not found", NULL);
	return profile;
}

/* GET .../signer-profiles/:signerProfileId */
void
sb_get_profile(SbCall *call, SbResponse *response)
{
	const SbProfile *profile = named_profile(call, response);

	if (profile)
		sb_respond_json(response, sb_describe_profile(call->app, profile));
}

static void
add_words(cJSON *json, const char *name, const char *const *words)
{
	cJSON	   *list = cJSON_AddArrayToObject(json, name);

	for (; *words != NULL; words++)
		cJSON_AddItemToArray(list, cJSON_CreateString(*words));
}

/* GET .../signer-profiles/:signerProfileId/inputs-needed */
void
sb_inputs_needed(SbCall *call, SbResponse *response)
{
	const SbProfile *profile = named_profile(call, response);
	cJSON	   *json;

	if (profile == NULL)
		return;
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "signerProfileId", profile->id);
	add_words(json, "inputsNeeded", profile->inputs_needed);
	add_words(json, "optionalInputs", profile->optional_inputs);
	sb_respond_json(response, json);
}
