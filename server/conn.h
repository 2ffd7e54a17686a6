/*
 * conn.h - a socket and its session: reading, writing, waiting, closing.
 *
 *      READING ──the socket is full──▶ BLOCKED ──drained──▶ READING
 *      READING ──a password is hashed──▶ WAITING ──verdict──▶ READING
 *      READING ──the server ends──▶ LEAVING ──all was taken──▶ CLOSING
 *      any     ──quit, EOF, error, idle, stop──▶ CLOSING ──▶ freed
 *
 *      READING -> BLOCKED [block]     BLOCKED -> READING [on_writable]
 *      READING -> WAITING [await]     WAITING -> READING [on_verdict]
 *      READING -> LEAVING [finish: the server ends, replies are on their way]
 *      any     -> CLOSING [conn_close]
 *
 * Input is read into the worker's buffer, or straight into the item of a
 * large value.  Only what is left of an incomplete request is kept, and only
 * while it is incomplete; an idle connection holds no buffer.  When the
 * socket takes no more, the replies and the input not yet served move to the
 * connection and reading stops until the client has read.
 *
 * With TLS (tls.h) the way is the same, the handshake part of reading; but what
 * the socket has to be ready for, tls_awaits() knows.
 *
 * Owns:    the socket, the session, the left-over input and
 *          the blocked output.
 * Threads: its worker's only.
 * Fails:   by closing.
 * Cost:    one read and one write for all the requests that a read brings;
 *          about 300 bytes while idle.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/hasher.h"
#include "server/poller.h"
#include "server/session.h"

enum {
	/* What one read can bring.  Larger ones gain nothing: the replies to
	 * this much fill a socket's buffer. */
	CONN_INPUT = 64 * 1024,
};

struct conn;
struct listener;

/* The connections of one thread, and what they share. */
struct conns {
	struct poller *poller;
	struct host *host;
	char *input; /* CONN_INPUT bytes, for one read at a time */
	struct hasher hasher; /* if the server has users */
	struct conn *first;
	struct conn *buried; /* closed in this turn, not freed yet */
	_Atomic unsigned count; /* of any thread; relaxed */
};

/* One that is on its way here, counted from now on by this thread, by the
 * server already; and one that never came or is gone.  Any thread. */
void conns_expect(struct conns *);
void conns_missed(struct conns *);

/* A turn begins: sets the host's time.  It ends: frees what was closed. */
void conns_tick(struct conns *);
void conns_bury(struct conns *);

/* Takes an expected socket over, and serves what it has brought; closes it if
 * there is no memory. */
void conn_open(struct conns *, int fd, const struct listener *);

/* The server ends: answers what has arrived and closes, but for those whose
 * replies are still on their way, or who wait for the verdict of a login;
 * they close after that. */
void conns_drain(struct conns *);
/* Fifty times a second after that: closes those whose clients have all their
 * replies and send no more, and those who took nothing for two seconds. */
void conns_leave(struct conns *);
void conns_close(struct conns *);
/* Those that asked nothing for longer than timeout seconds. */
void conns_close_idle(struct conns *, uint32_t timeout);
/* Steps idle streams; see host.wake(). */
void conns_wake(struct conns *);

#endif
