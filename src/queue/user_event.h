/*-------------------------------------------------------------------------
 *
 * user_event.h
 *	  Events in a request's history that a person caused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_USER_EVENT_H
#define IGNISIGN_USER_EVENT_H

#include "postgres.h"

#include "utils/uuid.h"

/*
 * Add an event with the source "user" to a request's history.  The value may be NULL.
 * Needs SPI, and the tables' owner as the current user.
 */
extern void ig_add_user_event(const pg_uuid_t *request, const char *kind, const char *value, const char *detail);

#endif							/* IGNISIGN_USER_EVENT_H */
