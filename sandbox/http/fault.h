/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Faults on demand: what is to go wrong with the next calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_FAULT_H
#define SB_FAULT_H

#include "http/call.h"

/* What is to go wrong with a call; all zero: nothing. */
typedef struct SbFault
{
	char		words[96];		/* as it was asked for */
	int			status;			/* respond with this instead of processing */
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
	char	   *response;		/* a body to respond with, or NULL */
	char		replace[128];	/* text of the body, ":", text in its place */
	int64_t		flood;			/* new entries on each page of the list */
} SbFault;

extern bool sb_fault_add(const char *spec, const char *response, char *error, size_t size);
extern void sb_fault_clear(void);
extern SbFault sb_fault_take(const SbCall *call);

#endif							/* SB_FAULT_H */
