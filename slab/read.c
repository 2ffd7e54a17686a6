/* read.c - see cache.h: the plain read of a small item, without detours. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum {
	LINE = 64,
	AHEAD = 4 * LINE, /* of an item; hardware fetches on from there */
};

/* The item's lines: a hit writes the first and copies from all. */
static inline void
fetch_item(const struct cache *c, handle h)
{
	const char *at = slab_at(&c->slab, h);
	uint32_t size = slab_chunk_size(&c->slab, h);

	__builtin_prefetch(at, 1);
	for (uint32_t i = LINE; i < AHEAD && i < size; i += LINE)
		__builtin_prefetch(at + i);
	if (size < AHEAD)
		__builtin_prefetch(at + size - 1);
}

/* Of those whose bucket did not name them. */
static __attribute__((noinline)) void
fetch_further(const struct cache *c, const struct cache_key *keys, unsigned n,
    const uint32_t *cells)
{
	for (unsigned i = 0; i < n; i++) {
		const struct index *ix = &door_shard(c, keys[i].hash)->index;
		handle h;

		if (cells[i] == 0)
			continue;
		h = index_peek_cell(ix, keys[i].hash, cells[i]);
		if (h != 0)
			fetch_item(c, h);
	}
}

static inline void
fetch_items(const struct cache *c, const struct cache_key *keys, unsigned n)
{
	uint32_t cells[CACHE_AHEAD], any = 0;

	for (unsigned i = 0; i < n; i++) {
		handle h = index_peek(&door_shard(c, keys[i].hash)->index,
		    keys[i].hash, &cells[i]);

		any |= cells[i];
		if (h != 0)
			fetch_item(c, h);
	}
	if (any != 0)
		fetch_further(c, keys, n, cells);
}

void
cache_look_ahead(const struct cache *c, struct cache_key *keys, unsigned n)
{
	assert(n <= CACHE_AHEAD);
	for (unsigned i = 0; i < n; i++) {
		uint64_t hash = hash_key(keys[i].bytes, keys[i].nbytes,
		    c->seed);

		keys[i].hash = hash;
		index_prefetch(&door_shard(c, hash)->index, hash);
	}
	/* With one key there is nothing to overlap its misses with. */
	if (n > 1)
		fetch_items(c, keys, n);
}

/* No detour: small, alive, unmarked, and no queue to be moved in. */
static inline bool
is_plain(const struct shard *s, struct item *it, uint32_t room, uint32_t now)
{
	return !shard_is_dead(s, it, now) &&
	    !(it->bits & (ITEM_STALE | ITEM_WIN_SENT | ITEM_BINARY)) &&
	    it->nvalue <= room && !item_is_large(it) &&
	    !atomic_load_explicit(&s->policy->flat, memory_order_relaxed);
}

static inline void
mark_read(struct item *it, uint32_t now)
{
	lru_mark(it);
	if (it->accessed != now)
		it->accessed = now;
}

static inline void
count_hit(const struct cache_caller *w, unsigned class_id, unsigned queue)
{
	struct cache_class_tally *t = &w->tally->of_class[class_id];

	COUNT(w, cmd_get);
	door_count(&t->get_hits);
	/* hits_to_hot, _warm, _cold, _temp: the order of the queues. */
	door_count(&t->hits_to_hot + queue);
}

enum cache_read
cache_read(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, void *dst, uint32_t room, struct cache_hit *hit)
{
	struct shard *s = door_shard(c, k->hash);
	unsigned class_id, queue;
	struct item *it;
	handle h;

	flush_tick(c, w);
	lock_acquire(&s->lock);
	h = shard_seek(s, k);
	if (h == 0) {
		lock_release(&s->lock);
		COUNT(w, cmd_get);
		COUNT(w, get_misses);
		return CACHE_READ_MISS;
	}
	it = slab_at(&c->slab, h);
	if (__builtin_expect(!is_plain(s, it, room, w->now), 0)) {
		lock_release(&s->lock);
		return CACHE_READ_ELSE;
	}
	hit->client_flags = item_client_flags(it);
	hit->nvalue = it->nvalue;
	hit->cas = it->cas;
	hit->deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);
	hit->accessed = it->accessed;
	hit->fetched = it->bits & ITEM_FETCHED;
	door_copy(dst, item_value(it), it->nvalue);
	mark_read(it, w->now);
	class_id = shard_class_of(s, h);
	queue = it->bits & ITEM_QUEUE;
	lock_release(&s->lock);
	count_hit(w, class_id, queue);
	return CACHE_READ_HIT;
}
