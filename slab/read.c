/* read.c - see cache.h: the plain read of a small item, without detours. */
#include <assert.h>

#include "slab/cache.h"
#include "slab/door.h"
#include "slab/flush.h"

enum {
	LINE = 64,
	UNIT = 4, /* where an item can begin; see arena.h */
	LINES_MAX = 4, /* of an item; hardware fetches on from there */
	CELLS = 3,     /* of a chain */
};

/* ------------------------------------------------------------ ahead */

/* How many lines of the items of this batch are to be fetched: as many as the
 * first has, wherever it begins.  Most batches are of one kind, and it is but a
 * hint. */
static unsigned
lines_of(const struct cache *c, handle h)
{
	uint32_t lines = (slab_chunk_size(&c->slab, h) + 2 * LINE -
	    UNIT - 1) / LINE;

	return lines < LINES_MAX ? lines : LINES_MAX;
}

/*
 * The item's lines: a hit may write the first and copies from all.  Only as
 * near as the second cache, where many more may be under way at once than into
 * the first.
 *
 * Always inlined: gcc takes a function that does nothing but this for one
 * without effects, and leaves out the call.
 */
__attribute__((always_inline)) static inline void
fetch_item(const struct cache *c, handle h, unsigned lines)
{
	const char *at = slab_at(&c->slab, h);

	__builtin_prefetch(at, 0, 2);
	switch (lines) {
	default:
		__builtin_prefetch(at + 3 * LINE, 0, 2);
		/* FALLTHROUGH */
	case 3:
		__builtin_prefetch(at + 2 * LINE, 0, 2);
		/* FALLTHROUGH */
	case 2:
		__builtin_prefetch(at + LINE, 0, 2);
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

/* A round for each cell of a chain: who looks without the lock may be led
 * astray, so of no more than a sane one has. */
static __attribute__((noinline)) void
fetch_further(const struct cache *c, struct further *list, unsigned n)
{
	for (unsigned round = 0; n > 0 && round < CELLS; round++) {
		unsigned left = 0;

		for (unsigned i = 0; i < n; i++) {
			struct further f = list[i];
			handle h;

			f.key->spot = index_spot_cell(&c->shards[0].index,
			    f.key->hash, &f.cell);
			if (f.key->spot == NULL) {
				list[left] = f;
				left += f.cell != 0;
			} else if ((h = index_peek(f.key->spot)) != 0) {
				fetch_item(c, h, lines_of(c, h));
			}
		}
		n = left;
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
	if (nfurther > 0)
		fetch_further(c, further, nfurther);
}

/* ------------------------------------------------------------ marking */

static inline bool
is_marked(uint32_t first, uint32_t accessed, uint32_t now)
{
	const uint32_t both = item_word(0, 0, 0, ITEM_FETCHED | ITEM_ACTIVE);

	return (first & both) == both && accessed == now;
}

/* As any other hit; but the item may be gone. */
static void
mark_locked(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, handle h)
{
	struct lru_scene scene = shard_scene(s, w->now);

	lock_acquire(&s->lock);
	if (*k->spot == h)
		lru_hit(&s->lru[shard_class_of(s, h)], &scene, h,
		    slab_at(&c->slab, h));
	lock_release(&s->lock);
}

/* The item seemed to be what first says, when the shard's version was seen; see
 * readers.h for why it may be something else by now.  false: try otherwise. */
DOOR_RACES static bool
mark_unlocked(struct shard *s, const struct cache_caller *w, struct item *it,
    uint32_t first, uint64_t seen)
{
	uint32_t bits = first / item_word(0, 0, 0, 1) & 0xff, marked, old;
	bool unmoved;

	marked = (first & ~item_word(0, 0, 0, 0xff)) |
	    item_word(0, 0, 0, lru_marked(bits));
	readers_enter(w->reader);
	unmoved = lock_unmoved(&s->lock, seen);
	if (unmoved) {
		old = first;
		if (marked != first)
			__atomic_compare_exchange_n(
			    (uint32_t *)(void *)it, &old, marked, false,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		if (old == first)
			__atomic_store_n(&it->accessed, w->now,
			    __ATOMIC_RELAXED);
	}
	readers_leave(w->reader);
	return unmoved;
}

static __attribute__((noinline)) void
mark(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, handle h, uint32_t first, uint64_t seen)
{
	/* In flat mode marks are places in a queue. */
	if (w->reader == NULL ||
	    atomic_load_explicit(&s->policy->flat, memory_order_relaxed) ||
	    !mark_unlocked(s, w, slab_at(&c->slab, h), first, seen))
		mark_locked(c, s, w, k, h);
}

/* ------------------------------------------------------------ reading */

/* These want cache_get(). */
enum { DETOUR = ITEM_STALE | ITEM_WIN_SENT | ITEM_BINARY };

/* What a hit is told, and the value behind the key.  cas, deadline, accessed
 * and nvalue are those of the header that was looked at. */
__attribute__((always_inline)) static inline void
take(const struct item *it, uint32_t nkey, uint32_t first, void *dst,
    struct cache_hit *hit)
{
	const char *value = (const char *)(it + 1) + nkey;

	hit->client_flags = 0;
	hit->fetched = first & item_word(0, 0, 0, ITEM_FETCHED);
	if (first & item_word(0, 0, 0, ITEM_FLAGS)) {
		memcpy(&hit->client_flags, value, CACHE_FLAGS_SIZE);
		value += CACHE_FLAGS_SIZE;
	}
	door_copy_racing(dst, value, hit->nvalue);
}

/* The rest of the header. */
__attribute__((always_inline)) static inline void
look_at(const struct item *it, struct cache_hit *hit)
{
	hit->nvalue = __atomic_load_n(&it->nvalue, __ATOMIC_RELAXED);
	hit->cas = it->cas; /* too wide for an atomic where it stands */
	hit->deadline = atomic_load_explicit(&it->deadline,
	    memory_order_relaxed);
	hit->accessed = __atomic_load_n(&it->accessed, __ATOMIC_RELAXED);
}

__attribute__((always_inline)) static inline bool
is_plain(const struct cache_hit *hit, uint32_t nkey, uint32_t now)
{
	return (hit->deadline == 0 || hit->deadline > now) &&
	    !cache_is_large(nkey, hit->nvalue);
}

/* Under the lock: it is not where it was seen, or was not seen, or is not
 * plain, or somebody was changing something. */
static __attribute__((noinline)) enum cache_read
search(struct cache *c, struct shard *s, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct lru_scene scene = shard_scene(s, w->now);
	enum cache_read found = CACHE_READ_ELSE;
	unsigned class_id = 0;
	struct item *it;
	handle h;

	lock_acquire(&s->lock);
	h = shard_seek(s, k);
	it = slab_at(&c->slab, h);
	if (h == 0) {
		found = CACHE_READ_MISS;
		COUNT(w, get_misses);
	} else if (shard_owns(s, it, k->nbytes, DETOUR)) {
		look_at(it, hit);
		if (is_plain(hit, k->nbytes, w->now)) {
			found = CACHE_READ_HIT;
			class_id = shard_class_of(s, h);
			take(it, k->nbytes, item_first(it), dst, hit);
			door_count_hit(w, class_id, it->bits & ITEM_QUEUE);
			lru_hit(&s->lru[class_id], &scene, h, it);
		}
	}
	lock_release(&s->lock);
	if (door_samples(c, k) && found == CACHE_READ_HIT)
		tell_hit(c, k, class_id, hit->nvalue, hit->deadline, w->now,
		    true);
	else if (door_samples(c, k) && found == CACHE_READ_MISS)
		pressure_miss(&c->pressure, k->hash, w->now);
	return found;
}

/*
 * Without the lock, from where look-ahead saw the item.  Nothing that is read
 * is believed before lock_unmoved() has said so: first of the lengths, so that
 * key and value lie within the chunk, then of all.  Races by intent.
 */
DOOR_RACES enum cache_read
cache_read(struct cache *c, const struct cache_caller *w,
    const struct cache_key *k, void *dst, struct cache_hit *hit)
{
	struct shard *s = door_shard(c, k->hash);
	uint64_t seen = lock_glance(&s->lock);
	uint32_t first;
	struct item *it;
	handle h;

	flush_tick(c, w);
	if (__builtin_expect(k->spot == NULL || !lock_is_quiet(seen), 0))
		return search(c, s, w, k, dst, hit);
	h = __atomic_load_n(k->spot, __ATOMIC_RELAXED);
	it = slab_at(&c->slab, h);
	first = item_first(it);
	look_at(it, hit);
	if (__builtin_expect(!shard_owns_first(s, first, k->nbytes, DETOUR) ||
	    !is_plain(hit, k->nbytes, w->now) ||
	    !lock_unmoved(&s->lock, seen) ||
	    !shard_same_bytes((const char *)(it + 1), k->bytes, k->nbytes), 0))
		return search(c, s, w, k, dst, hit);
	take(it, k->nbytes, first, dst, hit);
	if (__builtin_expect(!lock_unmoved(&s->lock, seen), 0))
		return search(c, s, w, k, dst, hit);
	door_count_hit(w, shard_class_of(s, h),
	    first / item_word(0, 0, 0, 1) & ITEM_QUEUE);
	if (__builtin_expect(!is_marked(first, hit->accessed, w->now), 0))
		mark(c, s, w, k, h, first, seen);
	if (door_samples(c, k))
		tell_hit(c, k, shard_class_of(s, h), hit->nvalue,
		    hit->deadline, w->now, true);
	return CACHE_READ_HIT;
}
