/*-------------------------------------------------------------------------
 *
 * sandbox.h
 *	  The parts of the sandbox and what they pass on to each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <cjson/cJSON.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/encoding.h"
#include "util/json.h"
#include "util/options.h"
#include "util/threads.h"
#include "http/call.h"
#include "http/fault.h"
#include "http/upload.h"
#include "model/apps.h"

/* ---- The store (store.c) ---- */

/* What is known of a signer, in the order of signer_inputs. */
#define SB_NINPUTS 8

typedef struct SbSigner
{
	char		id[SB_ID_LENGTH + 1];
	SbApp	   *app;
	char	   *inputs[SB_NINPUTS]; /* or NULL */
	char	   *external_id;	/* or NULL */
	const SbProfile *profile;
	char	   *auth_secret;
	bool		revoked;
	bool		touched;		/* state.c's own */
} SbSigner;

extern const char *const sb_signer_inputs[SB_NINPUTS];
#define SB_SIGNER_EMAIL 0
#define SB_SIGNER_FIRST_NAME 1
#define SB_SIGNER_LAST_NAME 2

typedef struct SbRequest SbRequest;

typedef struct SbDocument
{
	char		id[SB_ID_LENGTH + 1];
	SbApp	   *app;
	SbRequest  *request;		/* NULL: not tied to one yet */
	int64_t		created_at;
	const char *nature;			/* PDF, PDF_ENCRYPTED, FILE, DATA_JSON, PRIVATE_FILE; NULL: no content yet */
	char	   *file_name;		/* or NULL, as all that follow */
	char	   *mime_type;
	char	   *external_id;
	char	   *label;
	char	   *description;
	uint8_t    *content;
	size_t		size;
	uint8_t		hash[32];
	bool		deleted;
	bool		cleaned;		/* its content was removed after its time */
	SbBuffer	proof;			/* empty: not made yet */
	bool		touched;		/* state.c's own */
} SbDocument;

/* A signer of a request, with the time when it signed or will. */
typedef struct SbParticipant
{
	SbSigner   *signer;
	int64_t		signed_at;		/* 0: not yet */
	char	   *token;			/* of the session or the link; NULL: not asked yet */
	int64_t		refused_at;		/* 0: not */
	char	   *reason;			/* given then, or NULL */
} SbParticipant;

struct SbRequest
{
	char		id[SB_ID_LENGTH + 1];
	SbApp	   *app;
	const char *type;			/* STANDARD, SIGNER_SETUP */
	cJSON	   *settings;		/* of a draft: what PUT gave, by field */
	char	   *title;			/* or NULL */
	char	   *method;			/* or NULL */
	const char *status;
	const char *proof_status;
	int64_t		created_at;
	int64_t		published_at;
	int64_t		launched_at;
	int64_t		expires_at;		/* 0: never */
	int64_t		diffusion_at;	/* 0: at once */
	int64_t		signed_at;		/* when the last one signed */
	int64_t		closed_at;
	SbParticipant *participants;
	int			nparticipants;
	SbParticipant *approvers;	/* who approve before the others sign */
	int			napprovers;
	SbDocument **documents;
	int			ndocuments;
	bool		touched;		/* state.c's own */
};

extern SbSigner *sb_signer_by_email(SbApp *app, const char *email);
extern SbSigner *sb_signer_by_id(const char *id);
extern SbSigner *sb_signer_by_number(size_t number);
extern size_t sb_signer_count(void);
extern void sb_add_signer(SbSigner *signer);
extern SbRequest *sb_request_by_id(const char *id);
extern void sb_add_request(SbRequest *request);
extern SbRequest *sb_request_by_number(size_t number);
extern size_t sb_request_count(void);
extern SbRequest *sb_make_request(SbApp *app, const char *type);
extern SbDocument *sb_make_document(SbApp *app);
extern void sb_free_participants(SbParticipant *participants, int count);
extern SbDocument *sb_document_by_id(const char *id);
extern void sb_add_document(SbDocument *document);
extern SbDocument *sb_document_by_number(size_t number);
extern size_t sb_document_count(void);
extern void sb_store_reset(void);

/* ---- The file of all this (state.c): changed objects are touched ---- */

extern void sb_touch_signer(SbSigner *signer);
extern void sb_touch_document(SbDocument *document);
extern void sb_touch_request(SbRequest *request);
extern void sb_state_flush(void);
extern bool sb_state_start(void);

/* ---- States (lifecycle.c): bring a request up to date ---- */

