/*-------------------------------------------------------------------------
 *
 * store_records.h
 *	  Signers, documents and requests in the state file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SB_STORE_RECORDS_H
#define SB_STORE_RECORDS_H

extern void sb_store_register(void);

#endif							/* SB_STORE_RECORDS_H */
