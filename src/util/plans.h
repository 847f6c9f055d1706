/*-------------------------------------------------------------------------
 *
 * plans.h
 *	  Plans of the background workers' statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_PLANS_H
#define IGNISIGN_PLANS_H

/* Have this process plan for large tables of the extension; once a process. */
extern void ig_plans_init(void);

#endif							/* IGNISIGN_PLANS_H */
