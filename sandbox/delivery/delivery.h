/*-------------------------------------------------------------------------
 *
 * delivery.h
 *	  The delivery of events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_DELIVERY_H
#define SB_DELIVERY_H

#include <stdbool.h>

extern void sb_delivery_register(void);
extern bool sb_delivery_start(void);
extern void sb_delivery_stop(void);

#endif							/* SB_DELIVERY_H */
