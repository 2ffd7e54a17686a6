/*
 * session.h - one conversation: bytes in, replies out, no sockets.
 *
 *      HEAD ──a large value follows──▶ VALUE ──last byte──▶ HEAD
 *       ├────refused, bytes to skip──▶ SKIP ───last byte──▶ HEAD
 *       └────a long answer──▶ (stream) ──its last line────▶ HEAD
 *
 *      HEAD  -> VALUE  [begin_value]     VALUE -> HEAD  [end_value]
 *      HEAD  -> SKIP   [begin_skip]      SKIP  -> HEAD  [end_skip]
 *      VALUE -> SKIP   never: a value that is refused is refused at its head
 *
 * Where clients have to log in (login.h), HEAD serves nothing else until they
 * have.  A password is not checked here: the session says WAIT meanwhile.
 *
 * session_run() takes the input that has arrived, serves as many requests as
 * it holds, a batch at a time, and leaves the replies in the host's output.
 * A large value may instead be read straight into its item: session_sink()
 * says where, session_sunk() how much.
 *
 * Owns:    while in VALUE or SKIP, a copy of the request's head, and the
 *          reserved item; the stream.  Idle, nothing.
 * Threads: the host's.
 * Fails:   by replies and by the verdicts CLOSE and DROP.
 * Cost:    see BUDGETS of bench/README.md; no malloc but for large values and
 *          long answers.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include <sys/uio.h>

#include "proto/proto.h"
#include "server/host.h"
#include "server/stream.h"

struct attempt;
struct login;
struct user;

enum session_phase { SESSION_HEAD, SESSION_VALUE, SESSION_SKIP };

enum session_verdict {
	SESSION_MORE,  /* all that could be served was; pass on what was not
			  used, with more behind it */
	SESSION_FULL,  /* the output must be sent first, or others may want
			  their turn; then call again */
	SESSION_CLOSE, /* send the output, then close */
	SESSION_DROP,  /* close at once, the output is not for sending */
	SESSION_WAIT,  /* send the output, have session_attempt() worked on,
			  then session_resume() and call again */
};

struct session {
	struct parser parser;
	uint8_t phase; /* enum session_phase; one writer: enter() */
	bool closing;  /* quit: nothing more is served */
	bool fresh;    /* nothing was served since the last read */
	uint16_t lead; /* see struct call */
	int fd;		    /* of the socket, -1 without: only to be named
			  to watchers and by stats conns */
	uint32_t served;    /* requests of this run */
	struct held *held;  /* VALUE, SKIP */
	struct stream *stream;
	struct login *login;	 /* NULL: nobody has to log in */
	const struct user *user; /* whom something is forbidden to, or NULL */
	bool waiting;		 /* for what becomes of an attempt */
	bool wants_value; /* of the request that begins what was not used */
};

void session_init(struct session *, enum proto_name);
/* Before the first byte: the client has to log in.  Takes the login over. */
void session_guard(struct session *, struct login *);
/* The client is gone. */
void session_fini(struct session *, struct host *);

enum session_verdict session_run(struct session *, struct host *,
    const char *in, size_t n, size_t *used);

/* What comes next may hold a password. */
bool session_is_private(const struct session *);

/* In WAIT: what is to be worked on (auth.h), the caller's from now on; and,
 * when that is done, back. */
struct attempt *session_attempt(struct session *);
void session_resume(struct session *, struct host *, struct attempt *);

/* In VALUE, and bytes of it are to come. */
bool session_sinks(const struct session *);
/* In VALUE: where the next bytes of the value go, at most max vectors; 0
 * otherwise.  Then say how many bytes came. */
unsigned session_sink(struct session *, struct host *, struct iovec *,
    unsigned max);
void session_sunk(struct session *, struct host *, size_t n);

#endif
