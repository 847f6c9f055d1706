/*-------------------------------------------------------------------------
 *
 * routes.c
 *	  The API's endpoints: one table of method, path and handler.
 *
 *-------------------------------------------------------------------------
 */
#include "api/routes.h"

#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/documents.h"
#include "api/drafts.h"
#include "api/one_call.h"
#include "api/requests.h"
#include "api/signers.h"
#include "api/uploads.h"
#include "api/webhooks.h"
#include "http/call.h"
#include "http/response.h"
#include "util/options.h"

#define APP "/v4/applications/:appId/envs/:appEnv"
#define REQUEST "/v4/signature-requests/:signatureRequestId"
#define DOCUMENT "/v4/documents/:documentId"
#define WEBHOOK "/v4/webhooks/:webhookId"

typedef struct Route
{
	const char *method;
	const char *path;			/* ":name" stands for an argument; after ? what the query may have */
	const char *operation;		/* its name in faults and in the journal */
	void		(*handle) (SbCall *call, SbResponse *response);
} Route;

static const Route routes[] = {
	{"POST", "/v4/auth/app-api", "login", sb_login},
	{"POST", "/v4/signature-requests/one-call-sign", "one-call-sign", sb_one_call_sign},
	{"POST", APP "/signature-requests", "create-request", sb_create_request},
	{"GET", APP "/signature-requests?page", "list", sb_list_requests},
	{"PUT", REQUEST, "update-request", sb_update_request},
	{"POST", REQUEST "/publish", "publish", sb_publish_request},
	{"POST", APP "/signature-requests/status", "status", sb_requests_status},
	{"GET", REQUEST "/context", "context", sb_request_context},
	{"POST", REQUEST "/close", "close", sb_close_request},
	{"POST", REQUEST "/check-signers-can-be-added", "check-signers", sb_check_signers_can_be_added},
	{"POST", REQUEST "/:signerId/resend-email", "resend-email", sb_resend_email},
	{"POST", APP "/signer-setup", "signer-setup", sb_create_signer_setup},
	{"POST", APP "/log-capsules", "log-capsule", sb_log_capsule},
	{"POST", APP "/documents", "upload-document", sb_upload_document},
	{"POST", APP "/init-documents", "init-document", sb_init_document},
	{"POST", DOCUMENT "/file", "upload-file", sb_provide_file},
	{"POST", DOCUMENT "/data-json-content", "upload-json", sb_provide_json},
	{"POST", DOCUMENT "/private-content", "upload-hash", sb_provide_hash},
	{"DELETE", DOCUMENT "/content", "delete-content", sb_delete_content},
	{"GET", DOCUMENT, "document", sb_document_metadata},
	{"PUT", DOCUMENT, "update-document", sb_update_document},
	{"DELETE", DOCUMENT, "delete-document", sb_delete_document},
	{"GET", DOCUMENT "/context", "document-context", sb_document_context},
	{"GET", DOCUMENT "/file", "original", sb_document_file},
	{"POST", DOCUMENT "/check-authenticity", "check-authenticity", sb_check_authenticity},
	{"GET", DOCUMENT "/signature-type/:signatureType", "proof", sb_document_proof},
	{"GET", DOCUMENT "/signature-type/:signatureType/signers/:signerId", "signer-proof", sb_signer_proof},
	{"GET", DOCUMENT "/signatures/:signatureType", "proof", sb_document_proof},
	{"GET", DOCUMENT "/signatures", "signatures", sb_document_signatures},
	{"GET", DOCUMENT "/img-signatures", "signature-images", sb_document_images},
	{"POST", APP "/signers", "create-signer", sb_create_signer},
	{"GET", APP "/signers/:signerId", "signer", sb_get_signer},
	{"GET", APP "/signers/:signerId/details", "signer-details", sb_signer_details},
	{"PUT", APP "/signers/:signerId", "update-signer", sb_update_signer},
	{"DELETE", APP "/signers/:signerId/revoke", "revoke-signer", sb_revoke_signer},
	{"PUT", APP "/signers/:signerId/regenerate-auth-secret", "regenerate-auth-secret", sb_regenerate_auth_secret},
	{"GET", APP "/signers-paginate?page", "list-signers", sb_list_signers},
	{"GET", APP "/signers-search?filter", "search-signers", sb_search_signers},
	{"POST", APP "/signers-search?filter", "search-signers", sb_search_signers},
	{"GET", APP "/signer-profiles", "signer-profiles", sb_list_profiles},
	{"GET", APP "/signer-profiles/:signerProfileId", "signer-profile", sb_get_profile},
	{"GET", APP "/signer-profiles/:signerProfileId/inputs-needed", "inputs-needed", sb_inputs_needed},
	{"POST", APP "/webhooks", "create-webhook", sb_create_webhook},
	{"POST", APP "/webhooks/endpoints", "create-webhook-for-topics", sb_create_webhook_for_topics},
	{"GET", APP "/webhooks", "list-webhooks", sb_list_webhooks},
	{"PUT", WEBHOOK, "update-webhook", sb_update_webhook},
	{"DELETE", WEBHOOK, "delete-webhook", sb_delete_webhook},
	{"POST", WEBHOOK "/disabled-events", "mute-webhook", sb_mute_webhook},
	{"GET", WEBHOOK "/events?filter&page", "webhook-events", sb_webhook_events},
	{"GET", WEBHOOK "/events/:eventId", "webhook-event", sb_webhook_event},
	{"POST", WEBHOOK "/events/:eventId/resend", "resend-webhook-event", sb_resend_webhook_event},
	{"POST", "/v4/tokens/webhook-verification/checking-consumption", "verify-webhook", sb_verify_webhook},
	{"GET", "/v4/applications/:appId/context", "application", sb_application_context},
	{"GET", "/v4/healthcheck", "healthcheck", NULL}
};

