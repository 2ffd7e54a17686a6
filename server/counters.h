/*
 * counters.h - what a worker counts beside what its cache operations count
 * (slab/cache.h, struct cache_tally).
 *
 * Owns:    nothing.
 * Threads: one struct per worker, written by that worker alone with
 *          count_up(); anyone may read, relaxed, and sum.
 * Fails:   never.
 * Cost:    a load and a store.
 */
#ifndef SERVER_COUNTERS_H
#define SERVER_COUNTERS_H

#include <stdint.h>

#define COUNTERS(X)                                                           \
	X(cmd_flush)                                                          \
	X(cmd_meta)	 /* me only */                                        \
	X(auth_cmds)                                                          \
	X(auth_errors)                                                        \
	X(idle_kicks)	 /* connections closed by idle_timeout */             \
	X(bytes_read)                                                         \
	X(bytes_written)                                                      \
	X(conn_yields)	 /* a turn ended with more to read */                 \
	X(malloc_fails)                                                       \
	X(ssl_new_sessions)                                                   \
	X(ssl_handshake_errors)                                               \
	X(ssl_proto_errors) /* after the handshake */

struct counters {
#define X(name) _Atomic uint64_t name;
	COUNTERS(X)
#undef X
};

#endif
