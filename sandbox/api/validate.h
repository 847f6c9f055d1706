/*-------------------------------------------------------------------------
 *
 * validate.h
 *	  Bodies: exactly what the API takes, and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_VALIDATE_H
#define SB_VALIDATE_H

#include "api/fields.h"
#include "http/call.h"
#include "model/store.h"

/* False or NULL: the response has the error. */
extern cJSON *sb_parse_body(SbCall *call, SbResponse *response);
extern cJSON *sb_parse_fields(SbCall *call, const SbField *fields, SbResponse *response);
extern bool sb_validate_items(const cJSON *body, const char *name, const SbField *fields, SbResponse *response);
extern bool sb_validate_no_fields(SbCall *call, SbResponse *response);
extern bool sb_validate_sign(SbCall *call, const cJSON *body, SbResponse *response);
extern bool sb_validate_status(const cJSON *body, SbResponse *response);
extern bool sb_validate_emails(const cJSON *body, SbResponse *response);

extern const char *sb_missing_input(const SbApp *app, const cJSON *json, const SbSigner *signer);

#endif							/* SB_VALIDATE_H */
