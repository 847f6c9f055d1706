/*-------------------------------------------------------------------------
 *
 * describe.h
 *	  What the API says of signers, documents and requests, in JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DESCRIBE_H
#define SB_DESCRIBE_H

#include <cjson/cJSON.h>

#include "model/store.h"

extern cJSON *sb_describe_signer(const SbSigner *signer);
extern cJSON *sb_describe_profile(const SbApp *app, const SbProfile *profile);
extern cJSON *sb_describe_profiles(const SbApp *app);
extern cJSON *sb_describe_document(const SbDocument *document, bool with_signers);
extern cJSON *sb_describe_signature(const SbDocument *document, const SbParticipant *participant);
extern cJSON *sb_describe_request(const SbRequest *request);
extern cJSON *sb_describe_context(const SbRequest *request);

#endif							/* SB_DESCRIBE_H */
