/*-------------------------------------------------------------------------
 *
 * signers.c
 *	  The endpoints of signers and their profiles.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIGNERS_PER_PAGE 20

const char *const signer_inputs[NINPUTS] = {
	"email", "firstName", "lastName", "phoneNumber",
	"nationality", "birthDate", "birthPlace", "birthCountry"
};

#define SIGNER_FIELDS \
	{"signerProfileId", 'i', false}, {"email", 'e', false}, {"firstName", 's', false}, \
	{"lastName", 's', false}, {"phoneNumber", 'p', false}, {"nationality", 'c', false}, \
	{"birthDate", 'd', false}, {"birthPlace", 's', false}, {"birthCountry", 'c', false}, \
	{"externalId", 's', false}

static const Field signer_fields[] = {SIGNER_FIELDS, {NULL, 0, false}};

/* An update may repeat the id of the path. */
static const Field signer_changes[] = {SIGNER_FIELDS, {"signerId", 'i', false}, {NULL, 0, false}};

/* Find the signer that the path names; NULL, with the error. */
static Signer *
named_signer(Call *call, Answer *answer)
{
	Signer	   *signer;

	if (!check_app(call, answer))
		return NULL;
	if (!is_id(call->arguments[2]))
	{
		answer_error(answer, "PARAMS_VALIDATION_FAILED", "signerId is not an id", NULL);
		return NULL;
	}
	signer = signer_by_id(call->arguments[2]);
	if (signer == NULL)
	{
		answer_error(answer, "SIGNER_NOT_FOUND", "Signer not found", NULL);
		return NULL;
	}
	if (signer->app != call->app)
	{
		answer_error(answer, foreign_code(call->app, signer->app, "SIGNER_BAD_ENV", "SIGNER_NOT_OWNED_BY_APP"),
					 "The signer is of another application or environment", NULL);
		return NULL;
	}
	if (strcmp(call->method, "GET") != 0)
		touch_signer(signer);
	return signer;
}

/*
 * The first input that the profile needs and that neither the body nor the
 * signer, which may be NULL, has; NULL: all are there.
 */
const char *
missing_input(const App *app, const cJSON *json, const Signer *signer)
{
	const Profile *profile = signer ? signer->profile : profile_by_id(app, get_text(json, "signerProfileId"));

	for (const char *const *needed = profile->inputs_needed; *needed != NULL; needed++)
	{
		bool		there = get_text(json, *needed) != NULL;

		for (int k = 0; signer != NULL && k < NINPUTS; k++)
			there = there || (strcmp(signer_inputs[k], *needed) == 0 && signer->inputs[k] != NULL);
		if (!there)
			return *needed;
	}
	return NULL;
}

/* Add what was not known of a signer. */
static void
complete_signer(Signer *signer, const cJSON *json)
{
	touch_signer(signer);
	for (int k = 0; k < NINPUTS; k++)
	{
		if (signer->inputs[k] == NULL && get_text(json, signer_inputs[k]) != NULL)
			signer->inputs[k] = xstrdup(get_text(json, signer_inputs[k]));
	}
	if (get_text(json, "externalId") != NULL)
		set_text(&signer->external_id, get_text(json, "externalId"));
}

static void
make_secret(char **secret)
{
	char		id[ID_LENGTH + 1];

	make_id(id);
	free(*secret);
	*secret = xprintf("as_%s", id);
}

/* Find a signer by e-mail, or make one; what was not known of it is added. */
Signer *
upsert_signer(App *app, const cJSON *json)
{
	const char *email = get_text(json, "email");
	Signer	   *signer = email ? signer_by_email(app, email) : NULL;

	if (signer == NULL)
	{
		signer = xcalloc(1, sizeof(Signer));
		make_id(signer->id);
		signer->app = app;
		signer->profile = profile_by_id(app, get_text(json, "signerProfileId"));
		make_secret(&signer->auth_secret);
		complete_signer(signer, json);
		add_signer(signer);
	}
	else
		complete_signer(signer, json);
	return signer;
}

cJSON *
describe_signer(const Signer *signer)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *inputs;

	cJSON_AddStringToObject(json, "signerId", signer->id);
	if (signer->external_id)
		cJSON_AddStringToObject(json, "externalId", signer->external_id);
	for (int k = 0; k <= SIGNER_LAST_NAME; k++)
	{
		if (signer->inputs[k])
			cJSON_AddStringToObject(json, signer_inputs[k], signer->inputs[k]);
	}
	cJSON_AddStringToObject(json, "status", signer->revoked ? "BLOCKED" : "ACTIVE");
	inputs = cJSON_AddArrayToObject(json, "alreadyProvidedInputs");
	for (int k = 0; k < NINPUTS; k++)
	{
		if (signer->inputs[k])
			cJSON_AddItemToArray(inputs, cJSON_CreateString(signer_inputs[k]));
	}
	cJSON_AddFalseToObject(json, "isRecurrent");
	cJSON_AddStringToObject(json, "signerProfileId", signer->profile->id);
	return json;
}

