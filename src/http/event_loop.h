/*-------------------------------------------------------------------------
 *
 * event_loop.h
 *	  The sockets that libcurl waits for, as one descriptor to wait for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_SOCKETS_H
#define IGNISIGN_SOCKETS_H

#include "postgres.h"

#include <curl/curl.h>

#include "utils/timestamp.h"

/*
 * Take care of the sockets of these transfers; once a process.  Returns a descriptor
 * that is readable when any of them is ready.
 */
extern int	ig_sockets_init(CURLM *multi);

/*
 * Of each socket that is opened and closed on behalf of libcurl; false: out of memory.
 * Raise no errors.
 */
extern bool ig_sockets_opened(int fd);
extern void ig_sockets_closed(int fd);

/* When libcurl is to be called at the latest, or 0. */
extern TimestampTz ig_sockets_deadline(void);

/* Let libcurl do what its time has come for. */
extern void ig_sockets_work_on_time(void);

/* Have the descriptor tell of what libcurl waits for now: before each wait. */
extern void ig_sockets_watch(void);

/* Let libcurl work on the sockets that are ready. */
extern void ig_sockets_work(void);

#endif							/* IGNISIGN_SOCKETS_H */
