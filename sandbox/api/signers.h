/*-------------------------------------------------------------------------
 *
 * signers.h
 *	  The endpoints of signers and their profiles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_SIGNERS_H
#define SB_SIGNERS_H

#include "http/call.h"
#include "model/store.h"

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

extern SbSigner *sb_upsert_signer(SbApp *app, const cJSON *json);

#endif							/* SB_SIGNERS_H */