/* Answer to creation and update. */
static void
answer_signer(Answer *answer, const Signer *signer, bool existed)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "signerId", signer->id);
	cJSON_AddStringToObject(json, "entityType", "NATURAL");
	cJSON_AddTrueToObject(json, "success");
	cJSON_AddBoolToObject(json, "alreadyExists", existed);
	if (signer->profile->embedded)
		cJSON_AddStringToObject(json, "authSecret", signer->auth_secret);
	answer_json(answer, json);
}

/* Answer that an input is missing. */
static void
answer_missing(Answer *answer, const char *input)
{
	cJSON	   *context = cJSON_CreateObject();

	cJSON_AddStringToObject(context, "input", input);
	answer_error(answer, "SIGNER_CREATION__INPUT_FIELD_MISSING", "The signer profile needs another input", context);
}

/* POST .../signers */
void
create_signer(Call *call, Answer *answer)
{
	cJSON	   *body;
	const char *profile;
	Signer	   *known;

	if (!check_app(call, answer) || (body = parse_fields(call, signer_fields, answer)) == NULL)
		return;
	profile = get_text(body, "signerProfileId");
	known = get_text(body, "email") ? signer_by_email(call->app, get_text(body, "email")) : NULL;
	if (profile_by_id(call->app, profile) == NULL)
		answer_error(answer, "SIGNER_PROFILE_NOT_FOUND", "Signer profile not found", NULL);
	else if (missing_input(call->app, body, known) != NULL)
		answer_missing(answer, missing_input(call->app, body, known));
	else
		answer_signer(answer, upsert_signer(call->app, body), known != NULL);
	cJSON_Delete(body);
}

/* PUT .../signers/:signerId */
void
update_signer(Call *call, Answer *answer)
{
	Signer	   *signer = named_signer(call, answer);
	cJSON	   *body;

	if (signer == NULL || (body = parse_fields(call, signer_changes, answer)) == NULL)
		return;
	if (get_text(body, "signerId") && strcmp(get_text(body, "signerId"), signer->id) != 0)
		answer_error(answer, "BODY_VALIDATION_FAILED", "signerId is not that of the path", NULL);
	else if (profile_by_id(call->app, get_text(body, "signerProfileId")) == NULL)
		answer_error(answer, "SIGNER_PROFILE_NOT_FOUND", "Signer profile not found", NULL);
	else if (signer->revoked)
		answer_error(answer, "SIGNER_BLOCKED", "The signer is revoked", NULL);
	else
	{
		complete_signer(signer, body);
		answer_signer(answer, signer, true);
	}
	cJSON_Delete(body);
}

/* GET .../signers/:signerId */
void
get_signer(Call *call, Answer *answer)
{
	Signer	   *signer = named_signer(call, answer);

	if (signer)
		answer_json(answer, describe_signer(signer));
}

/* GET .../signers/:signerId/details */
void
signer_details(Call *call, Answer *answer)
{
	Signer	   *signer = named_signer(call, answer);
	cJSON	   *json;
	cJSON	   *claims;
	cJSON	   *claim;

	if (signer == NULL)
		return;
	json = describe_signer(signer);
	claims = cJSON_AddArrayToObject(json, "claims");
	claim = cJSON_CreateObject();
	cJSON_AddStringToObject(claim, "claimRef", "EMAIL_POSSESSION");
	cJSON_AddStringToObject(claim, "status", "DECLARED");
	cJSON_AddItemToArray(claims, claim);
	cJSON_AddArrayToObject(json, "latestSignatureRequests");
	answer_json(answer, json);
}

/* DELETE .../signers/:signerId/revoke */
void
revoke_signer(Call *call, Answer *answer)
{
	Signer	   *signer = named_signer(call, answer);

	if (signer == NULL)
		return;
	signer->revoked = true;
	answer_id(answer, "signerId", signer->id);
}

/* PUT .../signers/:signerId/regenerate-auth-secret */
void
regenerate_auth_secret(Call *call, Answer *answer)
{
	static const Field none[] = {{NULL, 0, false}};
	Signer	   *signer = named_signer(call, answer);
	cJSON	   *body;

	if (signer == NULL || (body = parse_fields(call, none, answer)) == NULL)
		return;
	cJSON_Delete(body);
	if (signer->revoked)
	{
		answer_error(answer, "SIGNER_BLOCKED", "The signer is revoked", NULL);
		return;
	}
	make_secret(&signer->auth_secret);
	answer_id(answer, "authSecret", signer->auth_secret);
}

