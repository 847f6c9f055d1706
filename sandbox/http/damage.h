/*-------------------------------------------------------------------------
 *
 * damage.h
 *	  A response that is changed as a fault says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DAMAGE_H
#define SB_DAMAGE_H

#include "http/fault.h"

extern void sb_respond_fault(SbResponse *response, const SbFault *fault);
extern const char *sb_damage(SbResponse *response, const SbFault *fault);

#endif							/* SB_DAMAGE_H */
