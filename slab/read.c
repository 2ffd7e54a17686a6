/* read.c - see cache.h: the plain read of a small item, without detours. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum {
	LINE = 64,
	LINES_MAX = 4, /* of an item; hardware fetches on from there */
};

/* ------------------------------------------------------------ ahead */

/* How many lines of the items of this batch are to be fetched: as many as the
 * first has.  Most batches are of one kind, and it is but a hint. */
static unsigned
lines_of(const struct cache *c, handle h)
{
	uint32_t lines = (slab_chunk_size(&c->slab, h) + LINE - 1) / LINE;

	return lines < LINES_MAX ? lines : LINES_MAX;
}

/* The item's lines: a hit may write the first and copies from all. */
static inline void
fetch_item(const struct cache *c, handle h, unsigned lines)
{
	const char *at = slab_at(&c->slab, h);

	__builtin_prefetch(at, 1);
	switch (lines) {
	default:
		__builtin_prefetch(at + 3 * LINE);
		/* FALLTHROUGH */
	case 3:
		__builtin_prefetch(at + 2 * LINE);
		/* FALLTHROUGH */
	case 2:
		__builtin_prefetch(at + LINE);
		/* FALLTHROUGH */
	case 1:
		break;
	}
}

/* A key whose bucket did not name it, and the cell to look at. */
struct further {
	struct cache_key *key;
	uint32_t cell;
};

static __attribute__((noinline)) void
fetch_further(const struct cache *c, const struct further *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct cache_key *k = list[i].key;
		handle h;

		k->spot = index_spot_cell(&door_shard(c, k->hash)->index,
		    k->hash, list[i].cell);
		if (k->spot != NULL && (h = index_peek(k->spot)) != 0)
			fetch_item(c, h, lines_of(c, h));
	}
}

void
cache_look_ahead(const struct cache *c, struct cache_key *keys, unsigned n)
{
	const struct index_bucket *buckets[CACHE_AHEAD];
	struct further further[CACHE_AHEAD];
	unsigned nfurther = 0, lines = 0;

	assert(n <= CACHE_AHEAD);
	for (unsigned i = 0; i < n; i++) {
		uint64_t hash = hash_key(keys[i].bytes, keys[i].nbytes,
		    c->seed);

		keys[i].hash = hash;
		buckets[i] = index_bucket(&door_shard(c, hash)->index, hash);
		__builtin_prefetch(buckets[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		struct cache_key *k = &keys[i];
		uint32_t cell;
		handle h;

		k->spot = index_spot(&c->shards[0].index, buckets[i], k->hash,
		    &cell);
		if (__builtin_expect(k->spot == NULL, 0)) {
			further[nfurther] = (struct further){ k, cell };
			nfurther += cell != 0;
			continue;
		}
		h = index_peek(k->spot);
		if (__builtin_expect(lines == 0, 0) && h != 0)
			lines = lines_of(c, h);
		fetch_item(c, h, lines);
	}
	if (nfurther != 0)
		fetch_further(c, further, nfurther);
}

/* ------------------------------------------------------------ reading */

/* These want cache_get(). */
enum { DETOUR = ITEM_STALE | ITEM_WIN_SENT | ITEM_BINARY };

/* No detour: small, alive, unmarked, and no queue to be moved in. */
static inline bool
is_plain(const struct shard *s, const struct item *it, uint32_t nkey,
    uint32_t now)
{
	uint32_t deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);

	return shard_owns(s, it, nkey, DETOUR) &&
	    (deadline == 0 || deadline > now) &&
	    !cache_is_large(nkey, it->nvalue) &&
	    !atomic_load_explicit(&s->policy->flat, memory_order_relaxed);
}

static inline void
mark_read(struct item *it, uint32_t now)
{
	lru_mark(it);
	if (it->accessed != now)
		it->accessed = now;
}

/* What a hit is told, and the value behind the key. */
static inline void
take(const struct item *it, uint32_t nkey, void *dst, struct cache_hit *hit)
{
	const char *value = (const char *)(it + 1) + nkey;

	hit->client_flags = 0;
	hit->nvalue = it->nvalue;
	hit->cas = it->cas;
	hit->deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);
	hit->accessed = it->accessed;
	hit->fetched = it->bits & ITEM_FETCHED;
	if (it->bits & ITEM_FLAGS) {
		memcpy(&hit->client_flags, value, CACHE_FLAGS_SIZE);
		value += CACHE_FLAGS_SIZE;
	}
	door_copy(dst, value, it->nvalue);
}

/* The lock is held, and let go here. */
static inline enum cache_read
read_item(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, handle h, void *dst, struct cache_hit *hit)
{
	struct item *it = slab_at(&c->slab, h);
	unsigned queue;

	take(it, k->nbytes, dst, hit);
	mark_read(it, w->now);
	queue = it->bits & ITEM_QUEUE;
	lock_release(&s->lock);
	door_count_hit(w, shard_class_of(s, h), queue);
	if (door_samples(c, k))
		tell_hit(c, k, shard_class_of(s, h), hit->nvalue,
		    hit->deadline, w->now, true);
	return CACHE_READ_HIT;
}

/* It is not where it was seen, or was not seen, or is not plain. */
static __attribute__((noinline)) enum cache_read
search(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	handle h = shard_seek(s, k);

	if (h == 0) {
		lock_release(&s->lock);
		COUNT(w, get_misses);
		if (door_samples(c, k))
			pressure_miss(&c->pressure, k->hash, w->now);
		return CACHE_READ_MISS;
	}
	if (is_plain(s, slab_at(&c->slab, h), k->nbytes, w->now))
		return read_item(c, s, w, k, h, dst, hit);
	lock_release(&s->lock);
	return CACHE_READ_ELSE;
}

enum cache_read
cache_read(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct shard *s = door_shard(c, k->hash);
	const struct item *it;
	handle h;

	flush_tick(c, w);
	lock_acquire(&s->lock);
	if (__builtin_expect(k->spot == NULL, 0))
		return search(c, s, w, k, dst, hit);
	h = *k->spot;
	it = slab_at(&c->slab, h);
	if (__builtin_expect(h == 0 || !is_plain(s, it, k->nbytes, w->now) ||
	    !shard_same_bytes((const char *)(it + 1), k->bytes, k->nbytes), 0))
		return search(c, s, w, k, dst, hit);
	return read_item(c, s, w, k, h, dst, hit);
}