extern void sb_update_status(SbRequest *request);
extern int64_t sb_opened_at(const SbRequest *request);
extern bool sb_is_approver(const SbRequest *request, const SbParticipant *participant);
extern bool sb_may_sign(const SbRequest *request, const SbParticipant *participant);
extern void sb_sign_or_approve(SbRequest *request, SbParticipant *participant);
extern void sb_refuse(SbRequest *request, SbParticipant *participant, const char *reason);
extern bool sb_sign_participant(SbRequest *request, const char *email);
extern bool sb_refuse_participant(SbRequest *request, const char *email, const char *reason);
extern bool sb_is_closed(const SbRequest *request);

/* ---- Calls (http.c, routes.c, admin.c) ---- */

extern void sb_route(SbCall *call, SbResponse *response);
extern void sb_admin_call(SbCall *call, SbResponse *response);
extern const char *sb_find_operation(SbCall *call);

/* ---- The rest ---- */

extern bool sb_authenticate(SbCall *call, SbResponse *response);
extern SbHandler sb_login;
extern void sb_revoke_logins(void);

/* Bodies (validate.c): false or NULL, with the error in the response. */
extern cJSON *sb_parse_body(SbCall *call, SbResponse *response);

/*
 * A field of a body.  Its kind: s string, t of at most 1024 characters, x of at
 * most 4096, w of at most 512, i id, e e-mail, d date, h hash, c country, l
 * language, p phone number, u URL, m signature method, v environment, f
 * diffusion mode, q topic of webhooks; the same in upper case for an array of
 * different ones; b boolean, a array, o object, * anything.
 */
typedef struct SbField
{
	const char *name;			/* NULL ends a list */
	char		kind;
	bool		required;
} SbField;

extern bool sb_value_is(char kind, const cJSON *value);	/* fields.c, as the next four */
extern bool sb_is_environment(const char *text);
extern bool sb_is_topic(const char *text);
extern bool sb_is_email(const char *text);
extern bool sb_read_time(const char *text, int64_t *ms);
extern cJSON *sb_parse_fields(SbCall *call, const SbField *fields, SbResponse *response);
extern bool sb_validate_items(const cJSON *body, const char *name, const SbField *fields, SbResponse *response);
extern bool sb_validate_no_fields(SbCall *call, SbResponse *response);
extern bool sb_validate_sign(SbCall *call, const cJSON *body, SbResponse *response);
extern bool sb_validate_status(const cJSON *body, SbResponse *response);
extern bool sb_validate_emails(const cJSON *body, SbResponse *response);

/* What several files of endpoints need (requests.c, documents.c, signers.c). */
extern bool sb_check_app(SbCall *call, SbResponse *response);
extern SbRequest *sb_named_request(SbCall *call, SbResponse *response);
extern SbRequest *sb_find_request(const SbApp *app, const char *id, SbResponse *response);
extern const char *sb_foreign_code(const SbApp *app, const SbApp *other, const char *bad_env, const char *bad_app);
extern SbDocument *sb_named_document(SbCall *call, SbResponse *response);
extern cJSON *sb_describe_context(const SbRequest *request);
extern void sb_signature_id(const SbDocument *document, const SbSigner *signer, char id[SB_ID_LENGTH + 1]);
extern cJSON *sb_describe_document(const SbDocument *document, bool with_signers);
extern cJSON *sb_describe_signer(const SbSigner *signer);
extern cJSON *sb_describe_profiles(const SbApp *app);
extern SbSigner *sb_upsert_signer(SbApp *app, const cJSON *json);
extern const char *sb_missing_input(const SbApp *app, const cJSON *json, const SbSigner *signer);

/* invite.c */
extern void sb_publish(SbCall *call, SbRequest *request);
extern void sb_respond_published(SbResponse *response, const SbRequest *request);
extern void sb_invite(const SbRequest *request, const SbParticipant *participants, int count);
extern char *sb_signing_link(const SbRequest *request, const SbParticipant *participant);
extern SbParticipant *sb_participant_by_token(const SbRequest *request, const char *signer_id, const char *token);
extern cJSON *sb_list_emails(const char *request_id, const char *to, int64_t limit);

/* signing_page.c, console.c, assets.c: pages for people. */
extern void sb_signing_page(SbCall *call, SbResponse *response);
extern void sb_console_page(SbCall *call, SbResponse *response);
extern void sb_respond_asset(SbCall *call, SbResponse *response);

extern bool sb_query_page(SbCall *call, size_t first, size_t *page, SbResponse *response);

/* one_call.c */
extern SbHandler sb_one_call_sign;

/* requests.c */
extern SbHandler sb_list_requests,
			sb_requests_status,
			sb_request_context,
			sb_close_request,
			sb_check_signers_can_be_added,
			sb_resend_email,
			sb_application_context;

