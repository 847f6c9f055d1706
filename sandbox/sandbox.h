/*-------------------------------------------------------------------------
 *
 * sandbox.h
 *	  The parts of the sandbox and what they pass on to each other.
 *
 * One mutex guards the store, the faults and the journal; it is held while a
 * handler works, never while bytes are waited for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <pthread.h>

#include <cjson/cJSON.h>

#include "util/util.h"

/* ---- Options (main.c) ---- */

typedef struct Options
{
	int			port;
	const char *bind;
	int64_t		launch_delay;	/* ms, as all that follow */
	int64_t		sign_after;		/* -1: signers do not sign by themselves */
	int64_t		process_delay;
	int64_t		proof_delay;
	int64_t		max_body;		/* bytes */
	int			max_status_ids;
	int			page_size;
	char		list_order;		/* 'n'ewest or 'o'ldest first, 'm'ixed */
	bool		lenient;
	bool		tidy;
	bool		no_url;
	bool		verbose;
	bool		tls;
	const char *tls_dir;
	const char *ready_file;
	const char *state_file;		/* or NULL */
	const char *hash_format;	/* base64, base64url, hex */
	int			webhook_retries;
	int64_t		webhook_retry_delay;
	const char *webhook_ca;		/* NULL: certificates are not checked */
	int64_t		token_lifetime;
	int64_t		jwt_lifetime;
	const char *public_url;		/* or NULL */
	const char **by_hand;		/* who sign only when told to */
	int			nby_hand;
	bool		open_console;
} Options;

extern Options options;
extern pthread_mutex_t lock;

/* ---- The store (store.c) ---- */

#define NPROFILES 4

/* A signer profile: what it needs to know of a signer, how he signs. */
typedef struct Profile
{
	char		id[ID_LENGTH + 1];
	const char *name;
	const char *const *inputs_needed;
	const char *const *optional_inputs;
	bool		embedded;
} Profile;

typedef struct App
{
	char		app_id[64];
	char		app_env[16];
	char	   *key;
	char	   *secret;			/* for logins, or NULL */
	Profile		profiles[NPROFILES];	/* the first is the default */
} App;

/* What is known of a signer, in the order of signer_inputs. */
#define NINPUTS 8

typedef struct Signer
{
	char		id[ID_LENGTH + 1];
	App		   *app;
	char	   *inputs[NINPUTS];	/* or NULL */
	char	   *external_id;	/* or NULL */
	const Profile *profile;
	char	   *auth_secret;
	bool		revoked;
	bool		touched;		/* state.c's own */
} Signer;

extern const char *const signer_inputs[NINPUTS];
#define SIGNER_EMAIL 0
#define SIGNER_FIRST_NAME 1
#define SIGNER_LAST_NAME 2

typedef struct Request Request;

typedef struct Document
{
	char		id[ID_LENGTH + 1];
	App		   *app;
	Request    *request;		/* NULL: not tied to one yet */
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
	Buffer		proof;			/* empty: not made yet */
	bool		touched;		/* state.c's own */
} Document;

/* A signer of a request, with the time when it signed or will. */
typedef struct Party
{
	Signer	   *signer;
	int64_t		signed_at;		/* 0: not yet */
	char	   *token;			/* of the session or the link; NULL: not asked yet */
	int64_t		refused_at;		/* 0: not */
	char	   *reason;			/* given then, or NULL */
} Party;

struct Request
{
	char		id[ID_LENGTH + 1];
	App		   *app;
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
	Party	   *parties;
	int			nparties;
	Party	   *approvers;		/* who approve before the others sign */
	int			napprovers;
	Document  **documents;
	int			ndocuments;
	bool		touched;		/* state.c's own */
};

