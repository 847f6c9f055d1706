/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  What others may attach to the extension's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_GUARD_H
#define IGNISIGN_GUARD_H

#include "postgres.h"

#include "access/htup.h"
#include "nodes/pg_list.h"

/* ---- guard.c: the rules, and what is refused when it is made ---- */

typedef enum IgGuardVerdict
{
	IG_GUARD_ALLOWED,
	IG_GUARD_FOREIGN_KEY,		/* it references what nobody else may reference */
	IG_GUARD_DEFERRABLE
} IgGuardVerdict;

/* What the rules say of a constraint; *referenced is the table of ours that another table references, or InvalidOid. */
extern IgGuardVerdict ig_guard_decide(HeapTuple constraint, Oid schema, Oid *referenced);

/* What may be referenced, for hints. */
#define IG_GUARD_KEY_RULE \
	"Only ignisign.request(id) may be referenced: by a column of type uuid, with NO ACTION or RESTRICT, not deferrable."

/* For the hooks: raise an error if the object is not allowed. */
extern void ig_guard_constraint(Oid constraint);
extern void ig_guard_trigger(Oid trigger);
extern void ig_guard_relation(Oid relation);
extern void ig_guard_truncate(Oid relation);

/* ---- guard_check.c: what is attached to the tables ---- */

/* What is wrong with the tables, and what to do about it. */
typedef struct IgGuardProblem
{
	char	   *message;
	char	   *hint;
} IgGuardProblem;

/* A foreign key of others that is allowed. */
typedef struct IgGuardKey
{
	char	   *name;
	Oid			table;
	AttrNumber	column;
} IgGuardKey;

/*
 * In a transaction: the first problem, or NULL.  What was found is kept until a
 * table of ours changes, and is valid until the next call.
 */
extern const IgGuardProblem *ig_guard_problem(void);

/* Raise an error if there is a problem. */
extern void ig_guard_check(void);

/* Forget what was found, so that the next call looks again. */
extern void ig_guard_forget(void);

/* In a transaction: the foreign keys of others, a list of IgGuardKey. */
extern List *ig_guard_keys(void);

#endif							/* IGNISIGN_GUARD_H */
