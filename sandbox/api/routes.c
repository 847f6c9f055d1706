/*-------------------------------------------------------------------------
 *
 * routes.c
 *	  The API's endpoints: one table of method, path and handler.
 *
 *-------------------------------------------------------------------------
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

#define APP "/v4/applications/:appId/envs/:appEnv"
#define REQUEST "/v4/signature-requests/:signatureRequestId"
#define DOCUMENT "/v4/documents/:documentId"
#define WEBHOOK "/v4/webhooks/:webhookId"

typedef struct Route
{
	const char *method;
	const char *path;			/* ":name" stands for an argument; after ? what the query may have */
	const char *operation;		/* its name in faults and in the journal */
	void		(*handle) (Call *call, Answer *answer);
} Route;

static const Route routes[] = {
	{"POST", "/v4/auth/app-api", "login", login},
	{"POST", "/v4/signature-requests/one-call-sign", "one-call-sign", one_call_sign},
	{"POST", APP "/signature-requests", "create-request", create_request},
	{"GET", APP "/signature-requests?page", "list", list_requests},
	{"PUT", REQUEST, "update-request", update_request},
	{"POST", REQUEST "/publish", "publish", publish_request},
	{"POST", APP "/signature-requests/status", "status", requests_status},
	{"GET", REQUEST "/context", "context", request_context},
	{"POST", REQUEST "/close", "close", close_request},
	{"POST", REQUEST "/check-signers-can-be-added", "check-signers", check_signers_can_be_added},
	{"POST", REQUEST "/:signerId/resend-email", "resend-email", resend_email},
	{"POST", APP "/signer-setup", "signer-setup", create_signer_setup},
	{"POST", APP "/log-capsules", "log-capsule", log_capsule},
	{"POST", APP "/documents", "upload-document", upload_document},
	{"POST", APP "/init-documents", "init-document", init_document},
	{"POST", DOCUMENT "/file", "upload-file", provide_file},
	{"POST", DOCUMENT "/data-json-content", "upload-json", provide_json},
	{"POST", DOCUMENT "/private-content", "upload-hash", provide_hash},
	{"DELETE", DOCUMENT "/content", "delete-content", delete_content},
	{"GET", DOCUMENT, "document", document_metadata},
	{"PUT", DOCUMENT, "update-document", update_document},
	{"DELETE", DOCUMENT, "delete-document", delete_document},
	{"GET", DOCUMENT "/context", "document-context", document_context},
	{"GET", DOCUMENT "/file", "original", document_file},
	{"POST", DOCUMENT "/check-authenticity", "check-authenticity", check_authenticity},
	{"GET", DOCUMENT "/signature-type/:signatureType", "proof", document_proof},
	{"GET", DOCUMENT "/signature-type/:signatureType/signers/:signerId", "signer-proof", signer_proof},
	{"GET", DOCUMENT "/signatures/:signatureType", "proof", document_proof},
	{"GET", DOCUMENT "/signatures", "signatures", document_signatures},
	{"GET", DOCUMENT "/img-signatures", "signature-images", document_images},
	{"POST", APP "/signers", "create-signer", create_signer},
	{"GET", APP "/signers/:signerId", "signer", get_signer},
	{"GET", APP "/signers/:signerId/details", "signer-details", signer_details},
	{"PUT", APP "/signers/:signerId", "update-signer", update_signer},
	{"DELETE", APP "/signers/:signerId/revoke", "revoke-signer", revoke_signer},
	{"PUT", APP "/signers/:signerId/regenerate-auth-secret", "regenerate-auth-secret", regenerate_auth_secret},
	{"GET", APP "/signers-paginate?page", "list-signers", list_signers},
	{"GET", APP "/signers-search?filter", "search-signers", search_signers},
	{"POST", APP "/signers-search?filter", "search-signers", search_signers},
	{"GET", APP "/signer-profiles", "signer-profiles", list_profiles},
	{"GET", APP "/signer-profiles/:signerProfileId", "signer-profile", get_profile},
	{"GET", APP "/signer-profiles/:signerProfileId/inputs-needed", "inputs-needed", inputs_needed},
	{"POST", APP "/webhooks", "create-webhook", create_webhook},
	{"POST", APP "/webhooks/endpoints", "create-webhook-for-topics", create_webhook_for_topics},
	{"GET", APP "/webhooks", "list-webhooks", list_webhooks},
	{"PUT", WEBHOOK, "update-webhook", update_webhook},
	{"DELETE", WEBHOOK, "delete-webhook", delete_webhook},
	{"POST", WEBHOOK "/disabled-events", "mute-webhook", mute_webhook},
	{"GET", WEBHOOK "/events?filter&page", "webhook-events", webhook_events},
	{"GET", WEBHOOK "/events/:eventId", "webhook-event", webhook_event},
	{"POST", WEBHOOK "/events/:eventId/resend", "resend-webhook-event", resend_webhook_event},
	{"POST", "/v4/tokens/webhook-verification/checking-consumption", "verify-webhook", verify_webhook},
	{"GET", "/v4/applications/:appId/context", "application", application_context},
	{"GET", "/v4/healthcheck", "healthcheck", NULL}
};

/* Whether a path fits a template; sets the arguments. */
static bool
match(Call *call, const char *template)
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
find_route(Call *call)
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
find_operation(Call *call)
{
	const Route *found = find_route(call);

	return found ? found->operation : NULL;
}

/* Whether each parameter of the query is one of the route's, and there once. */
static bool
check_query(const Call *call, const Route *found, Answer *answer)
{
	const char *known = strchr(found->path, '?');

	for (const char *p = call->query; p != NULL && *p && !options.lenient; p += strcspn(p, "&"), p += *p == '&')
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
			answer_error(answer, "QUERY_VALIDATION_FAILED", "A parameter of the query is not known, or there twice", NULL);
			return false;
		}
	}
	return true;
}

/* Answer a call of the API. */
void
route(Call *call, Answer *answer)
{
	const Route *found = find_route(call);

	if (found == NULL)
		answer_error(answer, "NOT_FOUND", "No such endpoint", NULL);
	else if (found->handle == NULL)
		answer_json(answer, cJSON_CreateObject());
	else if ((found->handle == login || authenticate(call, answer)) && check_query(call, found, answer))
		found->handle(call, answer);
}

/* Get a parameter of the query, with %XX and + decoded; false: not there. */
bool
query_value(const char *query, const char *name, char *value, size_t size)
{
	size_t		length = strlen(name);

	for (const char *p = query; p != NULL && *p; p += strcspn(p, "&"), p += *p == '&')
	{
		size_t		n = 0;

		if (strncmp(p, name, length) != 0 || p[length] != '=')
			continue;
		for (p += length + 1; *p && *p != '&' && n + 1 < size; p++)
		{
			char		hex[3] = {0};

			if (*p == '%' && p[1] && p[2])
			{
				memcpy(hex, p + 1, 2);
				value[n++] = (char) strtol(hex, NULL, 16);
				p += 2;
			}
			else
				value[n++] = *p == '+' ? ' ' : *p;
		}
		value[n] = '\0';
		return true;
	}
	return false;
}