extern App *first_app(void);
extern App *last_app(void);
extern App *app_by_key(const char *key);
extern void add_app(const char *key);
extern App *app_by_id(const char *app_id, const char *app_env);
extern const Profile *profile_by_id(const App *app, const char *id);
extern Signer *signer_by_email(App *app, const char *email);
extern Signer *signer_by_id(const char *id);
extern Signer *signer_by_number(size_t number);
extern size_t signer_count(void);
extern void add_signer(Signer *signer);
extern Request *request_by_id(const char *id);
extern void add_request(Request *request);
extern Request *request_by_number(size_t number);
extern size_t request_count(void);
extern Request *make_request(App *app, const char *type);
extern Document *make_document(App *app);
extern void free_parties(Party *parties, int count);
extern void set_text(char **field, const char *text);
extern Document *document_by_id(const char *id);
extern void add_document(Document *document);
extern Document *document_by_number(size_t number);
extern size_t document_count(void);
extern void store_reset(void);

/* ---- The file of all this (state.c): changed objects are touched ---- */

extern void touch_signer(Signer *signer);
extern void touch_document(Document *document);
extern void touch_request(Request *request);
extern void state_flush(void);
extern bool state_start(void);

/* ---- States (lifecycle.c): bring a request up to date ---- */

extern void advance(Request *request);
extern int64_t opened_at(const Request *request);
extern bool is_approver(const Request *request, const Party *party);
extern bool may_act(const Request *request, const Party *party);
extern void act(Request *request, Party *party);
extern void refuse(Request *request, Party *party, const char *reason);
extern bool sign_party(Request *request, const char *email);
extern bool refuse_party(Request *request, const char *email, const char *reason);
extern bool is_closed(const Request *request);

/* ---- Answers and errors (errors.c) ---- */

typedef struct Answer
{
	int			status;
	const char *content_type;
	Buffer		body;
	struct
	{
		const char *name;
		char	   *value;
	}			headers[8];		/* besides those that all answers have */
	int			nheaders;
} Answer;

extern void answer_json(Answer *answer, cJSON *json);
extern void answer_header(Answer *answer, const char *name, const char *format,...) __attribute__((format(printf, 3, 4)));
extern void answer_error(Answer *answer, const char *code, const char *message, cJSON *context);
extern void answer_error_as(Answer *answer, int status, const char *code, const char *message, cJSON *context);

/* ---- Calls (http.c, routes.c, admin.c) ---- */

typedef struct Call
{
	const char *method;
	const char *path;
	const char *query;			/* or NULL */
	const char *authorization;	/* or NULL */
	const char *content_type;	/* or NULL, as all that follow */
	const char *host;
	const char *origin;
	const char *fetch_site;		/* Sec-Fetch-Site */
	const char *body;
	size_t		body_length;
	bool		body_too_large;
	App		   *app;			/* set when the bearer is known */
	const char *operation;		/* set when the route is known */
	char		arguments[4][256];	/* of the path */
	char		created[ID_LENGTH + 1];	/* request that the call made, or empty */
	char	   *title;			/* its title */
	int			emails;			/* e-mails that it sent */
	void	   *connection;		/* http.c's own */
} Call;

/* A file that came as multipart/form-data. */
typedef struct Upload
{
	char	   *file_name;
	char	   *mime_type;
	Buffer		content;
	bool		present;
} Upload;

/* Take the file out of the part of that name; false, with the error, if none. */
extern bool read_upload(Call *call, const char *part, Upload *upload, Answer *answer);

typedef void Handler(Call *call, Answer *answer);

extern void route(Call *call, Answer *answer);
extern void control(Call *call, Answer *answer);
extern const char *find_operation(Call *call);
extern bool query_value(const char *query, const char *name, char *value, size_t size);

/* ---- The rest ---- */

extern bool authenticate(Call *call, Answer *answer);
extern Handler login;
extern void revoke_logins(void);

/* Bodies (validate.c): false or NULL, with the error in the answer. */
extern cJSON *parse_body(Call *call, Answer *answer);
extern bool valid_json(const char *text, size_t length);	/* json.c */

/*
 * A field of a body.  Its kind: s string, t of at most 1024 characters, x of at
 * most 4096, w of at most 512, i id, e e-mail, d date, h hash, c country, l
 * language, p phone number, u URL, m signature method, v environment, f
 * diffusion mode, q topic of webhooks; the same in upper case for an array of
 * different ones; b boolean, a array, o object, * anything.
 */
