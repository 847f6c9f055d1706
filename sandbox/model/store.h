/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Signers, documents and requests, in memory, found by id in constant time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_STORE_H
#define SB_STORE_H

#include <cjson/cJSON.h>

#include "model/apps.h"
#include "util/buffer.h"
#include "util/clock.h"

/* Kinds of records in the state file. */
#define SB_STATE_SIGNER		'S'
#define SB_STATE_DOCUMENT	'D'
#define SB_STATE_REQUEST	'R'

/* What is known of a signer, in this order. */
#define SB_NINPUTS 8
extern const char *const sb_signer_inputs[SB_NINPUTS];

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

/* A signer or approver of a request, and what it has done. */
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
	SbParticipant *approvers;	/* they approve before the others sign */
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

extern void sb_touch_signer(SbSigner *signer);
extern void sb_touch_document(SbDocument *document);
extern void sb_touch_request(SbRequest *request);

#endif							/* SB_STORE_H */
