/*-------------------------------------------------------------------------
 *
 * uuid.h
 *	  UUIDs of version 7.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_UUID_H
#define IGNISIGN_UUID_H

#include "postgres.h"

#include "utils/uuid.h"

/* Fast uuid version 7, increasing within a process (uuid.c). */
extern void ig_uuid_v7(pg_uuid_t *uuid);

#endif							/* IGNISIGN_UUID_H */
