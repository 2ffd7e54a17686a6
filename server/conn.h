/*
 * conn.h - a socket and its session: reading, writing, waiting, closing.
 *
 *      READING ──the socket is full──▶ BLOCKED ──drained──▶ READING
 *      any     ──quit, EOF, error, idle, stop──▶ CLOSING ──▶ freed
 *
 *      READING -> BLOCKED [block]     BLOCKED -> READING [on_writable]
 *      any     -> CLOSING [conn_close]
 *
 * Input is read into the worker's buffer, or straight into the item of a
 * large value.  Only what is left of an incomplete request is kept, and only
 * while it is incomplete; an idle connection holds no buffer.  When the
 * socket takes no more, the replies and the input not yet served move to the
 * connection and reading stops until the client has read.
 *
 * Owns:    the socket, its poll handle, the session, the left-over input and
 *          the blocked output.
 * Threads: its worker's only.
 * Fails:   by closing.
 * Cost:    one read and one write for all the requests that a read brings;
 *          about 300 bytes while idle.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/session.h"
#include "server/worker.h"

/* Takes the socket over, closing it if there is no memory: then NULL. */
struct conn *conn_new(struct worker *, int fd, enum proto_name);

/* Begins to close; safe to call more than once.  Watchers are told the
 * reason: normal, error, idle_timeout, shutdown. */
void conn_close(struct conn *, const char *reason);

/* The server ends: closes unless replies are still on their way; then it
 * closes when they are sent. */
void conn_drain(struct conn *);

/* Steps an idle stream; see host.wake(). */
void conn_wake(struct conn *);

/* Seconds of the last request, for idle_timeout. */
uint32_t conn_last_request(const struct conn *);
bool conn_watches(const struct conn *);

/* The worker's list of its connections. */
struct conn_link {
	struct conn *prev, *next;
};
struct conn_link *conn_links(struct conn *);

#endif
