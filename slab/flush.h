/*
 * flush.h - a flush_all whose time comes later.
 *
 * Owns:    cache.flush_at.
 * Threads: any; no lock may be held.
 * Fails:   never.
 * Cost:    one relaxed load an operation; a flush is O(shards).
 */
#ifndef SLAB_FLUSH_H
#define SLAB_FLUSH_H

#include "slab/door.h"

void flush_due(struct cache *, uint32_t now);

/* A flush whose time has come is done before anything else. */
static inline void
flush_tick(struct cache *c, const struct cache_caller *w)
{
	uint32_t at = atomic_load_explicit(&c->flush_at, memory_order_relaxed);

	if (__builtin_expect(at != 0 && w->now >= at, 0))
		flush_due(c, w->now);
}

#endif
