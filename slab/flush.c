/* flush.c - see cache.h: everything at once. */
#include <limits.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum { MOST = 1024 }; /* items taken away at a time, if any must be */

bool
cache_flush_step(struct cache *c, const struct cache_caller *w,
    unsigned *shard)
{
	unsigned most = MOST;

	if (*shard == 0) {
		flush_tick(c, w);
		atomic_store_explicit(&c->flush_at, 0, memory_order_relaxed);
	}
	while (*shard < c->nshards) {
		struct shard *s = &c->shards[*shard];
		bool done;

		lock_acquire(&s->lock);
		done = shard_flush(s, &most);
		lock_release(&s->lock);
		if (!done)
			return false;
		++*shard;
	}
	pressure_flushed(&c->pressure);
	return true;
}

static void
flush_all(struct cache *c)
{
	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];
		unsigned most = UINT_MAX;

		lock_acquire(&s->lock);
		shard_flush(s, &most);
		lock_release(&s->lock);
	}
	pressure_flushed(&c->pressure);
}

void
flush_due(struct cache *c, uint32_t now)
{
	uint32_t at = atomic_load_explicit(&c->flush_at, memory_order_relaxed);

	/* Of several who see that it is due, one does it. */
	if (at != 0 && now >= at &&
	    atomic_compare_exchange_strong_explicit(&c->flush_at, &at, 0,
	    memory_order_relaxed, memory_order_relaxed))
		flush_all(c);
}

void
cache_flush(struct cache *c, const struct cache_caller *w, uint32_t at)
{
	flush_tick(c, w);
	if (at > w->now) {
		atomic_store_explicit(&c->flush_at, at, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&c->flush_at, 0, memory_order_relaxed);
	flush_all(c);
}
