/*-------------------------------------------------------------------------
 *
 * threads.h
 *	  What threads share: the lock, and pauses that the end of the program cuts
 *	  short.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_THREADS_H
#define SB_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One mutex guards the store, the faults, the journal and the state.  A thread holds it
 * while it handles a call, never while it waits for bytes.
 */
extern pthread_mutex_t sb_lock;

extern bool sb_pause_ms(int64_t ms);
extern void sb_end_pauses(void);
extern bool sb_ending(void);

#endif							/* SB_THREADS_H */