/* drafts.c */
extern SbHandler sb_create_request,
			sb_create_signer_setup,
			sb_update_request,
			sb_publish_request;

/* documents.c */
extern SbHandler sb_document_metadata,
			sb_document_context,
			sb_document_file,
			sb_document_signatures,
			sb_document_images,
			sb_document_proof,
			sb_signer_proof;

/* uploads.c */
extern SbHandler sb_upload_document,
			sb_init_document,
			sb_provide_file,
			sb_provide_json,
			sb_provide_hash,
			sb_log_capsule,
			sb_update_document,
			sb_delete_document,
			sb_delete_content,
			sb_check_authenticity;

/* signers.c */
extern SbHandler sb_create_signer,
			sb_get_signer,
			sb_signer_details,
			sb_update_signer,
			sb_revoke_signer,
			sb_regenerate_auth_secret,
			sb_list_signers,
			sb_search_signers,
			sb_list_profiles,
			sb_get_profile,
			sb_inputs_needed;

/* webhooks.c */
extern SbHandler sb_create_webhook,
			sb_create_webhook_for_topics,
			sb_list_webhooks,
			sb_update_webhook,
			sb_delete_webhook,
			sb_mute_webhook,
			sb_webhook_events,
			sb_webhook_event,
			sb_resend_webhook_event,
			sb_verify_webhook;

/* How deliveries go wrong; all zero: not at all. */
typedef struct SbDeliveryMode
{
	bool		duplicate;		/* each is made twice */
	bool		reverse;		/* the newest comes first */
	bool		drop;			/* none arrives */
	bool		bad_token;
	int64_t		delay;			/* ms */
} SbDeliveryMode;

/* events.c */
extern void sb_emit_event(SbApp *app, const char *topic, const char *action, const char *nature, cJSON *content);
extern void sb_emit_request(SbRequest *request, const char *action);
extern void sb_emit_signatures(SbRequest *request, const SbParticipant *participant);
extern void sb_emit_refusal(SbRequest *request, const SbParticipant *participant);
extern void sb_emit_proof(SbRequest *request);
extern cJSON *sb_describe_participants(const SbRequest *request);

/* delivery.c, webhook_store.c */
extern bool sb_delivery_start(void);
extern void sb_delivery_stop(void);
extern void sb_webhooks_reset(void);
extern void sb_delivery_set_mode(const SbDeliveryMode *mode);

/* Documents by URL (download.c). */
extern uint8_t *sb_download(const char *url, size_t *size);

/* Proofs (proof.c, pdf.c, zip.c). */
extern bool sb_is_pdf(const SbDocument *document);
extern const char *sb_file_nature(const SbDocument *document);
extern bool sb_is_encrypted(const void *data, size_t size);
extern void sb_make_proof(SbDocument *document, SbBuffer *proof);
extern char *sb_signing_authority(void);
extern bool sb_sign_bytes(const SbSigner *signer, const void *data, size_t size, SbBuffer *signature);
extern bool sb_make_cms(const SbDocument *document, const SbParticipant *participant, SbBuffer *cms);
extern bool sb_make_pades(const SbDocument *document, const SbParticipant *participant, SbBuffer *pdf);

/* Signatures of data in JSON: attached or not, as JAdES or plain JWS. */
extern bool sb_make_jws(const SbDocument *document, const SbParticipant *participant, const char *type, SbBuffer *jws);
extern bool sb_make_signed_data(const SbDocument *document, SbBuffer *json);
extern void sb_make_legal_kit(SbDocument *document, SbBuffer *kit);
extern void sb_write_pdf(const SbBuffer *lines, SbBuffer *pdf);
/* How the fields of signatures are named, before their number. */
#define SB_SIGNATURE_FIELD "IgnisignSignature"

extern bool sb_prepare_pdf(const void *data, size_t size, const SbBuffer *more, int signatures, SbBuffer *result);
extern bool sb_sign_pdf(SbBuffer *pdf, int n, const SbParticipant *participant);

typedef struct SbZipMember
{
	const char *name;
	const void *data;
	size_t		size;
} SbZipMember;

extern void sb_write_zip(const SbZipMember *members, int count, int64_t time, SbBuffer *zip);

extern void sb_journal_add(const SbCall *call, int status, const char *broken, const char *fault, bool processed, int64_t duration);
extern void sb_journal_clear(void);
extern cJSON *sb_journal_list(const char *operation, int64_t since, int64_t limit);
extern cJSON *sb_journal_counts(bool titles);

#endif							/* SANDBOX_H */
