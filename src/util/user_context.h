/*-------------------------------------------------------------------------
 *
 * user_context.h
 *	  Acting as the extension's owner on its own tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_USER_CONTEXT_H
#define IGNISIGN_USER_CONTEXT_H

#include "postgres.h"

/*
 * Run statements as the extension's owner with a safe search_path (owner.c).
 * What is entered is left by ig_owner_leave, or by the abort of the
 * transaction.
 */
typedef struct IgOwnerState
{
	Oid			user;
	int			sec_context;
	int			guc_level;
} IgOwnerState;

extern void ig_owner_enter(IgOwnerState *state);
extern void ig_owner_leave(const IgOwnerState *state);

/* For a transaction that is committed with the owner's role: the two parts of ig_owner_leave. */
extern void ig_owner_restore_settings(const IgOwnerState *state);
extern void ig_owner_restore_role(const IgOwnerState *state);

/* The owner of the schema. */
extern Oid	ig_extension_owner(void);

/* Raise 25006 on a standby or in a read-only transaction; the name is told. */
extern void ig_check_writable(const char *function);

#endif							/* IGNISIGN_USER_CONTEXT_H */
