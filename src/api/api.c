/*-------------------------------------------------------------------------
 *
 * api.c
 *	  Ignisign's REST API v4 as data: one table of its operations.
 *
 * Adding an operation is adding its entry here; those that the code knows by a
 * constant of IgOperation come first.  An entry without a builder sends the
 * fields that are given to it, checked by their kinds; one without a reader
 * takes any JSON as its response.
 *
 *-------------------------------------------------------------------------
 */
#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

#define APP "/v4/applications/{appId}/envs/{appEnv}"
#define REQUEST "/v4/signature-requests/{signatureRequestId}"
#define DOCUMENT "/v4/documents/{documentId}"
#define WEBHOOK "/v4/webhooks/{webhookId}"

#define REQUEST_ID {"signatureRequestId", IG_ID, true}
#define DOCUMENT_ID {"documentId", IG_ID, true}
#define SIGNER_ID {"signerId", IG_ID, true}
#define WEBHOOK_ID {"webhookId", IG_ID, true}

#define FIELDS(...) (const IgField[]) {__VA_ARGS__, {NULL}}

/* What is known of a person. */
#define SIGNER_INPUTS \
	{"signerProfileId", IG_ID}, {"email", IG_EMAIL}, {"firstName", IG_STRING}, \
	{"lastName", IG_STRING}, {"phoneNumber", IG_STRING}, {"nationality", IG_STRING}, \
	{"birthDate", IG_TIME}, {"birthPlace", IG_STRING}, {"birthCountry", IG_STRING}, \
	{"externalId", IG_STRING}

#define DOCUMENT_METADATA \
	{"externalId", IG_STRING}, {"label", IG_STRING}, {"description", IG_STRING}, \
	{"templateDisplayerId", IG_STRING}, {"templateDisplayerVersion", IG_STRING}

/* A call that is given as it is. */
#define CALL_FIELDS \
	FIELDS({"method", IG_STRING, true}, {"path", IG_STRING, true}, {"body", IG_JSON})

/* A page of a delivery log. */
#define LOG_FIELDS \
	FIELDS(WEBHOOK_ID, {"filter", IG_STRING, true}, {"page", IG_NUMBER, true})

