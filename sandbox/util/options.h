/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The options of the command line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_OPTIONS_H
#define SB_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct SbOptions
{
	int			port;			/* 0: any that is free; then the one it is */
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
	bool		normalize;
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
	const char **manual_signers;	/* e-mails of those that do not sign by themselves */
	int			nmanual_signers;
	bool		open_console;
	const char **api_keys;		/* at least one */
	int			napi_keys;
	const char *secret;			/* of the last key's application, or NULL */
	const char **faults;		/* as fault.c reads them */
	int			nfaults;
} SbOptions;

extern SbOptions sb_options;
extern void sb_read_options(int argc, char **argv);

#endif							/* SB_OPTIONS_H */
