/*-------------------------------------------------------------------------
 *
 * fdw_options.h
 *	  The options of a foreign server and of a user mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_FDW_OPTIONS_H
#define IGNISIGN_FDW_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Returns the value of an option in a list of DefElem, or the fallback if the list does not have it. */
extern const char *ig_option_value(List *options, const char *name, const char *fallback);

#endif							/* IGNISIGN_FDW_OPTIONS_H */