typedef struct Field
{
	const char *name;			/* NULL ends a list */
	char		kind;
	bool		required;
} Field;

extern bool value_is(char kind, const cJSON *value);	/* fields.c, as the next four */
extern bool is_environment(const char *text);
extern bool is_topic(const char *text);
extern bool like_email(const char *text);
extern bool read_time(const char *text, int64_t *ms);
extern cJSON *parse_fields(Call *call, const Field *fields, Answer *answer);
extern bool validate_items(const cJSON *body, const char *name, const Field *fields, Answer *answer);
extern bool validate_no_fields(Call *call, Answer *answer);
extern const char *get_text(const cJSON *object, const char *name);
extern bool validate_sign(Call *call, const cJSON *body, Answer *answer);
extern bool validate_status(const cJSON *body, Answer *answer);
extern bool validate_emails(const cJSON *body, Answer *answer);

/* What several files of endpoints need (requests.c, documents.c, signers.c). */
extern bool check_app(Call *call, Answer *answer);
extern Request *named_request(Call *call, Answer *answer);
extern Request *find_request(const App *app, const char *id, Answer *answer);
extern const char *foreign_code(const App *app, const App *other, const char *bad_env, const char *bad_app);
extern Document *named_document(Call *call, Answer *answer);
extern void add_time(cJSON *json, const char *name, int64_t time);
extern void answer_id(Answer *answer, const char *name, const char *id);
extern cJSON *describe_context(const Request *request);
extern void signature_id(const Document *document, const Signer *signer, char id[ID_LENGTH + 1]);
extern cJSON *describe_document(const Document *document, bool with_signers);
extern cJSON *describe_signer(const Signer *signer);
extern cJSON *describe_profiles(const App *app);
extern Signer *upsert_signer(App *app, const cJSON *json);
extern const char *missing_input(const App *app, const cJSON *json, const Signer *signer);

/* invite.c */
extern void publish(Call *call, Request *request);
extern void answer_published(Answer *answer, const Request *request);
extern void invite(const Request *request, const Party *parties, int count);
extern char *signing_link(const Request *request, const Party *party);
extern Party *party_by_token(const Request *request, const char *signer_id, const char *token);
extern cJSON *list_emails(const char *request_id, const char *to, int64_t limit);

/* signing_page.c, console.c, assets.c: pages for people. */
extern void signing_page(Call *call, Answer *answer);
extern void console_page(Call *call, Answer *answer);
extern void answer_asset(Call *call, Answer *answer);

extern bool query_page(Call *call, size_t first, size_t *page, Answer *answer);

/* one_call.c */
extern Handler one_call_sign;

/* requests.c */
extern Handler list_requests,
			requests_status,
			request_context,
			close_request,
			check_signers_can_be_added,
			resend_email,
			application_context;

/* drafts.c */
extern Handler create_request,
			create_signer_setup,
			update_request,
			publish_request;

/* documents.c */
extern Handler document_metadata,
			document_context,
			document_file,
			document_signatures,
			document_images,
			document_proof,
			signer_proof;

/* uploads.c */
extern Handler upload_document,
			init_document,
			provide_file,
			provide_json,
			provide_hash,
			log_capsule,
			update_document,
			delete_document,
			delete_content,
			check_authenticity;

/* signers.c */
extern Handler create_signer,
			get_signer,
			signer_details,
			update_signer,
			revoke_signer,
			regenerate_auth_secret,
			list_signers,
			search_signers,
			list_profiles,
			get_profile,
			inputs_needed;

/* webhooks.c */
extern Handler create_webhook,
			create_webhook_for_topics,
			list_webhooks,
			update_webhook,
			delete_webhook,
			mute_webhook,
			webhook_events,
			webhook_event,
			resend_webhook_event,
			verify_webhook;

/* How deliveries go wrong; all zero: not at all. */
typedef struct WebhookMode
{
	bool		duplicate;		/* each is made twice */
	bool		reverse;		/* the newest comes first */
	bool		drop;			/* none arrives */
	bool		bad_token;
	int64_t		delay;			/* ms */
} WebhookMode;

