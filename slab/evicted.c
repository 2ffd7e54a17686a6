/* evicted.c - see evicted.h and cache.h: evictions, for who watches. */
#include "slab/evicted.h"

#include <stdlib.h>

#include "slab/door.h"

bool
cache_watch_evictions(struct cache *c, bool on)
{
	bool all = true;

	for (unsigned i = 0; i < c->nshards; i++) {
		struct shard *s = &c->shards[i];
		struct evicted *made = on ? calloc(1, sizeof(*made)) : NULL;
		struct evicted *old;

		lock_acquire(&s->lock);
		old = s->evicted;
		if (!on || old == NULL) {
			s->evicted = made;
			made = NULL;
		} else {
			old = NULL;
		}
		all &= !on || s->evicted != NULL;
		lock_release(&s->lock);
		free(made);
		free(old);
	}
	return all;
}

size_t
cache_take_evicted(struct cache *c, struct cache_listed *list, size_t max,
    uint64_t *lost)
{
	size_t got = 0;

	for (unsigned i = 0; i < c->nshards && got < max; i++) {
		struct shard *s = &c->shards[i];
		struct evicted *e;

		lock_acquire(&s->lock);
		e = s->evicted;
		while (e != NULL && e->used > 0 && got < max) {
			list[got++] = e->ring[e->head];
			e->head = (e->head + 1) % EVICTED_RING;
			e->used--;
		}
		if (e != NULL) {
			*lost += e->lost;
			e->lost = 0;
		}
		lock_release(&s->lock);
	}
	return got;
}
