/*
 * host.h - what a session needs of the thread that it runs on.
 *
 * A worker has one host; so has a test, a fuzzer or the engine benchmark,
 * which is how sessions run without a socket.
 *
 * Owns:    the output, the batch and its scratch space.
 * Threads: its own only, but for the counters and the tally, which anyone may
 *          read.
 * Fails:   host_new() returns NULL without memory.
 * Cost:    about 500 KiB of address space, touched as used.
 */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/plain.h"
#include "server/counters.h"
#include "server/output.h"
#include "server/server.h"
#include "slab/cache.h"

enum {
	/* Requests looked at ahead: their memory latencies overlap.  A multiget
	 * of 50 keys is one batch (against 32: a tenth less time a key). */
	HOST_BATCH = CACHE_AHEAD,
	/* A batch never stops half way for want of room: each of its replies
	 * is at most a head, a small value and a tail; and the guess of where
	 * the value goes is at most a key too far. */
	HOST_REPLY_MAX = PROTO_REPLY_MAX + CACHE_KEY_MAX + CACHE_SMALL_MAX + 64,
	HOST_BATCH_MAX = HOST_BATCH * HOST_REPLY_MAX,
	HOST_OUTPUT = HOST_BATCH_MAX + 64 * 1024,
};

_Static_assert((int)HOST_BATCH <= (int)OUTPUT_PINS,
    "a batch of large values fits");

struct host {
	struct server *server;
	struct cache *cache;
	struct cache_caller caller; /* .now is set by whoever runs sessions */
	struct output *out;
	uint32_t turn; /* requests after which others have their turn; 0 = all
			  that came */
	uint32_t batch_most; /* HOST_BATCH, if a turn has as many */
	unsigned handshakes; /* steps of them since the thread last looked who
				is there; see tls.h */
	/* Any thread: have the idle streams of this host's sessions stepped
	 * soon.  NULL where nobody listens. */
	void (*wake)(struct host *);
	void *waker; /* the worker, for wake() */
	struct request batch[HOST_BATCH];
	struct cache_key keys[HOST_BATCH];
	struct plain_keys places; /* theirs */
	struct cache_frame frames[PLAIN_FORMS]; /* as the last hits were */
	char scratch[HOST_BATCH][PROTO_SCRATCH];
	struct counters counters;
	struct cache_tally tally;
};

struct host *host_new(struct server *);
void host_free(struct host **);

/* Random bytes for seeds. */
void host_random(void *bytes, size_t n);

#endif
