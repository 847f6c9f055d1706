/*-------------------------------------------------------------------------
 *
 * tls.h
 *	  A certificate for this machine, of a throwaway authority.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_TLS_H
#define SB_TLS_H

#include <stdbool.h>

extern bool sb_tls_make(const char *dir, char **certificate, char **key);

#endif							/* SB_TLS_H */
