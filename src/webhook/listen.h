/*-------------------------------------------------------------------------
 *
 * listen.h
 *	  Listening for webhooks: what the settings, the worker that watches, the
 *	  listener and the functions on endpoints share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IGNISIGN_LISTEN_H
#define IGNISIGN_LISTEN_H

#include "postgres.h"

#include "utils/guc.h"
#include "utils/timestamp.h"

/* ---- Addresses (listen_address.c) ---- */

/* check_hook of ignisign.webhook_listen. */
extern bool ig_check_webhook_listen(char **value, void **extra, GucSource source);

/*
 * Open a socket that listens on an address such as "127.0.0.1:8443"; -1, with
 * the reason in a palloc'd string, if that cannot be.  *local: only this machine
 * can connect.
 */
extern int	ig_listen_socket(const char *address, bool *local, char **problem);

/* ---- In the database's worker (listen_watch.c) ---- */

/*
 * Start, watch and end the listener.  allowed: this database may have one;
 * reloaded: the configuration files were read again.  Returns when to call
 * again at the latest, 0: when the latch is set.
 */
extern TimestampTz ig_listen_watch(bool allowed, bool reloaded);

/* ---- Endpoints (endpoint.c) ---- */

/* The key of an endpoint: the SHA-256 of its token. */
extern bytea *ig_endpoint_key(const char *token);

/* In a transaction: whether there is such an endpoint. */
extern bool ig_endpoint_exists(bytea *key);

/*
 * In a transaction: take a message for the endpoint, in UTF-8 and with a zero
 * byte after its end.  Returns the HTTP status.
 */
extern int	ig_endpoint_receive(bytea *key, const char *body, size_t length);

#endif							/* IGNISIGN_LISTEN_H */
