/*
 * evicted.h - what a shard evicted, until somebody who watches takes it.
 *
 * Owns:    a ring of copies; made only while evictions are watched.
 * Threads: the caller holds the shard's lock.
 * Fails:   evicted_slot() returns NULL when the ring is full; counted as lost.
 * Cost:    nothing unwatched but a look at a pointer for each eviction.
 */
#ifndef SLAB_EVICTED_H
#define SLAB_EVICTED_H

#include <stddef.h>
#include <stdint.h>

#include "slab/cache.h"

enum { EVICTED_RING = 32 };

struct evicted {
	uint32_t head, used;
	uint64_t lost;
	struct cache_listed ring[EVICTED_RING];
};

/* Where the next one is to be described. */
static inline struct cache_listed *
evicted_slot(struct evicted *e)
{
	if (e->used == EVICTED_RING) {
		e->lost++;
		return NULL;
	}
	return &e->ring[(e->head + e->used++) % EVICTED_RING];
}

#endif
