/*
 * stream.h - a long answer, made piece by piece as the client reads it.
 *
 * A handler leaves one in its call; the session steps it whenever there is
 * room, and ends it after the last step or when the client goes away.  An
 * idle one (a watcher that has seen everything) waits for host.wake(); input
 * is thrown away meanwhile.
 *
 * Owns:    what its maker put into it, until end().
 * Threads: the session's.
 * Fails:   stream_of_bytes() returns NULL without memory.
 * Cost:    its maker's.
 */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/host.h"

enum stream_state { STREAM_DONE, STREAM_MORE, STREAM_IDLE };

struct stream {
	/* Writes at most HOST_BATCH_MAX bytes to the host's output. */
	enum stream_state (*step)(struct stream *, struct host *);
	void (*end)(struct stream *, struct host *);
};

/* These bytes, malloc()ed; freed by the stream, or at once if it is NULL. */
struct stream *stream_of_bytes(char *bytes, size_t n);

#endif