/* Answer a page of the signers in which the text occurs (NULL: of all). */
static void
answer_signers(Call *call, const char *filter, size_t page, Answer *answer)
{
	cJSON	   *json = cJSON_CreateObject();
	cJSON	   *list = cJSON_AddArrayToObject(json, "signers");
	size_t		total = 0;

	for (size_t i = 0; i < signer_count(); i++)
	{
		Signer	   *signer = signer_by_number(i);
		bool		found = filter == NULL;

		for (int k = 0; k <= SIGNER_LAST_NAME; k++)
			found = found || (signer->inputs[k] != NULL && strcasestr(signer->inputs[k], filter) != NULL);
		if (signer->app != call->app || !found)
			continue;
		if (total >= page * SIGNERS_PER_PAGE && total < (page + 1) * SIGNERS_PER_PAGE)
			cJSON_AddItemToArray(list, describe_signer(signer));
		total++;
	}
	cJSON_AddNumberToObject(json, "total", (double) total);
	answer_json(answer, json);
}

/* GET .../signers-paginate?page= */
void
list_signers(Call *call, Answer *answer)
{
	size_t		page;

	if (check_app(call, answer) && query_page(call, 0, &page, answer))
		answer_signers(call, NULL, page > 0 ? page - 1 : 0, answer);
}

/* GET or POST .../signers-search?filter=; a POST may have it in its body instead. */
void
search_signers(Call *call, Answer *answer)
{
	static const Field fields[] = {{"filter", 'w', false}, {NULL, 0, false}};
	char		filter[513] = "";

	if (!check_app(call, answer))
		return;
	if (!query_value(call->query, "filter", filter, sizeof(filter)) && call->body_length > 0)
	{
		cJSON	   *body = parse_fields(call, fields, answer);

		if (body == NULL)
			return;
		snprintf(filter, sizeof(filter), "%s", get_text(body, "filter") ? get_text(body, "filter") : "");
		cJSON_Delete(body);
	}
	if (filter[0] == '\0')
		answer_error(answer, "SEARCH_APPLICATION_SIGNERS_INVALID_FILTER", "filter is missing", NULL);
	else
		answer_signers(call, filter, 0, answer);
}

/* ---- Profiles ---- */

static cJSON *
describe_profile(const App *app, const Profile *profile)
{
	cJSON	   *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "_id", profile->id);
	cJSON_AddStringToObject(json, "appId", app->app_id);
	cJSON_AddStringToObject(json, "appEnv", app->app_env);
	cJSON_AddStringToObject(json, "name", profile->name);
	cJSON_AddStringToObject(json, "status", "ACTIVE");
	cJSON_AddNumberToObject(json, "version", 1);
	cJSON_AddTrueToObject(json, "isEmailProofSentByIgnisign");
	cJSON_AddFalseToObject(json, "isRecurrent");
	cJSON_AddStringToObject(json, "integrationMode", profile->embedded ? "EMBEDDED" : "BY_SIDE");
	cJSON_AddObjectToObject(json, "signatureAuthMethodsConfiguration");
	return json;
}

/* All profiles of an application. */
cJSON *
describe_profiles(const App *app)
{
	cJSON	   *list = cJSON_CreateArray();

	for (int i = 0; i < NPROFILES; i++)
		cJSON_AddItemToArray(list, describe_profile(app, &app->profiles[i]));
	return list;
}

/* GET .../signer-profiles */
void
list_profiles(Call *call, Answer *answer)
{
	if (check_app(call, answer))
		answer_json(answer, describe_profiles(call->app));
}

/* Find the profile that the path names; NULL, with the error. */
static const Profile *
named_profile(Call *call, Answer *answer)
{
	const Profile *profile;

	if (!check_app(call, answer))
		return NULL;
	profile = profile_by_id(call->app, call->arguments[2]);
	if (profile == NULL)
		answer_error(answer, is_id(call->arguments[2]) ? "SIGNER_PROFILE_NOT_FOUND" : "PARAMS_VALIDATION_FAILED",
					 "Signer profile not found", NULL);
	return profile;
}

/* GET .../signer-profiles/:signerProfileId */
void
get_profile(Call *call, Answer *answer)
{
	const Profile *profile = named_profile(call, answer);

	if (profile)
		answer_json(answer, describe_profile(call->app, profile));
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
inputs_needed(Call *call, Answer *answer)
{
	const Profile *profile = named_profile(call, answer);
	cJSON	   *json;

	if (profile == NULL)
		return;
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "signerProfileId", profile->id);
	add_words(json, "inputsNeeded", profile->inputs_needed);
	add_words(json, "optionalInputs", profile->optional_inputs);
	answer_json(answer, json);
}
