/*-------------------------------------------------------------------------
 *
 * event_loop.h
 *	  The sockets that libcurl waits for, as one descriptor to wait for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_EVENT_LOOP_H
#define IGNISIGN_EVENT_LOOP_H

#include "postgres.h"

#include <curl/curl.h>

#include "utils/timestamp.h"

/*
 * Take care of the sockets of these transfers; once a process.  Returns a descriptor
 * that is readable when any of them is ready.
 */
extern int	ig_sockets_init(CURLM *multi);

/* When libcurl is to be called at the latest, or 0. */
extern TimestampTz ig_sockets_deadline(void);

/* Let libcurl do what its time has come for. */
extern void ig_sockets_work_on_time(void);

/* Let libcurl work on the sockets that are ready. */
extern void ig_sockets_work(void);

#endif							/* IGNISIGN_EVENT_LOOP_H */
