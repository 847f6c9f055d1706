/*-------------------------------------------------------------------------
 *
 * process_utility.h
 *	  Commands on databases and extensions that concern the workers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_UTILITY_H
#define IGNISIGN_UTILITY_H

extern void ig_utility_init(void);

#endif							/* IGNISIGN_UTILITY_H */