/* events.c */
extern void emit(App *app, const char *topic, const char *action, const char *nature, cJSON *content);
extern void emit_request(Request *request, const char *action);
extern void emit_signatures(Request *request, const Party *party);
extern void emit_refusal(Request *request, const Party *party);
extern void emit_proof(Request *request);
extern cJSON *describe_parties(const Request *request);

/* delivery.c, webhook_store.c */
extern bool webhooks_start(void);
extern void webhooks_stop(void);
extern void webhooks_reset(void);
extern void webhooks_set_mode(const WebhookMode *mode);

/* Documents by URL (download.c). */
extern uint8_t *download(const char *url, size_t *size);

/* Proofs (proof.c, pdf.c, zip.c). */
extern bool is_pdf(const Document *document);
extern const char *file_nature(const Document *document);
extern bool is_encrypted(const void *data, size_t size);
extern void make_proof(Document *document, Buffer *proof);
extern char *signing_authority(void);
extern bool sign_bytes(const Signer *signer, const void *data, size_t size, Buffer *signature);
extern bool make_cms(const Document *document, const Party *party, Buffer *cms);
extern bool make_pades(const Document *document, const Party *party, Buffer *pdf);

/* Signatures of data in JSON: attached or not, as JAdES or plain JWS. */
extern bool make_jws(const Document *document, const Party *party, const char *type, Buffer *jws);
extern bool make_signed_data(const Document *document, Buffer *json);
extern void make_legal_kit(Document *document, Buffer *kit);
extern void write_pdf(const Buffer *lines, Buffer *pdf);
/* How the fields of signatures are named, before their number. */
#define SIGNATURE_FIELD "IgnisignSignature"

extern bool prepare_pdf(const void *data, size_t size, const Buffer *more, int signatures, Buffer *result);
extern bool sign_pdf(Buffer *pdf, int n, const Party *party);

typedef struct Member
{
	const char *name;
	const void *data;
	size_t		size;
} Member;

extern void write_zip(const Member *members, int count, int64_t time, Buffer *zip);

/* What is to go wrong with a call; all zero: nothing. */
typedef struct Fault
{
	char		words[96];		/* as it was asked for */
	int			status;			/* answer this instead of processing */
	char		text_body;		/* 0: the API's, 't': text, 'n': none */
	char		retry_after[64];
	int64_t		delay;			/* before processing */
	int64_t		delay_after;
	char		close;			/* 'b'efore, 'a'fter, 'm'id */
	bool		garbage;
	bool		empty;
	char		type[64];		/* wrong content type */
	int64_t		huge;			/* bytes */
	int64_t		slow;			/* bytes a second */
	char		redirect[512];
	bool		endless;		/* a body without an end */
	int64_t		deep;			/* arrays in each other */
	int64_t		wide;			/* arrays beside each other */
	int64_t		bomb;			/* bytes before compression */
	char		raw[32];		/* what is written to the socket */
	char	   *answer;			/* a body to answer with, or NULL */
	char		replace[128];	/* text of the body, ":", text in its place */
	int64_t		flood;			/* new entries on each page of the list */
} Fault;

extern bool fault_add(const char *spec, const char *answer, char *error, size_t size);
extern void fault_clear(void);
extern Fault fault_take(const Call *call);

/* malformed.c */
extern const char *hostile_body(Answer *answer, const Fault *fault);
extern void hostile_replace(Answer *answer, const char *words);
extern void hostile_answer(int fd, const Answer *answer, const Fault *fault);
extern bool hostile_known(const char *name);

extern void journal_add(const Call *call, int status, const char *broken, const char *fault, bool processed, int64_t duration);
extern void journal_clear(void);
extern cJSON *journal_list(const char *operation, int64_t since, int64_t limit);
extern cJSON *journal_counts(bool titles);

extern bool tls_make(const char *dir, char **certificate, char **key);

/* http.c */
extern bool pause_ms(int64_t ms);
extern bool same_site(const Call *call);
extern bool http_start(void);
extern void http_stop(void);

#endif							/* SANDBOX_H */