/* Whether a path fits a template; sets the arguments. */
static bool
match(SbCall *call, const char *template)
{
	const char *path = call->path;
	int			n = 0;

	while (*template && *template != '?')
	{
		if (*template == ':')
		{
			size_t		length = strcspn(path, "/");

			if (length == 0 || length >= sizeof(call->arguments[0]))
				return false;
			memcpy(call->arguments[n], path, length);
			call->arguments[n++][length] = '\0';
			path += length;
			template += strcspn(template, "/?");
		}
		else if (*template++ != *path++)
			return false;
	}
	return *path == '\0';
}

static const Route *
find_route(SbCall *call)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		if (strcmp(routes[i].method, call->method) == 0 && match(call, routes[i].path))
			return &routes[i];
	}
	return NULL;
}

/* Name the operation that is called; NULL: there is none. */
const char *
sb_find_operation(SbCall *call)
{
	const Route *found = find_route(call);

	return found ? found->operation : NULL;
}

/* Whether each parameter of the query is one of the route's, and there once. */
static bool
check_query(const SbCall *call, const Route *found, SbResponse *response)
{
	const char *known = strchr(found->path, '?');

	for (const char *p = call->query; p != NULL && *p && !sb_options.lenient; p += strcspn(p, "&"), p += *p == '&')
	{
		size_t		length = strcspn(p, "=&");
		bool		good = false;

		for (const char *name = known; name != NULL && *name; name += strcspn(name, "&"))
		{
			name++;
			good = good || (strncmp(name, p, length) == 0 && (name[length] == '&' || name[length] == '\0'));
		}
		for (const char *other = call->query; other < p; other += strcspn(other, "&") + 1)
			good = good && !(strncmp(other, p, length) == 0 && (other[length] == '=' || other[length] == '&'));
		if (!good)
		{
			sb_respond_error(response, "QUERY_VALIDATION_FAILED", "A parameter of the query is not known, or there twice", NULL);
			return false;
		}
	}
	return true;
}

/* Handle a call of the API. */
void
sb_route(SbCall *call, SbResponse *response)
{
	const Route *found = find_route(call);

	if (found == NULL)
		sb_respond_error(response, "NOT_FOUND", "No such endpoint", NULL);
	else if (found->handle == NULL)
		sb_respond_json(response, cJSON_CreateObject());
	else if ((found->handle == sb_login || sb_authenticate(call, response)) && check_query(call, found, response))
		found->handle(call, response);
}