static const IgOperationEntry operations[] = {
	/* What requests made by ignisign_sign() go through. */
	[IG_OP_ONE_CALL_SIGN] = {
		"one-call-sign", "POST", "/v4/signature-requests/one-call-sign", IG_TRACEABLE,
		.build = ig_build_sign, .read = ig_read_sign
	},
	[IG_OP_STATUS] = {
		"status", "POST", APP "/signature-requests/status", IG_REPEATABLE,
		.build = ig_build_status, .read = ig_read_status
	},
	[IG_OP_CONTEXT] = {
		"context", "GET", REQUEST "/context", IG_REPEATABLE,
		FIELDS(REQUEST_ID), .read = ig_read_context
	},
	[IG_OP_LIST] = {
		"list", "GET", APP "/signature-requests?page={page}", IG_REPEATABLE,
		FIELDS({"page", IG_NUMBER, true}), .read = ig_read_list
	},
	[IG_OP_PROOF] = {
		"proof", "GET", DOCUMENT "/signature-type/{signatureType}",
		IG_REPEATABLE | IG_NOT_YET | IG_BYTES,
		FIELDS(DOCUMENT_ID, {"signatureType", IG_STRING, true})
	},
	[IG_OP_SIGNER_PROOF] = {
		"signer-proof", "GET", DOCUMENT "/signature-type/{signatureType}/signers/{signerId}",
		IG_REPEATABLE | IG_NOT_YET | IG_BYTES,
		FIELDS(DOCUMENT_ID, {"signatureType", IG_SIGNER_PROOF_TYPE, true}, SIGNER_ID)
	},
	[IG_OP_CLOSE] = {
		"close", "POST", REQUEST "/close", IG_REPEATABLE, FIELDS(REQUEST_ID),
		.done_code = "SIGNATURE_REQUEST_ALREADY_COMPLETED", .by_others = true
	},
	[IG_OP_RESEND_EMAIL] = {
		"resend-email", "POST", REQUEST "/{signerId}/resend-email", IG_NO_BODY,
		FIELDS(REQUEST_ID, SIGNER_ID)
	},
	[IG_OP_CREATE_REQUEST] = {
		"create-request", "POST", APP "/signature-requests", IG_REPEATABLE, .read = ig_read_sign
	},
	[IG_OP_INIT_DOCUMENT] = {
		"init-document", "POST", APP "/init-documents", IG_REPEATABLE,
		FIELDS({"signatureRequestId", IG_ID, true}, DOCUMENT_METADATA), .read = ig_read_document
	},
	[IG_OP_UPLOAD_FILE] = {
		"upload-file", "POST", DOCUMENT "/file", IG_REPEATABLE, FIELDS(DOCUMENT_ID), .part = "file"
	},
	[IG_OP_UPLOAD_JSON] = {
		"upload-json", "POST", DOCUMENT "/data-json-content", IG_REPEATABLE,
		FIELDS(DOCUMENT_ID, {"jsonContent", IG_JSON, true})
	},
	[IG_OP_UPLOAD_HASH] = {
		"upload-hash", "POST", DOCUMENT "/private-content", IG_REPEATABLE,
		FIELDS(DOCUMENT_ID, {"documentHash", IG_SHA256, true})
	},
	[IG_OP_CREATE_SIGNER] = {
		"create-signer", "POST", APP "/signers", IG_REPEATABLE,
		FIELDS(SIGNER_INPUTS), .read = ig_read_signer
	},
	[IG_OP_UPDATE_REQUEST] = {
		"update-request", "PUT", REQUEST, IG_REPEATABLE,
		FIELDS(REQUEST_ID, {"title", IG_TITLE}, {"description", IG_DESCRIPTION}, {"language", IG_STRING},
			   {"documentIds", IG_IDS}, {"signerIds", IG_IDS}, {"signerIdsAsApprover", IG_IDS},
			   {"recipients", IG_EMAILS}, {"externalId", IG_STRING}, {"expirationDate", IG_TIME},
			   {"expirationDateIsActivated", IG_BOOLEAN}, {"diffusionMode", IG_STRING},
			   {"diffusionDate", IG_TIME}, {"defaultSignatureMethod", IG_SIGNATURE_METHOD},
			   {"signerProfilesSignatureMethod", IG_JSON}, {"individualizeRequests", IG_BOOLEAN},
			   {"statements", IG_JSON}, {"extendedAuthSessionEnabled", IG_BOOLEAN},
			   {"fullPrivacy", IG_BOOLEAN}, {"initialSignatureRequestId", IG_ID})
	},
	[IG_OP_PUBLISH] = {
		"publish", "POST", REQUEST "/publish", IG_REPEATABLE, FIELDS(REQUEST_ID),
		.read = ig_read_sign,
		.done_code = "CANNOT_PUBLISH_SIGNATURE_REQUEST__REQUEST_ALREADY_PUBLISHED"
	},
	[IG_OP_UPLOAD_DOCUMENT] = {
		"upload-document", "POST", APP "/documents", IG_REPEATABLE,
		.read = ig_read_document, .part = "document"
	},
	[IG_OP_CHECK_AUTHENTICITY] = {
		"check-authenticity", "POST", DOCUMENT "/check-authenticity", IG_REPEATABLE,
		FIELDS(DOCUMENT_ID), .part = "file"
	},
	[IG_OP_INPUTS_NEEDED] = {
		"inputs-needed", "GET", APP "/signer-profiles/{signerProfileId}/inputs-needed", IG_REPEATABLE,
		FIELDS({"signerProfileId", IG_ID, true}), .read = ig_read_inputs
	},
	[IG_OP_VERIFY_WEBHOOK] = {
		"verify-webhook", "POST", "/v4/tokens/webhook-verification/checking-consumption", IG_REPEATABLE,
		FIELDS({"token", IG_STRING, true}, {"appId", IG_STRING, true}, {"appEnv", IG_STRING, true}),
		.read = ig_read_verification
	},
	[IG_OP_WEBHOOK_LOG] = {
		"webhook-log", "GET", WEBHOOK "/events?filter={filter}&page={page}", IG_REPEATABLE,
		LOG_FIELDS, .read = ig_read_events
	},
	[IG_OP_IMPORT] = {
		"import", "GET", APP "/signature-requests?page={page}", IG_REPEATABLE,
		FIELDS({"page", IG_NUMBER, true}), .read = ig_read_list
	},
	[IG_OP_LOGIN] = {
		"login", "POST", "/v4/auth/app-api", IG_REPEATABLE | IG_PUBLIC,
		FIELDS({"appId", IG_STRING, true}, {"appEnv", IG_STRING, true}, {"secret", IG_STRING, true}),
		.read = ig_read_login
	},
	[IG_OP_CALL] = {"call", NULL, NULL, IG_ANY, CALL_FIELDS, .build = ig_build_call},
	[IG_OP_REPEATABLE_CALL] = {
		"repeatable-call", NULL, NULL, IG_REPEATABLE | IG_ANY, CALL_FIELDS, .build = ig_build_call
	},

	/* What is only asked for and answered: each by its function in SQL. */
	{"application", "GET", "/v4/applications/{appId}/context", IG_REPEATABLE},
	{
		"check-signers", "POST", REQUEST "/check-signers-can-be-added", IG_REPEATABLE,
		FIELDS(REQUEST_ID, {"emails", IG_EMAILS, true})
	},
	{"signer-setup", "POST", APP "/signer-setup", IG_REPEATABLE},
	{"log-capsule", "POST", APP "/log-capsules", IG_REPEATABLE, FIELDS({"hashSha256_b64", IG_SHA256, true})},
	{"document", "GET", DOCUMENT, IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{"update-document", "PUT", DOCUMENT, IG_REPEATABLE, FIELDS(DOCUMENT_ID, DOCUMENT_METADATA)},
	{"delete-document", "DELETE", DOCUMENT, IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{"delete-content", "DELETE", DOCUMENT "/content", IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{"document-context", "GET", DOCUMENT "/context", IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{"original", "GET", DOCUMENT "/file", IG_REPEATABLE | IG_BYTES, FIELDS(DOCUMENT_ID)},
	{"signatures", "GET", DOCUMENT "/signatures", IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{
		"signature", "GET", DOCUMENT "/signatures/{signatureId}", IG_REPEATABLE,
		FIELDS(DOCUMENT_ID, {"signatureId", IG_ID, true})
	},
	{"signature-images", "GET", DOCUMENT "/img-signatures", IG_REPEATABLE, FIELDS(DOCUMENT_ID)},
	{"signer", "GET", APP "/signers/{signerId}", IG_REPEATABLE, FIELDS(SIGNER_ID)},
	{"signer-details", "GET", APP "/signers/{signerId}/details", IG_REPEATABLE, FIELDS(SIGNER_ID)},
	{"update-signer", "PUT", APP "/signers/{signerId}", IG_REPEATABLE, FIELDS(SIGNER_ID, SIGNER_INPUTS)},
	{"revoke-signer", "DELETE", APP "/signers/{signerId}/revoke", IG_REPEATABLE, FIELDS(SIGNER_ID)},
	{
		"regenerate-auth-secret", "PUT", APP "/signers/{signerId}/regenerate-auth-secret",
		IG_REPEATABLE, FIELDS(SIGNER_ID)
	},
	{
		"list-signers", "GET", APP "/signers-paginate?page={page}", IG_REPEATABLE,
		FIELDS({"page", IG_NUMBER, true})
	},
	{
		"search-signers", "POST", APP "/signers-search?filter={filter}", IG_REPEATABLE | IG_NO_BODY,
		FIELDS({"filter", IG_STRING, true})
	},
	{"signer-profiles", "GET", APP "/signer-profiles", IG_REPEATABLE},
	{
		"signer-profile", "GET", APP "/signer-profiles/{signerProfileId}", IG_REPEATABLE,
		FIELDS({"signerProfileId", IG_ID, true})
	},
	{
		"create-webhook", "POST", APP "/webhooks", 0,
		FIELDS({"url", IG_URL, true}, {"description", IG_STRING})
	},
	{
		"create-webhook-for-topics", "POST", APP "/webhooks/endpoints", 0,
		FIELDS({"url", IG_URL, true}, {"description", IG_STRING}, {"topics", IG_STRINGS, true})
	},
	{"list-webhooks", "GET", APP "/webhooks", IG_REPEATABLE},
	{
		"update-webhook", "PUT", WEBHOOK, IG_REPEATABLE,
		FIELDS(WEBHOOK_ID, {"url", IG_URL, true}, {"description", IG_STRING})
	},
	{"delete-webhook", "DELETE", WEBHOOK, IG_REPEATABLE, FIELDS(WEBHOOK_ID)},
	{
		"mute-webhook", "POST", WEBHOOK "/disabled-events", IG_REPEATABLE,
		FIELDS(WEBHOOK_ID, {"topics", IG_JSON, true})
	},
	{"webhook-events", "GET", WEBHOOK "/events?filter={filter}&page={page}", IG_REPEATABLE, LOG_FIELDS},
	{
		"webhook-event", "GET", WEBHOOK "/events/{eventId}", IG_REPEATABLE,
		FIELDS(WEBHOOK_ID, {"eventId", IG_ID, true})
	},
	{
		"resend-webhook-event", "POST", WEBHOOK "/events/{eventId}/resend", 0,
		FIELDS(WEBHOOK_ID, {"eventId", IG_ID, true})
	}
};

/* The entry of an operation. */
const IgOperationEntry *
ig_api_entry(IgOperation op)
{
	return &operations[op];
}

/* How many operations there are. */
int
ig_api_operation_count(void)
{
	return (int) (sizeof(operations) / sizeof(operations[0]));
}

/* The operation's name, as in ignisign.call. */
const char *
ig_api_operation_name(IgOperation op)
{
	return operations[op].name;
}

/* Find an operation by its name. */
bool
ig_api_operation_by_name(const char *name, IgOperation *op)
{
	for (int i = 0; name != NULL && i < ig_api_operation_count(); i++)
	{
		if (strcmp(operations[i].name, name) == 0)
		{
			*op = (IgOperation) i;
			return true;
		}
	}
	return false;
}

/* Whether sending the operation twice does no harm. */
bool
ig_api_repeatable(IgOperation op)
{
	return operations[op].flags & IG_REPEATABLE;
}

/* Whether a lost one can be looked for: the list of requests shows it. */
bool
ig_api_traceable(IgOperation op)
{
	return operations[op].flags & IG_TRACEABLE;
}

/* Whether a 2xx response is JSON to be read. */
bool
ig_api_response_is_json(IgOperation op)
{
	return !(operations[op].flags & IG_BYTES);
}

/* Whether a 2xx response is JSON or not as its content type says. */
bool
ig_api_response_is_any(IgOperation op)
{
	return operations[op].flags & IG_ANY;
}

/* Whether the operation is called without a bearer. */
bool
ig_api_public(IgOperation op)
{
	return operations[op].flags & IG_PUBLIC;
}

/* Whether the operation only reads. */
bool
ig_api_only_reads(IgOperation op)
{
	return operations[op].method != NULL && strcmp(operations[op].method, "GET") == 0;
}

/* Whether the operation sends a document's content. */
bool
ig_api_sends_content(IgOperation op)
{
	return operations[op].part != NULL;
}

/* Whether a refusal only means "not ready yet". */
bool
ig_api_not_yet(IgOperation op, int http_status, const char *code)
{
	static const char *const codes[] = {
		"DOCUMENT_PROOF_NOT_CREATED", "DOCUMENT_PROOF_NOT_FOUND",
		"ADVANCED_PROOF_NOT_GENERATED", "SIGNER_NOT_SIGNED_YET", NULL
	};

	return (operations[op].flags & IG_NOT_YET) && http_status >= 400 && http_status < 500 &&
		ig_is_one_of(code, codes);
}

/* Whether a refusal may not be one, as its code tells. */
bool
ig_api_code_counts(IgOperation op)
{
	return (operations[op].flags & IG_NOT_YET) || operations[op].done_code != NULL;
}

/* Whether a refusal means that an earlier attempt was carried out. */
bool
ig_api_done_already(IgOperation op, int http_status, const char *code, int attempts)
{
	return http_status >= 400 && http_status < 500 && code != NULL &&
		operations[op].done_code != NULL && strcmp(code, operations[op].done_code) == 0 &&
		(attempts > 1 || !operations[op].by_others);
}
