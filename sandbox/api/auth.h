/*-------------------------------------------------------------------------
 *
 * auth.h
 *	  Who calls: the bearer of a call, an API key or a JWT from a login.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_AUTH_H
#define SB_AUTH_H

#include "http/call.h"

extern SbHandler sb_login;
extern bool sb_authenticate(SbCall *call, SbResponse *response);
extern void sb_revoke_logins(void);
extern void sb_auth_register(void);

#endif							/* SB_AUTH_H */
