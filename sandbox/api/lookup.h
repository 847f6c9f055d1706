/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  What the path and the query of a call name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_LOOKUP_H
#define SB_LOOKUP_H

#include "http/call.h"
#include "model/store.h"

/* False or NULL: the response has the error. */
extern bool sb_check_app(SbCall *call, SbResponse *response);
extern SbRequest *sb_find_request(const SbApp *app, const char *id, SbResponse *response);
extern SbRequest *sb_named_request(SbCall *call, SbResponse *response);
extern SbDocument *sb_named_document(SbCall *call, SbResponse *response);
extern bool sb_query_page(SbCall *call, size_t first, size_t *page, SbResponse *response);

extern const char *sb_foreign_code(const SbApp *app, const SbApp *other, const char *bad_env, const char *bad_app);

#endif							/* SB_LOOKUP_H */
